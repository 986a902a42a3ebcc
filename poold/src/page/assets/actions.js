// What can be done to instances and jobs, by who may.

import { instancePath, jobPath, post } from './api.js';
import { askFor, checkReason } from './dialog.js';
import { h } from './dom.js';
import { seen } from './live.js';
import { may, store, tell } from './store.js';

const MAX_PRIORITY = 1000000;
const PRIORITY_HINT = `A whole number from 0 to ${MAX_PRIORITY}`;

const INSTANCE_ACTIONS = {
  hold: {
    word: 'Hold',
    text: 'It gets no more jobs, and poold does not destroy it. Jobs that run go on.',
    fits: (row) => row.idle_behavior !== 'hold' && row.worker_state !== 'shutdown',
  },
  drain: {
    word: 'Drain',
    text: 'It gets no more jobs, and is destroyed when it has none.',
    fits: (row) => row.idle_behavior !== 'drain' && row.worker_state !== 'shutdown',
  },
  run: {
    word: 'Run',
    text: 'It gets jobs again.',
    fits: (row) => row.idle_behavior !== 'run' && row.worker_state !== 'shutdown',
  },
  kill: {
    word: 'Kill',
    text: 'It is destroyed at once. Jobs that run on it are lost there, and may be run again elsewhere.',
    fits: () => true,
  },
};

/** Buttons for an instance; none for who may not. */
export function instanceActions(row) {
  if (!row.id || !may('admin')) return null;
  const fitting = Object.entries(INSTANCE_ACTIONS).filter(([, { fits }]) => fits(row));
  return h('div', { class: 'actions', role: 'group', 'aria-label': `what to do with ${row.id}`, 'data-key': `actions-${row.id}` },
    fitting.map(([action, { word }]) => h('button', {
      type: 'button',
      class: action === 'kill' ? 'danger' : '',
      'data-key': action,
      onclick: () => actOnInstance(row.id, action),
    }, word)));
}

function actOnInstance(id, action) {
  const { word, text } = INSTANCE_ACTIONS[action];
  return askFor({
    title: `${word} ${id}?`,
    text,
    label: 'Reason',
    hint: 'For the log, and for who asks later. It can be left out.',
    action: word,
    danger: action === 'kill',
    check: checkReason,
    act: async (reason) => {
      const known = store.instances.get(id);
      const row = await post(`${instancePath(id)}/${action}`, reason ? { reason } : {});
      // What an event has said meanwhile may be newer; if not, another follows.
      if (known && store.instances.get(id) === known && row?.id) store.instances.set(id, seen(row));
      tell('instances');
    },
  });
}

/** Buttons for a job; none for who may not, or when it is over. */
export function jobActions(job) {
  if (!may('submit') || job.state === 'complete' || job.state === 'cancelled') return null;
  return h('div', { class: 'actions', role: 'group', 'aria-label': `what to do with job ${job.number}`, 'data-key': `actions-${job.number}` },
    h('button', { type: 'button', 'data-key': 'priority', onclick: () => setPriority(job) }, 'Priority'),
    h('button', { type: 'button', class: 'danger', 'data-key': 'kill', onclick: () => killJob(job) }, 'Kill'));
}

function killJob(job) {
  return askFor({
    title: `Kill job ${job.number}?`,
    text: job.state === 'queued' ? 'It is taken out of the queue.' : 'Its processes are ended.',
    label: 'Reason',
    hint: 'It is kept with the job. It can be left out.',
    action: 'Kill',
    danger: true,
    check: checkReason,
    act: async (reason) => tell('jobs', [await post(`${jobPath(job.id)}/kill`, reason ? { reason } : {})]),
  });
}

function setPriority(job) {
  return askFor({
    title: `Priority of job ${job.number}`,
    text: 'Jobs with a higher priority are looked at first. With 0 it is not started, and stopped if it runs.',
    label: 'Priority',
    hint: `${PRIORITY_HINT}.`,
    action: 'Set priority',
    number: true,
    value: job.priority,
    check: (value) => (Number.isInteger(value) && value >= 0 && value <= MAX_PRIORITY ? null : PRIORITY_HINT),
    act: async (priority) => tell('jobs', [await post(`${jobPath(job.id)}/priority`, { priority })]),
  });
}
