// Carries a plan's faults out in a world, each at its time, and takes it back when it is over.
// What always holds: after `healMs` nothing of any fault is left, but that who was asked to leave may still
// be on its way, and who lost its disk may still be joining; a machine that several faults keep down starts
// when the last of them is over; a fault ends on the machine that it began on, whoever is in its place then.

import { unreachable } from '../cluster/assert.ts';
import type { Fault, FaultOf } from './faults.ts';
import { bringBack, takeOut } from './leaving.ts';
import { changesOf } from './links.ts';
import { destroy, mayLeave, misdirect, replace, rot, seeItIn, wipe } from './losing.ts';
import { driftOf, jumpClock } from './machine.ts';
import type { Machine } from './machine.ts';
import { noFaults } from './ports/containers.ts';
import { diskFailure } from './world.ts';
import type { World } from './world.ts';

/** Schedules every fault of the world's plan: all of it, so that what is scheduled later comes later. */
export function injectFaults(world: World): void {
  for (const fault of world.plan.faults) schedule(world, fault, fault.atMs);
  for (const machine of world.machines) if (machine.blank) seeItIn(world, machine);
}

/** One fault at once, for scenarios. It ends after `forMs`. */
export function injectNow(world: World, fault: Fault): void {
  schedule(world, fault, null);
}

function schedule(world: World, fault: Fault, at: number | null): void {
  const { heap } = world, fromMs = at ?? heap.nowMs();
  let end = nothing;
  const start = (): void => { end = begin(world, fault); };
  if (at === null) start();
  else heap.at(at, start);
  for (const ms of changesOf(fault)) heap.at(fromMs + ms, () => world.layLinks());
  heap.at(fromMs + fault.forMs, () => end());
}

/** Takes it back. */
type End = () => void;

const nothing: End = () => undefined;

function begin(world: World, fault: Fault): End {
  switch (fault.kind) {
    case 'partition': case 'ring': case 'links': case 'clog': case 'flap': case 'swizzle': {
      const { inForce, heap } = world;
      inForce.set(fault, heap.nowMs());
      world.layLinks();
      return () => {
        inForce.delete(fault);
        world.layLinks();
      };
    }
    case 'crash': case 'power': {
      const ends = fault.peers.map((peer) => hold(world, peer));
      for (const peer of fault.peers) world.crash(peer, fault.kind === 'power');
      return () => { for (const end of ends) end(); };
    }
    case 'crash-within': return setFuse(world, fault);
    case 'pause': {
      world.pause(fault.peer);
      return () => world.resume(fault.peer);
    }
    case 'slow-disk': case 'disk-fails': case 'full-disk': case 'rot': case 'misdirect': case 'wipe':
      return harmDisk(world, fault);
    case 'clock-jump': return setClock(world, fault);
    case 'clock-rate': return setRate(world, fault);
    case 'runtime': case 'runtime-down': case 'containers': return harmRuntime(world, fault);
    case 'late': return hold(world, fault.peer);
    case 'leave': {
      const machine = world.machine(fault.peer);
      if (!mayLeave(world, machine)) return nothing;
      takeOut(world, fault.peer);
      return () => { if (world.machine(fault.peer) === machine) bringBack(world, fault.peer); };
    }
    case 'replace':
      return destroy(world, fault.peer) ? () => replace(world, fault, () => world.layLinks()) : nothing;
    default: return unreachable(fault);
  }
}

/** Keeps a machine down, or down once it is; the end lets it start. */
function hold(world: World, peer: number): End {
  const machine = world.machine(peer);
  machine.holds += 1;
  return () => {
    machine.holds -= 1;
    if (world.machine(peer) === machine) world.start(peer);
  };
}

/** One at a time is set on a machine: while one is, others come to nothing. */
function setFuse(world: World, { peer, port, calls }: FaultOf<'crash-within'>): End {
  const machine = world.machine(peer);
  if (machine.burnt !== null) return nothing;
  let release = nothing;
  machine.fuse.set(port, calls);
  machine.burnt = () => { release = hold(world, peer); };
  return () => {
    machine.fuse.unset();
    machine.burnt = null;
    release();
  };
}

type DiskKind = 'slow-disk' | 'disk-fails' | 'full-disk' | 'rot' | 'misdirect' | 'wipe';

function harmDisk(world: World, fault: FaultOf<DiskKind>): End {
  const machine = world.machine(fault.peer), { disk } = machine;
  switch (fault.kind) {
    case 'slow-disk': {
      disk.setConditions(fault.conditions);
      return () => disk.setConditions(world.plan.disks);
    }
    case 'disk-fails': {
      if (machine.life !== null) disk.failNextSync(diskFailure, fault.keeps ?? false);
      const release = hold(world, fault.peer);
      // A failure that no sync has met yet must not outlive the fault.
      return () => {
        stop(world, machine);
        release();
      };
    }
    case 'full-disk': {
      disk.setRoom(fault.roomBytes);
      return () => disk.setRoom(null);
    }
    case 'rot': {
      rot(world, fault);
      return fault.where === 'write' ? () => restart(world, machine) : hold(world, fault.peer);
    }
    case 'misdirect': {
      misdirect(world, fault);
      return () => restart(world, machine);
    }
    case 'wipe': {
      wipe(world, fault.peer, fault.power);
      return hold(world, fault.peer);
    }
    default: return unreachable(fault);
  }
}

function stop(world: World, machine: Machine): void {
  if (world.machine(machine.number) === machine) world.crash(machine.number);
}

/** What is on the disk is read again. */
function restart(world: World, machine: Machine): void {
  stop(world, machine);
  if (world.machine(machine.number) === machine) world.start(machine.number);
}

function setClock(world: World, { peer, skewMs }: FaultOf<'clock-jump'>): End {
  const machine = world.machine(peer);
  const set = (ms: number): void => {
    machine.wallJumpMs = ms;
    if (machine.life !== null) jumpClock(machine, machine.life.clock, world.plan);
  };
  set(skewMs);
  return () => set(0);
}

function setRate(world: World, { peer, driftPpm }: FaultOf<'clock-rate'>): End {
  const machine = world.machine(peer);
  const set = (ppm: number | null): void => {
    machine.driftPpm = ppm;
    machine.life?.clock.setDrift(driftOf(machine, world.plan));
  };
  set(driftPpm);
  return () => set(null);
}

function harmRuntime(world: World, fault: FaultOf<'runtime' | 'runtime-down' | 'containers'>): End {
  const { host } = world.machine(fault.peer);
  switch (fault.kind) {
    case 'runtime': {
      host.setFaults(fault.faults);
      return () => host.setFaults(noFaults);
    }
    case 'runtime-down': {
      host.setUp(false);
      if (fault.containers === 'die') host.powerOff();
      return () => host.setUp(true);
    }
    case 'containers': {
      harmContainers(world, fault);
      return nothing;
    }
    default: return unreachable(fault);
  }
}

function harmContainers(world: World, { peer, oneIn, how }: FaultOf<'containers'>): void {
  const { host } = world.machine(peer);
  const { sandboxes, containers } = host.inspect();
  if (how === 'sandbox') {
    sandboxes.forEach(({ id }, n) => { if (n % oneIn === 0) host.killSandbox(id); });
    return;
  }
  containers.forEach(({ id }, n) => {
    if (n % oneIn !== 0) return;
    if (how === 'exit') host.exit(id, 1);
    else host.lose(id);
  });
}
