// Faults as data: how they are drawn, printed, read back and refused, and that the atlas keeps what is
// committed. What losses do to a cluster is in `test/scenario/lost-disks.test.ts`.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { peerId } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { mayLose } from '../../sim/faults/atlas.ts';
import type { AtlasDisk } from '../../sim/faults/atlas.ts';
import { checkPlan } from '../../sim/faults/check.ts';
import { drawPlan, faultClasses } from '../../sim/faults.ts';
import type { Fault, FaultOf } from '../../sim/faults.ts';
import { createFuse } from '../../sim/fuse.ts';
import { changesOf, cloggedBy, isDown, outsideRing } from '../../sim/links.ts';
import { isSound } from '../../sim/losing.ts';
import type { Machine } from '../../sim/machine.ts';
import { driftPpmMax } from '../../sim/ports/clock.ts';
import { planText } from '../../sim/report.ts';
import { runPlan } from '../../sim/run.ts';
import type { World } from '../../sim/world.ts';

const options = { peers: 5, minutes: 10 } as const;
const seeds = Array.from({ length: 200 }, (_, n) => n + 1);

// ── drawing ──────────────────────────────────────────────────────────────────────────────────────────────

test('each class draws from a generator of its own: alone it is what it is among all', () => {
  for (const seed of seeds.slice(0, 40)) {
    const all = drawPlan(seed, options);
    const texts = new Set(all.faults.map((fault) => JSON.stringify(fault)));
    let apart = 0;
    for (const one of faultClasses) {
      const alone = drawPlan(seed, { ...options, classes: [one] });
      assert.equal(alone.classes, all.classes.filter((each) => each === one));
      assert.equal({ ...alone.links, ...alone.disks }, { ...all.links, ...all.disks });
      assert.equal(alone.logBounds, all.logBounds);
      for (const fault of alone.faults) assert.ok(texts.has(JSON.stringify(fault)), `${one}, seed ${seed}`);
      apart += alone.faults.length;
    }
    assert.is(all.faults.length, apart);
  }
});

test('each class is on in some runs and off in others, and every kind and shape of fault is drawn', () => {
  const plans = seeds.map((seed) => drawPlan(seed, options));
  for (const one of faultClasses) {
    const on = plans.filter(({ classes }) => classes.includes(one)).length;
    assert.ok(on > 60 && on < 140, `${one} is on in ${on} of 200 runs`);
  }
  const faults = plans.flatMap((plan) => plan.faults);
  const kinds = new Set(faults.map(({ kind }) => kind));
  assert.is(kinds.size, 24, [...kinds].join());
  const some = (what: string, is: (fault: Fault) => boolean): void => assert.ok(faults.some(is), what);
  for (const delay of ['constant', 'uniform', 'exponential', 'heavy-tail'] as const) {
    some(delay, (fault) => fault.kind === 'links' && fault.conditions.delay === delay);
    assert.ok(plans.some(({ links }) => links.delay === delay), `${delay} all along`);
  }
  for (const where of ['entry', 'snapshot', 'read', 'write']) {
    some(where, (fault) => fault.kind === 'rot' && fault.where === where);
  }
  some('one alone', (fault) => fault.kind === 'partition' && fault.a.length === 1 && fault.b.length === 4);
  some('a bridge', (fault) => fault.kind === 'partition' && fault.a.length === 2 && fault.b.length === 2);
  some('one way', (fault) => fault.kind === 'partition' && fault.direction !== 'both');
  some('a ring one way', (fault) => fault.kind === 'ring' && fault.oneWay);
  some('narrow', (fault) => fault.kind === 'links' && fault.conditions.bytesPerSecond !== undefined);
  some('back', (fault) => fault.kind === 'clock-jump' && fault.skewMs < 0);
  some('forward', (fault) => fault.kind === 'clock-jump' && fault.skewMs > 0);
});

