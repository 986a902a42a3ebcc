// All workers, as tiles and as a list, with a filter.

import { instanceActions } from './actions.js';
import { doing } from './board.js';
import { bdi, cell, h, setText, show } from './dom.js';
import { count, counted, price } from './format.js';
import { boardWithInspector, instanceLink, jobLink } from './inspector.js';
import { WORKER_STATES, workerBadges } from './marks.js';
import { on, store } from './store.js';
import { legend } from './view-overview.js';

/** Rows of one page of the list. */
const PAGE = 50;

const OTHERS = [['held', 'held'], ['draining', 'draining'], ['trouble', 'with trouble']];

/** Shows them; returns how to end that. */
export function workers(main, query, setQuery) {
  let page = 0;
  let rows = [];
  const text = h('input', { type: 'search', id: 'worker-text', value: query.get('text') ?? '', autocomplete: 'off', placeholder: 'id, address, placement, job' });
  const state = h('select', { id: 'worker-state' });
  const type = h('select', { id: 'worker-type' });
  const found = h('p', { class: 'hint', role: 'status' });
  const list = h('div', { class: 'scroll' });
  const pager = h('nav', { class: 'pager', 'aria-label': 'Pages of the list' });

  const filter = { state: query.get('state') ?? '', type: query.get('type') ?? '', text: query.get('text') ?? '' };
  const board = boardWithInspector({ fits: (row) => fits(row, filter), told: (now) => { rows = now; showList(); } });
  function changed() {
    Object.assign(filter, { state: state.value, type: type.value, text: text.value.trim() });
    page = 0;
    setQuery(Object.fromEntries(Object.entries(filter).filter(([, value]) => value)));
    board.update();
  }
  text.oninput = changed;
  state.onchange = changed;
  type.onchange = changed;

  main.replaceChildren(
    h('h1', {}, 'Workers'),
    h('form', { class: 'filters card', role: 'search', 'aria-label': 'Which workers', onsubmit: (event) => event.preventDefault() },
      h('div', { class: 'field' }, h('label', { for: 'worker-state' }, 'State'), state),
      h('div', { class: 'field' }, h('label', { for: 'worker-type' }, 'Type'), type),
      h('div', { class: 'field wide-field' }, h('label', { for: 'worker-text' }, 'Text'), text),
      found),
    h('section', { class: 'card', 'aria-label': 'Tiles' }, legend(), board.element),
    h('section', { class: 'card', 'aria-labelledby': 'list-title' }, h('div', { class: 'card-head' }, h('h2', { id: 'list-title' }, 'List')), list, pager));

  function options() {
    show(state, option('', 'all', filter.state), WORKER_STATES.map((name) => option(name, name, filter.state)),
      OTHERS.map(([value, word]) => option(value, word, filter.state)));
    const names = new Set([...store.types.map(({ name }) => name), ...[...store.instances.values(), ...store.creating].map((row) => row.instance_type)]);
    if (filter.type) names.add(filter.type);
    show(type, option('', 'all', filter.type), [...names].sort().map((name) => option(name, name, filter.type)));
  }

  function showList() {
    const all = store.instances.size + store.creating.length;
    setText(found, rows.length === all ? counted(all, 'worker') : `${count(rows.length)} of ${counted(all, 'worker')}`);
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    page = Math.min(page, pages - 1);
    show(list, rows.length > 0 && table(rows.slice(page * PAGE, (page + 1) * PAGE)));
    const go = (to) => () => { page = to; showList(); };
    show(pager, pages > 1 && [
      h('button', { type: 'button', 'data-key': 'before', disabled: page === 0, onclick: go(page - 1) }, 'Before'),
      h('span', { 'data-key': 'where' }, `${count(page + 1)} of ${count(pages)}`),
      h('button', { type: 'button', 'data-key': 'next', disabled: page === pages - 1, onclick: go(page + 1) }, 'Next'),
    ]);
  }
  const ends = [on('types', options), board.close];
  options();
  board.update();
  return () => ends.forEach((end) => end());
}

function option(value, word, chosen) {
  return h('option', { value, selected: value === chosen }, word);
}

function fits(row, { state, type, text }) {
  if (type && row.instance_type !== type) return false;
  if (state === 'held' ? row.idle_behavior !== 'hold'
    : state === 'draining' ? row.idle_behavior !== 'drain'
      : state === 'trouble' ? !row.reason || row.worker_state === 'shutdown'
        : state && row.worker_state !== state) return false;
  if (!text) return true;
  const sought = text.toLowerCase();
  const has = (value) => value !== null && value !== undefined && value.toLowerCase().includes(sought);
  return has(row.id) || has(row.address) || has(row.placement) || has(row.instance_type) || row.running_jobs.some(has) || has(row.reason);
}

function table(rows) {
  return h('table', { class: 'cards' },
    h('caption', { class: 'only-read' }, 'Workers'),
    h('thead', {}, h('tr', {}, ['Instance', 'State', 'Does', 'Type', 'Placement', 'Price an hour', 'Actions'].map((title) => h('th', { scope: 'col' }, title)))),
    h('tbody', {}, rows.map((row) => h('tr', { 'data-key': row.id ?? row.key },
      h('th', { scope: 'row' }, row.id ? instanceLink(row.id) : 'being created'),
      cell('State', workerBadges(row)),
      cell('Does', row.running_jobs.length === 1 ? jobLink(row.running_jobs[0]) : doing(row)),
      cell('Type', bdi(row.instance_type)),
      cell('Placement', row.placement && bdi(row.placement)),
      cell('Price an hour', price(row.price)),
      h('td', { 'data-label': 'Actions', class: 'act' }, instanceActions(row))))));
}
