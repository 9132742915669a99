// What the simulator's commands are made of: artefacts and what is wrong with those that are none, how a
// swarm counts, how a check finds the first event that differs.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import {
  BadInput, differences, provenance, readArtefact, readRecipe, writeArtefact,
} from '../../sim/artefact.ts';
import type { Artefact } from '../../sim/artefact.ts';
import { manifestText } from '../../sim/cli/campaign.ts';
import { chosen, differenceText } from '../../sim/cli/check.ts';
import { bar, createProgressLine } from '../../sim/cli/progress.ts';
import { compare } from '../../sim/cli/replay.ts';
import { marksText, neverReached, partOf, sumsText } from '../../sim/cli/swarm.ts';
import { compareRuns, firstDifference, recordPlan } from '../../sim/determinism.ts';
import type { Recorder } from '../../sim/determinism.ts';
import { drawPlan } from '../../sim/faults.ts';
import { launchWith } from '../../sim/launch.ts';
import { marks } from '../../sim/marks.ts';
import { runSwarm } from '../../sim/swarm.ts';
import type { SeedResult, SwarmOptions, SwarmResult } from '../../sim/swarm.ts';
import { JobLost, startWorker } from '../../sim/worker.ts';
import type { Outcome, Worker } from '../../sim/worker.ts';
import { createRandom } from '../../cluster/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'shoal-sim-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

/** Calm, so that what these tests say of a pass does not hang on what the simulator may find. */
const small = drawPlan(7, { peers: 3, minutes: 1, classes: ['slow-disk', 'clocks'] });
const artefact: Artefact = {
  version: 1, plan: small, canary: 'spoil-state', mutant: null,
  violation: { oracle: 'state-digest', message: 'as it was', atMs: 1_000, event: 20 },
  hash: '0123456789abcdef', commit: 'c0ffee', lock: 'abc', node: 'v24.0.0',
};

function written(name: string, value: unknown): string {
  const file = join(folder, name);
  writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  return file;
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.instance(error, BadInput);
    return (error as BadInput).message;
  }
  return 'nothing was refused';
}

test('an artefact is read as it was written, with where it came from', () => {
  const file = join(folder, 'deep', 'down', 'artefact.json');
  writeArtefact(file, artefact);
  assert.equal(readArtefact(file), { ...artefact, ...provenance() });
  const { commit, lock, node } = provenance();
  assert.match(commit, /^[0-9a-f]{40}\+?$|^v\d/);
  assert.match(lock, /^[0-9a-f]{64}$/);
  assert.is(node, process.version);
});

test('a bare plan is a recipe, and no artefact', () => {
  const file = written('plan.json', small);
  assert.equal(readRecipe(file), { plan: small, canary: null, mutant: null, recorded: null, twin: false });
  const ended = { ...artefact, violation: { ...artefact.violation, oracle: 'same-end-state' } };
  assert.ok(readRecipe(written('twin.json', ended)).twin, 'what failed beside a twin is replayed beside one');
  assert.match(refusal(() => readArtefact(file)), /is a plan, not an artefact/);
});

const without = (name: string): object => Object.fromEntries(
  Object.entries(artefact).filter(([each]) => each !== name));

