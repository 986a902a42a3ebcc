// Keeps the store as the pool is: events, and reading again where they do not suffice.

import { getJson, serverNow } from './api.js';
import { whileSeen } from './lines.js';
import { store, tell } from './store.js';

/** Without any event for so long, poold is asked whether it is still there. */
const QUIET_MS = 30000;
/** For an answer to that. */
const PATIENCE_MS = 10000;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 15000;

let source = null;
let timer = null;
let quiet = null;
let retry = FIRST_RETRY_MS;
let lastEvent = 0;
/** Events that come while everything is read: what is read may be older than they are. */
let held = null;
/** Counts the readings, so that one that was overtaken is not used. */
let reading = 0;
/** The same of the types alone. */
let readingTypes = 0;

let unwatch = () => {};

/** Begins. */
export function startLive() {
  stopLive();
  unwatch = whileSeen(hangUp, tryNow);
  quiet = setInterval(listen, QUIET_MS / 3);
  tryNow();
}

/** Ends. */
export function stopLive() {
  unwatch();
  clearInterval(quiet);
  hangUp();
}

function hangUp() {
  source?.close();
  source = null;
  clearTimeout(timer);
  reading += 1;
  held = null;
}

/** Tries at once instead of later. */
export function tryNow() {
  retry = FIRST_RETRY_MS;
  open();
}

function setConnection(state, retryAt = null) {
  if (store.connection === state && store.retryAt === retryAt) return;
  store.connection = state;
  store.retryAt = retryAt;
  tell('connection');
}

function open() {
  clearTimeout(timer);
  source?.close();
  const mine = new EventSource('/v1/events');
  source = mine;
  mine.onopen = () => {
    lastEvent = Date.now();
    retry = FIRST_RETRY_MS;
    setConnection('live');
    readAll();
  };
  mine.onerror = () => {
    if (source !== mine) return;
    mine.close();
    source = null;
    setConnection('lost', Date.now() + retry);
    // What can be had without events is shown all the same; a 401 leads to the log-in.
    readAll();
    timer = setTimeout(open, retry);
    retry = Math.min(retry * 2, LONGEST_RETRY_MS);
  };
  for (const [name, take] of Object.entries(EVENTS)) {
    mine.addEventListener(name, (event) => {
      lastEvent = Date.now();
      const data = JSON.parse(event.data);
      if (held) held.push([take, data]);
      else take(data);
    });
  }
}

/** A connection can be dead without an error, and what could not be read can perhaps be read now. */
async function listen() {
  if (!source || store.connection !== 'live') return;
  if (store.failures.size > 0) readAll();
  if (Date.now() - lastEvent < QUIET_MS) return;
  const [mine, heard] = [source, lastEvent];
  try {
    const status = await getJson('/v1/status', { signal: AbortSignal.timeout(PATIENCE_MS) });
    // What was heard meanwhile is newer.
    if (source !== mine || lastEvent !== heard) return;
    lastEvent = Date.now();
    if (!held) EVENTS.status(status);
  } catch {
    if (source === mine) mine?.onerror();
  }
}

const EVENTS = {
  status(status) {
    store.status = status;
    tell('status');
  },
  jobs({ changed }) {
    tell('jobs', changed);
  },
  instances({ changed, gone, creating }) {
    for (const row of changed) store.instances.set(row.id, seen(row));
    for (const id of gone) store.instances.delete(id);
    store.creating = named(creating);
    tell('instances');
  },
  hold_offs(list) {
    store.holdOffs = list;
    tell('hold-offs');
    // Types say whether they are at quota or capacity.
    readTypes();
  },
  missed() {
    readAll();
  },
};

/** With the time since when it is idle, for that goes on without being said. */
export function seen(row) {
  const idle = row.idle_seconds;
  return idle === null || idle === undefined ? row : { ...row, idle_since: serverNow() - idle * 1000 };
}

/** Those without an id get a name for the page alone. */
function named(creating) {
  return creating.map((row, i) => ({ ...row, key: `being created, ${i + 1}` }));
}

/** Takes the list of all instances. */
function takeInstances(rows) {
  store.instances = new Map(rows.filter((row) => row.id).map((row) => [row.id, seen(row)]));
  store.creating = named(rows.filter((row) => !row.id));
  store.instancesKnown = true;
}

/** Reads everything that the store keeps, and says what could not be read. */
export async function readAll() {
  reading += 1;
  const mine = reading;
  held ??= [];
  const take = (path, topic, put) => getJson(path).then(
    (value) => {
      if (mine !== reading) return;
      put(value);
      store.failures.delete(path);
      tell(topic);
    },
    (problem) => {
      if (mine === reading) store.failures.set(path, problem.message);
    },
  );
  await Promise.all([
    take('/v1/status', 'status', (status) => { store.status = status; }),
    take('/v1/instances', 'instances', takeInstances),
    take('/v1/hold-offs', 'hold-offs', (list) => { store.holdOffs = list; }),
    take('/v1/types', 'types', (list) => { store.types = list; }),
  ]);
  if (mine !== reading) return;
  const meanwhile = held;
  held = null;
  for (const [put, data] of meanwhile) put(data);
  tell('failures');
  tell('jobs', null);
}

async function readTypes() {
  readingTypes += 1;
  const [mine, all] = [readingTypes, reading];
  const overtaken = () => mine !== readingTypes || all !== reading;
  try {
    const types = await getJson('/v1/types');
    if (overtaken()) return;
    store.types = types;
    store.failures.delete('/v1/types');
  } catch (problem) {
    if (overtaken()) return;
    store.failures.set('/v1/types', problem.message);
  }
  tell('types');
  tell('failures');
}

// What the machine slept through is not heard of.
window.addEventListener('online', () => store.session && store.connection === 'lost' && tryNow());
