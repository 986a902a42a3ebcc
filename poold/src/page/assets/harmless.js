// Texts of others, made harmless: what would steer how text is shown is shown as an escape instead. The same characters as
// poold/src/commands/harmless.rs does for terminals.

// C0, DEL, C1; marks, embeddings, overrides and isolates of the writing direction; line and paragraph separator; byte order
// mark, annotations, tags.
const STEERS =
  /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;
const STEERS_OUTPUT =
  /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

function visible(character) {
  switch (character) {
    case '\r': return '\\r';
    case '\n': return '\\n';
    case '\t': return '\\t';
  }
  const code = character.codePointAt(0);
  return code < 0x80 ? byteEscape(code) : `\\u{${code.toString(16)}}`;
}

function byteEscape(byte) {
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

/** Of one line: a name, a command, a reason. */
export function harmless(text) {
  return text.replace(STEERS, visible);
}

// With the byte order mark kept, for it is shown too.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Output of jobs, in pieces that may end anywhere. Lines and tabs stay; bytes that are no UTF-8 are shown as `\x…`. */
export class OutputDecoder {
  /** The beginning of a character whose end has not come, or a carriage return that may belong to a line's end. */
  #held = new Uint8Array();

  /** What can be shown of it by now. */
  pass(data) {
    let bytes = data;
    if (this.#held.length > 0) {
      bytes = new Uint8Array(this.#held.length + data.length);
      bytes.set(this.#held);
      bytes.set(data, this.#held.length);
    }
    return this.#show(bytes, false);
  }

  /** The rest. */
  finish() {
    return this.#show(this.#held, true);
  }

  #show(bytes, all) {
    let end = bytes.length;
    if (!all) {
      end -= unfinished(bytes);
      if (end === bytes.length && bytes[end - 1] === 0x0d) end -= 1;
    }
    this.#held = bytes.slice(end);
    return decode(bytes.subarray(0, end)).replaceAll('\r\n', '\n').replace(STEERS_OUTPUT, visible);
  }
}

function decode(bytes) {
  try {
    return UTF8.decode(bytes);
  } catch {
    // Not all of it is UTF-8: from one wrong place to the next.
  }
  const shown = [];
  let good = 0;
  let at = 0;
  while (at < bytes.length) {
    const [length, whole] = character(bytes, at);
    if (!whole) {
      shown.push(UTF8.decode(bytes.subarray(good, at)));
      for (let i = 0; i < length; i += 1) shown.push(byteEscape(bytes[at + i]));
      good = at + length;
    }
    at += length;
  }
  shown.push(UTF8.decode(bytes.subarray(good)));
  return shown.join('');
}

/** How many bytes at the end may be the beginning of a character. */
function unfinished(bytes) {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const at = bytes.length - back;
    if (bytes[at] >= 0xc0) {
      const [length, whole] = character(bytes, at);
      return !whole && length === back && length < expected(bytes[at]) ? back : 0;
    }
    if (bytes[at] < 0x80) return 0;
  }
  return 0;
}

/** How many bytes a character has that begins with this one; 1 for what begins none. */
function expected(lead) {
  if (lead >= 0xc2 && lead <= 0xdf) return 2;
  if (lead >= 0xe0 && lead <= 0xef) return 3;
  if (lead >= 0xf0 && lead <= 0xf4) return 4;
  return 1;
}

/** How many bytes belong together from here, and whether they are a character (Unicode, table 3-7). */
function character(bytes, at) {
  const lead = bytes[at];
  if (lead < 0x80) return [1, true];
  const wanted = expected(lead);
  if (wanted === 1) return [1, false];
  for (let i = 1; i < wanted; i += 1) {
    const byte = bytes[at + i];
    let [low, high] = [0x80, 0xbf];
    if (i === 1) {
      if (lead === 0xe0) low = 0xa0;
      if (lead === 0xed) high = 0x9f;
      if (lead === 0xf0) low = 0x90;
      if (lead === 0xf4) high = 0x8f;
    }
    if (byte === undefined || byte < low || byte > high) return [i, false];
  }
  return [wanted, true];
}
