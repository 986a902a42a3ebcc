// Asks for a token. It goes into the body of one request and is nowhere after that.

import { ask } from './api.js';
import { h, show } from './dom.js';

/** Shows the form; calls `entered({name, role})` when poold took the token. */
export function login(main, entered) {
  const field = h('input', { id: 'token', type: 'password', autocomplete: 'off', required: true, spellcheck: 'false', 'aria-describedby': 'token-hint token-error' });
  const error = h('p', { id: 'token-error', class: 'error', role: 'alert' });
  const button = h('button', { type: 'submit', class: 'primary' }, 'Log in');
  const form = h('form', { class: 'card login' },
    h('h1', {}, 'Log in'),
    h('p', {}, 'This pool is open to those who have a token.'),
    h('label', { for: 'token' }, 'Token'),
    field,
    h('p', { id: 'token-hint', class: 'hint' }, 'On the machine of poold, ', h('code', {}, 'poold token create NAME --role ROLE'), ' makes one. It is not kept by this page.'),
    error,
    button);
  form.onsubmit = async (event) => {
    event.preventDefault();
    const token = field.value.trim();
    field.value = '';
    button.disabled = true;
    show(error);
    try {
      const response = await ask('/v1/session', { method: 'POST', body: { token } });
      entered(await response.json());
    } catch (problem) {
      show(error, problem.status === 401 ? 'This token is not valid, or not any longer.' : problem.message);
      button.disabled = false;
      field.focus();
    }
  };
  main.replaceChildren(form);
  field.focus();
}
