// Shrinking: ddmin on predicates whose smallest answer is known, plans that get simpler and stay plans, the
// search as a whole on a pretended runner, and a real failure that ends with a few faults.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createRandom } from '../../cluster/random.ts';
import { ddmin } from '../../sim/ddmin.ts';
import type { FirstFailing } from '../../sim/ddmin.ts';
import { drawPlan } from '../../sim/faults.ts';
import type { Fault, FaultPlan } from '../../sim/faults.ts';
import { shrink } from '../../sim/shrink.ts';
import type { Shrunk } from '../../sim/shrink.ts';
import { lists, plainer, withoutPeer } from '../../sim/simpler.ts';
import { runJob } from '../../sim/worker.ts';
import type { Job, Outcome } from '../../sim/worker.ts';

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

function trying<T>(fails: (items: readonly T[]) => boolean): FirstFailing<T> {
  return async (candidates) => {
    const at = candidates.findIndex((each) => fails(each));
    return at < 0 ? null : at;
  };
}

test('ddmin finds the only elements that matter, however they lie', async () => {
  const random = createRandom(1);
  for (let n = 0; n < 200; n += 1) {
    const items = upTo(random.between(1, 40));
    const needed = items.filter(() => random.chance(1, 8));
    const found = await ddmin(items, trying((some) => needed.every((each) => some.includes(each))));
    assert.equal(found, needed);
  }
});

test('ddmin ends with a list that fails, and passes with any one element less', async () => {
  const random = createRandom(2);
  for (let n = 0; n < 100; n += 1) {
    const items = upTo(random.between(3, 30)), sum = random.between(1, items.length * 2);
    // Many answers are smallest, and none of them holds the others.
    const fails = (some: readonly number[]): boolean => some.reduce((all, each) => all + each, 0) >= sum;
    const found = await ddmin(items, trying(fails));
    assert.ok(fails(found), `${found} of ${items.length} for ${sum}`);
    for (const out of found) {
      assert.not(fails(found.filter((each) => each !== out)), `${found} without ${out}`);
    }
  }
});

test('ddmin leaves one element where none would not be a list to try', async () => {
  assert.equal((await ddmin(upTo(9), trying(() => true), 1)).length, 1);
  assert.equal(await ddmin(upTo(9), trying(() => true)), []);
  assert.equal(await ddmin([], trying(() => true)), []);
});

test('ddmin ends at once where the search is over, with what it had', async () => {
  let asked = 0;
  const found = await ddmin(upTo(8), async (candidates) => {
    asked += 1;
    return asked === 1 ? null : asked === 2 ? candidates.length - 1 : null;
  });
  assert.equal(found, [5, 6, 7, 8]);
});

/** Every peer that a fault names, wherever. */
function named(fault: Fault): number[] {
  return Object.entries(fault).flatMap(([name, value]) => {
    if (name === 'peer') return [value as number];
    return Array.isArray(value) ? (value as (number | number[])[]).flat() : [];
  });
}

test('a plan without a peer names only peers that are there, and as many faults as still strike one', () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const plan = drawPlan(seed, { peers: 5, minutes: 3 });
    for (const gone of upTo(5)) {
      const less = withoutPeer(plan, gone);
      assert.ok(less !== null);
      assert.is(less.peers, 4);
      assert.equal(less.clocks, plan.clocks.filter((_, at) => at !== gone - 1));
      for (const fault of less.faults) {
        const peers = named(fault);
        assert.ok(peers.length > 0 && peers.every((each) => each >= 1 && each <= 4), JSON.stringify(fault));
      }
      const spared = plan.faults.filter((fault) => named(fault).every((each) => each === gone)).length;
      assert.ok(less.faults.length <= plan.faults.length - spared);
    }
  }
});

