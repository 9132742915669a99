// How the faults of each class, and the world that they happen in, are drawn.
// What always holds: each class, and each fault in it, draws from a generator of its own, so that none moves
// another; no fault reaches beyond the end of its span.

import { createRandom, hash32, hashText } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import type { Fault, FaultClass, FaultOf, FaultPlan, LinkName, Timed } from '../faults.ts';
import { driftPpmMax } from '../ports/clock.ts';
import type { ClockFault } from '../ports/clock.ts';
import type { ContainerFaults } from '../ports/containers.ts';
import type { LinkConditions } from '../ports/network/conditions.ts';

export interface Span { readonly peers: number; readonly fromMs: number; readonly healMs: number }

/** How many faults of a class a minute of chaos brings, at most. */
const perMinute: Readonly<Record<FaultClass, number>> = {
  'partition': 4, 'links': 3, 'gray': 1, 'bandwidth': 1, 'clog': 3, 'flap': 2, 'swizzle': 2,
  'crash': 4, 'crash-within': 6, 'power': 1, 'pause': 3,
  'slow-disk': 2, 'disk-fails': 1, 'full-disk': 1, 'rot': 1, 'misdirect': 0.5, 'wipe': 1,
  'clocks': 2, 'rates': 2, 'runtime': 2, 'containers': 3, 'late': 1, 'leave': 1, 'replace': 0.5,
};

/** Milliseconds. */
const durations: Readonly<Record<FaultClass, readonly [number, number]>> = {
  'partition': [300, 40_000], 'links': [2_000, 60_000], 'gray': [2_000, 60_000], 'bandwidth': [2_000, 60_000],
  'clog': [200, 8_000], 'flap': [2_000, 30_000], 'swizzle': [1_000, 30_000],
  'crash': [20, 50_000], 'crash-within': [50, 10_000], 'power': [1_000, 50_000], 'pause': [50, 15_000],
  'slow-disk': [1_000, 30_000], 'disk-fails': [500, 20_000], 'full-disk': [500, 20_000],
  'rot': [50, 20_000], 'misdirect': [500, 20_000], 'wipe': [50, 20_000],
  'clocks': [1_000, 60_000], 'rates': [1_000, 60_000], 'runtime': [5_000, 60_000], 'containers': [1, 2],
  'late': [5_000, 60_000], 'leave': [1_000, 40_000], 'replace': [1_000, 40_000],
};

export function drawClass(seed: number, fault: FaultClass, { peers, fromMs, healMs }: Span): Fault[] {
  const random = createRandom(hash32(seed, hashText(fault)));
  const most = Math.ceil(perMinute[fault] * (healMs - fromMs) / 60_000);
  return Array.from({ length: random.between(Math.min(1, most), most) }, (_, n) => {
    const own = createRandom(hash32(seed, hashText(fault), n, 1));
    const atMs = own.between(fromMs, Math.max(fromMs, healMs - 1_000));
    const [shortest, longest] = durations[fault];
    const forMs = Math.min(healMs - atMs, own.chance(1, 6) ? longest : own.between(shortest, longest / 2));
    return drawFault(own, fault, peers, { atMs, forMs });
  });
}

function drawFault(random: Random, fault: FaultClass, peers: number, timed: Timed): Fault {
  const peer = random.between(1, peers);
  switch (fault) {
    case 'partition': return drawPartition(random, peers, timed);
    case 'links': {
      const links = drawLinks(random, peers), conditions = drawConditions(random);
      return { ...timed, kind: 'links', links, conditions };
    }
    case 'gray': return { ...timed, kind: 'links', ...drawGray(random, peers) };
    case 'bandwidth': return { ...timed, kind: 'links', ...drawNarrow(random, peers) };
    case 'clog': return { ...timed, kind: 'clog', links: drawLinks(random, peers) };
    case 'flap': {
      const everyMs = random.between(20, 4_000), downMs = random.between(1, everyMs);
      return { ...timed, kind: 'flap', links: drawLinks(random, peers), everyMs, downMs };
    }
    case 'swizzle': return { ...timed, kind: 'swizzle', ...drawSwizzle(random, peers, timed.forMs) };
    case 'crash': {
      const some = drawSome(random, peers, Math.ceil(peers / 2));
      return { ...timed, kind: 'crash', peers: random.chance(1, 8) ? upTo(peers) : some };
    }
    case 'crash-within': {
      const port = (['any', 'disk', 'network', 'containers', 'clients'] as const)[random.below(5)] ?? 'any';
      return { ...timed, kind: 'crash-within', peer, port, calls: random.below(port === 'any' ? 8 : 3) };
    }
    case 'power': {
      const all = random.chance(1, 6);
      return { ...timed, kind: 'power', peers: all ? upTo(peers) : [peer] };
    }
    case 'pause': return { ...timed, kind: 'pause', peer };
    case 'slow-disk': case 'disk-fails': case 'full-disk': case 'rot': case 'misdirect': case 'wipe':
      return drawDisk(random, fault, peer, timed);
    case 'clocks': return { ...timed, kind: 'clock-jump', peer, skewMs: random.between(-600_000, 600_000) };
    case 'rates':
      return { ...timed, kind: 'clock-rate', peer, driftPpm: random.between(-driftPpmMax, driftPpmMax) };
    case 'runtime': return drawRuntime(random, peer, timed);
    case 'containers': {
      const how = (['exit', 'lose', 'sandbox'] as const)[random.below(3)] ?? 'exit';
      return { ...timed, kind: 'containers', peer, oneIn: random.between(1, 4), how };
    }
    // The first peer is the door that the others know: it is there from the beginning, and does not leave.
    case 'late': return { atMs: 0, forMs: timed.forMs, kind: 'late', peer: random.between(2, peers) };
    case 'leave': return { ...timed, kind: 'leave', peer: random.between(Math.min(2, peers), peers) };
    case 'replace':
      return { ...timed, kind: 'replace', peer, name: random.chance(1, 2) ? 'same' : 'other' };
  }
}

