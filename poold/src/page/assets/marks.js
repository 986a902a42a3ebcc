// The states of workers and jobs: each has a colour, a mark and a word, so that no one needs the colour.

import { h, s } from './dom.js';

/** Marks are paths in a square of 16; `line` says that they are drawn as lines. */
const MARKS = {
  running: { path: 'M5 3 L13 8 L5 13 Z' },
  idle: { path: 'M8 4.5 A3.5 3.5 0 1 1 7.99 4.5 Z', line: true },
  booting: { path: 'M8 2.5 L13 8 H10 V13 H6 V8 H3 Z' },
  creating: { path: 'M8 3 V13 M3 8 H13', line: true },
  unknown: { path: 'M5.6 5.8 A2.5 2.5 0 1 1 8.6 8.1 Q8 8.4 8 9.6 M8 12 V12.9', line: true },
  shutdown: { path: 'M4 4 L12 12 M12 4 L4 12', line: true },
  hold: { path: 'M5 3.5 V12.5 M11 3.5 V12.5', line: true },
  drain: { path: 'M8 2.5 V9 M4.5 6.5 L8 10 L11.5 6.5 M3.5 13.3 H12.5', line: true },
  broken: { path: 'M8 2.8 V9 M8 12 V12.9', line: true },
  queued: { path: 'M8 2.5 A5.5 5.5 0 1 1 7.99 2.5 Z M8 5 V8.3 L10.3 9.8', line: true },
  locked: { path: 'M3 8 H12 M8.7 4.5 L12.3 8 L8.7 11.5', line: true },
  complete: { path: 'M3.2 8.4 L6.6 11.8 L12.8 4.4', line: true },
  failed: { path: 'M8 2.8 V9 M8 12 V12.9', line: true },
  cancelled: { path: 'M8 2.8 A5.2 5.2 0 1 1 7.99 2.8 Z M4.4 4.4 L11.6 11.6', line: true },
};

/** In the order in which they are shown. */
export const WORKER_STATES = ['running', 'idle', 'booting', 'creating', 'unknown', 'shutdown'];
export const JOB_STATES = ['queued', 'locked', 'running', 'complete', 'cancelled'];

/** What a worker's state means. */
export const WORKER_MEANING = {
  running: 'it runs jobs',
  idle: 'it could take a job',
  booting: 'it exists and does not answer yet',
  creating: 'the cloud was asked for it',
  unknown: 'found at the start and not asked yet',
  shutdown: 'it is being destroyed',
};

const paths = new Map();

/** Draws a mark on a canvas. */
export function drawMark(context, name, x, y, size, colour) {
  const mark = MARKS[name] ?? MARKS.unknown;
  if (!paths.has(name)) paths.set(name, new Path2D(mark.path));
  context.save();
  context.translate(x, y);
  context.scale(size / 16, size / 16);
  if (mark.line) {
    context.strokeStyle = colour;
    context.lineWidth = 2.2;
    context.lineCap = 'round';
    context.lineJoin = 'round';
    context.stroke(paths.get(name));
  } else {
    context.fillStyle = colour;
    context.fill(paths.get(name));
  }
  context.restore();
}

/** A mark as an element; the word stands beside it. */
export function mark(name) {
  const { path, line } = MARKS[name] ?? MARKS.unknown;
  return s('svg', { class: `mark${line ? ' drawn' : ''}`, viewBox: '0 0 16 16', 'aria-hidden': 'true' }, s('path', { d: path }));
}

/** A state as a word with its mark, in its colour. */
export function badge(name, word = name) {
  return h('span', { class: `badge is-${name}` }, mark(name), h('span', {}, word));
}

/** How a job stands, with its end. */
export function jobBadge(job) {
  if (job.state !== 'complete') return badge(job.state);
  if (job.signal) return badge('failed', `signal ${job.signal}`);
  if (job.exit_code !== 0) return badge('failed', `exit ${job.exit_code ?? 'unknown'}`);
  return badge('complete', 'complete');
}

/** What of a worker matters most when there is room for one mark. */
export function workerMark(row) {
  if (row.worker_state !== 'shutdown' && row.reason) return 'broken';
  if (row.idle_behavior !== 'run') return row.idle_behavior;
  return row.worker_state;
}

/** How a worker stands. */
export function workerBadges(row) {
  return [
    badge(row.worker_state),
    row.idle_behavior === 'run' ? null : badge(row.idle_behavior, row.idle_behavior === 'hold' ? 'held' : 'draining'),
    row.reason && row.worker_state !== 'shutdown' ? badge('broken', 'trouble') : null,
  ];
}
