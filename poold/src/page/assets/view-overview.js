// The pool at a glance.

import { getJson, serverNow } from './api.js';
import { Chart } from './chart.js';
import { bdi, cell, h, show } from './dom.js';
import { bytes, count, duration, price, time } from './format.js';
import { holdOffEnd, holdOffKind, tick } from './hold-offs.js';
import { boardWithInspector } from './inspector.js';
import { JOB_STATES, WORKER_STATES, badge, mark } from './marks.js';
import { on, store } from './store.js';
import { waitingSummary } from './waiting.js';

const RANGES = [[3600, '1 h'], [6 * 3600, '6 h'], [24 * 3600, '24 h']];
/** Between two readings of the series. */
const SERIES_MS = 10000;

/** Shows it; returns how to end that. */
export function overview(main) {
  const problems = h('div', { class: 'problems' });
  const figures = h('div', { class: 'figures' });
  const workers = boardWithInspector();
  const waiting = waitingSummary();
  const types = h('section', { class: 'card' });
  const holdOffs = h('section', { class: 'card' });
  const charts = seriesCharts();
  main.replaceChildren(
    h('h1', { class: 'only-read' }, 'Overview'),
    problems,
    figures,
    h('section', { class: 'card' },
      h('div', { class: 'card-head' }, h('h2', {}, 'Workers'), h('span', { class: 'push' }), h('a', { href: '#/workers' }, 'Filter and list')),
      legend(), workers.element),
    h('div', { class: 'columns' }, waiting.element, holdOffs),
    charts.element,
    types);

  function showStatus() {
    const { status } = store;
    show(problems, problemList());
    if (status) show(figures, figureCards(status));
    else show(figures, h('p', { class: 'empty' }, 'The pool is being read.'));
  }
  const showHoldOffs = () => show(holdOffs,
    h('div', { class: 'card-head' }, h('h2', {}, 'Hold-offs'), h('span', { class: 'push' }), h('a', { href: '#/hold-offs' }, 'All')),
    store.holdOffs.length === 0
      ? h('p', { class: 'empty' }, store.failures.has('/v1/hold-offs') ? 'They could not be read.' : 'None: the cloud refuses nothing now.')
      : h('ul', { class: 'lines' }, store.holdOffs.slice(0, 5).map((holdOff) => h('li', {}, holdOffKind(holdOff), ' ', bdi(holdOff.covers), ' ', h('span', { class: 'hint' }, holdOffEnd(holdOff)))),
        store.holdOffs.length > 5 && h('li', { class: 'hint' }, `and ${store.holdOffs.length - 5} more`)));
  const showTypes = () => show(types, h('div', { class: 'card-head' }, h('h2', {}, 'Instance types')), typeTable());
  const ends = [
    on('status', showStatus), on('failures', showStatus), on('connection', showStatus),
    on('hold-offs', showHoldOffs), on('types', showTypes), on('instances', showTypes), on('failures', showHoldOffs), on('failures', showTypes),
    tick(showHoldOffs), workers.close, waiting.close, charts.close,
  ];
  showStatus();
  showHoldOffs();
  showTypes();
  workers.update();
  return () => ends.forEach((end) => end());
}

/** What the marks of tiles mean. */
export function legend() {
  return h('ul', { class: 'legend marks', 'aria-label': 'What the marks mean' },
    WORKER_STATES.map((state) => h('li', {}, h('span', { class: `swatch tile is-${state}` }, mark(state)), state)),
    h('li', {}, h('span', { class: 'swatch tile plain' }, mark('hold')), 'held'),
    h('li', {}, h('span', { class: 'swatch tile plain' }, mark('drain')), 'draining'),
    h('li', {}, h('span', { class: 'swatch tile plain' }, mark('broken')), 'trouble'));
}

function problemList() {
  const { status, failures } = store;
  const list = [...(status?.problems ?? [])];
  if (status && !status.loaded) list.push('The instances have not been listed yet since poold was started.');
  const unread = [...failures].map(([path, message]) => `${path} could not be read: ${message}`);
  if (list.length + unread.length === 0) return [];
  return h('section', { class: 'card trouble', 'aria-labelledby': 'problems-title' },
    h('h2', { id: 'problems-title' }, badge('broken', 'Problems')),
    h('ul', {}, [...list, ...unread].map((text) => h('li', {}, bdi(text)))));
}

