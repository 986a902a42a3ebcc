// Why the jobs of the queue wait, summed up.

import { getJson } from './api.js';
import { h, show, bdi } from './dom.js';
import { count, counted } from './format.js';
import { on, store } from './store.js';

/** So many are looked at. */
const LOOKED_AT = 1000;
/** Reasons change without the jobs: this often they are read again. */
const AGAIN_MS = 10000;
/** After jobs have changed. */
const SOON_MS = 3000;

/** Calls `read` soon after jobs have changed, and now and then. Returns how to end that. */
export function readAgain(read) {
  let timer = null;
  let due = 0;
  let closed = false;
  /** Whether jobs have changed since the last reading began. */
  let stale = false;
  const plan = (delay) => {
    const at = Date.now() + delay;
    if (closed || (timer !== null && due <= at)) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(async () => {
      stale = false;
      if (!document.hidden) await read();
      timer = null;
      plan(stale ? SOON_MS : AGAIN_MS);
    }, delay);
  };
  const off = on('jobs', () => {
    stale = true;
    plan(SOON_MS);
  });
  plan(AGAIN_MS);
  return () => {
    closed = true;
    clearTimeout(timer);
    off();
  };
}

/** Rows of jobs by the kind of why they wait, the most first; of each kind, what is said most often. */
export function byReason(jobs) {
  const kinds = new Map();
  for (const { waiting } of jobs) {
    const kind = waiting?.reason ?? '';
    if (!kinds.has(kind)) kinds.set(kind, { jobs: 0, said: new Map() });
    const { said } = kinds.get(kind);
    kinds.get(kind).jobs += 1;
    const text = waiting?.text ?? '';
    if (!said.has(text)) said.set(text, { waiting, jobs: 0 });
    said.get(text).jobs += 1;
  }
  const most = (list) => [...list].sort((a, b) => b.jobs - a.jobs);
  return most(kinds.values()).map(({ jobs: number, said }) => ({ jobs: number, waiting: most(said.values())[0].waiting, kinds: said.size }));
}

/** Why jobs wait, as a list. */
export function reasonList(jobs) {
  return h('ul', { class: 'lines reasons' }, byReason(jobs).map(({ waiting, jobs: number, kinds }) => h('li', {},
    h('b', { class: 'reason-count' }, counted(number, 'job')),
    h('span', {}, kinds > 1 && h('span', { class: 'hint' }, 'mostly: '), reasonText(waiting)))));
}

/** A reason for people. */
export function reasonText(waiting) {
  if (!waiting) return h('span', { class: 'hint' }, 'not known');
  return h('span', {}, bdi(waiting.text), waiting.remedy && h('span', { class: 'remedy' }, bdi(waiting.remedy)));
}

/** The card of the overview. */
export function waitingSummary() {
  const list = h('div');
  const element = h('section', { class: 'card' },
    h('div', { class: 'card-head' }, h('h2', {}, 'Why jobs wait'), h('span', { class: 'push' }), h('a', { href: '#/queue' }, 'The queue')),
    list);
  let closed = false;
  let asked = 0;
  async function read() {
    asked += 1;
    const mine = asked;
    try {
      const { jobs, next } = await getJson(`/v1/jobs?state=queued&limit=${LOOKED_AT}`);
      if (closed || mine !== asked) return;
      show(list, jobs.length === 0 ? h('p', { class: 'empty' }, 'No job waits.') : [
        reasonList(jobs),
        next && h('p', { class: 'hint' }, `Of the newest ${count(LOOKED_AT)}${store.status ? ` of ${count(store.status.jobs.queued)}` : ''}.`),
      ]);
    } catch (problem) {
      if (!closed && mine === asked) show(list, h('p', { class: 'error' }, `It could not be read: ${problem.message}`));
    }
  }
  const off = readAgain(read);
  read();
  return { element, close() { closed = true; off(); } };
}
