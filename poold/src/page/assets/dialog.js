// Asks before something is done. Escape and the button beside it do nothing.

import { h, show } from './dom.js';

/** Longest reason that poold takes, in bytes. */
const MAX_REASON = 1000;

/**
 * Shows a question with a field, and calls `act(value)` when it is confirmed; a failure of that is shown in the dialog.
 * Resolves with true when it was done, false when not.
 */
export function askFor({ title, text, label, value = '', hint, action, danger = false, number = false, check, act }) {
  const id = 'dialog-field';
  const field = number
    ? h('input', { id, type: 'number', min: 0, step: 1, required: true, value })
    : h('input', { id, type: 'text', maxlength: MAX_REASON, autocomplete: 'off', spellcheck: 'true', value });
  field.setAttribute('aria-describedby', 'dialog-hint dialog-error');
  const error = h('p', { id: 'dialog-error', class: 'error', role: 'alert' });
  const confirm = h('button', { type: 'submit', class: danger ? 'danger' : 'primary' }, action);
  const cancel = h('button', { type: 'button' }, 'Leave it');
  const form = h('form', {},
    h('h2', { id: 'dialog-title' }, title),
    h('p', {}, text),
    h('label', { for: id }, label),
    field,
    h('p', { id: 'dialog-hint', class: 'hint' }, hint),
    error,
    h('div', { class: 'buttons' }, cancel, confirm));
  const dialog = h('dialog', { 'aria-labelledby': 'dialog-title' }, form);
  const before = document.activeElement;
  document.body.append(dialog);
  return new Promise((resolve) => {
    let done = false;
    cancel.onclick = () => dialog.close();
    dialog.addEventListener('close', () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(done);
    });
    form.onsubmit = async (event) => {
      event.preventDefault();
      const given = number ? Number(field.value) : field.value.trim();
      const wrong = check?.(given);
      if (wrong) {
        show(error, wrong);
        return;
      }
      confirm.disabled = true;
      show(error);
      try {
        await act(given);
        done = true;
        dialog.close();
      } catch (problem) {
        show(error, problem.message, ...(problem.fields ?? []).map(({ field: name, problem: what }) => ` ${name}: ${what}`));
        confirm.disabled = false;
      }
    };
    dialog.showModal();
    field.focus();
    field.select();
  });
}

/** What is wrong with a reason; nothing: it can be left out. */
export function checkReason(reason) {
  return new TextEncoder().encode(reason).length > MAX_REASON ? `at most ${MAX_REASON} bytes` : null;
}