test('what is drawn for any number of peers is a plan that is let through, and prints', () => {
  for (const peers of [1, 2, 3, 4, 7, 50]) {
    for (const seed of seeds.slice(0, 60)) {
      const plan = drawPlan(seed, { peers, minutes: 3 });
      assert.equal(checkPlan(JSON.parse(JSON.stringify(plan))), plan);
      assert.not.match(planText(plan), /undefined|NaN|\[object/);
      assert.ok(planText(plan).split('\n').length >= plan.faults.length + 4);
      const rates = [...plan.clocks, ...plan.faults.filter((fault) => fault.kind === 'clock-rate')];
      for (const { driftPpm } of rates) assert.ok(Math.abs(driftPpm) <= driftPpmMax);
    }
  }
});

test('a fault that is taken away changes nothing that comes before it', () => {
  const plan = drawPlan(4, { peers: 3, minutes: 1 });
  const gone = Math.floor(plan.faults.length / 2), { atMs = 0 } = plan.faults[gone] ?? {};
  assert.ok(gone > 2 && atMs > 5_000, `fault ${gone} at ${atMs}`);
  const fewer = { ...plan, faults: plan.faults.filter((_, n) => n !== gone) };
  const untilMs = atMs - 1;
  assert.is(runPlan(fewer, { untilMs }).hash, runPlan(plan, { untilMs }).hash);
});

// ── shapes in time ───────────────────────────────────────────────────────────────────────────────────────

test('a ring: neighbours only, both ways or one', () => {
  const ring = { kind: 'ring', atMs: 0, forMs: 1, order: [3, 1, 4, 2, 5] } as const;
  const seen = (from: number, cut: readonly (readonly [number, number])[]): number[] =>
    [1, 2, 3, 4, 5].filter((to) => to !== from && !cut.some(([a, b]) => a === from && b === to));
  const both = outsideRing({ ...ring, oneWay: false });
  assert.equal(seen(1, both), [3, 4]);
  assert.equal(seen(5, both), [2, 3]);
  const oneWay = outsideRing({ ...ring, oneWay: true });
  assert.equal([1, 2, 3, 4, 5].map((from) => seen(from, oneWay).join()), ['4', '5', '1', '2', '3']);
});

test('swizzled: clogged one by one, opened one by one in another order', () => {
  const fault: FaultOf<'swizzle'> = {
    kind: 'swizzle', atMs: 7, forMs: 100, clogs: [2, 5, 1], opens: [5, 1, 2], everyMs: 10,
  };
  const at = (ms: number): string => cloggedBy(fault, ms).join('');
  assert.equal([0, 9, 10, 20, 79, 80, 90, 99, 100].map(at),
    ['2', '2', '25', '251', '251', '21', '2', '2', '']);
  assert.equal([...changesOf(fault)].sort((a, b) => a - b), [10, 20, 80, 90]);
});

test('flapping: down first, then up, again and again', () => {
  const fault: FaultOf<'flap'> = {
    kind: 'flap', atMs: 7, forMs: 100, links: [[1, 2]], everyMs: 40, downMs: 15,
  };
  assert.equal([0, 14, 15, 39, 40, 54, 55].map((ms) => isDown(fault, ms)),
    [true, true, false, false, true, true, false]);
  assert.equal([...changesOf(fault)], [15, 40, 55, 80, 95]);
  assert.equal([...changesOf({ ...fault, downMs: 40 })], [40, 80], 'never up');
});

test('a fuse blows after so many calls of one event, and of its port', () => {
  const fuse = createFuse();
  assert.ok(fuse.passes('disk'));
  fuse.set('disk', 2);
  for (let event = 0; event < 3; event += 1) {
    fuse.begin();
    assert.ok(fuse.passes('disk') && fuse.passes('network') && fuse.passes('disk') && fuse.passes('network'));
  }
  assert.not(fuse.passes('disk'));
  assert.ok(fuse.blown);
  assert.not(fuse.passes('network'), 'the dead call nobody');
  fuse.renew();
  assert.ok(fuse.passes('disk') && !fuse.blown);
  fuse.set('any', 0);
  assert.not(fuse.passes('clients'));
});

// ── reading back ─────────────────────────────────────────────────────────────────────────────────────────

/** A plan as it was written before there were faults of disks and members. */
const old = {
  version: 1, seed: 7, peers: 3, minutes: 1, healMs: 33_000, boundMs: 150_000, classes: ['crash', 'leave'],
  links: { delay: 'uniform', delayMsMin: 0.2, delayMsMax: 4, lossPpm: 0, duplicatePpm: 0, reorderPpm: 0,
    reorderMsMax: 0 },
  disks: { syncMsMin: 0.1, syncMsMax: 5 }, clocks: [1, 2, 3].map(() => ({ driftPpm: 0, wallSkewMs: 0 })),
  logBounds: {}, faults: [
    { kind: 'crash', atMs: 6_000, forMs: 500, peers: [1, 2] },
    { kind: 'disk-fails', atMs: 7_000, forMs: 500, peer: 3 },
    { kind: 'runtime-down', atMs: 8_000, forMs: 500, peer: 2 },
  ],
};

test('a plan from before is let through and runs', () => {
  assert.is(runPlan(checkPlan(old)).violation, null);
});

type Change = Record<string, unknown>;
const withFault = (fault: Change): Change => ({ faults: [{ atMs: 5_000, forMs: 1_000, ...fault }] });

for (const [change, message] of [
  [{ version: 2 }, 'version: 1 is known here, not 2'],
  [{ peers: 0 }, 'peers: an integer, 1 to 1000, not 0'],
  [{ peers: 4 }, 'clocks: one for each of 4 peers, not 3'],
  [{ seed: undefined }, 'seed: is missing'],
  [{ seeds: 3 }, 'seeds: no such field; there are version, seed, '],
  [{ minutes: '5' }, 'minutes: a number, 0 to 1000, not "5"'],
  [{ healMs: 70_000 }, 'healMs: at most the whole run, 60000'],
  [{ classes: ['crash', 'flood'] }, 'classes[1]: partition or '],
  [{ disks: { syncMsMin: 9, syncMsMax: 5 } }, 'disks.syncMsMin: at most 5, not 9'],
  [{ links: { ...old.links, delay: 'long' } }, 'links.delay: constant or uniform or'],
  [{ links: { ...old.links, lossPpm: -1 } }, 'links.lossPpm: an integer, 0 to 1000000, not -1'],
  [{ logBounds: { logEntriesKept: 1.5 } }, 'logBounds.logEntriesKept: an integer'],
  [{ core: [] }, 'core: at least one peer'],
  [{ core: [4] }, 'core[0]: an integer, 1 to 3, not 4'],
  [{ faults: {} }, 'faults: a list, not {}'],
  [{ faults: [old.faults[1], old.faults[0]] }, 'faults[1].atMs: faults are in order of time'],
  [withFault({ kind: 'flood' }), 'faults[0].kind: one of partition, '],
  [withFault({}), 'faults[0].kind: one of'],
  [withFault({ kind: 'pause', peer: 9 }), 'faults[0].peer: an integer, 1 to 3, not 9'],
  [withFault({ kind: 'pause', peers: [1] }),
    'faults[0].peers: no such field; there are kind, atMs, forMs, peer'],
  [withFault({ kind: 'pause', peer: 1, forMs: 40_000 }),
    'faults[0].forMs: over by healMs, 33000, not at 45000'],
  [withFault({ kind: 'clog', links: [[1, 1]] }), 'faults[0].links[0]: two different peers'],
  [withFault({ kind: 'crash', peers: [2, 2] }), 'faults[0].peers: each once, not 2 twice'],
  [withFault({ kind: 'clock-rate', peer: 1, driftPpm: 200_000 }),
    'faults[0].driftPpm: at most 140000 either way, not 200000: the leader\'s lease bears no more'],
  [withFault({ kind: 'late', peer: 2 }), 'faults[0].atMs: 0: a late machine is late from the beginning'],
  [withFault({ kind: 'flap', links: [], everyMs: 0, downMs: 0 }), 'faults[0].everyMs: a number, 1 to'],
] as const) {
  test(`refused: ${message}`, () => {
    let said = 'let through';
    try {
      checkPlan({ ...old, ...change });
    } catch (error) {
      said = (error as Error).message;
      assert.is((error as Error).name, 'PlanError');
    }
    assert.ok(said.startsWith(message), said);
  });
}

test('what is no plan at all is refused', () => {
  for (const raw of [null, 3, 'plan', [old]]) {
    assert.throws(() => checkPlan(raw), /the plan: an object, not /);
  }
});

// ── the atlas ────────────────────────────────────────────────────────────────────────────────────────────

/** A cluster in the small: who voted when each entry was committed, and whose disks have what. */
interface Model {
  readonly disks: { readonly id: PeerId; sound: boolean; readonly has: Set<number> }[];
  voters: PeerId[];
  committed: number;
}

const view = ({ disks, voters, committed }: Model): { voters: PeerId[]; disks: AtlasDisk[] } => ({
  voters, disks: disks.map(({ id, sound, has }) =>
    ({ id, sound, complete: Array.from({ length: committed }, (_, n) => n + 1).every((n) => has.has(n)) })),
});

const majority = (voters: number): number => Math.floor(voters / 2) + 1;

/** A drawn majority of voters that remember commits the next entry; each of them has all before it too. */
function commit(model: Model, random: Random): void {
  const { disks, voters } = model;
  const able = disks.filter(({ id, sound }) => sound && voters.includes(id));
  if (able.length < majority(voters.length)) return;
  model.committed += 1;
  while (able.length > majority(voters.length)) able.splice(random.below(able.length), 1);
  for (const { has } of able) for (let n = 1; n <= model.committed; n += 1) has.add(n);
}

test('the atlas never lets the last good copies go, and a majority that remembers is left', () => {
  let lost = 0, spared = 0;
  for (let seed = 1; seed <= 400; seed += 1) {
    const random = createRandom(seed), peers = random.between(1, 7);
    const ids = Array.from({ length: peers }, (_, n) => peerId(`p${n}`));
    const model: Model = {
      disks: ids.map((id) => ({ id, sound: true, has: new Set<number>() })), committed: 0,
      voters: ids.slice(0, peers < 3 ? 1 : peers < 5 ? 3 : 5),
    };
    for (let step = 0; step < 60; step += 1) {
      const one = model.disks[random.below(peers)];
      if (one === undefined) continue;
      if (random.chance(1, 2)) commit(model, random);
      else if (one.sound && mayLose(view(model), one.id)) {
        one.sound = false;
        one.has.clear();
        lost += 1;
      } else if (one.sound) spared += 1;
      // It comes back with everything, as a newcomer does that has caught up.
      else if (random.chance(1, 3)) {
        for (let n = 1; n <= model.committed; n += 1) one.has.add(n);
        one.sound = true;
      }
      const good = model.disks.filter(({ sound }) => sound);
      for (let n = 1; n <= model.committed; n += 1) {
        assert.ok(good.some(({ has }) => has.has(n)), `seed ${seed}: entry ${n} is lost`);
      }
      const voting = good.filter(({ id }) => model.voters.includes(id));
      assert.ok(voting.length >= majority(model.voters.length), `seed ${seed}: nobody can be elected`);
    }
  }
  assert.ok(lost > 1_000 && spared > 1_000, `${lost} lost, ${spared} spared`);
});

test('in whole runs: after each loss, what is committed is on a disk that is there to stay', () => {
  let losses = 0;
  for (const seed of [2, 5, 9, 14]) {
    const plan = drawPlan(seed, { peers: seed % 2 === 0 ? 3 : 5, minutes: 1 });
    const extra = [8, 11, 14, 17, 20, 23, 26].flatMap((second, n): Fault[] => {
      const timed = { atMs: second * 1_000, forMs: 1_500 }, peer = 1 + (n + seed) % plan.peers;
      return [{ ...timed, kind: 'wipe', peer, power: false },
        { ...timed, kind: 'rot', peer: 1 + peer % plan.peers, where: 'entry', atPpm: 300_000 }];
    });
    const faults = [...plan.faults, ...extra].sort((one, other) => one.atMs - other.atMs);
    let world: World | null = null;
    const { violation } = runPlan({ ...plan, faults }, {
      witness: { began: (begun) => { world = begun; }, sent: ignore, wrote: ignore, actor: ignore,
        started: ignore, ended: ignore },
      onNote({ area, what }) {
        if (area !== 'machine' || !['wiped', 'emptied', 'is gone', 'rots'].includes(what)) return;
        losses += 1;
        if (world !== null) assert.ok(keepers(world).length > 0, `seed ${seed}, ${what}`);
      },
    });
    assert.is(violation, null, JSON.stringify(violation));
  }
  assert.ok(losses > 8, `${losses} losses`);
});

const ignore = (): void => undefined;

/** Who holds the last committed entry, is not about to lose it, and is no machine that is being replaced. */
function keepers({ machines, checker }: World): readonly Machine[] {
  const last = checker.history.applied();
  return machines.filter((each) => isSound(each) && (each.disk.synced.snapshot.index >= last
    || (each.disk.synced.entries.at(-1)?.index ?? 0) >= last));
}

test('without a leader nothing may be lost; of one, nothing ever; a learner may go', () => {
  const disk = (id: string, change: Partial<AtlasDisk> = {}): AtlasDisk =>
    ({ id: peerId(id), sound: true, complete: true, ...change });
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((id) => peerId(id)) as [PeerId, PeerId, PeerId, PeerId];
  const disks = [disk('a'), disk('b'), disk('c'), disk('d')];
  assert.not(mayLose({ voters: null, disks }, a));
  assert.not(mayLose({ voters: [a], disks }, a));
  assert.ok(mayLose({ voters: [a], disks }, b));
  assert.ok(mayLose({ voters: [a, b, c], disks }, a));
  assert.not(mayLose({ voters: [a, b, c], disks: [disk('a'), disk('b', { sound: false }), disk('c')] }, a));
  assert.ok(mayLose({ voters: [a, b, c], disks: [disk('a'), disk('b', { sound: false }), disk('c')] }, d));
  const behind = [disk('a'), disk('b', { complete: false }), disk('c', { complete: false })];
  assert.not(mayLose({ voters: [a, b, c], disks: behind }, a), 'the only one that has all');
});

test.run();