test('a peer that is left is the one it was, under its new number', () => {
  const fault: Fault = { kind: 'partition', atMs: 1, forMs: 2, a: [1, 4], b: [2, 3, 5], direction: 'both' };
  const clog: Fault = { kind: 'clog', atMs: 1, forMs: 2, links: [[1, 2], [3, 5], [5, 4]] };
  const pause: Fault = { kind: 'pause', atMs: 1, forMs: 2, peer: 5 };
  const plan = { ...drawPlan(1, { peers: 5, minutes: 1 }), core: [2, 3, 5], faults: [fault, clog, pause] };
  const less = withoutPeer(plan, 2);
  assert.equal(less?.faults, [
    { ...fault, a: [1, 3], b: [2, 4] }, { ...clog, links: [[2, 4], [4, 3]] }, { ...pause, peer: 4 },
  ]);
  assert.equal(less?.core, [2, 4]);
});

test('the last peer stays, and so do those that a loss needs', () => {
  const one = drawPlan(1, { peers: 1, minutes: 1 });
  assert.is(withoutPeer(one, 1), null);
  const leave: Fault = { kind: 'leave', atMs: 1, forMs: 2, peer: 3 };
  const three = { ...drawPlan(1, { peers: 3, minutes: 1 }), faults: [leave] };
  assert.is(withoutPeer(three, 1), null);
  assert.is(withoutPeer({ ...three, core: [3] }, 3), null);
});

test('a plainer plan differs, and heals after its last fault', () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    const plan = drawPlan(seed, { peers: 3, minutes: 2 });
    for (const candidate of plainer(plan, 10_000)) {
      assert.is.not(JSON.stringify(candidate), JSON.stringify(plan));
      for (const { atMs, forMs } of candidate.faults) assert.ok(atMs + forMs <= candidate.healMs);
    }
    for (const list of lists(plan)) assert.equal(list.with(list.items), plan);
  }
});

test('what is as plain as can be gets no plainer', () => {
  let plan = drawPlan(4, { peers: 3, minutes: 2 });
  for (let n = 0; n < 100; n += 1) {
    const next = plainer(plan, 10_000)[0];
    if (next === undefined) break;
    plan = next;
  }
  assert.equal(plainer(plan, 10_000), []);
  assert.equal(plan.logBounds, {});
  assert.is(new Set(plan.clocks.map((clock) => JSON.stringify(clock))).size, 1);
});

/** A run that fails while the plan holds what it takes, and another way while it does not. */
function pretend(
  fails: (plan: FaultPlan) => boolean, all: readonly string[],
): (job: Job) => Promise<Outcome> {
  return async ({ plan }) => {
    const oracle = fails(plan) ? 'state-digest' : 'silence';
    return {
      violation: { oracle, message: '', atMs: 20_000, event: 1 }, hash: '', simulatedMs: 1, elapsedMs: 1,
      events: 1, users: plan.users ?? all, marks: {}, undecided: 0,
    };
  };
}

async function shrinkPretended(
  plan: FaultPlan, fails: (plan: FaultPlan) => boolean, over: { lanes?: number; runsMax?: number } = {},
): Promise<Shrunk> {
  const run = pretend(fails, ['ann', 'ben', 'cid', 'dan']), job = { plan, canary: null };
  const { lanes = 1, runsMax = 5_000 } = over;
  return shrink({
    job, outcome: await run(job), run, lanes, runsMax, timeIsUp: () => false, onProgress: () => undefined,
  });
}

test('shrinking leaves the faults, users, peers and choices that it takes, in so many lanes', async () => {
  const plan = drawPlan(3, { peers: 5, minutes: 3 });
  const one = plan.faults[2] as Fault, other = plan.faults.at(-2) as Fault;
  const has = ({ faults }: FaultPlan, fault: Fault): boolean =>
    faults.some(({ kind, atMs }) => kind === fault.kind && atMs === fault.atMs);
  const fails = (candidate: FaultPlan): boolean => has(candidate, one) && has(candidate, other)
    && (candidate.users ?? ['cid']).includes('cid') && candidate.peers >= 3
    && candidate.disks.syncMsMin === plan.disks.syncMsMin;
  for (const lanes of [1, 3]) {
    const { plan: least, finished, outcome } = await shrinkPretended(plan, fails, { lanes });
    assert.equal(least.faults.map(({ kind, atMs }) => [kind, atMs]),
      [one, other].map(({ kind, atMs }) => [kind, atMs]));
    assert.equal(least.users, ['cid']);
    assert.is(least.peers, 3);
    assert.equal(least.logBounds, {});
    assert.equal(least.disks, plan.disks);
    assert.ok(least.healMs < plan.healMs);
    assert.is(outcome.violation?.oracle, 'state-digest');
    assert.ok(finished);
  }
});

