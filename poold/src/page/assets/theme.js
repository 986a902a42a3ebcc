// Light or dark: as the system says, until somebody chooses. The choice is kept; it is no secret.

import { h, setText } from './dom.js';

const KEY = 'poold-theme';
const ORDER = ['auto', 'light', 'dark'];
const WORDS = { auto: 'Theme: as the system', light: 'Theme: light', dark: 'Theme: dark' };

function stored() {
  try {
    const value = localStorage.getItem(KEY);
    return ORDER.includes(value) ? value : 'auto';
  } catch {
    // Storage can be forbidden: then it is as the system says.
    return 'auto';
  }
}

function apply(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new Event('theme'));
}

/** The switch. */
export function themeSwitch() {
  let theme = stored();
  const word = h('span', { class: 'wide' });
  const button = h('button', { type: 'button', class: 'quiet', id: 'theme' }, h('span', { class: 'theme-mark', 'aria-hidden': 'true' }), word);
  const say = () => {
    setText(word, WORDS[theme].replace('Theme: ', ''));
    button.setAttribute('aria-label', WORDS[theme]);
    button.title = WORDS[theme];
  };
  button.onclick = () => {
    theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // It is forgotten with the page.
    }
    apply(theme);
    say();
  };
  say();
  return button;
}

/** Shows what was chosen. */
export function applyTheme() {
  apply(stored());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => document.dispatchEvent(new Event('theme')));
}
