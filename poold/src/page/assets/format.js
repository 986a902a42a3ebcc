// Numbers and times as people read them.

import { h } from './dom.js';

const WHOLE = new Intl.NumberFormat('en');

/** 12345 as 12,345. */
export function count(number) {
  return WHOLE.format(number ?? 0);
}

/** `1 job`, `2 jobs`. */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** A price, in the units of the configuration. */
export function price(number) {
  if (number === null || number === undefined) return 'unknown';
  const digits = Math.abs(number) >= 100 ? 0 : Math.abs(number) >= 1 || number === 0 ? 2 : 4;
  return number.toLocaleString('en', { minimumFractionDigits: Math.min(2, digits), maximumFractionDigits: digits });
}

/** Bytes in powers of 1024. */
export function bytes(number) {
  if (number === null || number === undefined) return 'unknown';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let [value, unit] = [number, 0];
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${value.toLocaleString('en', { maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`;
}

/** A length of time in its two largest units. */
export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return '0 s';
  return parts.slice(first, first + 2).filter(([amount]) => amount > 0).map(([amount, unit]) => `${amount} ${unit}`).join(' ');
}

const DAY = new Intl.DateTimeFormat('sv', { dateStyle: 'short' });
const CLOCK = new Intl.DateTimeFormat('sv', { timeStyle: 'medium' });

/** The time of day, and the date if that is not today. */
export function clock(moment) {
  const date = new Date(moment);
  const day = DAY.format(date);
  return day === DAY.format(new Date()) ? CLOCK.format(date) : `${day} ${CLOCK.format(date)}`;
}

/** A moment as an element, with all of it where the mouse stays. */
export function time(moment) {
  if (!moment) return '–';
  return h('time', { datetime: moment, title: moment }, clock(moment));
}

/** What a job asks for, or what is reserved. */
export function resources({ cpus, memory, scratch, gpus }) {
  const parts = [`${cpus ?? 0} CPU`, bytes(memory ?? 0)];
  if (scratch) parts.push(`${bytes(scratch)} scratch`);
  if (gpus) parts.push(`${gpus} GPU`);
  return parts.join(', ');
}
