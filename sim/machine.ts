// One simulated machine: disk, container runtime and kernel, which outlive the process on it, and the
// process: one life of a peer after the other. What always holds: an event is delivered only to the life that
// it was meant for; a paused process gets what came meanwhile in the order in which it came.

import { assert } from '../cluster/assert.ts';
import { nodeName, peerId, resourceName } from '../cluster/ids.ts';
import type { PeerId } from '../cluster/ids.ts';
import { bootstrapRecovery } from '../cluster/log/log.ts';
import type { LogMember } from '../cluster/log/types.ts';
import { secretFromToken } from '../cluster/join.ts';
import type {
  ContainersPort, DiskPort, DiskRecovery, NetworkPort, OncePort, PeerEvent, Ports,
} from '../cluster/ports.ts';
import { createRandom, hash32 } from '../cluster/random.ts';
import { createPeer } from '../actors/peer.ts';
import type { Lifecycle, Peer } from '../actors/peer.ts';
import type { PeerConfig } from '../actors/peer/core.ts';
import type { Canary } from './canary.ts';
import { spoilDisk } from './canary.ts';
import type { Checker } from './check/checker.ts';
import type { FaultPlan } from './faults.ts';
import { createFuse, fused } from './fuse.ts';
import type { Fuse } from './fuse.ts';
import type { SimScheduler } from './heap.ts';
import { createClients } from './ports/clients.ts';
import type { SimClients } from './ports/clients.ts';
import { createClock, worldEpochMs } from './ports/clock.ts';
import type { SimClock } from './ports/clock.ts';
import { createSimContainers, createSimHost } from './ports/containers.ts';
import type { SimHost } from './ports/containers.ts';
import { createDisk } from './ports/disk.ts';
import type { SimDisk } from './ports/disk.ts';
import type { SimNetwork } from './ports/network.ts';
import type { SimTrace } from './ports/trace.ts';
import { createSimOutbound } from './ports/outbound.ts';
import { createTraffic } from './ports/traffic.ts';
import type { SimTraffic } from './ports/traffic.ts';
import type { Witness } from './witness.ts';

export interface Machine {
  /** From 1. */
  readonly number: number;
  readonly id: PeerId;
  readonly name: string;
  /** What its Node says its address is. */
  readonly hostIP: string;
  /** Where its peer listens from its next start on. */
  address: string;
  readonly disk: SimDisk;
  readonly host: SimHost;
  readonly traffic: SimTraffic;
  /** Through which its process calls into the world. */
  readonly fuse: Fuse;
  /** Called when it has blown and the process is gone. */
  burnt: (() => void) | null;
  /** How far ahead of its plan the wall clock is set just now. */
  wallJumpMs: number;
  /** The rate of its clocks just now, where it is not that of its plan. */
  driftPpm: number | null;
  /** Processes so far in this place; what each draws follows from its number, so it must be its own. */
  runs: number;
  /** Null while no process runs. */
  life: Life | null;
  /** Faults that keep it down now. */
  holds: number;
  /** Somebody is taking its peer out of the cluster: it may stop for that. */
  leaves: boolean;
  /** How many who asked for that have not heard yet. */
  asked: number;
  /** It heard that it is out, and stopped: that keeps it down. */
  left: boolean;
  /** Its disk was empty a while ago, and its peer has not caught up as a member since. */
  blank: boolean;
  /** It joins through whoever is there: it is no founder, and the door it was told of may be gone. */
  rejoins: boolean;
  /** How often in a row its disk was found damaged. */
  refusals: number;
  /** Another machine takes its place for good. */
  replaced: boolean;
  /** Outside the core that heals: it is down or cut off for good. */
  lost: boolean;
}

/** One process. */
export interface Life {
  readonly run: number;
  readonly peer: Peer;
  readonly clock: SimClock;
  readonly clients: SimClients;
  readonly detach: () => void;
  paused: boolean;
  readonly held: PeerEvent[];
  member: boolean;
  /** It stopped by itself, for this reason. */
  stopped: string | null;
}

