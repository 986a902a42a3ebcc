// Workers as tiles on a canvas: only what is seen is drawn, so ten thousand are as fast as ten.

import { serverNow } from './api.js';
import { h, setText } from './dom.js';
import { count, duration } from './format.js';
import { harmless } from './harmless.js';
import { WORKER_STATES, drawMark, workerMark } from './marks.js';

/** Width and height of a tile, and the space after it, in CSS pixels: the first that fits the number of workers. */
const SIZES = [
  { most: 60, width: 152, height: 44, gap: 6, text: true },
  { most: 1200, width: 24, height: 24, gap: 3 },
  { most: Infinity, width: 14, height: 14, gap: 2 },
];
const TYPE_HEIGHT = 30;
const PLACEMENT_HEIGHT = 22;
const GROUP_GAP = 6;

/** By type, then placement, then id; those that are being created at the end of their placement. */
export function inOrder(rows) {
  return [...rows].sort((a, b) => compare(a.instance_type, b.instance_type) || compare(a.placement, b.placement)
    || compare(a.id ?? `\uffff${a.key}`, b.id ?? `\uffff${b.key}`));
}

function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What a row is known by. */
function keyOf(row) {
  return row.id ?? row.key;
}

/** What a worker does, in short. */
export function doing(row) {
  const jobs = row.running_jobs.length;
  if (jobs === 1) return `job ${row.running_jobs[0]}`;
  if (jobs > 1) return `${jobs} jobs`;
  if (row.idle_since) return `idle ${idleFor(row)}`;
  return row.worker_state;
}

/** How long a worker has been idle. */
export function idleFor(row) {
  return duration((serverNow() - row.idle_since) / 1000);
}

/** The tiles. `select(row)` is called when one is chosen, `enter()` when its details are asked for. */
export class Board {
  #rows = [];
  #groups = [];
  #size = SIZES[0];
  #width = 0;
  #height = 0;
  #chosen = null;
  #planned = false;
  #colours = null;
  #select;
  #enter;
  #ends = new AbortController();

