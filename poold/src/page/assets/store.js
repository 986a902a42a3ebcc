// What the page knows of the pool, and who wants to be told when it changes.

/** One object for the whole page. */
export const store = {
  /** `{name, role}`; role null: it could not be asked. */
  session: null,
  status: null,
  /** Rows by id. */
  instances: new Map(),
  /** Rows of those that have no id yet. */
  creating: [],
  types: [],
  holdOffs: [],
  /** What could not be read: what it is by its address. */
  failures: new Map(),
  /** Whether the instances have been read once. */
  instancesKnown: false,
  /** `live`, `connecting`, `lost`. */
  connection: 'connecting',
  /** When the next try is, by this machine's clock in milliseconds. */
  retryAt: null,
};

const ROLES = ['read', 'submit', 'admin'];

/** Whether who is logged in may do what this role may. */
export function may(role) {
  return ROLES.indexOf(store.session?.role) >= ROLES.indexOf(role);
}

const listeners = new Map();
const changed = new Map();
let planned = false;

/** Calls `listener` after a change of `topic`, at most once a frame. Returns how to end that. */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
  return () => listeners.get(topic).delete(listener);
}

/** Most jobs that are kept for one notice; of more than these, `null` is told: read again. */
const MOST_JOBS = 2000;

/** Says that something has changed. `jobs`: the rows, for the topic `jobs`; null: any may have. */
export function tell(topic, jobs = []) {
  if (topic !== 'jobs') changed.set(topic, null);
  else changed.set('jobs', merged(changed.has('jobs') ? changed.get('jobs') : new Map(), jobs));
  if (planned) return;
  planned = true;
  // A hidden page is told when it is seen again.
  requestAnimationFrame(() => {
    planned = false;
    const now = [...changed];
    changed.clear();
    for (const [name, what] of now) for (const listener of [...(listeners.get(name) ?? [])]) listener(what);
  });
}

function merged(known, jobs) {
  if (known === null || jobs === null) return null;
  for (const job of jobs) known.set(job.number, job);
  return known.size > MOST_JOBS ? null : known;
}
