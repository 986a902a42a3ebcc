// One job: all that is known of it, and what it prints.

import { getJson, jobPath } from './api.js';
import { jobActions } from './actions.js';
import { bdi, h, setTitle, show } from './dom.js';
import { bytes, count, counted, duration, resources, time } from './format.js';
import { tick } from './hold-offs.js';
import { instanceLink } from './inspector.js';
import { jobBadge, badge } from './marks.js';
import { OutputPane } from './output.js';
import { on } from './store.js';
import { took } from './view-jobs.js';
import { readAgain } from './waiting.js';

const KEPT = { none: 'nothing is kept yet', complete: 'kept', incomplete: 'only what had arrived when its worker was lost' };

/** Shows it; returns how to end that. */
export function job(main, key) {
  const head = h('div');
  const facts = h('div', { class: 'columns' });
  const runs = h('div', { class: 'runs' });
  const past = h('section', { class: 'card' });
  const failure = h('p', { class: 'error', role: 'status' });
  const panes = [new OutputPane(key, 'stdout', 'Standard output'), new OutputPane(key, 'stderr', 'Standard error')];
  const outputs = h('div', { class: 'outputs', hidden: true }, panes.map(({ element }) => element));
  main.replaceChildren(h('p', { class: 'crumbs' }, h('a', { href: '#/jobs' }, 'Jobs')), failure, head, facts, runs, outputs, past);

  let detail = null;
  let why = null;
  let closed = false;
  /** The run whose output is shown; null: the last. */
  let chosen = null;
  let shown = null;
  /** Counts the readings, so that one that was overtaken is not used. */
  let asked = 0;

  async function read() {
    asked += 1;
    const mine = asked;
    const overtaken = () => closed || mine !== asked;
    let job;
    try {
      job = await getJson(jobPath(key));
    } catch (problem) {
      if (overtaken()) return;
      show(failure, problem.status === 404 ? `There is no job ${key}.` : `The job could not be read: ${problem.message}`);
      outputs.hidden = detail === null;
      return;
    }
    if (overtaken()) return;
    let explanation;
    try {
      explanation = await getJson(`${jobPath(key)}/explain`);
    } catch (problem) {
      explanation = { text: `why it is so could not be read: ${problem.message}` };
    }
    if (overtaken()) return;
    [detail, why] = [job, explanation];
    show(failure);
    update();
  }

  function update() {
    if (!detail) return;
    setTitle(detail.name ? `${detail.number} ${detail.name}` : detail.number);
    show(head, header(detail, why));
    show(facts, request(detail), became(detail));
    show(past, history(detail.history));
    const run = chosen ?? detail.runs;
    show(runs, detail.runs > 1 && h('div', { class: 'choice', role: 'group', 'aria-label': 'Which run’s output' },
      [...Array(Math.min(detail.runs, 8)).keys()].map((back) => detail.runs - back).reverse().map((number) => h('button', {
        type: 'button', 'data-key': number, 'aria-pressed': String(number === run), onclick: () => { chosen = number === detail.runs ? null : number; update(); },
      }, `Run ${number}`))));
    outputs.hidden = detail.runs === 0;
    const last = run === detail.runs;
    const final = !last || ['complete', 'cancelled'].includes(detail.state);
    if (shown === run && final) panes.forEach((pane) => pane.finish());
    if (outputs.hidden || shown === run) return;
    shown = run;
    panes[0].start(run || null, last ? detail.stdout_size : 0, final);
    panes[1].start(run || null, last ? detail.stderr_size : 0, final);
  }

  const ends = [
    on('jobs', (changed) => {
      const row = changed?.get(detail?.number ?? Number(key));
      if (!row) return;
      // Nor the whole of a long command.
      if (detail) detail = { ...row, command: detail.command, history: detail.history };
      update();
      // The history and the explanation are not in the event.
      read();
    }),
    readAgain(read),
    tick(() => detail && update()),
    () => { closed = true; panes.forEach((pane) => pane.close()); },
  ];
  read();
  return () => ends.forEach((end) => end());
}