  constructor(select, enter) {
    this.#select = select;
    this.#enter = enter;
    this.canvas = h('canvas', { 'aria-hidden': 'true' });
    this.space = h('div', { class: 'board-space' }, this.canvas);
    this.tip = h('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' });
    this.said = h('p', { class: 'only-read', role: 'status' });
    this.scroller = h('div', {
      class: 'board',
      tabindex: '0',
      role: 'application',
      'aria-roledescription': 'tiles',
      'aria-label': 'Workers as tiles. Arrow keys go from one to the next, Enter to its details. The same is in the list of workers.',
    }, this.space);
    this.element = h('div', { class: 'board-frame' }, this.scroller, this.tip, this.said);
    const { signal } = this.#ends;
    this.scroller.addEventListener('scroll', () => { this.tip.hidden = true; this.plan(); }, { signal, passive: true });
    this.scroller.addEventListener('keydown', (event) => this.#key(event), { signal });
    this.scroller.addEventListener('focus', () => this.plan(), { signal });
    this.scroller.addEventListener('blur', () => this.plan(), { signal });
    this.canvas.addEventListener('pointermove', (event) => this.#point(event), { signal });
    this.canvas.addEventListener('pointerleave', () => { this.tip.hidden = true; }, { signal });
    this.canvas.addEventListener('click', (event) => {
      const at = this.#hit(event);
      if (at >= 0) this.choose(at);
    }, { signal });
    this.observer = new ResizeObserver(() => this.#layout());
    this.observer.observe(this.scroller);
    document.addEventListener('theme', () => { this.#colours = null; this.plan(); }, { signal });
  }

  /** Ends what it listens to. */
  close = () => {
    this.#ends.abort();
    this.observer.disconnect();
  };

  /** Shows these, which are in order. */
  set(rows) {
    const same = rows.length === this.#rows.length
      && rows.every((row, i) => keyOf(row) === keyOf(this.#rows[i]) && row.instance_type === this.#rows[i].instance_type
        && row.placement === this.#rows[i].placement);
    this.#rows = rows;
    if (same) this.plan();
    else this.#layout();
  }

  /** The row that is chosen, as it is now. */
  get chosen() {
    return this.#chosen && this.#rows.find((row) => keyOf(row) === this.#chosen);
  }

  /** Chooses the tile with this index. */
  choose(index) {
    const row = this.#rows[index];
    if (!row) return;
    this.#chosen = keyOf(row);
    setText(this.said, `${keyOf(row)}, ${row.instance_type} ${row.placement}: ${row.worker_state}, `
      + `${row.idle_behavior === 'run' ? '' : `${row.idle_behavior}, `}${doing(row)}`);
    this.#reveal(index);
    this.plan();
    this.#select(row);
  }

  /** Chooses none. */
  forget() {
    this.#chosen = null;
    this.plan();
  }

  #layout() {
    this.#width = this.scroller.clientWidth;
    if (this.#width === 0) return;
    this.#size = SIZES.find(({ most }) => this.#rows.length <= most);
    const { width, height, gap, text } = this.#size;
    // Tiles with text share the width.
    const columns = Math.max(1, Math.floor((this.#width + gap) / (width + gap)));
    const tile = text ? Math.floor((this.#width + gap) / columns) - gap : width;
    this.#groups = [];
    let y = 0;
    for (let at = 0; at < this.#rows.length;) {
      const { instance_type: type, placement } = this.#rows[at];
      let end = at + 1;
      while (end < this.#rows.length && this.#rows[end].instance_type === type && this.#rows[end].placement === placement) end += 1;
      const first = this.#groups.at(-1)?.type !== type;
      const head = (first ? TYPE_HEIGHT : 0) + (placement ? PLACEMENT_HEIGHT : 0);
      const rows = Math.ceil((end - at) / columns);
      const group = { type, placement, first, at, end, y, top: y + head, columns, tile };
      group.bottom = group.top + rows * (height + gap);
      this.#groups.push(group);
      y = group.bottom + GROUP_GAP;
      at = end;
    }
    for (const group of this.#groups) {
      if (group.first) group.total = this.#groups.filter(({ type }) => type === group.type).reduce((sum, { at, end }) => sum + end - at, 0);
    }
    this.#height = y;
    this.space.style.height = `${y}px`;
    this.plan();
  }

  /** Draws in the next frame. */
  plan() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#draw();
    });
  }

  #draw() {
    const width = this.#width;
    const height = Math.min(this.scroller.clientHeight, Math.max(this.#height, 1));
    if (!width || !this.scroller.isConnected) return;
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.width = `${width}px`;
      this.canvas.style.height = `${height}px`;
    }
    this.#colours ??= readColours();
    const context = this.canvas.getContext('2d');
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const scrolled = this.scroller.scrollTop;
    for (const group of this.#groups) {
      if (group.bottom < scrolled || group.y > scrolled + height) continue;
      this.#drawHead(context, group, scrolled);
      const step = this.#size.height + this.#size.gap;
      const firstRow = Math.max(0, Math.floor((scrolled - group.top) / step));
      const lastRow = Math.floor((scrolled + height - group.top) / step);
      const last = Math.min(group.end, group.at + (lastRow + 1) * group.columns);
      for (let i = group.at + firstRow * group.columns; i < last; i += 1) this.#drawTile(context, group, i, scrolled);
    }
  }

  #drawHead(context, group, scrolled) {
    const { ink, muted, family } = this.#colours;
    let y = group.y - scrolled;
    context.textBaseline = 'middle';
    if (group.first) {
      context.font = `600 14px ${family}`;
      context.fillStyle = ink;
      const label = fit(context, harmless(group.type), this.#width - 80);
      context.fillText(label, 0, y + TYPE_HEIGHT / 2);
      const after = context.measureText(label).width;
      context.font = `13px ${family}`;
      context.fillStyle = muted;
      context.fillText(count(group.total), after + 8, y + TYPE_HEIGHT / 2);
      y += TYPE_HEIGHT;
    }
    if (group.placement) {
      context.font = `12px ${family}`;
      context.fillStyle = muted;
      const label = `${harmless(group.placement)} · ${count(group.end - group.at)}`;
      context.fillText(fit(context, label, this.#width), 0, y + PLACEMENT_HEIGHT / 2 - 1);
    }
  }

  #place(group, index) {
    const { width, height, gap, text } = this.#size;
    const tile = text ? group.tile : width;
    const at = index - group.at;
    return { x: (at % group.columns) * (tile + gap), y: group.top + Math.floor(at / group.columns) * (height + gap), width: tile, height };
  }

  #drawTile(context, group, index, scrolled) {
    const row = this.#rows[index];
    const { x, y: top, width, height } = this.#place(group, index);
    const y = top - scrolled;
    const { accent, surface, family } = this.#colours;
    const { fill, mark, edge } = this.#colours[row.worker_state] ?? this.#colours.unknown;
    context.beginPath();
    context.roundRect(x + 0.5, y + 0.5, width - 1, height - 1, height > 20 ? 5 : 3);
    context.fillStyle = fill;
    context.fill();
    context.lineWidth = 1;
    context.strokeStyle = edge;
    context.setLineDash(row.worker_state === 'creating' ? [3, 2] : []);
    context.stroke();
    context.setLineDash([]);
    const name = workerMark(row);
    if (this.#size.text) {
      drawMark(context, name, x + 8, y + height / 2 - 9, 18, mark);
      context.textBaseline = 'middle';
      context.fillStyle = mark;
      context.font = `600 12px ${family}`;
      context.fillText(fit(context, harmless(row.id ?? 'being created'), width - 42), x + 34, y + height / 2 - 8);
      context.font = `12px ${family}`;
      context.fillText(fit(context, harmless(doing(row)), width - 42), x + 34, y + height / 2 + 9);
    } else {
      const size = Math.min(height - 2, 16);
      drawMark(context, name, x + (width - size) / 2, y + (height - size) / 2, size, mark);
    }
    if (keyOf(row) === this.#chosen) {
      // Within the tile, for at the edge of the canvas there is nothing beside it.
      context.lineWidth = 1.5;
      context.strokeStyle = surface;
      context.strokeRect(x + 3.25, y + 3.25, width - 6.5, height - 6.5);
      context.strokeStyle = accent;
      context.lineWidth = 2.5;
      context.strokeRect(x + 1.25, y + 1.25, width - 2.5, height - 2.5);
    }
  }

  #hit(event) {
    const y = event.offsetY + this.scroller.scrollTop;
    const group = this.#groups.find(({ top, bottom }) => y >= top && y < bottom);
    if (!group) return -1;
    const { height, gap } = this.#size;
    const column = Math.floor(event.offsetX / ((this.#size.text ? group.tile : this.#size.width) + gap));
    const index = group.at + Math.floor((y - group.top) / (height + gap)) * group.columns + column;
    return column < group.columns && index < group.end ? index : -1;
  }

  #point(event) {
    const row = this.#rows[this.#hit(event)];
    this.canvas.style.cursor = row ? 'pointer' : '';
    this.tip.hidden = !row || event.pointerType === 'touch';
    if (this.tip.hidden) return;
    setText(this.tip, `${row.id ?? 'being created'} · ${row.worker_state}${row.idle_behavior === 'run' ? '' : ` · ${row.idle_behavior}`} · ${doing(row)}`);
    const box = this.element.getBoundingClientRect();
    const x = Math.min(event.clientX - box.left + 12, box.width - this.tip.offsetWidth);
    this.tip.style.left = `${Math.max(0, x)}px`;
    this.tip.style.top = `${event.clientY - box.top + 18}px`;
  }

  #reveal(index) {
    const group = this.#groups.find(({ end }) => index < end);
    if (!group) return;
    const { y, height } = this.#place(group, index);
    const top = index === group.at ? group.y : y;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (y + height > this.scroller.scrollTop + this.scroller.clientHeight) {
      this.scroller.scrollTop = y + height + 4 - this.scroller.clientHeight;
    }
  }

  #key(event) {
    const at = this.#chosen === null ? -1 : this.#rows.findIndex((row) => keyOf(row) === this.#chosen);
    const to = this.#next(event.key, at);
    if (to === null || this.#rows.length === 0) return;
    event.preventDefault();
    if (to === 'enter') this.#enter();
    else this.choose(Math.max(0, Math.min(this.#rows.length - 1, to)));
  }

  #next(key, at) {
    if (key === 'Enter' || key === ' ') return at < 0 ? 0 : 'enter';
    if (key === 'Home') return 0;
    if (key === 'End') return this.#rows.length - 1;
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    if (key in steps) return at + steps[key];
    if (key !== 'ArrowDown' && key !== 'ArrowUp') return null;
    if (at < 0) return 0;
    const group = this.#groups.findIndex(({ end }) => at < end);
    const { at: begin, end, columns } = this.#groups[group];
    const column = (at - begin) % columns;
    if (key === 'ArrowDown') {
      if (at + columns < end) return at + columns;
      // The last, shorter row of this group, or the first of the next.
      if (Math.floor((at - begin) / columns) < Math.floor((end - 1 - begin) / columns)) return end - 1;
      const next = this.#groups[group + 1];
      return next ? Math.min(next.at + column, next.end - 1) : at;
    }
    if (at - columns >= begin) return at - columns;
    const before = this.#groups[group - 1];
    if (!before) return at;
    const lastRow = before.at + Math.floor((before.end - 1 - before.at) / before.columns) * before.columns;
    return Math.min(lastRow + column, before.end - 1);
  }
}

/** The colours of the style sheet as a canvas can take them. */
function readColours() {
  const probe = h('span', { hidden: true });
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = { ink: read('--ink'), muted: read('--muted'), accent: read('--accent'), surface: read('--surface') };
  colours.family = getComputedStyle(document.body).fontFamily;
  for (const state of WORKER_STATES) {
    colours[state] = { fill: read(`--tile-${state}`), mark: read(`--tile-${state}-mark`), edge: read(`--tile-${state}-edge`) };
  }
  probe.remove();
  return colours;
}

/** As much of a text as fits into so many pixels. */
function fit(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let [low, high] = [0, text.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (context.measureText(`${text.slice(0, middle)}…`).width <= room) low = middle;
    else high = middle - 1;
  }
  return `${text.slice(0, low)}…`;
}
