// Elements, and how a part of the page is brought up to date. Nothing here takes a string for markup: texts become text
// nodes, and what would steer them is shown as an escape.

import { harmless } from './harmless.js';

const SVG = 'http://www.w3.org/2000/svg';
const HANDLERS = ['onclick', 'onchange', 'oninput', 'onsubmit', 'onkeydown'];

/** An HTML element: `h('p', {class: 'note'}, 'text', child)`. Children that are null or false are left out. */
export function h(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An SVG element. */
export function s(tag, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element[name] = value;
    else if (name === 'style') for (const [key, to] of Object.entries(value)) element.style.setProperty(key, to);
    else element.setAttribute(name, value === true ? '' : harmless(String(value)));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : harmless(String(child)));
  }
  return element;
}

/** A text of others among ours: its writing direction ends with it. */
export function bdi(text, properties = {}) {
  return h('bdi', properties, text);
}

/** A cell of a table whose rows become cards on a phone. Without a value it is left out there. */
export function cell(label, value, properties = {}) {
  const none = value === null || value === undefined || value === false || value === '';
  return h('td', { ...properties, class: `${properties.class ?? ''}${none ? ' none' : ''}`, 'data-label': label }, h('div', {}, none ? '–' : value));
}

/** Names the window. */
export function setTitle(text) {
  document.title = harmless(`${text} · poold`);
}

/** Sets a text, if it is another than before. */
export function setText(element, text) {
  const shown = harmless(String(text));
  if (element.textContent !== shown) element.textContent = shown;
}

/**
 * Makes the children of `parent` such as `children`, and keeps what stays the same: focus, selection and scrolling are not
 * lost. Children with a `data-key` are found again by it, so that a button never becomes another row's under a finger.
 */
export function show(parent, ...children) {
  const wanted = document.createElement('div');
  wanted.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  const focused = document.activeElement;
  morphChildren(parent, wanted);
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

function morphChildren(from, to) {
  const wanted = [...to.childNodes];
  const keys = new Set(wanted.map(keyOf).filter(Boolean));
  const kept = new Map();
  for (const child of [...from.childNodes]) {
    const key = keyOf(child);
    if (key && !keys.has(key)) child.remove();
    else if (key) kept.set(key, child);
  }
  let at = from.firstChild;
  for (const want of wanted) {
    const key = keyOf(want);
    const have = key ? kept.get(key) : at;
    if (have && keyOf(have) === key && have.nodeName === want.nodeName) {
      if (have === at) at = at.nextSibling;
      else from.insertBefore(have, at);
      morph(have, want);
    } else {
      from.insertBefore(want, at);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function keyOf(node) {
  return node.dataset?.key;
}

function morph(from, to) {
  if (from.nodeType === Node.TEXT_NODE) {
    if (from.data !== to.data) from.data = to.data;
    return;
  }
  for (const { name } of [...from.attributes]) {
    // Who opened a part wants it open; a style that is set as an attribute is against the page's policy.
    if (!to.hasAttribute(name) && name !== 'open' && name !== 'style') from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (name !== 'style' && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  if (from.style.cssText !== to.style.cssText) from.style.cssText = to.style.cssText;
  for (const handler of HANDLERS) from[handler] = to[handler];
  morphChildren(from, to);
}
