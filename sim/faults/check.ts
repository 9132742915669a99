// Reads a plan that somebody may have edited: every field of every fault is looked at, and the first that is
// wrong is named, with what it should be. What always holds: what is let through can be run; a field that is
// not known is refused, because it would be ignored in silence.

import type { Fault, FaultOf, FaultPlan } from '../faults.ts';
import { faultClasses } from '../faults.ts';
import { driftPpmMax } from '../ports/clock.ts';
import type { ClockFault } from '../ports/clock.ts';
import { noFaults } from '../ports/containers.ts';
import type { DiskConditions } from '../ports/disk.ts';
import type { LinkConditions } from '../ports/network/conditions.ts';

/** The message names the field: `faults[2].peer: …`. */
export class PlanError extends Error { override name = 'PlanError'; }

export function checkPlan(raw: unknown): FaultPlan {
  const whole = record(raw, 'the plan');
  if (whole['version'] !== 1) fail('version', `1 is known here, not ${show(whole['version'])}`);
  const peers = integer(1, peersMax)(whole['peers'], 'peers');
  const plan = shaped<FaultPlan>(planShape(peers), optionalInPlan)(raw, '') as FaultPlan;
  const { faults, healMs, minutes, clocks, core } = plan;
  if (clocks.length !== peers) fail('clocks', `one for each of ${peers} peers, not ${clocks.length}`);
  if (core !== undefined && core.length === 0) fail('core', 'at least one peer');
  if (healMs > minutes * 60_000) fail('healMs', `at most the whole run, ${minutes * 60_000}`);
  faults.forEach(({ atMs, forMs }, n) => {
    const before = faults[n - 1];
    if (before !== undefined && before.atMs > atMs) fail(`faults[${n}].atMs`, 'faults are in order of time');
    if (atMs + forMs <= healMs) return;
    fail(`faults[${n}].forMs`, `over by healMs, ${healMs}, not at ${atMs + forMs}`);
  });
  return plan;
}

/** Looks at a value; what it gives back is what it was given. */
type Check = (value: unknown, path: string) => unknown;
/** One check for each field that there is, or may be. */
type Shape<T> = { readonly [Field in keyof T]-?: Check };

const peersMax = 1_000, dayMs = 86_400_000, minutesMax = 1_000;
const ppm = integer(0, 1_000_000), perThousand = integer(0, 1_000);
const duration = number(0, minutesMax * 60_000);

// ── the plan ─────────────────────────────────────────────────────────────────────────────────────────────

const optionalInPlan: readonly (keyof FaultPlan)[] = ['users', 'core', 'formed'];

function planShape(peers: number): Shape<FaultPlan> {
  const peer = integer(1, peers);
  return {
    version: oneOf([1]), seed: integer(0, Number.MAX_SAFE_INTEGER), peers: integer(1, peersMax),
    minutes: number(0, minutesMax), healMs: duration, boundMs: duration,
    classes: listOf(oneOf(faultClasses)), links: conditions, disks: diskConditions,
    clocks: listOf(clock), logBounds: shaped(boundsShape, 'all'), core: listOf(peer), users: listOf(text),
    formed: oneOf([true, false]),
    faults: listOf((value, path) => checkFault(value, path, peers)),
  };
}

const count = integer(0, 1_000_000_000);
const boundsShape: Shape<FaultPlan['logBounds']> = {
  logEntriesBeforeSnapshot: count, logEntriesKept: count, snapshotChunkBytes: integer(1, 1_000_000_000),
  appendBytesMax: integer(1, 1_000_000_000), commitNoticeMs: duration,
};

function clock(value: unknown, path: string): unknown {
  const shape: Shape<ClockFault> = { driftPpm: drift, wallSkewMs: number(-100 * dayMs, 100 * dayMs) };
  return shaped(shape)(value, path);
}

/** Beyond it, leases promise nothing. */
function drift(value: unknown, path: string): unknown {
  if (typeof value === 'number' && Math.abs(value) > driftPpmMax) {
    fail(path, `at most ${driftPpmMax} either way, not ${value}: the leader's lease bears no more`);
  }
  return number(-driftPpmMax, driftPpmMax)(value, path);
}

function conditions(value: unknown, path: string): unknown {
  const shape: Shape<LinkConditions> = {
    delay: oneOf(['constant', 'uniform', 'exponential', 'heavy-tail']), delayMsMin: duration,
    delayMsMax: duration, lossPpm: ppm, duplicatePpm: ppm, reorderPpm: ppm, reorderMsMax: duration,
    bytesPerSecond: integer(1, 1_000_000_000_000), queueBytesMax: integer(1, 1_000_000_000_000),
  };
  const found = shaped<LinkConditions>(shape, ['bytesPerSecond', 'queueBytesMax'])(value, path);
  const { delayMsMin, delayMsMax } = found as LinkConditions;
  return ordered(delayMsMin, delayMsMax, `${path}.delayMsMin`, found);
}

function diskConditions(value: unknown, path: string): unknown {
  const shape: Shape<DiskConditions> = { syncMsMin: duration, syncMsMax: duration };
  const found = shaped(shape)(value, path);
  const { syncMsMin, syncMsMax } = found as DiskConditions;
  return ordered(syncMsMin, syncMsMax, `${path}.syncMsMin`, found);
}

function ordered(low: number, high: number, path: string, found: unknown): unknown {
  return low > high ? fail(path, `at most ${high}, not ${low}`) : found;
}

// ── the faults ───────────────────────────────────────────────────────────────────────────────────────────

type FaultShapes = {
  readonly [Kind in Fault['kind']]: Shape<Omit<FaultOf<Kind>, 'kind' | 'atMs' | 'forMs'>>;
};

/** Fields that a plan of an earlier version does not have. */
const optionalInFault: readonly string[] = ['keeps', 'containers'];

