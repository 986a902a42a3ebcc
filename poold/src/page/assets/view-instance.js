// One instance.

import { instanceActions } from './actions.js';
import { h, show, bdi } from './dom.js';
import { bytes } from './format.js';
import { workerFacts } from './inspector.js';
import { on, store } from './store.js';

/** Shows it; returns how to end that. */
export function instance(main, id) {
  const body = h('div', { class: 'stack' });
  main.replaceChildren(h('p', { class: 'crumbs' }, h('a', { href: '#/workers' }, 'Workers')), h('h1', {}, bdi(id)), body);
  let seen = null;
  function update() {
    const row = store.instances.get(id);
    seen = row ?? seen;
    if (!row && !store.instancesKnown) {
      show(body, h('p', { class: 'empty' }, 'It is being read.'));
      return;
    }
    show(body,
      !row && h('p', { class: 'card trouble', 'data-key': 'gone' }, seen ? 'It is gone. This is what was known of it last.' : 'There is no such instance now: it is gone, or there never was one.'),
      row && instanceActions(row),
      seen && h('section', { class: 'card', 'data-key': 'facts' }, workerFacts(seen), seen.running_jobs.length > 0 && shares(seen)));
  }
  const ends = [on('instances', update), on('types', update)];
  update();
  return () => ends.forEach((end) => end());
}

/** How much of the instance its jobs have reserved. */
function shares(row) {
  const type = store.types.find(({ name }) => name === row.instance_type);
  if (!type) return null;
  const share = (label, used, all, format) => all > 0 && h('li', {},
    h('span', {}, `${label}: ${format(used)} of ${format(all)} reserved`),
    h('span', { class: 'bar', 'aria-hidden': 'true' }, h('span', { style: { width: `${Math.min(100, (100 * used) / all)}%` } })));
  return h('ul', { class: 'shares' },
    share('CPUs', row.reserved.cpus ?? 0, type.vcpus, String),
    share('Memory', row.reserved.memory ?? 0, type.memory, bytes),
    share('Scratch', row.reserved.scratch ?? 0, type.scratch, bytes),
    share('GPUs', row.reserved.gpus ?? 0, type.gpus, String));
}
