// What a job prints, as it comes. At most the last megabyte is kept here.

import { ask, jobPath } from './api.js';
import { h, setText } from './dom.js';
import { bytes as inBytes } from './format.js';
import { OutputDecoder } from './harmless.js';
import { takeLine, whileSeen } from './lines.js';

/** Most that is kept: characters that are shown, and bytes that wait to be. */
const KEEP = 1024 * 1024;
/** A longer line is cut into pieces of this many characters: a browser cannot lay out one of megabytes. */
const BLOCK = 8192;
/** Most that is decoded for one frame, in bytes. */
const FRAME = 128 * 1024;
/** After a connection that broke off, and between readings where too many connections are open to follow. */
const RETRY_MS = 3000;

/** One stream of one run. */
export class OutputPane {
  #waiting = [];
  #waitingSize = 0;
  #decoder = new OutputDecoder();
  #blocks = [];
  #kept = 0;
  #offset = 0;
  #skipped = 0;
  #planned = false;
  #stick = true;
  #stop = new AbortController();
  #over = false;
  #final = false;
  #unwatch = () => {};

  constructor(job, stream, title) {
    this.job = job;
    this.stream = stream;
    this.state = h('span', { class: 'hint', role: 'status' });
    this.before = h('p', { class: 'output-before', hidden: true });
    this.text = h('div', { class: 'output-text' });
    this.scroller = h('div', { class: 'output', tabindex: '0', role: 'region', 'aria-label': title }, this.before, this.text);
    this.follow = h('input', { type: 'checkbox', id: `follow-${stream}`, checked: true });
    this.file = h('a', { href: `${jobPath(job)}/output/${stream}`, download: `job-${job}.${stream}` }, 'Whole file');
    this.element = h('section', { class: 'card output-card' },
      h('div', { class: 'card-head' }, h('h2', {}, title), this.state,
        h('span', { class: 'push' }),
        h('label', { class: 'check', for: `follow-${stream}` }, this.follow, 'Follow the end'), this.file),
      this.scroller);
    this.follow.addEventListener('change', () => {
      this.#stick = this.follow.checked;
      if (this.#stick) this.#toEnd();
    });
    // Who scrolls up wants to read there.
    for (const event of ['wheel', 'touchmove', 'keydown']) {
      this.scroller.addEventListener(event, () => requestAnimationFrame(() => this.#look()), { passive: true });
    }
  }

  /** Reads one run from where a megabyte is left of the `size` that is known, and goes on as it grows until it is `final`. */
  start(run, size, final) {
    this.close();
    this.#clear();
    this.#offset = Math.max(0, size - KEEP);
    this.#skipped = this.#offset;
    this.file.href = `${jobPath(this.job)}/output/${this.stream}${run ? `?run=${run}` : ''}`;
    this.#final = final;
    const go = () => {
      this.#stop = new AbortController();
      this.#readAll(run, this.#stop.signal);
    };
    this.#unwatch = whileSeen(() => this.#stop.abort(), go);
    go();
  }

  /** Ends the reading. */
  close() {
    this.#unwatch();
    this.#stop.abort();
  }

  /** The job is final: what is read from now on ends by itself. */
  finish() {
    this.#final = true;
  }

  async #readAll(run, signal) {
    while (!signal.aborted && !this.#over) {
      // The line is for this reading alone: others may want it when it has ended.
      const reading = new AbortController();
      try {
        // What is final ends by itself.
        const follow = this.#final || await takeLine(AbortSignal.any([signal, reading.signal]));
        await this.#read(run, follow, signal);
        if (signal.aborted) return;
        this.#over = follow;
        if (this.#over) this.#plan();
        else setText(this.state, `read every ${RETRY_MS / 1000} s: too much is followed in other windows`);
      } catch (problem) {
        if (signal.aborted) return;
        const last = problem.status === 404 || problem.status === 401;
        setText(this.state, last ? problem.message : `${problem.message}: trying again`);
        if (last) return;
      } finally {
        reading.abort();
      }
      if (!this.#over) await new Promise((resolve) => { setTimeout(resolve, RETRY_MS); });
    }
  }

  async #read(run, follow, signal) {
    const query = new URLSearchParams({ follow, offset: this.#offset });
    if (run) query.set('run', run);
    const response = await ask(`${jobPath(this.job)}/output/${this.stream}?${query}`, { signal });
    const reader = response.body.getReader();
    if (follow) setText(this.state, 'live');
    for (;;) {
      let piece;
      try {
        piece = await reader.read();
      } catch {
        throw new Error('the connection was lost');
      }
      if (piece.done || signal.aborted) return;
      this.#offset += piece.value.length;
      this.#take(piece.value);
    }
  }

  #clear() {
    [this.#waiting, this.#waitingSize, this.#decoder] = [[], 0, new OutputDecoder()];
    [this.#over, this.#skipped] = [false, 0];
    this.#empty();
  }

  #empty() {
    this.text.replaceChildren();
    [this.#blocks, this.#kept] = [[], 0];
  }

  #take(data) {
    this.#waiting.push(data);
    this.#waitingSize += data.length;
    if (this.#waitingSize > KEEP) {
      // It comes faster than it can be shown: what is shown now would be dropped anyway.
      this.#empty();
      this.#decoder = new OutputDecoder();
      while (this.#waitingSize > KEEP) {
        const over = this.#waitingSize - KEEP;
        const first = this.#waiting[0];
        if (first.length <= over) this.#waiting.shift();
        else this.#waiting[0] = first.subarray(over);
        const dropped = Math.min(first.length, over);
        this.#waitingSize -= dropped;
      }
      this.#skipped = this.#offset - this.#waitingSize;
    }
    this.#plan();
  }

  #plan() {
    if (this.#planned) return;
    this.#planned = true;
    requestAnimationFrame(() => {
      this.#planned = false;
      this.#show();
    });
  }

  #show() {
    let room = FRAME;
    while (room > 0 && this.#waiting.length > 0) {
      const first = this.#waiting[0];
      const now = first.subarray(0, room);
      if (now.length === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(now.length);
      room -= now.length;
      this.#waitingSize -= now.length;
      this.#append(this.#decoder.pass(now));
    }
    if (this.#waiting.length > 0) this.#plan();
    else if (this.#over) {
      this.#append(this.#decoder.finish());
      setText(this.state, this.#offset === 0 ? 'ended: nothing was printed' : `ended, ${inBytes(this.#offset)}`);
    }
    this.#trim();
    this.before.hidden = this.#skipped === 0;
    setText(this.before, `The first ${inBytes(this.#skipped)} are not shown here: they are in the whole file.`);
    if (this.#stick) this.#toEnd();
  }

  #append(text) {
    let rest = text;
    while (rest.length > 0) {
      let block = this.#blocks.at(-1);
      if (!block || block.full) {
        block = { node: document.createTextNode(''), element: h('div', { class: block?.cut ? 'cut' : '' }), full: false, cut: false };
        block.element.append(block.node);
        this.#blocks.push(block);
        this.text.append(block.element);
      }
      const room = BLOCK - block.node.length;
      if (rest.length < room) {
        block.node.appendData(rest);
        this.#kept += rest.length;
        return;
      }
      const line = rest.lastIndexOf('\n', room - 1);
      block.full = true;
      if (line >= 0) {
        // A block without its last line end looks the same.
        block.node.appendData(rest.slice(0, line));
        this.#kept += line;
        rest = rest.slice(line + 1);
        continue;
      }
      const begin = block.node.data.lastIndexOf('\n');
      if (begin >= 0) {
        // The beginning of a long line moves on to a block of its own.
        const moved = block.node.data.slice(begin + 1);
        block.node.data = block.node.data.slice(0, begin);
        this.#kept -= moved.length + 1;
        rest = moved + rest;
        continue;
      }
      const end = isHighSurrogate(rest.charCodeAt(room - 1)) ? room - 1 : room;
      block.node.appendData(rest.slice(0, end));
      block.cut = true;
      this.#kept += end;
      rest = rest.slice(end);
    }
  }

  #trim() {
    let dropped = false;
    while (this.#kept > KEEP && this.#blocks.length > 1) {
      const block = this.#blocks.shift();
      this.#kept -= block.node.length;
      block.element.remove();
      dropped = true;
    }
    // How many bytes they were is not known to the byte: escapes are longer than what they show.
    if (dropped) this.#skipped = Math.max(this.#skipped, this.#offset - this.#waitingSize - this.#kept);
  }

  #look() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    this.#stick = scrollHeight - scrollTop - clientHeight < 24;
    this.follow.checked = this.#stick;
  }

  #toEnd() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

function isHighSurrogate(code) {
  return code >= 0xd800 && code <= 0xdbff;
}