test('a candidate that could not be written by hand is not run', async () => {
  const late: Fault = { kind: 'late', atMs: 0, forMs: 5_000, peer: 2 };
  const plan = { ...drawPlan(3, { peers: 2, minutes: 1 }), faults: [late] };
  const fails = ({ faults }: FaultPlan): boolean => faults.length === 1;
  // The founder can't be late, so the first peer stays.
  assert.is((await shrinkPretended(plan, fails)).plan.peers, 2);
  assert.is((await shrinkPretended({ ...plan, faults: [{ ...late, kind: 'pause' }] }, fails)).plan.peers, 1);
});

test('a bound of runs ends the search with a plan that fails', async () => {
  const plan = drawPlan(3, { peers: 5, minutes: 3 }), kept = plan.faults[3] as Fault;
  const fails = ({ faults }: FaultPlan): boolean => faults.some(({ atMs }) => atMs === kept.atMs);
  const { plan: least, finished, runs } = await shrinkPretended(plan, fails, { runsMax: 4 });
  assert.is(finished, false);
  assert.is(runs, 4);
  assert.ok(fails(least));
  assert.ok(least.faults.length < plan.faults.length);
});

interface Real { readonly before: Outcome; readonly shrunk: Shrunk }

/** Shrinks the first of the jobs that fails as wanted, and checks what always holds of that. */
async function shrinkReal(jobs: readonly Job[], wanted: (outcome: Outcome) => boolean): Promise<Real> {
  for (const job of jobs) {
    const before = runJob(job);
    if (before.violation === null || !wanted(before)) continue;
    const shrunk = await shrink({
      job, outcome: before, run: async (each) => runJob(each), lanes: 1, runsMax: 300, timeIsUp: () => false,
      onProgress: () => undefined,
    });
    assert.ok(shrunk.finished);
    assert.is(shrunk.outcome.violation?.oracle, before.violation.oracle);
    const again = runJob({ ...job, plan: shrunk.plan });
    assert.is(again.hash, shrunk.outcome.hash);
    assert.equal(again.violation, shrunk.outcome.violation);
    return { before, shrunk };
  }
  assert.unreachable('no seed fails');
  throw new Error('unreachable');
}

test('a canary shrinks to what it takes: few faults, few users, and it replays bit for bit', async () => {
  const jobs = upTo(20).map((seed): Job =>
    ({ plan: drawPlan(seed, { peers: 3, minutes: 1 }), canary: 'spoil-state' }));
  const { before, shrunk } = await shrinkReal(jobs, ({ violation }) => violation?.oracle === 'state-digest');
  assert.ok(shrunk.plan.faults.length < 4, `${shrunk.plan.faults.length} faults left`);
  // Somebody has to make the object that gets lost.
  const { users } = shrunk.outcome;
  assert.ok(users.length > 0 && users.length < before.users.length, users.join());
});

test('a failure that takes a fault keeps one', async () => {
  // So short a bound is not kept if anything was down when faults ended; nobody uses the cluster.
  const jobs = upTo(20).map((seed): Job => {
    const plan = drawPlan(seed, { peers: 3, minutes: 1, classes: ['crash', 'power', 'pause', 'partition'] });
    return { plan: { ...plan, boundMs: 1_000, users: [] }, canary: null };
  });
  const { shrunk } = await shrinkReal(jobs, ({ violation }) => violation?.oracle === 'converges');
  const { faults } = shrunk.plan;
  assert.ok(faults.length > 0 && faults.length < 4, JSON.stringify(faults));
});

test.run();