type DiskClass = 'slow-disk' | 'disk-fails' | 'full-disk' | 'rot' | 'misdirect' | 'wipe';

function drawDisk(random: Random, fault: DiskClass, peer: number, timed: Timed): Fault {
  switch (fault) {
    case 'slow-disk': {
      const syncMsMax = random.chance(1, 3) ? random.between(200, 2_000) : random.between(10, 100);
      return { ...timed, kind: 'slow-disk', peer, conditions: { syncMsMin: syncMsMax / 10, syncMsMax } };
    }
    case 'disk-fails': return { ...timed, kind: 'disk-fails', peer, keeps: random.chance(1, 2) };
    case 'full-disk': return { ...timed, kind: 'full-disk', peer, roomBytes: random.below(20_000) };
    case 'rot': {
      const where = (['entry', 'snapshot', 'read', 'write'] as const)[random.below(4)] ?? 'entry';
      return { ...timed, kind: 'rot', peer, where, atPpm: random.below(1_000_000) };
    }
    case 'misdirect': return { ...timed, kind: 'misdirect', peer, atPpm: random.below(1_000_000) };
    case 'wipe': return { ...timed, kind: 'wipe', peer, power: random.chance(1, 3) };
  }
}

const upTo = (peers: number): number[] => Array.from({ length: peers }, (_, i) => i + 1);

/** Between one and `most` peers, in drawn order. */
function drawOrder(random: Random, peers: number, most: number): number[] {
  const left = upTo(peers), some: number[] = [];
  for (let n = random.between(1, Math.max(1, most)); n > 0 && left.length > 0; n -= 1) {
    some.push(...left.splice(random.below(left.length), 1));
  }
  return some;
}

function drawSome(random: Random, peers: number, most: number): number[] {
  return drawOrder(random, peers, most).sort((a, b) => a - b);
}

function shuffle(random: Random, peers: readonly number[]): number[] {
  const left = [...peers];
  return peers.flatMap(() => left.splice(random.below(left.length), 1));
}

/** Halves, one alone, a bridge, a ring; both ways or one. */
function drawPartition(random: Random, peers: number, timed: Timed): FaultOf<'partition' | 'ring'> {
  // With three, everybody is everybody's neighbour.
  const oneWay = random.chance(1, 2), ring = random.chance(1, 6) && peers > (oneWay ? 2 : 3);
  if (ring) return { ...timed, kind: 'ring', order: shuffle(random, upTo(peers)), oneWay };
  const direction = (['both', 'both', 'a-to-b', 'b-to-a'] as const)[random.below(4)] ?? 'both';
  const a = random.chance(1, 2) ? [random.between(1, peers)] : drawSome(random, peers, Math.floor(peers / 2));
  const others = upTo(peers).filter((each) => !a.includes(each));
  const bridge = others.length > 1 && random.chance(1, 4) ? others[random.below(others.length)] : undefined;
  return { ...timed, kind: 'partition', a, b: others.filter((each) => each !== bridge), direction };
}

function allLinks(peers: number): LinkName[] {
  return upTo(peers)
    .flatMap((from) => upTo(peers).filter((to) => to !== from).map((to): LinkName => [from, to]));
}

/** All links, those of one peer, or single ones. */
function drawLinks(random: Random, peers: number): LinkName[] {
  const all = allLinks(peers), scope = random.below(3), one = random.between(1, peers);
  if (scope === 0) return all;
  if (scope === 1) return all.filter(([from, to]) => from === one || to === one);
  return all.filter(() => random.chance(1, 4));
}

function drawConditions(random: Random): LinkConditions {
  const gray = random.chance(1, 5);
  return {
    ...drawDelay(random),
    lossPpm: gray ? 500_000 : random.chance(1, 2) ? random.between(0, 200_000) : 0,
    duplicatePpm: random.chance(1, 2) ? random.between(0, 200_000) : 0,
    reorderPpm: random.chance(1, 2) ? random.between(0, 300_000) : 0, reorderMsMax: random.between(1, 500),
  };
}

