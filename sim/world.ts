// The simulated world: machines, network and time. One event at a time is delivered to one peer; after each,
// the oracles look. What always holds: a world is a function of its plan; the trace hash is over every event
// that was delivered, so two runs with one hash were one run.

import { assert } from '../cluster/assert.ts';
import { votersFor } from '../cluster/log/voters.ts';
import type { LogMember } from '../cluster/log/types.ts';
import type { PeerEvent } from '../cluster/ports.ts';
import { leftReason } from '../actors/peer/departures.ts';
import { digestOf } from '../cluster/state/digest.ts';
import { createRandom, hash32, hashText } from '../cluster/random.ts';
import { spoilState } from './canary.ts';
import type { Canary } from './canary.ts';
import { createChecker } from './check/checker.ts';
import type { Checker } from './check/checker.ts';
import type { DiskView } from './check/log.ts';
import type { Report, Violation } from './check/oracle.ts';
import type { Fault, FaultPlan } from './faults.ts';
import { createHeap } from './heap.ts';
import type { SimHeap } from './heap.ts';
import { createLinkLayer } from './links.ts';
import { doorOf, refused } from './losing.ts';
import { boot, createMachine, halt } from './machine.ts';
import type { Life, Machine, MachineWorld } from './machine.ts';
import { DiskDamage } from './ports/disk/damage.ts';
import { diskFull } from './ports/disk.ts';
import type { Ears, SimRequest } from './ports/clients.ts';
import { createNetwork } from './ports/network.ts';
import type { SimNetwork } from './ports/network.ts';
import { createOnce, sharedFrom } from './ports/once.ts';
import { createTrace } from './ports/trace.ts';
import type { Note, SimTrace } from './ports/trace.ts';
import type { Witness } from './witness.ts';

export interface World {
  readonly plan: FaultPlan;
  readonly heap: SimHeap;
  readonly network: SimNetwork;
  readonly checker: Checker;
  readonly trace: SimTrace;
  /** In order of their numbers. */
  readonly machines: readonly Machine[];
  machine(number: number): Machine;
  /** Another machine is in this place from now on, not started yet; null: under a name of its own. */
  replace(number: number, name: string | null): Machine;
  /** The faults in force, and since when. */
  readonly inForce: Map<Fault, number>;
  /** Lays the network as the faults in force have it now. */
  layLinks(): void;
  /** Starts the process of a machine, if none runs and no fault keeps it down. */
  start(number: number): void;
  /** Kills the process; with `power`, the machine's containers too. */
  crash(number: number, power?: boolean): void;
  pause(number: number): void;
  resume(number: number): void;
  /** A user's request; the answer to `close` it is of no use once it has ended. */
  request(number: number, request: SimRequest, ears: Ears): { close(): void };
  /** Runs until that time, or until an oracle has something to say. */
  run(untilMs: number): void;
  readonly report: Report;
  violation(): Violation | null;
  events(): number;
  /** 16 hex digits. */
  hash(): string;
}

export interface WorldOptions {
  readonly canary?: Canary | null;
  /** One line per delivered event. */
  readonly onEvent?: (line: EventLine) => void;
  readonly onNote?: (note: Note) => void;
  /** Told of the rest: messages that leave, processes that start and end. */
  readonly witness?: Witness;
}

export interface EventLine {
  readonly number: number; readonly atMs: number; readonly peer: string; readonly event: PeerEvent;
}

/** A peer that stopped by itself, as it may, is started again by whoever looks after it. */
const restartMs = 1_000;
/** When the canary in a state dies. */
const spoilAtMs = 20_000;

