// What the page asks. The cookie goes along by itself; no token is kept here.

/** An answer that is an error, or none. `status` is 0 when nothing answered. */
export class Problem extends Error {
  constructor(status, message, fields = []) {
    super(message);
    this.status = status;
    this.fields = fields;
  }
}

let refused = () => {};

/** Calls `handler` whenever an answer says that nobody is logged in. */
export function onRefused(handler) {
  refused = handler;
}

let ahead = 0;

/** Now by the clock of poold, in milliseconds: this machine's may be wrong. */
export function serverNow() {
  return Date.now() + ahead;
}

function setClock(response) {
  const at = Date.parse(response.headers.get('date'));
  // It says whole seconds.
  if (!Number.isNaN(at) && Math.abs(at + 500 - serverNow()) > 2000) ahead = at + 500 - Date.now();
}

const LIMIT_MS = 30000;

/** Asks, and answers with the response if that is good. */
export async function ask(path, { method = 'GET', body, signal } = {}) {
  const options = { method, cache: 'no-store', credentials: 'same-origin', redirect: 'error' };
  options.signal = signal ?? AbortSignal.timeout(LIMIT_MS);
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers = { 'content-type': 'application/json' };
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, error.name === 'TimeoutError' ? 'poold has not answered in time' : 'poold cannot be reached');
  }
  setClock(response);
  if (response.ok) return response;
  const problem = await read(response);
  if (response.status === 401 && path !== '/v1/session') refused();
  throw problem;
}

async function read(response) {
  try {
    const { detail, title, fields } = await response.json();
    return new Problem(response.status, detail ?? title ?? `status ${response.status}`, fields ?? []);
  } catch {
    return new Problem(response.status, `poold answered with status ${response.status}`);
  }
}

/** The answer's JSON. */
export async function getJson(path, options) {
  const response = await ask(path, options);
  try {
    return await response.json();
  } catch {
    throw new Problem(0, 'the answer broke off');
  }
}

/** Changes something. */
export async function post(path, body) {
  return getJson(path, { method: 'POST', body });
}

/** The address of a job. */
export function jobPath(job) {
  return `/v1/jobs/${encodeURIComponent(job)}`;
}

/** The address of an instance. */
export function instancePath(id) {
  return `/v1/instances/${encodeURIComponent(id)}`;
}