for (const [name, value, pattern] of [
  ['words', 'once upon a time', /is no JSON/],
  ['list', [1, 2], /neither an artefact nor a plan: not a JSON object/],
  ['version', { ...artefact, version: 2 }, /has version 2, not 1/],
  ['no-version', { seed: 1 }, /has version undefined, not 1/],
  ['nothing', { version: 1 }, /neither an artefact nor a plan: peers: an integer, 1 to 1000, not nothing/],
  ['plan-text', { ...artefact, plan: 'all well' }, /holds a plan that is none: it is not an object/],
  ['no-faults', { ...artefact, plan: { ...small, faults: undefined } }, /faults: is missing/],
  ['clocks', { ...artefact, plan: { ...small, peers: 4 } }, /clocks: one for each of 4 peers, not 3/],
  ['stranger', { ...small, faults: [{ kind: 'pause', atMs: 1, forMs: 1, peer: 9 }] }, /\[0\]\.peer: an i/],
  ['timeless', { ...small, faults: [{ kind: 'pause', peer: 1 }] }, /faults\[0\]\.atMs: is missing/],
  ['canary', { ...artefact, canary: 'tweety' }, /there is no canary "tweety"/],
  ['oracle', { ...artefact, violation: { ...artefact.violation, oracle: 'delphi' } }, /no oracle "delphi"/],
  ['silent', { ...artefact, violation: { oracle: 'silence' } }, /"violation" lacks its message/],
  ['no-hash', without('hash'), /"hash" is missing/],
  ['no-mutant', without('mutant'), /"mutant" is neither null nor a name/],
] as const) {
  test(`an artefact that is none is refused with a reason: ${name}`, () => {
    const file = written(`${name}.json`, value);
    const message = refusal(() => readRecipe(file));
    assert.match(message, pattern);
    assert.ok(message.startsWith(file), message);
  });
}

test('a file that is not there, or can\'t be written, is an error of whoever named it', () => {
  assert.match(refusal(() => readRecipe(join(folder, 'none.json'))), /can't be read: ENOENT/);
  const inFile = join(written('file', 'x'), 'artefact.json');
  assert.match(refusal(() => writeArtefact(inFile, artefact)), /can't be written/);
});

test('what is another trace than recorded says what else is another', () => {
  const now = { commit: 'c0ffee', lock: 'abc', node: 'v24.0.0' };
  const same = { hash: artefact.hash, violation: artefact.violation };
  assert.equal(compare(artefact, same, now),
    { text: 'the same trace as recorded, bit for bit', wrong: false });
  const other = { ...same, hash: 'f'.repeat(16) };
  const unsteady = compare(artefact, other, now);
  assert.ok(unsteady.wrong);
  assert.match(unsteady.text, /state-digest then, the same now\n.*not deterministic/);
  const moved = { ...now, commit: 'decade', node: 'v25.0.0' };
  const later = compare(artefact, { ...other, violation: null }, moved);
  assert.not(later.wrong);
  assert.match(later.text, /state-digest then, a pass now\n  commit c0ffee, now decade\n  Node v24.*v25/);
  assert.not(compare(null, same, now).wrong);
  assert.equal(differences({ ...now, commit: 'c0ffee+' }, { ...now, commit: 'c0ffee+' }),
    ['commit c0ffee+: changed sources, then or now']);
});

const marksOf = (seed: number): Outcome['marks'] =>
  (seed % 2 === 0 ? { 'split-vote': 2, 'stale-read': seed } : { 'split-vote': 1 });

/** A worker that says of each seed what the table does: an oracle, a way of being lost, or a pass. */
function pretended(table: Readonly<Record<number, string>>, started: { count: number }): () => Worker {
  return () => {
    started.count += 1;
    return {
      async run({ plan }) {
        await new Promise((done) => { setImmediate(done); });
        const what = table[plan.seed];
        if (what === 'died' || what === 'stuck' || what === 'threw') throw new JobLost(what, 'on purpose');
        const violation = what === undefined ? null
          : { oracle: what as 'silence', message: 'on purpose', atMs: 1, event: 1 };
        const figures = {
          simulatedMs: 60_000, elapsedMs: 1, events: 10, marks: marksOf(plan.seed), undecided: 1,
        };
        return { violation, hash: '', users: [], ...figures } satisfies Outcome;
      },
      record: () => Promise.reject(new Error('not asked for')),
      stop: () => undefined,
    };
  };
}

async function swarmOf(
  table: Readonly<Record<number, string>>, over: Partial<SwarmOptions> = {},
): Promise<{ result: SwarmResult; seen: SeedResult[]; started: number }> {
  const seen: SeedResult[] = [], started = { count: 0 };
  const result = await runSwarm({
    seeds: Array.from({ length: 20 }, (_, i) => i + 1), of: 20, workers: 3, keepGoing: true, canary: null,
    draw: (seed) => ({ ...small, seed }), startWorker: pretended(table, started),
    onResult: (each) => { seen.push(each); }, ...over,
  });
  return { result, seen, started: started.count };
}

test('a swarm that keeps going counts each seed once, by the oracle that spoke', async () => {
  const { result, seen, started } = await swarmOf({ 4: 'silence', 9: 'converges', 15: 'silence' });
  assert.equal(seen.map(({ seed }) => seed).sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 1));
  assert.equal([...result.failures].sort(), [['converges', [9]], ['silence', [4, 15]]]);
  assert.is(result.done, 20);
  assert.is(result.events, 200);
  assert.is(started, 3);
  const text = sumsText(result, 20, 60_000);
  assert.match(text, /^converges: 1, seeds 9\nsilence: 2, seeds 4 15\n20 seeds, 3 failed, 20 minutes/);
  assert.match(text, /\n20 histories of clients were too long to judge by their order$/);
});

test('a swarm stops at the first failure; seeds under way are still counted', async () => {
  const { result, seen } = await swarmOf({ 4: 'silence' }, { keepGoing: false });
  assert.ok(result.done >= 4 && result.done <= 6, String(result.done));
  assert.equal(result.failures.get('silence'), [4]);
  assert.is(seen.length, result.done);
  assert.match(sumsText(result, 20, 1_000), /^silence: 1, seeds 4\n\d of 20 seeds, 1 failed/);
});

test('a seed that its worker does not survive is a failure, and another worker goes on', async () => {
  const { result, started } = await swarmOf({ 2: 'died', 3: 'stuck', 5: 'died', 6: 'threw' }, { workers: 1 });
  assert.is(result.done, 20);
  assert.equal(Object.fromEntries(result.failures),
    { 'worker-died': [2, 5], 'worker-stuck': [3], 'worker-threw': [6] });
  assert.is(started, 5);
});

test('a swarm whose workers all die ends, and says so', async () => {
  const all = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [i + 1, 'died']));
  const { result } = await swarmOf(all, { workers: 1 });
  assert.is(result.done, 10);
  assert.match(sumsText(result, 20, 1_000), /^the last 10 seeds and more had no outcome: the swarm ended\n/);
  const { 7: _, ...most } = all;
  assert.is((await swarmOf(most, { workers: 1 })).result.done, 17);
});

