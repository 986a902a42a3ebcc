// The page: who looks at it, and which part is shown.

import { ask, getJson, onRefused } from './api.js';
import { bdi, h, setText, setTitle, show } from './dom.js';
import { holdOffs, tick } from './hold-offs.js';
import { startLive, stopLive, tryNow } from './live.js';
import { on, store } from './store.js';
import { applyTheme, themeSwitch } from './theme.js';
import { instance } from './view-instance.js';
import { job } from './view-job.js';
import { jobs, queue } from './view-jobs.js';
import { login } from './view-login.js';
import { overview } from './view-overview.js';
import { workers } from './view-workers.js';

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const who = document.getElementById('who');
const line = document.getElementById('line');

const VIEWS = [
  ['', 'Overview', overview],
  ['workers', 'Workers', workers],
  ['queue', 'Queue', queue],
  ['jobs', 'Jobs', jobs],
  ['hold-offs', 'Hold-offs', holdOffs],
];
const PAGES = { jobs: job, instances: instance };

let end = () => {};
let started = false;

/** The parts of `#/jobs/7?x=y`. */
function address() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [part, ...rest] = path.split('/');
  let key = rest.join('/');
  try {
    key = decodeURIComponent(key);
  } catch {
    // Shown as it is: there is no such.
  }
  return { part, key, query: new URLSearchParams(query) };
}

function route(moved) {
  if (!started) return;
  const { part, key, query } = address();
  end();
  end = () => {};
  const active = PAGES[part] && key ? (part === 'instances' ? 'workers' : 'jobs') : part;
  showNav(active);
  window.scrollTo(0, 0);
  const [, title, view] = VIEWS.find(([name]) => name === part) ?? [];
  setTitle(key || title || 'Nothing');
  const setQuery = (values, again = false) => {
    const asked = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ''));
    const hash = `#/${part}${asked.size > 0 ? `?${asked}` : ''}`;
    if (again) location.hash = hash;
    else history.replaceState(null, '', hash);
  };
  if (PAGES[part] && key) end = PAGES[part](main, key);
  else if (view) end = view(main, query, setQuery);
  else main.replaceChildren(h('h1', {}, 'Nothing is here'), h('p', {}, h('a', { href: '#/' }, 'To the overview')));
  // Who followed a link in what is gone goes on in what has come.
  if (moved && document.activeElement === document.body) main.focus({ preventScroll: true });
}

function showNav(active) {
  show(nav, VIEWS.map(([name, title]) => h('a', { href: `#/${name}`, 'data-key': title, 'aria-current': name === active ? 'page' : null }, title)));
}

function showWho() {
  const { session } = store;
  show(who, themeButton, session && h('span', { class: 'name', 'data-key': 'name' }, session.role ? [bdi(session.name), h('span', { class: 'hint' }, ` ${session.role}`)] : 'who you are is not known'),
    session?.role && h('button', { type: 'button', class: 'quiet', id: 'log-out', 'data-key': 'out', onclick: logOut }, 'Log out'));
}

function showLine() {
  const { connection, retryAt } = store;
  line.hidden = connection !== 'lost' || !started;
  document.documentElement.dataset.connection = started ? connection : '';
  setText(document.getElementById('live'), !started ? '' : { live: 'live', connecting: 'connecting', lost: 'not live' }[connection]);
  if (line.hidden) return;
  const left = Math.ceil((retryAt - Date.now()) / 1000);
  show(line,
    h('span', { role: 'status', 'data-key': 'said' }, 'The connection was lost: what is shown may be old. '),
    h('span', { 'data-key': 'when', 'aria-hidden': 'true' }, left > 0 ? `Trying again in ${left} s.` : 'Trying again.'), ' ',
    h('button', { type: 'button', 'data-key': 'now', onclick: tryNow }, 'Try now'));
}

async function logOut() {
  try {
    await ask('/v1/session', { method: 'DELETE' });
  } catch (problem) {
    if (problem.status !== 401) {
      show(line, `You are still logged in: ${problem.message}`);
      line.hidden = false;
      return;
    }
  }
  leave();
}

function forget() {
  store.session = null;
  store.status = null;
  store.instances = new Map();
  store.creating = [];
  store.types = [];
  store.holdOffs = [];
  store.failures = new Map();
  store.instancesKnown = false;
  store.connection = 'connecting';
}

function leave() {
  if (!started && main.querySelector('#token')) return;
  started = false;
  end();
  end = () => {};
  stopLive();
  document.querySelector('dialog')?.close();
  forget();
  nav.replaceChildren();
  showWho();
  showLine();
  setTitle('Log in');
  login(main, enter);
}

function enter(session) {
  store.session = session;
  started = true;
  main.replaceChildren();
  showWho();
  showLine();
  startLive();
  route();
}

async function begin() {
  try {
    enter(await getJson('/v1/session'));
  } catch (problem) {
    if (problem.status === 401) leave();
    // Shown is what can be read; buttons are left out.
    else enter({ name: null, role: null });
  }
}

const themeButton = themeSwitch();
themeButton.dataset.key = 'theme';
applyTheme();
onRefused(leave);
on('connection', showLine);
tick(showLine);
window.addEventListener('hashchange', route);
document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
begin();
