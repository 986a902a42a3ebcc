// All jobs, and the queue: the same list, with why each job waits.

import { getJson, serverNow } from './api.js';
import { bdi, cell, h, setText, show } from './dom.js';
import { count, counted, duration, time } from './format.js';
import { instanceLink } from './inspector.js';
import { JOB_STATES, jobBadge } from './marks.js';
import { on, store } from './store.js';
import { readAgain, reasonList, reasonText } from './waiting.js';

const PAGE = 50;
const QUEUE_PAGE = 200;

/** What a person calls a job. */
export function jobTitle(job) {
  return h('a', { href: `#/jobs/${job.number}` }, h('span', { class: 'job-number' }, `${job.number} `), job.name ? bdi(job.name) : h('code', {}, bdi(shorten(job.command.join(' ')))));
}

function shorten(text) {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** The jobs that wait; returns how to end it. */
export function queue(main, query, setQuery) {
  const sums = h('section', { class: 'card', 'aria-labelledby': 'sums-title' });
  const fixed = new URLSearchParams({ state: 'queued', limit: QUEUE_PAGE });
  return list(main, {
    title: 'Queue',
    query,
    setQuery,
    above: sums,
    address: () => fixed,
    row: queueRow,
    head: ['Job', 'Waits for', 'Priority', 'Group', 'Submitted'],
    empty: 'No job waits.',
    took: ({ jobs, next }) => show(sums,
      h('h2', { id: 'sums-title' }, 'Why they wait'),
      jobs.length === 0 ? h('p', { class: 'empty' }, 'No job waits.') : reasonList(jobs),
      next && h('p', { class: 'hint' }, `Of the ${count(jobs.length)} on this page${store.status ? `; ${count(store.status.jobs.queued)} wait in all` : ''}.`)),
  });
}

function queueRow(job) {
  return h('tr', { 'data-key': job.number },
    h('th', { scope: 'row' }, jobTitle(job)),
    cell('Waits for', reasonText(job.waiting), { class: 'text' }),
    cell('Priority', count(job.priority)),
    cell('Group', job.group && bdi(job.group)),
    cell('Submitted', h('time', { datetime: job.submitted_at, title: job.submitted_at }, `${duration((serverNow() - Date.parse(job.submitted_at)) / 1000)} ago`), { class: 'when' }));
}

/** All jobs; returns how to end it. */
export function jobs(main, query, setQuery) {
  const states = new Set((query.get('state') ?? '').split(',').filter(Boolean));
  const field = (name, label, hint) => {
    const input = h('input', { id: `jobs-${name}`, type: 'search', autocomplete: 'off', value: query.get(name) ?? '', placeholder: hint });
    return [input, h('div', { class: 'field' }, h('label', { for: `jobs-${name}` }, label), input)];
  };
  const [group, groupField] = field('group', 'Group', '');
  const [name, nameField] = field('name', 'Name', '');
  const [label, labelField] = field('label', 'Labels', 'key=value,…');
  const boxes = JOB_STATES.map((state) => h('input', { type: 'checkbox', id: `jobs-${state}`, value: state, checked: states.has(state) }));
  function changed() {
    const asked = { state: boxes.filter(({ checked }) => checked).map(({ value }) => value).join(','), group: group.value.trim(), name: name.value.trim(), label: label.value.trim() };
    setQuery(Object.fromEntries(Object.entries(asked).filter(([, value]) => value)), true);
  }
  for (const input of [...boxes, group, name, label]) input.onchange = changed;
  const form = h('form', { class: 'filters card', role: 'search', 'aria-label': 'Which jobs', onsubmit: (event) => { event.preventDefault(); changed(); } },
    h('fieldset', {}, h('legend', {}, 'State'), boxes.map((box) => h('label', { class: 'check', for: box.id }, box, box.value))),
    groupField, nameField, labelField,
    h('button', { type: 'submit' }, 'Search'));
  return list(main, {
    title: 'Jobs',
    query,
    setQuery,
    above: form,
    address() {
      const address = new URLSearchParams({ limit: PAGE });
      for (const key of ['state', 'group', 'name', 'label']) if (query.get(key)) address.set(key, query.get(key));
      return address;
    },
    row: jobRow,
    head: ['Job', 'State', 'Group', 'Worker', 'Submitted', 'Took'],
    empty: 'No job fits.',
    took() {},
  });
}

function jobRow(job) {
  return h('tr', { 'data-key': job.number },
    h('th', { scope: 'row' }, jobTitle(job)),
    cell('State', jobBadge(job)),
    cell('Group', job.group && bdi(job.group)),
    cell('Worker', job.instance && instanceLink(job.instance)),
    cell('Submitted', time(job.submitted_at)),
    cell('Took', took(job)));
}

/** How long it has run. */
export function took(job) {
  if (!job.started_at) return null;
  const end = job.ended_at ? Date.parse(job.ended_at) : serverNow();
  return duration((end - Date.parse(job.started_at)) / 1000);
}

/** A list of jobs in pages, newest first. */
function list(main, { title, query, setQuery, above, address, row, head, empty, took: told }) {
  const table = h('div', { class: 'card scroll' });
  const failure = h('p', { class: 'error', role: 'status' });
  const pager = h('nav', { class: 'pager', 'aria-label': 'Pages' });
  const note = h('p', { class: 'only-read', role: 'status' });
  main.replaceChildren(h('h1', {}, title), above, failure, table, pager, note);
  let rows = [];
  let next = null;
  let closed = false;
  /** Counts the readings, so that one that was overtaken is not used. */
  let asked = 0;
  /** Rows that events tell while one is under way: its answer may be older than they are. */
  let newer = null;
  const before = query.get('before');

  const showRows = () => show(table, rows.length === 0 ? h('p', { class: 'empty' }, empty) : h('table', { class: 'cards' },
    h('caption', { class: 'only-read' }, title),
    h('thead', {}, h('tr', {}, head.map((name) => h('th', { scope: 'col' }, name)))),
    h('tbody', {}, rows.map(row))));
  const go = (to) => () => setQuery({ ...Object.fromEntries(query), before: to ?? '' }, true);

  async function read() {
    asked += 1;
    const mine = asked;
    newer = new Map();
    const which = address();
    if (before) which.set('before', before);
    try {
      const page = await getJson(`/v1/jobs?${which}`);
      if (closed || mine !== asked) return;
      rows = page.jobs.map((job) => newer.get(job.number) ?? job);
      ({ next } = page);
      show(failure);
      showRows();
      show(pager, (before || next) && [
        h('button', { type: 'button', 'data-key': 'newest', disabled: !before, onclick: go(null) }, 'Newest'),
        h('button', { type: 'button', 'data-key': 'older', disabled: !next, onclick: go(next) }, 'Older'),
      ]);
      setText(note, counted(rows.length, 'job'));
      told(page);
    } catch (problem) {
      if (!closed && mine === asked) show(failure, `The jobs could not be read: ${problem.message}`);
    } finally {
      if (mine === asked) newer = null;
    }
  }
  const ends = [
    readAgain(read),
    on('jobs', (changed) => {
      for (const [number, job] of changed ?? []) newer?.set(number, job);
      if (!changed || !rows.some(({ number }) => changed.has(number))) return;
      rows = rows.map((known) => changed.get(known.number) ?? known);
      showRows();
    }),
    () => { closed = true; },
  ];
  show(table, h('p', { class: 'empty' }, 'They are being read.'));
  read();
  return () => ends.forEach((end) => end());
}