/** What a machine needs of its world. */
export interface MachineWorld {
  readonly plan: FaultPlan;
  readonly scheduler: SimScheduler;
  readonly network: SimNetwork;
  readonly trace: SimTrace;
  readonly checker: () => Checker;
  readonly canary: Canary | null;
  readonly witness: Witness | null;
  /** Of a cluster that is formed from the beginning. */
  members(): readonly LogMember[];
  readonly once: OncePort | null;
  /** Where a peer dials to join that is not to join through the first: the address of some other member. */
  doorOf(machine: Machine): string;
  /** To the life `run` of this machine, if that is the one that lives. */
  deliver(machine: Machine, run: number, event: PeerEvent): void;
}

/** What each machine offers to pods. */
export const machineCapacity = { cpuMilli: 2_000, memoryBytes: 4 * 1024 ** 3, pods: 40 } as const;

const token = { id: 'simula', secret: 'abcdefghijklmnop' } as const;
/** Long after any skewed clock. */
const tokenExpiryMs = Date.UTC(2100, 0, 1);

/** No workload of the simulator has webhooks yet. */
const noServers = new Map<string, never>();

/** More than any machine starts. */
const runsPerMachine = 1_000_000;

/**
 * `generation`: how many machines were in this place before. Each has an identity, addresses and fates of its
 * own; the name is the same unless another is given.
 */
export function createMachine(
  world: MachineWorld, number: number, generation = 0, name = `peer-${number}`,
): Machine {
  const { plan, scheduler } = world;
  const seed = generation === 0 ? hash32(plan.seed, number, 0x6d61)
    : hash32(plan.seed, number, 0x6d61, generation);
  const [high, low] = [number >> 8, number & 0xff];
  const hostIP = `10.${high}.${generation}.${low}`;
  const id = peerId(`12D3Sim${number}${generation === 0 ? '' : `r${generation}`}`);
  const machine: Machine = {
    number, id, name, hostIP, address: `${hostIP}:7400`, wallJumpMs: 0, driftPpm: null,
    fuse: createFuse(), burnt: null,
    disk: createDisk(scheduler, seed, plan.disks),
    host: createSimHost({
      schedule: (ms, work) => { scheduler.at(scheduler.nowMs() + ms, work); },
      wallMs: () => Math.floor(worldEpochMs + scheduler.nowMs()),
      random: createRandom(seed), addressPrefix: `10.${244 + generation + high}.${low}`,
      observe(what, container) {
        const { containers, history } = world.checker();
        if (what === 'started') containers.started(name, container, history.state);
        else if (what === 'ended') containers.ended(name, container);
        else containers.lost(container);
      },
    }),
    traffic: createTraffic(), runs: generation * runsPerMachine, life: null, holds: 0, leaves: false,
    asked: 0, left: false, lost: false, rejoins: generation > 0,
    blank: (number > 1 && plan.formed !== true) || generation > 0,
    refusals: 0, replaced: false,
  };
  return machine;
}

/** Starts a process on the machine. */
export function boot(world: MachineWorld, machine: Machine): void {
  assert(machine.life === null, `${machine.name} runs already`);
  machine.runs += 1;
  const { runs: run, id, number, name, address } = machine;
  const { plan, scheduler, network } = world;
  const deliver = (event: PeerEvent): void => world.deliver(machine, run, event);
  const { port: disk, recovery } = machine.disk.open(deliver);
  const found = foundingRecovery(world, machine, recovery);
  world.checker().opened(id, found.log);
  machine.fuse.renew();
  const clock = createClock(scheduler, deliver, plan.clocks[number - 1]);
  clock.setDrift(driftOf(machine, plan));
  jumpClock(machine, clock, plan);
  const clients = createClients(scheduler, hash32(plan.seed, number, run), `${name}/${run}`, deliver);
  const containers = createSimContainers({ host: machine.host, deliver });
  const random = createRandom(hash32(plan.seed, number, run, 0x7261));
  const ports: Ports = {
    clock, random, containers: called(containers, world, machine), clients: clients.port,
    network: watched(network.attach(id, [address], deliver), world, machine),
    disk: recorded(spoilDisk(world.canary, disk, scheduler, deliver), world, machine),
    traffic: machine.traffic.port, trace: world.trace.port(name),
    outbound: createSimOutbound(scheduler, hash32(plan.seed, number, run, 0x6f75), noServers, deliver),
    ...world.once === null ? {} : { once: world.once },
  };
  const life = {
    run, clock, clients, detach: () => containers.detach(), paused: false, held: [], member: false,
    stopped: null,
    peer: undefined as unknown as Peer,
  } satisfies Life as { -readonly [K in keyof Life]: Life[K] };
  const calls = fused(ports, machine.fuse);
  life.peer = createPeer(calls, configOf(machine, plan, () => world.doorOf(machine)), found,
    (event) => follow(world, machine, life, event));
  machine.life = life;
  world.witness?.started(number);
  life.peer.start();
}