test('a swarm that is interrupted counts what was done, and nothing that was under way', async () => {
  const interruption = new AbortController();
  const { result } = await swarmOf({ 3: 'silence' }, {
    signal: interruption.signal,
    onResult: (_, { done }) => { if (done === 5) interruption.abort(); },
  });
  assert.is(result.done, 5);
  assert.equal(Object.fromEntries(result.failures), { silence: [3] });
});

test('a swarm sums the marks of its runs, and names those that none reached', async () => {
  const { marks: sums } = (await swarmOf({ 4: 'silence', 5: 'died' })).result;
  // Of the seed that was lost, nothing is known.
  assert.equal(sums, { 'split-vote': 10 * 2 + 9, 'stale-read': 2 + 4 + 6 + 8 + 10 + 12 + 14 + 16 + 18 + 20 });
  const missed = neverReached(sums), all = Object.keys(marks);
  assert.equal(missed, all.filter((name) => !['split-vote', 'stale-read'].includes(name)).sort());
  const lines = marksText(sums).split('\n');
  assert.is(lines[0], `2 of ${all.length} marks reached`);
  assert.match(lines[1] as string, /^ +29  split-vote$/);
  assert.match(lines[3] as string, /^ +never  \S+: \w+/);
  assert.equal(neverReached(Object.fromEntries(all.map((name) => [name, 1]))), []);
});