function header(detail, why) {
  const waits = detail.state === 'queued';
  return [
    h('div', { class: 'job-head', 'data-key': 'head' },
      h('h1', {}, `Job ${detail.number} `, detail.name && bdi(detail.name)),
      jobBadge(detail), h('span', { class: 'push' }), jobActions(detail)),
    h('section', { class: `card why${waits ? ' waits' : ''}`, 'data-key': 'why', 'aria-label': waits ? 'Why it waits' : 'How it stands' },
      h('p', {}, bdi(why?.text ?? detail.waiting?.text ?? detail.reason ?? detail.state)),
      (why?.remedy ?? detail.waiting?.remedy) && h('p', { class: 'remedy' }, bdi(why?.remedy ?? detail.waiting?.remedy)),
      waits && why?.ahead !== null && why?.ahead !== undefined && h('p', { class: 'hint' }, why.ahead === 0 ? 'No job is before it in the queue.' : `${why.ahead_is_at_least ? 'More than ' : ''}${counted(why.ahead, 'job')} ${why.ahead === 1 ? 'is' : 'are'} before it in the queue.`)),
  ];
}

function fact(term, ...value) {
  return [h('dt', {}, term), h('dd', {}, ...value)];
}

function request(job) {
  const labels = Object.entries(job.labels);
  return h('section', { class: 'card', 'data-key': 'asked' }, h('h2', {}, 'What was asked'), h('dl', { class: 'facts' },
    fact('Id', h('code', {}, bdi(job.id))),
    fact('Command', h('code', { class: 'command' }, job.command.map((word, i) => [i > 0 && ' ', bdi(quoted(word))]))),
    job.group && fact('Group', h('a', { href: `#/jobs?group=${encodeURIComponent(job.group)}` }, bdi(job.group))),
    labels.length > 0 && fact('Labels', labels.map(([name, value], i) => [i > 0 && ', ', h('a', { href: `#/jobs?label=${encodeURIComponent(`${name}=${value}`)}` }, bdi(`${name}=${value}`))])),
    fact('Priority', count(job.priority)),
    fact('Resources', resources(job.resources)),
    fact('Preemptible', job.preemptible ? 'yes: it may run on workers that the cloud takes away' : 'no'),
    fact('Submitted', time(job.submitted_at))));
}

/** A word of a command as a shell would need it. */
function quoted(word) {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function became(job) {
  return h('section', { class: 'card', 'data-key': 'became' }, h('h2', {}, 'What became of it'), h('dl', { class: 'facts' },
    fact('State', jobBadge(job)),
    job.reason && fact('Why', bdi(job.reason)),
    fact('Worker', job.instance ? instanceLink(job.instance) : job.ended_at ? 'none' : 'none yet', job.instance_type && [' ', h('span', { class: 'hint' }, bdi(job.instance_type))]),
    fact('Runs', job.runs === 0 ? 'none yet' : `${count(job.runs)}, of which ${count(job.attempts)} count as attempts`, job.preemptions > 0 && `; ${counted(job.preemptions, 'preemption')}`),
    job.locked_at && fact('Given to it', time(job.locked_at)),
    job.started_at && fact('Started', time(job.started_at)),
    job.ended_at && fact('Ended', time(job.ended_at)),
    job.started_at && fact(job.ended_at ? 'Took' : 'Runs for', took(job)),
    fact('Output', KEPT[job.output] ?? job.output, job.output !== 'none' && `: ${bytes(job.stdout_size)} and ${bytes(job.stderr_size)}`),
    job.peak_memory !== null && fact('Peak memory', bytes(job.peak_memory)),
    job.cpu_time_ms !== null && fact('CPU time', job.cpu_time_ms < 1000 ? `${job.cpu_time_ms} ms` : duration(job.cpu_time_ms / 1000))));
}

function history(entries) {
  return [
    h('h2', {}, 'History'),
    h('ol', { class: 'history' }, entries.map(({ at, state, detail }) => h('li', {}, h('span', { class: 'when' }, time(at)), badge(state), h('span', {}, bdi(detail))))),
  ];
}
