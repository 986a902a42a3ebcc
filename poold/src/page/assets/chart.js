// Charts over time: areas on top of each other, drawn as SVG, with a table that says the same.

import { h, s, show } from './dom.js';
import { serverNow } from './api.js';
import { mark } from './marks.js';

const HEIGHT = 180;
const MARGIN = { top: 10, right: 12, bottom: 24, left: 46 };
/** Rows of the table beside a chart. */
const TABLE_ROWS = 12;
/** Points that are farther apart than so many steps are not joined: nothing is known between them. */
const GAP_STEPS = 3;

const CLOCK = new Intl.DateTimeFormat('sv', { hour: '2-digit', minute: '2-digit' });
const DAY_CLOCK = new Intl.DateTimeFormat('sv', { month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' });

/** One chart. `parts` are `{key, label, mark}`, from the bottom up; `value(point, key)` is what is drawn. */
export class Chart {
  #data = null;
  #pointed = null;
  #ends = new AbortController();

  constructor({ title, unit, parts, value, format }) {
    Object.assign(this, { title, unit, parts, value, format });
    this.element = h('figure', { class: 'chart card' });
    this.picture = h('div', { class: 'chart-picture' });
    this.caption = h('figcaption');
    this.table = h('div', { class: 'chart-table scroll' });
    this.element.append(this.caption, this.picture, h('details', {}, h('summary', {}, 'As a table'), this.table));
    this.observer = new ResizeObserver(() => this.#draw());
    this.observer.observe(this.picture);
    const { signal } = this.#ends;
    this.picture.addEventListener('pointermove', (event) => {
      this.#pointed = event.clientX - this.picture.getBoundingClientRect().left;
      this.#draw();
    }, { signal });
    this.picture.addEventListener('pointerleave', () => {
      this.#pointed = null;
      this.#draw();
    }, { signal });
  }

  /** Ends what it listens to. */
  close() {
    this.#ends.abort();
    this.observer.disconnect();
  }

  /** Shows these points of the last `seconds`. */
  set(series, seconds) {
    const to = Math.max(serverNow(), Date.parse(series.points.at(-1)?.at ?? 0));
    const points = series.points.map((point) => ({ at: Date.parse(point.at), values: this.parts.map(({ key }) => this.value(point, key) ?? 0) }));
    for (const point of points) point.sum = point.values.reduce((sum, value) => sum + value, 0);
    const from = to - seconds * 1000;
    this.#data = { from, to, seconds, points: points.filter(({ at }) => at >= from), step: series.step_seconds * 1000 };
    this.#draw();
    this.#drawTable();
  }

  #draw() {
    const width = this.picture.clientWidth;
    if (!this.#data || width === 0) return;
    const { from, to, points, step } = this.#data;
    const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
    const ticks = valueTicks(Math.max(0, ...points.map(({ sum }) => sum)), this.unit === null);
    const top = ticks.at(-1);
    const x = (at) => MARGIN.left + ((at - from) / (to - from)) * inner.width;
    const y = (value) => MARGIN.top + (1 - value / top) * inner.height;
    const nearest = this.#pointed === null || points.length === 0 ? null
      : points.reduce((best, point) => (Math.abs(x(point.at) - this.#pointed) < Math.abs(x(best.at) - this.#pointed) ? point : best));
    const runs = joined(points, step * GAP_STEPS);
    show(this.picture, s('svg', { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': this.#summary() },
      ticks.map((value) => [
        s('line', { class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(value), y2: y(value) }),
        s('text', { class: 'tick', x: MARGIN.left - 6, y: y(value) + 4, 'text-anchor': 'end' }, this.format(value)),
      ]),
      timeTicks(from, to, inner.width).map(({ at, label }) => [
        s('line', { class: 'grid', x1: x(at), x2: x(at), y1: HEIGHT - MARGIN.bottom, y2: HEIGHT - MARGIN.bottom + 4 }),
        s('text', { class: 'tick', x: x(at), y: HEIGHT - 6, 'text-anchor': 'middle' }, label),
      ]),
      this.parts.map(({ key }, part) => s('path', { class: `area area-${key}`, d: runs.map((run) => area(run, part, x, y)).join('') })),
      nearest && s('line', { class: 'cursor', x1: x(nearest.at), x2: x(nearest.at), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom })));
    this.#drawCaption(nearest ?? points.at(-1), nearest !== null);
  }

  #drawCaption(point, pointed) {
    const when = pointed ? clock(point.at, this.#data) : 'now';
    show(this.caption,
      h('div', { class: 'chart-title' }, h('h3', {}, this.title), h('span', { class: 'hint' }, point ? when : 'no figures yet')),
      h('ul', { class: 'legend' }, this.parts.map(({ key, label, mark: name }, part) => h('li', { class: `key-${key}` },
        name ? h('span', { class: `swatch is-${key}` }, mark(name)) : h('span', { class: `swatch is-${key}` }),
        `${label} `, h('b', {}, point ? this.format(point.values[part]) : '–')))));
  }

  #summary() {
    const { points, seconds } = this.#data;
    if (points.length === 0) return `${this.title}: no figures yet.`;
    const now = points.at(-1);
    const sums = points.map(({ sum }) => sum);
    const parts = this.parts.length > 1 ? ` (${this.parts.map(({ label }, part) => `${label} ${this.format(now.values[part])}`).join(', ')})` : '';
    return `${this.title}, the last ${seconds / 3600} h: now ${this.format(now.sum)}${parts}, `
      + `at least ${this.format(Math.min(...sums))}, at most ${this.format(Math.max(...sums))}.`;
  }

  #drawTable() {
    const { points } = this.#data;
    const every = Math.max(1, Math.ceil(points.length / TABLE_ROWS));
    const chosen = points.filter((_, i) => (points.length - 1 - i) % every === 0).reverse();
    show(this.table, h('table', {},
      h('caption', { class: 'only-read' }, this.title),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Time'), this.parts.map(({ label }) => h('th', { scope: 'col', class: 'number' }, label)))),
      h('tbody', {}, chosen.map(({ at, values }) => h('tr', {},
        h('th', { scope: 'row' }, clock(at, this.#data)),
        values.map((value) => h('td', { class: 'number' }, this.format(value))))))));
  }
}

function clock(at, { seconds }) {
  return (seconds > 86400 / 2 ? DAY_CLOCK : CLOCK).format(at);
}

/** Cuts where nothing is known. */
function joined(points, longest) {
  const runs = [];
  for (const point of points) {
    const run = runs.at(-1);
    if (run && point.at - run.at(-1).at <= longest) run.push(point);
    else runs.push([point]);
  }
  return runs;
}

function area(run, part, x, y) {
  const until = (point, last) => point.values.slice(0, last).reduce((sum, value) => sum + value, 0);
  const points = run.length > 1 ? run : [run[0], { ...run[0], at: run[0].at + 1 }];
  const upper = points.map((point) => `${x(point.at).toFixed(1)},${y(until(point, part + 1)).toFixed(1)}`);
  const lower = points.map((point) => `${x(point.at).toFixed(1)},${y(until(point, part)).toFixed(1)}`).reverse();
  return `M${upper.join('L')}L${lower.join('L')}Z`;
}

/** Round values from 0 to at least `most`. */
function valueTicks(most, whole) {
  if (most <= 0) return [0, 1];
  const raw = most / 4;
  const power = 10 ** Math.floor(Math.log10(raw));
  let step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw);
  if (whole) step = Math.max(1, Math.ceil(step));
  const ticks = [];
  for (let i = 0; ticks.length === 0 || ticks.at(-1) < most; i += 1) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

const MINUTE = 60000;
const TIME_STEPS = [5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440].map((minutes) => minutes * MINUTE);

/** Round times, by the clock of who looks. */
function timeTicks(from, to, width) {
  const room = Math.max(2, Math.floor(width / 56));
  const step = TIME_STEPS.find((candidate) => (to - from) / candidate <= room) ?? TIME_STEPS.at(-1);
  const offset = new Date(from).getTimezoneOffset() * MINUTE;
  const ticks = [];
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= to; at += step) {
    ticks.push({ at, label: CLOCK.format(at) });
  }
  // A label in the corner would be cut off.
  return ticks.filter(({ at }) => at - from > (to - from) * 0.02 && to - at > (to - from) * 0.02);
}