export function createWorld(plan: FaultPlan, options: WorldOptions = {}): World {
  const heap = createHeap();
  const witness = options.witness ?? null;
  const network = createNetwork(heap, plan.seed, plan.links, witness);
  const trace = createTrace(heap.nowMs, (note) => {
    checker.noted(note);
    options.onNote?.(note);
  }, witness === null ? null : (peer, id, state) => witness.actor(peer, id, state));
  const hash = createRollingHash();
  let events = 0;
  let violation: Violation | null = null, founders: readonly LogMember[] | null = null;
  let spoiled = options.canary !== 'spoil-state';

  const report: Report = (oracle, message) => {
    violation ??= { oracle, message, atMs: heap.nowMs(), event: events };
  };
  const inner: MachineWorld = {
    plan, scheduler: heap, network, trace, canary: options.canary ?? null, checker: () => checker,
    deliver, witness, doorOf: (guest) => doorOf(world, guest),
    members: () => founders ??= machines.map(({ id, name, address }, at) =>
      ({ id, name, addresses: [address], voter: at < votersFor(plan.peers) })),
    once: plan.peers < sharedFrom ? null : createOnce(),
  };
  const machines = Array.from({ length: plan.peers }, (_, i) => createMachine(inner, i + 1));
  const checker = createChecker(report, machines.map(viewOf), heap.nowMs);
  const links = createLinkLayer(network, machines), inForce = new Map<Fault, number>();
  let replacements = 0;

  function machine(number: number): Machine {
    const found = machines[number - 1];
    assert(found !== undefined, `no peer ${number}`);
    return found;
  }

  function deliver(to: Machine, run: number, event: PeerEvent): void {
    const { life } = to;
    if (life === null || life.run !== run || violation !== null) return;
    if (life.paused) {
      life.held.push(event);
      return;
    }
    events += 1;
    hash.add(heap.nowMs(), to.number, event);
    options.onEvent?.({ number: events, atMs: heap.nowMs(), peer: to.name, event });
    if (event.type === 'message') checker.heard(to.id, event.from, event.frame);
    to.fuse.begin();
    guarded(to, () => life.peer.deliver(event));
    const observed = { id: to.id, name: to.name, log: life.peer.log, state: life.peer.state };
    if (to.fuse.blown) {
      checker.died(observed);
      return burnt(to);
    }
    if (life.stopped !== null) return stoppedItself(to, life, life.stopped);
    checker.after(observed);
    if (!spoiled && heap.nowMs() >= spoilAtMs && to.number === 1) spoiled = spoilState(life.peer.state());
  }

  function guarded(at: Machine, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (error instanceof DiskDamage) return refused(world, at, error);
      // A process that is dead already can't break any more.
      if (at.fuse.blown) return;
      const text = error instanceof Error ? error.stack ?? error.message : String(error);
      report('no-crash', `${at.name}: ${text}`);
    }
  }

  function stoppedItself(at: Machine, life: Life, reason: string): void {
    halt(inner, at);
    if (at.leaves && reason === leftReason) {
      // Whoever ran it stops its pods; the machine is of no use to the cluster any more.
      at.holds += 1;
      at.left = true;
      return at.host.powerOff();
    }
    const excused = reason === diskFailure || reason === diskFull || !life.member;
    if (!excused) return report('no-crash', `${at.name} stopped: ${reason}`);
    heap.at(heap.nowMs() + restartMs, () => start(at.number));
  }

  /** It died within an event. */
  function burnt(at: Machine): void {
    trace.port(at.name).event('machine', 'died within an event', {});
    halt(inner, at);
    at.burnt?.();
  }

  function start(number: number): void {
    const one = machine(number);
    if (one.life !== null || one.holds > 0 || one.replaced) return;
    guarded(one, () => boot(inner, one));
    if (one.life !== null && one.fuse.blown) burnt(one);
  }

  const world: World = {
    plan, heap, network, checker, trace, machines, machine, start, report, inForce,
    layLinks: () => links.lay(inForce, heap.nowMs()),
    replace(number, name) {
      assert(machine(number).life === null, `${machine(number).name} still runs`);
      replacements += 1;
      const next = createMachine(inner, number, replacements, name ?? `peer-${number}-${replacements}`);
      machines[number - 1] = next;
      checker.added(viewOf(next));
      return next;
    },
    crash(number, power = false) {
      const one = machine(number);
      halt(inner, one);
      if (power) one.host.powerOff();
    },
    pause(number) {
      const { life } = machine(number);
      if (life !== null) life.paused = true;
    },
    resume(number) {
      const one = machine(number), { life } = one;
      if (life === null || !life.paused) return;
      life.paused = false;
      const seed = hash32(plan.seed, number, life.run, events);
      for (const event of shuffled(life.held.splice(0), seed)) deliver(one, life.run, event);
    },
    request: (number, request, ears) => send(heap, machine(number), request, ears),
    run(untilMs) { while (violation === null && heap.step(untilMs)); },
    violation: () => violation,
    events: () => events,
    hash() {
      const states = machines.map(({ life }) => (life === null ? '' : digestOf(life.peer.state())));
      return hash.text(states.join());
    },
  };
  witness?.began(world);
  return world;
}

function send(heap: SimHeap, { life }: Machine, request: SimRequest, ears: Ears): { close(): void } {
  if (life === null) {
    heap.at(heap.nowMs() + 1, () => ears.broken('connection refused'));
    return { close() { /* Nothing is open. */ } };
  }
  const id = life.clients.send(request, ears);
  return { close: () => life.clients.close(id) };
}

const viewOf = ({ id, name, disk }: Machine): DiskView =>
  ({ id, name, get synced() { return disk.synced; } });

/** What a disk that fails by plan says. */
export const diskFailure = 'simulated: the sync failed';

