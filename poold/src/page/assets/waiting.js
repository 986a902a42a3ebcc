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
  const plan = (delay) => {
    const at = Date.now() + delay;
    if (closed || (timer !== null && due <= at)) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(async () => {
      if (!document.hidden) await read();
      timer = null;
      plan(AGAIN_MS);
    }, delay);
  };
  const off = on('jobs', () => plan(SOON_MS));
  plan(AGAIN_MS);
  return () => {
    closed = true;
    clearTimeout(timer);
    off();
  };
}

/** Rows of jobs by why they wait, the most first. */
export function byReason(jobs) {
  const reasons = new Map();
  for (const { waiting } of jobs) {
    const key = waiting ? `${waiting.reason}\n${waiting.text}` : '';
    if (!reasons.has(key)) reasons.set(key, { waiting, jobs: 0 });
    reasons.get(key).jobs += 1;
  }
  return [...reasons.values()].sort((a, b) => b.jobs - a.jobs);
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
  async function read() {
    try {
      const { jobs, next } = await getJson(`/v1/jobs?state=queued&limit=${LOOKED_AT}`);
      if (closed) return;
      const reasons = byReason(jobs);
      show(list, jobs.length === 0 ? h('p', { class: 'empty' }, 'No job waits.') : [
        h('ul', { class: 'lines reasons' }, reasons.slice(0, 5).map(({ waiting, jobs: number }) => h('li', {}, h('b', { class: 'reason-count' }, counted(number, 'job')), reasonText(waiting)))),
        reasons.length > 5 && h('p', { class: 'hint' }, `and ${reasons.length - 5} more reasons`),
        next && h('p', { class: 'hint' }, `Of the newest ${count(LOOKED_AT)} of ${count(store.status?.jobs.queued)}.`),
      ]);
    } catch (problem) {
      if (!closed) show(list, h('p', { class: 'error' }, `It could not be read: ${problem.message}`));
    }
  }
  const off = readAgain(read);
  read();
  return { element, close() { closed = true; off(); } };
}