function checkFault(value: unknown, path: string, peers: number): unknown {
  const shapes = faultShapes(peers), { kind } = record(value, path);
  if (typeof kind !== 'string' || !Object.hasOwn(shapes, kind)) {
    return fail(`${path}.kind`, `one of ${Object.keys(shapes).join(', ')}, not ${show(kind)}`);
  }
  const own: Shape<object> = shapes[kind as Fault['kind']];
  const shape = { kind: oneOf([kind]), atMs: duration, forMs: duration, ...own };
  const found = shaped(shape, optionalInFault)(value, path) as Fault;
  if (kind === 'late' && found.atMs !== 0) {
    fail(`${path}.atMs`, '0: a late machine is late from the beginning');
  }
  return found;
}

function faultShapes(peers: number): FaultShapes {
  const peer = integer(1, peers), some = distinct(peer), flag = oneOf([true, false]);
  const links = listOf((value, path) => {
    const ends = listOf(peer)(value, path) as readonly number[];
    return ends.length === 2 && ends[0] !== ends[1] ? ends : fail(path, 'two different peers: from, to');
  });
  const faultyRuntime: Shape<typeof noFaults> = {
    pullMsMax: duration, callMsMax: duration, pullFails: perThousand, sandboxFails: perThousand,
    createFails: perThousand, startFails: perThousand, crashes: perThousand, crashMsMax: duration,
    eventsLost: perThousand,
  };
  return {
    'partition': { a: some, b: some, direction: oneOf(['both', 'a-to-b', 'b-to-a']) },
    'ring': { order: some, oneWay: flag },
    'links': { links, conditions }, 'clog': { links },
    // The shortest that the heap need bear: a thousand changes a second.
    'flap': { links, everyMs: number(1, dayMs), downMs: number(0, dayMs) },
    'swizzle': { clogs: some, opens: some, everyMs: number(0, dayMs) },
    'crash': { peers: some }, 'power': { peers: some }, 'pause': { peer },
    'crash-within': {
      peer, port: oneOf(['any', 'disk', 'network', 'containers', 'clients']), calls: integer(0, 1_000_000),
    },
    'slow-disk': { peer, conditions: diskConditions }, 'disk-fails': { peer, keeps: flag },
    'full-disk': { peer, roomBytes: count },
    'rot': { peer, where: oneOf(['entry', 'snapshot', 'read', 'write']), atPpm: ppm },
    'misdirect': { peer, atPpm: ppm }, 'wipe': { peer, power: flag },
    'clock-jump': { peer, skewMs: number(-100 * dayMs, 100 * dayMs) },
    'clock-rate': { peer, driftPpm: drift },
    'runtime': { peer, faults: shaped(faultyRuntime, 'all') },
    'runtime-down': { peer, containers: oneOf(['live', 'die']) },
    'containers': { peer, oneIn: integer(1, 1_000_000), how: oneOf(['exit', 'lose', 'sandbox']) },
    'late': { peer: integer(2, Math.max(2, peers)) }, 'leave': { peer },
    'replace': { peer, name: oneOf(['same', 'other']) },
  };
}

// ── shapes ───────────────────────────────────────────────────────────────────────────────────────────────

function shaped<T>(shape: Shape<T>, optional: readonly string[] | 'all' = []): Check {
  return (value, path) => {
    const found = record(value, path), checks: Readonly<Record<string, Check>> = { ...shape };
    const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
    const unknown = Object.keys(found).find((name) => !Object.hasOwn(checks, name));
    if (unknown !== undefined) {
      fail(at(unknown), `no such field; there are ${Object.keys(checks).join(', ')}`);
    }
    for (const [name, check] of Object.entries(checks)) {
      if (found[name] !== undefined) check(found[name], at(name));
      else if (optional !== 'all' && !optional.includes(name)) fail(at(name), 'is missing');
    }
    return value;
  };
}

function record(value: unknown, path: string): Readonly<Record<string, unknown>> {
  const fits = typeof value === 'object' && value !== null && !Array.isArray(value);
  return fits ? value as Readonly<Record<string, unknown>>
    : fail(path, `an object, not ${show(value)}`);
}

function listOf(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) return fail(path, `a list, not ${show(value)}`);
    value.forEach((each: unknown, n) => check(each, `${path}[${n}]`));
    return value;
  };
}

function distinct(check: Check): Check {
  return (value, path) => {
    const list = listOf(check)(value, path) as readonly unknown[];
    const twice = list.find((each, n) => list.indexOf(each) !== n);
    return twice === undefined ? list : fail(path, `each once, not ${show(twice)} twice`);
  };
}

function oneOf(allowed: readonly (string | number | boolean)[]): Check {
  return (value, path) => {
    const fits = allowed.some((each) => each === value);
    return fits ? value : fail(path, `${allowed.join(' or ')}, not ${show(value)}`);
  };
}

function integer(low: number, high: number): (value: unknown, path: string) => number {
  return (value, path) => (Number.isInteger(value) && (value as number) >= low && (value as number) <= high
    ? value as number : fail(path, `an integer, ${low} to ${high}, not ${show(value)}`));
}

function number(low: number, high: number): Check {
  return (value, path) => (typeof value === 'number' && value >= low && value <= high
    ? value : fail(path, `a number, ${low} to ${high}, not ${show(value)}`));
}

function text(value: unknown, path: string): unknown {
  return typeof value === 'string' ? value : fail(path, `a text, not ${show(value)}`);
}

function fail(path: string, wanted: string): never {
  throw new PlanError(`${path === '' ? 'the plan' : path}: ${wanted}`);
}

const show = (value: unknown): string =>
  (value === undefined ? 'nothing' : (JSON.stringify(value) ?? String(value)).slice(0, 40));
