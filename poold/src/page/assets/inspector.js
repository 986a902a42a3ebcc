// One worker in short, beside the tiles.

import { instanceActions } from './actions.js';
import { Board, idleFor, inOrder } from './board.js';
import { bdi, h, show } from './dom.js';
import { price, resources, time } from './format.js';
import { tick } from './hold-offs.js';
import { WORKER_MEANING, workerBadges } from './marks.js';
import { on, store } from './store.js';

/** What a row says, as a list of terms. */
export function workerFacts(row) {
  const fact = (term, ...value) => [h('dt', {}, term), h('dd', {}, ...value)];
  return h('dl', { class: 'facts' },
    fact('State', workerBadges(row), h('span', { class: 'hint' }, WORKER_MEANING[row.worker_state] ?? '')),
    row.reason && fact('Why', bdi(row.reason)),
    fact('Runs', row.running_jobs.length === 0 ? 'nothing' : row.running_jobs.slice(0, 20).map((id) => [jobLink(id), ' ']),
      row.running_jobs.length > 20 && `and ${row.running_jobs.length - 20} more`),
    row.running_jobs.length > 0 && fact('Reserved', resources(row.reserved)),
    row.idle_since && fact('Idle for', idleFor(row)),
    row.last_job && fact('Last job', jobLink(row.last_job)),
    fact('Type', bdi(row.instance_type), ' ', h('span', { class: 'hint' }, bdi(row.provider_type))),
    row.placement && fact('Placement', bdi(row.placement)),
    row.address && fact('Address', bdi(row.address)),
    fact('Price', row.price === null ? 'unknown: its type is not configured' : `${price(row.price)} an hour`),
    row.created_at && fact('Created', time(row.created_at)));
}

/** A job's name that leads to it. */
export function jobLink(id) {
  return h('a', { href: `#/jobs/${encodeURIComponent(id)}` }, bdi(id));
}

/** An instance's name that leads to it. */
export function instanceLink(id) {
  return h('a', { href: `#/instances/${encodeURIComponent(id)}` }, bdi(id));
}

/** The tiles with what is known of the one that is chosen. `fits(row)`: which are shown; `told(rows)`: these are. */
export function boardWithInspector({ fits = () => true, told = () => {} } = {}) {
  const panel = h('aside', { class: 'inspector card', 'aria-label': 'The worker that is chosen', hidden: true });
  const board = new Board(() => inspect(), () => panel.querySelector('a, button')?.focus());
  const nothing = h('p', { class: 'empty', hidden: true });

  function inspect() {
    const row = board.chosen;
    panel.hidden = !row;
    if (!row) return;
    show(panel,
      h('div', { class: 'card-head', 'data-key': 'head' }, h('h2', {}, row.id ? instanceLink(row.id) : 'Being created'), h('span', { class: 'push' }),
        h('button', { type: 'button', class: 'quiet', onclick: close }, 'Close')),
      instanceActions(row),
      workerFacts(row));
  }
  function close() {
    board.forget();
    panel.hidden = true;
    board.scroller.focus();
  }
  panel.addEventListener('keydown', (event) => event.key === 'Escape' && close());

  function update() {
    const all = [...store.instances.values(), ...store.creating];
    const rows = inOrder(all.filter(fits));
    board.set(rows);
    nothing.hidden = rows.length > 0;
    board.element.hidden = rows.length === 0;
    show(nothing, !store.instancesKnown ? 'The workers are being read.' : all.length === 0 ? 'There are no workers now.' : 'No worker fits the filter.');
    told(rows);
    inspect();
  }
  const ends = [on('instances', update), tick(() => { board.plan(); inspect(); }), board.close];
  const element = h('div', { class: 'board-and-inspector' }, h('div', {}, nothing, board.element), panel);
  return { element, update, board, close: () => ends.forEach((end) => end()) };
}