/** Each source's events in their order; between sources there is none: who wakes up reads any first. */
function shuffled(held: readonly PeerEvent[], seed: number): PeerEvent[] {
  const random = createRandom(seed);
  const sources = new Map<string, PeerEvent[]>();
  for (const event of held) {
    const source = sourceOf(event);
    sources.set(source, [...sources.get(source) ?? [], event]);
  }
  const open = [...sources.values()], order: PeerEvent[] = [];
  while (open.length > 0) {
    const at = random.below(open.length), source = open[at] as PeerEvent[];
    // Mostly a whole socket is read before the next.
    const count = random.chance(1, 2) ? source.length : random.between(1, source.length);
    order.push(...source.splice(0, count));
    if (source.length === 0) open.splice(at, 1);
  }
  return order;
}

/** Whose order the world keeps: one connection, the disk, the runtime, the clock, the clients. */
function sourceOf(event: PeerEvent): string {
  switch (event.type) {
    case 'message': case 'join-message': return `peer/${event.from}`;
    case 'disconnected': return `peer/${event.peer}`;
    case 'feed': case 'dialled': case 'timer': return event.type;
    case 'persisted': case 'snapshot-saved': case 'disk-failed': return 'disk';
    case 'request': case 'request-closed': case 'request-drained':
    case 'flow-opened': case 'flow-input': case 'flow-drained': case 'flow-closed': return 'clients';
    case 'runtime-done': case 'runtime-failed': case 'container-changed': case 'container-gone':
    case 'sandbox-changed': case 'sandbox-gone': case 'runtime-health': case 'log-chunk': case 'log-end':
    case 'flow-output': case 'flow-taken': case 'flow-end':
      return 'runtime';
    case 'outbound-done': return 'outbound';
  }
}

export interface RollingHash {
  add(atMs: number, peer: number, event: PeerEvent): void;
  /** Over all that was added so far, 32 bits. */
  value(): number;
  text(last: string): string;
}

export function createRollingHash(): RollingHash {
  let low = 0x811c9dc5, high = 0x9e3779b9;
  return {
    add(atMs, peer, event) {
      low = Math.imul(low ^ Math.round(atMs * 1_000), 0x01000193);
      low = Math.imul(low ^ peer ^ hashText(event.type), 0x85ebca6b);
      low ^= keyOf(event);
      low ^= low >>> 15;
      high = Math.imul(high ^ low, 0xc2b2ae35) ^ (high >>> 13);
    },
    value: () => high >>> 0,
    text: (last) =>
      [hashText(last, low), high ^ low].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join(''),
  };
}

/** The fields by which two events of a type differ. */
function keyOf(event: PeerEvent): number {
  switch (event.type) {
    case 'timer': return hashText(event.key);
    case 'message': case 'join-message': return hashBytes(event.frame, hashText(event.from));
    case 'feed': return hashBytes(event.frame, 1);
    case 'dialled': return hashText(`${event.address} ${event.peer} ${event.error}`);
    case 'disconnected': return hashText(event.peer);
    case 'persisted': return event.token;
    case 'snapshot-saved': return event.index;
    case 'disk-failed': return hashText(event.message);
    case 'runtime-done': return hashText(event.value, hashText(event.op));
    case 'runtime-failed': return hashText(event.failure.message, hashText(event.op));
    case 'container-changed': return hashText(event.container.state, hashText(event.container.id));
    case 'sandbox-changed': return hashText(event.sandbox.id);
    case 'container-gone': case 'sandbox-gone': return hashText(event.id);
    case 'runtime-health': return hashText(event.message);
    case 'log-chunk': return hashBytes(event.data, hashText(event.stream));
    case 'log-end': return hashText(event.stream);
    case 'flow-output': return hashBytes(event.data, hashText(event.flow));
    case 'flow-taken': case 'flow-end': return hashText(event.flow);
    case 'outbound-done':
      return hashText(event.result.ok ? String(event.result.status) : event.result.failure.reason,
        hashText(event.id));
    case 'request': return hashText(event.request.path, hashText(event.request.id));
    case 'request-closed': case 'request-drained': return hashText(event.id);
    case 'flow-opened': case 'flow-input': case 'flow-drained': case 'flow-closed':
      return hashText(event.id, event.flow);
  }
}

/** Length, and the first and last bytes: what differs in the middle soon differs elsewhere. */
function hashBytes(bytes: Uint8Array, seed: number): number {
  let h = seed ^ bytes.length;
  const cut = Math.min(bytes.length, 48), tail = Math.max(cut, bytes.length - 48);
  for (let i = 0; i < cut; i += 1) h = Math.imul(h ^ (bytes[i] as number), 0x01000193);
  for (let i = tail; i < bytes.length; i += 1) h = Math.imul(h ^ (bytes[i] as number), 0x01000193);
  return h;
}
