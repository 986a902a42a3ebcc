// What the cloud has refused, and until when that counts.

import { serverNow } from './api.js';
import { bdi, cell, h, show } from './dom.js';
import { count, duration, time } from './format.js';
import { badge } from './marks.js';
import { on, store } from './store.js';

const KINDS = {
  quota: ['hold', 'quota'],
  capacity: ['unknown', 'no capacity'],
  rate_limit: ['booting', 'rate limit'],
};

/** The kind of a hold-off. */
export function holdOffKind({ kind }) {
  return badge(...(KINDS[kind] ?? ['unknown', kind]));
}

/** When it ends, counted down. */
export function holdOffEnd({ until, until_fewer_than: fewer }) {
  const parts = [];
  if (until) {
    const left = (Date.parse(until) - serverNow()) / 1000;
    parts.push(left >= 1 ? `for ${duration(left)}` : 'about to end');
  }
  if (fewer !== null && fewer !== undefined) parts.push(`until there are fewer than ${count(fewer)} instances`);
  return parts.join(', or ') || 'until the cloud takes one again';
}

/** Calls `update` each second. Returns how to end that. */
export function tick(update) {
  const timer = setInterval(() => document.hidden || update(), 1000);
  return () => clearInterval(timer);
}

/** The page of hold-offs; returns how to end it. */
export function holdOffs(main) {
  const list = h('div', { class: 'card' });
  main.replaceChildren(
    h('h1', {}, 'Hold-offs'),
    h('p', { class: 'lead' }, 'What the cloud has refused is not asked for again before its hold-off ends.'),
    list);
  const update = () => show(list, table());
  const ends = [on('hold-offs', update), on('failures', update), tick(update)];
  update();
  return () => ends.forEach((end) => end());
}

function table() {
  if (store.failures.has('/v1/hold-offs')) return h('p', { class: 'error' }, `They could not be read: ${store.failures.get('/v1/hold-offs')}`);
  if (store.holdOffs.length === 0) return h('p', { class: 'empty' }, 'None: the cloud refuses nothing now.');
  return h('div', { class: 'scroll' }, h('table', { class: 'cards' },
    h('caption', { class: 'only-read' }, 'Hold-offs'),
    h('thead', {}, h('tr', {}, ['Kind', 'What is held off', 'Types', 'Holds', 'Ends'].map((title) => h('th', { scope: 'col' }, title)))),
    h('tbody', {}, store.holdOffs.map((holdOff) => h('tr', {},
      cell('Kind', holdOffKind(holdOff)),
      cell('What is held off', [bdi(holdOff.covers), holdOff.operation && [' ', h('span', { class: 'hint' }, bdi(holdOff.operation))]], { class: 'text' }),
      cell('Types', holdOff.types.length === 0 ? 'all' : holdOff.types.map((name, i) => [i > 0 && ', ', bdi(name)])),
      cell('Holds', holdOffEnd(holdOff), { class: 'countdown' }),
      cell('Ends', holdOff.until && time(holdOff.until)))))));
}