function drawDelay(random: Random): Pick<LinkConditions, 'delay' | 'delayMsMin' | 'delayMsMax'> {
  const delay = (['constant', 'uniform', 'exponential', 'heavy-tail'] as const)[random.below(4)] ?? 'uniform';
  const delayMsMin = random.between(0, 20), slow = random.chance(1, 4);
  // One message in 65,536 of a heavy tail takes more than a hundred times the mean.
  const mostMs = delay === 'heavy-tail' ? 20 : slow ? 400 : 50;
  return { delay, delayMsMin, delayMsMax: Math.max(delayMsMin, random.between(1, mostMs)) };
}

const plainLink: LinkConditions = {
  delay: 'exponential', delayMsMin: 0.2, delayMsMax: 2,
  lossPpm: 0, duplicatePpm: 0, reorderPpm: 0, reorderMsMax: 0,
};

/** About half of what one peer sends, hears, or both, is lost: it is neither there nor gone. */
function drawGray(random: Random, peers: number): Pick<FaultOf<'links'>, 'links' | 'conditions'> {
  const one = random.between(1, peers), way = random.below(3);
  const links = allLinks(peers)
    .filter(([from, to]) => (way !== 1 && from === one) || (way !== 0 && to === one));
  return { links, conditions: { ...plainLink, lossPpm: random.between(300_000, 700_000) } };
}

/** Slow wires, with a queue of a fraction of a second up to some seconds before them. */
function drawNarrow(random: Random, peers: number): Pick<FaultOf<'links'>, 'links' | 'conditions'> {
  const slow = random.chance(1, 3);
  const bytesPerSecond = slow ? random.between(2_000, 20_000) : random.between(20_000, 500_000);
  const queueBytesMax = Math.max(2_000, Math.round(bytesPerSecond * random.between(1, 30) / 10));
  return { links: drawLinks(random, peers), conditions: { ...plainLink, bytesPerSecond, queueBytesMax } };
}

/** All clogged by the half of the time, the first opened after it. */
function drawSwizzle(
  random: Random, peers: number, forMs: number,
): Pick<FaultOf<'swizzle'>, 'clogs' | 'opens' | 'everyMs'> {
  const clogs = drawOrder(random, peers, peers);
  return { clogs, opens: shuffle(random, clogs), everyMs: Math.max(1, Math.floor(forMs / 2 / clogs.length)) };
}

function drawRuntime(random: Random, peer: number, timed: Timed): Fault {
  if (random.chance(1, 3)) {
    return { ...timed, kind: 'runtime-down', peer, containers: random.chance(1, 2) ? 'die' : 'live' };
  }
  return { ...timed, kind: 'runtime', peer, faults: drawRuntimeFaults(random) };
}

/** Chances in a thousand. */
function drawRuntimeFaults(random: Random): Partial<ContainerFaults> {
  const some = (most: number): number => (random.chance(1, 2) ? random.between(0, most) : 0);
  return {
    pullMsMax: random.between(1, 20_000), callMsMax: random.between(1, 2_000), pullFails: some(400),
    sandboxFails: some(300), createFails: some(300), startFails: some(300), crashes: some(300),
    crashMsMax: random.between(100, 20_000), eventsLost: some(300),
  };
}

// ── how the world is when nothing is wrong with it ───────────────────────────────────────────────────────

export function drawWorld(
  random: Random, peers: number, clocksOff: boolean,
): Pick<FaultPlan, 'links' | 'disks' | 'clocks' | 'logBounds'> {
  const delay = (['constant', 'uniform', 'exponential', 'heavy-tail'] as const)[random.below(4)] ?? 'uniform';
  const delayMsMax = random.between(1, 10);
  return {
    links: {
      // The longest of a heavy tail is 542 times as long: too short to be taken for a leader's silence.
      delay, ...delay === 'heavy-tail' ? { delayMsMin: 0.05, delayMsMax: delayMsMax / 20 }
        : { delayMsMin: 0.2, delayMsMax },
      lossPpm: 0, duplicatePpm: 0, reorderPpm: 0, reorderMsMax: 0,
    },
    disks: { syncMsMin: 0.1, syncMsMax: random.between(1, 5) },
    clocks: Array.from({ length: peers }, () => drawClock(random, clocksOff)),
    logBounds: drawBounds(random),
  };
}

/** Rates well within what leases bear (`driftPpmMax`); real clocks differ by less than a thousandth of it. */
function drawClock(random: Random, faulty: boolean): ClockFault {
  const ppmMax = random.chance(1, 4) ? 50_000 : 300, skewMsMax = random.chance(1, 4) ? 3_600_000 : 2_000;
  const driftPpm = random.between(-ppmMax, ppmMax), wallSkewMs = random.between(-skewMsMax, skewMsMax);
  return faulty ? { driftPpm, wallSkewMs } : { driftPpm: 0, wallSkewMs: 0 };
}

function drawBounds(random: Random): FaultPlan['logBounds'] {
  const small = {
    logEntriesBeforeSnapshot: random.between(10, 300), logEntriesKept: random.between(0, 100),
    snapshotChunkBytes: random.between(200, 20_000), appendBytesMax: random.between(1_000, 50_000),
  };
  return random.chance(2, 3) ? small : {};
}
