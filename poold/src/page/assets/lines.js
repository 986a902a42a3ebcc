// Connections that stay open. A browser opens six to one server over HTTP/1.1, all its windows together: who takes them all
// for what is followed can ask nothing more.

/** So many are for the output of jobs, in all windows. */
const FOR_OUTPUT = 2;
/** A hidden page gives its connections up after so long. */
const HIDDEN_MS = 20000;

/** Holds one of the connections for output until `signal`. False: there is none left. */
export function takeLine(signal) {
  // Without locks (plain HTTP to another machine) nothing is known of other windows.
  if (!navigator.locks) return Promise.resolve(true);
  const tryOne = (number) => new Promise((resolve) => {
    if (number >= FOR_OUTPUT) {
      resolve(false);
      return;
    }
    navigator.locks.request(`poold-output-${number}`, { ifAvailable: true }, (lock) => {
      if (!lock) {
        resolve(tryOne(number + 1));
        return null;
      }
      resolve(true);
      return new Promise((release) => {
        if (signal.aborted) release();
        else signal.addEventListener('abort', release, { once: true });
      });
    });
  });
  return tryOne(0);
}

/** Calls `pause` when nobody has seen the page for a while, or when it goes away, and `resume` when it is seen again. */
export function whileSeen(pause, resume) {
  const ends = new AbortController();
  const { signal } = ends;
  let timer = null;
  let paused = false;
  const stop = () => {
    clearTimeout(timer);
    if (!paused) pause();
    paused = true;
  };
  const go = () => {
    clearTimeout(timer);
    if (paused) resume();
    paused = false;
  };
  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(stop, HIDDEN_MS);
    else go();
  }, { signal });
  // A page that is gone back to may be as it was left, connections and all.
  window.addEventListener('pagehide', stop, { signal });
  window.addEventListener('pageshow', go, { signal });
  return () => {
    clearTimeout(timer);
    ends.abort();
  };
}