/** The process ends at once: by a crash, or because it stopped by itself. */
export function halt(world: MachineWorld, machine: Machine): void {
  const { life } = machine;
  if (life === null) return;
  machine.life = null;
  world.witness?.ended(machine.number, life.stopped);
  life.clock.stop();
  life.clients.stop();
  life.detach();
  world.network.detach(machine.id);
  machine.disk.crash();
}

/** The rate of the machine's clocks, as its plan and its faults have it. */
export const driftOf = ({ number, driftPpm }: Machine, { clocks }: FaultPlan): number =>
  driftPpm ?? clocks[number - 1]?.driftPpm ?? 0;

export function jumpClock(machine: Machine, clock: SimClock, plan: FaultPlan): void {
  clock.setWallSkew((plan.clocks[machine.number - 1]?.wallSkewMs ?? 0) + machine.wallJumpMs);
}

function follow(world: MachineWorld, machine: Machine, life: Life, event: Lifecycle): void {
  // What it does when it is dead already, it does not do.
  if (machine.fuse.blown) return;
  switch (event.type) {
    case 'joining': case 'durable': return;
    case 'caught-up':
      machine.blank = false;
      return;
    case 'member':
      life.member = true;
      return;
    case 'leader':
      if (event.leads) world.checker().election.acts(machine.id, event.term);
      return;
    case 'stopped':
      life.stopped = event.reason;
  }
}

/** The first peer founds the cluster, or all do together, while their disks are empty for the first time. */
function foundingRecovery(
  { plan, members }: MachineWorld, { number, rejoins }: Machine, recovery: DiskRecovery,
): DiskRecovery {
  const { log } = recovery;
  const empty = log.hard.term === 0 && log.entries.length === 0 && log.snapshot.index === 0;
  if ((number !== 1 && plan.formed !== true) || rejoins || !empty) return recovery;
  const [founder, ...others] = members();
  if (founder === undefined) return recovery;
  return { ...recovery, log: bootstrapRecovery(founder, plan.formed === true ? others : []) };
}

function configOf(machine: Machine, { logBounds, formed }: FaultPlan, door: () => string): PeerConfig {
  const { number, name, rejoins, hostIP } = machine;
  const founds = !rejoins && (number === 1 || formed === true);
  return {
    name: nodeName(name), hostIP, apiPort: 6443, version: 'v1.36.0',
    capacity: machineCapacity,
    labels: { 'kubernetes.io/hostname': name }, nodeInfo: {}, logBounds,
    join: founds ? null : { address: door(), token: `${token.id}.${token.secret}` },
    founding: !founds ? [] : [{
      resource: resourceName('core/secrets'), object: secretFromToken(token, tokenExpiryMs),
    }],
  };
}

function watched(port: NetworkPort, world: MachineWorld, { id }: Machine): NetworkPort {
  return {
    ...port,
    send(to, frame) {
      world.checker().sent(id, to, frame);
      port.send(to, frame);
    },
  };
}

function called(port: ContainersPort, world: MachineWorld, machine: Machine): ContainersPort {
  return {
    ...port,
    call(op, call) {
      if (machine.life !== null) world.checker().called(machine.name, call, machine.life.peer.state());
      port.call(op, call);
    },
  };
}

function recorded(port: DiskPort, world: MachineWorld, { id }: Machine): DiskPort {
  return {
    ...port,
    write(write) {
      world.checker().wrote(id, write);
      world.witness?.wrote(id, write.token);
      port.write(write);
    },
  };
}