function figureCards(status) {
  const jobs = (state) => status.jobs[state] ?? 0;
  const total = Object.values(status.instances).reduce((sum, n) => sum + n, 0);
  const card = (title, link, figure, unit, ...rest) => h('section', { class: 'card figure', 'data-key': title },
    h('h2', {}, link ? h('a', { href: link }, title) : title),
    h('p', { class: 'big' }, figure, ' ', h('span', { class: 'unit' }, unit)),
    rest);
  const limited = [
    status.at_max_instances && [badge('hold', 'max_instances'), ' as many as the configuration allows'],
    status.at_quota && !(status.at_max_instances && !status.at_provider_quota) && [badge('hold', 'quota'), ' no more instances now'],
    status.at_capacity.length > 0 && [badge('unknown', 'no capacity'), ' ', h('span', {}, status.at_capacity.map((name, i) => [i > 0 && ', ', bdi(name)]))],
  ].filter(Boolean);
  return [
    card('Jobs', '#/jobs', count(jobs('queued') + jobs('locked') + jobs('running')), 'not ended',
      h('ul', { class: 'states' }, JOB_STATES.map((state) => h('li', {}, h('a', { href: state === 'queued' ? '#/queue' : `#/jobs?state=${state}` },
        badge(state), ' ', h('b', {}, count(jobs(state)))))))),
    card('Workers', '#/workers', count(total), total === 1 ? 'instance' : 'instances',
      h('ul', { class: 'states' }, WORKER_STATES.filter((state) => status.instances[state] || state === 'running' || state === 'idle').map((state) => h('li', {},
        h('a', { href: `#/workers?state=${state}` }, badge(state), ' ', h('b', {}, count(status.instances[state]))))))),
    card('Cost', null, price(status.price_per_hour), 'an hour now', h('p', { class: 'hint' }, 'Of all instances, at the prices of the configuration.')),
    card('Limits', '#/hold-offs', limited.length === 0 ? 'None' : String(limited.length), limited.length === 0 ? 'reached' : 'reached',
      limited.length === 0 ? h('p', { class: 'hint' }, 'Neither quota nor capacity stands in the way.') : h('ul', { class: 'lines' }, limited.map((line) => h('li', {}, line)))),
    h('p', { class: 'hint about', 'data-key': 'about' }, 'poold ', bdi(status.release), ' for ', bdi(status.instance_set), ' on ', bdi(status.driver), ', started ', time(status.started_at),
      `, ${duration((serverNow() - Date.parse(status.started_at)) / 1000)} ago`),
  ];
}

function typeTable() {
  if (store.types.length === 0) {
    return h('p', { class: 'empty' }, store.failures.has('/v1/types') ? 'They could not be read.' : 'They are being read.');
  }
  // As the tiles, which are newer than the list of types.
  const now = new Map();
  for (const { instance_type: type } of [...store.instances.values(), ...store.creating]) now.set(type, (now.get(type) ?? 0) + 1);
  return h('div', { class: 'scroll' }, h('table', { class: 'cards' },
    h('caption', { class: 'only-read' }, 'Instance types'),
    h('thead', {}, h('tr', {}, ['Type', 'Instances', 'Price an hour', 'CPUs', 'Memory', 'Scratch', 'GPUs', 'Limits'].map((title, i) => h('th', { scope: 'col', class: i > 0 && i < 7 ? 'number' : '' }, title)))),
    h('tbody', {}, store.types.map((type) => h('tr', { 'data-key': type.name },
      h('th', { scope: 'row' }, h('a', { href: `#/workers?type=${encodeURIComponent(type.name)}` }, bdi(type.name)), ' ',
        h('span', { class: 'hint' }, bdi(type.provider_type), type.preemptible && ', preemptible')),
      cell('Instances', count(now.get(type.name)), { class: 'number' }),
      cell('Price an hour', price(type.price), { class: 'number' }),
      cell('CPUs', String(type.vcpus), { class: 'number' }),
      cell('Memory', bytes(type.memory), { class: 'number' }),
      cell('Scratch', type.scratch > 0 && bytes(type.scratch), { class: 'number' }),
      cell('GPUs', type.gpus > 0 && String(type.gpus), { class: 'number' }),
      cell('Limits', (type.at_quota || type.at_capacity) && [type.at_quota && [badge('hold', 'quota'), ' '], type.at_capacity && badge('unknown', 'no capacity')]))))));
}

function seriesCharts() {
  let seconds = RANGES[0][0];
  let timer = null;
  let closed = false;
  let asked = 0;
  const words = (state) => ({ key: state, label: state, mark: state });
  const charts = [
    new Chart({ title: 'Workers', unit: null, format: count, parts: WORKER_STATES.map(words), value: (point, key) => point.instances[key] }),
    new Chart({ title: 'Jobs that have not ended', unit: null, format: count, parts: ['running', 'locked', 'queued'].map(words), value: (point, key) => point.jobs[key] }),
    new Chart({ title: 'Cost an hour', unit: 'an hour', format: price, parts: [{ key: 'cost', label: 'an hour' }], value: (point) => point.price_per_hour }),
  ];
  const grid = h('div', { class: 'charts', hidden: true }, charts.map(({ element }) => element));
  const failure = h('p', { class: 'error', role: 'status' });
  const buttons = h('div', { class: 'choice', role: 'group', 'aria-label': 'How far back' });
  const showButtons = () => show(buttons, RANGES.map(([range, label]) => h('button', { type: 'button', 'aria-pressed': String(range === seconds), onclick: () => { seconds = range; showButtons(); read(); } }, label)));
  async function read() {
    clearTimeout(timer);
    asked += 1;
    const mine = asked;
    try {
      const series = await getJson(`/v1/series?seconds=${seconds}`);
      if (mine !== asked || closed) return;
      grid.hidden = false;
      for (const chart of charts) chart.set(series, seconds);
      show(failure);
    } catch (problem) {
      if (mine === asked && !closed) show(failure, `The figures over time could not be read: ${problem.message}`);
    }
    if (mine === asked && !closed) timer = setTimeout(read, SERIES_MS);
  }
  showButtons();
  read();
  return {
    element: h('section', { 'aria-label': 'Over time' },
      h('div', { class: 'card-head loose' }, h('h2', {}, 'Over time'), h('span', { class: 'push' }), buttons),
      failure,
      grid),
    close() {
      closed = true;
      clearTimeout(timer);
      for (const chart of charts) chart.close();
    },
  };
}