test('the parts of a campaign hold every seed once', () => {
  for (const [to, parts] of [[100, 7], [3, 5], [1_000_000, 999]] as const) {
    let next = 1;
    for (let part = 0; part < parts; part += 1) {
      const [from, until] = partOf({ seeds: [1, to], parts }, String(part));
      assert.is(from, next);
      next = until + 1;
    }
    assert.is(next, to + 1);
  }
  assert.equal(partOf({ seeds: [5, 9] }, '3'), [5, 9], 'without --parts, the variable means nothing');
  assert.equal(partOf({ seeds: [1, 10], parts: 2, part: 1 }, undefined), [6, 10]);
  assert.match(refusal(() => partOf({ seeds: [1, 10], parts: 2 }, undefined)), /needs --part.*not set/);
  assert.match(refusal(() => partOf({ seeds: [1, 10], parts: 2 }, '2')), /from 0 to 1; it is 2/);
  assert.match(refusal(() => partOf({ seeds: [1, 10], part: 1 }, '2')), /--parts, which is missing/);
});

test('a campaign is an Indexed Job whose pods take their part by their index', () => {
  const { kind, metadata, spec } = parse(manifestText({
    seeds: [1, 500], completions: 25, parallelism: 40, image: 'registry.example/shoal:1', name: 'night',
    workers: 2, peers: 3, minutes: 5, classes: ['crash', 'pause'],
  })) as { kind: string; metadata: { name: string }; spec: Record<string, unknown> };
  assert.is(kind, 'Job');
  assert.is(metadata.name, 'night');
  assert.is(spec['completionMode'], 'Indexed');
  assert.is(spec['completions'], 25);
  assert.is(spec['parallelism'], 25);
  const { template } = spec as { template: { spec: { restartPolicy: string; containers: unknown[] } } };
  assert.is(template.spec.restartPolicy, 'Never');
  type Container = { command: string[]; image: string; env: { name: string }[] };
  const [container] = template.spec.containers as Container[];
  assert.is(container?.image, 'registry.example/shoal:1');
  assert.is(container?.env[0]?.name, 'JOB_COMPLETION_INDEX');
  assert.is(container?.command.join(' '),
    'shoal sim swarm --seeds 1..500 --parts 25 --workers 2 --keep-going '
    + '--peers 3 --minutes 5 --classes crash,pause');
});

test('progress is one line on a terminal, and plain lines without one', () => {
  const said = (isTTY: boolean): string => {
    let text = '';
    const line = createProgressLine({ isTTY, columns: 20, write: (part) => { text += part; } });
    line.show('[##] a long line of progress', '1 of 2');
    line.print('seed 3 failed');
    line.show('[##]', null);
    line.end();
    return text;
  };
  assert.is(said(false), '1 of 2\nseed 3 failed\n');
  assert.is(said(true).replaceAll('\r\u001b[K', '⌫'), '⌫[##] a long line of⌫seed 3 failed\n⌫[##]⌫');
  assert.is(bar(1, 2).replace(/[^█·]/g, '').length, bar(0, 0).replace(/[^█·]/g, '').length);
});

test('bisection finds the first difference that a walk finds', () => {
  const random = createRandom(5);
  for (let n = 0; n < 300; n += 1) {
    const length = random.between(1, 50), at = random.below(length + 1);
    const a = Uint32Array.from({ length }, () => random.u32());
    const b = a.map((each, i) => (i < at ? each : each ^ 1));
    assert.is(firstDifference(a, b), at === length ? null : at + 1);
    assert.is(firstDifference(a, a.slice(0, at)), at === length ? null : at + 1);
  }
  assert.is(firstDifference(new Uint32Array(), new Uint32Array()), null);
});

const job = { plan: small, canary: null } as const;
const steady: Recorder = async (what, window) => recordPlan(what, window);

test('a run that is a function of its plan is found to be one', async () => {
  const verdict = await compareRuns(job, steady, steady);
  assert.ok(verdict.same && verdict.events > 1_000);
});

test('of a run that is not, the first event that differs is found, and what it is in each', async () => {
  // It has another user than its plan says: where that one first acts, the runs part.
  const unsteady: Recorder = async ({ plan }, window) =>
    recordPlan({ plan: { ...plan, users: ['deployer-1', 'deployer-2'] }, canary: null }, window);
  const verdict = await compareRuns(job, steady, unsteady);
  if (verdict.same) return assert.unreachable('they differ');
  const all = { from: 1, to: Infinity };
  const one = recordPlan(job, all).lines, other = (await unsteady(job, all)).lines;
  const at = one.findIndex((line, n) => line !== other[n]);
  assert.ok(at > 10, `they part at ${at}`);
  assert.is(verdict.event, at + 1);
  assert.is(verdict.first, one[at]);
  assert.is(verdict.second, other[at]);
  assert.equal(verdict.before, one.slice(at - 5, at));
  const text = differenceText('seed 7', verdict);
  assert.ok(text.includes(`event ${at + 1} is the first`) && text.includes(one[at] as string), text);
});

test('of a run that goes on where the other ends, the first event more is found', async () => {
  const short: Recorder = async (what, window) => {
    const { hash, rolling, lines } = recordPlan(what, window);
    const to = window === null ? lines.length : 99 - window.from + 1;
    return { hash: `${hash}, in short`, rolling: rolling.slice(0, 99), lines: lines.slice(0, to) };
  };
  const verdict = await compareRuns(job, steady, short);
  if (verdict.same) return assert.unreachable('they differ');
  assert.is(verdict.event, 100);
  assert.ok(verdict.first?.includes('#100 '), String(verdict.first));
  assert.is(verdict.second, null);
});

test('a run that differs elsewhere each time, or only at the end, is told from others', async () => {
  let runs = 0;
  const long = Uint32Array.from({ length: 100_000 }, (_, i) => i);
  const calm: Recorder = async () => ({ hash: 'a', rolling: long, lines: [] });
  const chance: Recorder = async () => {
    runs += 1;
    return { hash: 'b', rolling: long.map((each, i) => (i < runs * 10_000 ? each : each + 1)), lines: [] };
  };
  const verdict = await compareRuns(job, calm, chance);
  if (verdict.same) return assert.unreachable('they differ');
  assert.is(verdict.first, null);
  assert.match(differenceText('seed 7', verdict), /elsewhere each time/);
  const ending: Recorder = async () => ({ hash: 'c', rolling: long, lines: [] });
  const end = await compareRuns(job, calm, ending);
  assert.ok(!end.same && end.event === null);
});

test('a check chooses the same seeds each time, about as many as asked for, at least one', () => {
  const some = chosen([1, 10_000], 0.1);
  assert.ok(some.length > 850 && some.length < 1_150, String(some.length));
  assert.equal(some, chosen([1, 10_000], 0.1));
  assert.ok(some.every((seed) => chosen([1, 10_000], 0.2).includes(seed)));
  assert.equal(chosen([5, 8], 1), [5, 6, 7, 8]);
  assert.equal(chosen([3, 3], 0.000_001), [3]);
});

test('a worker that dies, never ends, or hears of a throw says so', async () => {
  const launch = await launchWith(null);
  const lost = async (file: string, limitMs: number): Promise<string> => {
    const worker = startWorker({ launch, limitMs, file });
    try {
      await worker.run(job);
      return 'an outcome';
    } catch (error) {
      assert.instance(error, JobLost);
      return `${(error as JobLost).how}: ${(error as JobLost).message}`;
    } finally {
      worker.stop();
    }
  };
  const listening = (what: string): string => `process.on('message', () => { ${what} });`;
  assert.is(await lost(written('dies.mjs', listening('process.exit(3)')), 60_000),
    'died: its process ended with code 3');
  assert.is(await lost(written('spins.mjs', listening('for (;;);')), 1_000), 'stuck: no end after 1 s');
  assert.is(await lost(written('throws.mjs', listening('process.send({ error: "no heap" })')), 60_000),
    'threw: no heap');
});

test.run();
