// Carries a plan's faults out in a world, each at its time, and takes it back when it is over.
// What always holds: after `healMs` nothing of any fault is left, but that who was asked to leave may still
// be on its way; a machine that several faults keep down starts when the last of them is over.

import type { PeerId } from '../cluster/ids.ts';
import type { Fault, FaultOf, FaultPlan, LinkName } from './faults.ts';
import { bringBack, takeOut } from './leaving.ts';
import { jumpClock } from './machine.ts';
import type { Machine } from './machine.ts';
import { noFaults } from './ports/containers.ts';
import { diskFailure } from './world.ts';
import type { World } from './world.ts';

/** Schedules every fault of the world's plan. */
export function injectFaults(world: World): void {
  const { heap, plan } = world;
  const active = new Set<Fault>();
  for (const fault of plan.faults) {
    heap.at(fault.atMs, () => {
      active.add(fault);
      begin(world, fault, active);
    });
    heap.at(fault.atMs + fault.forMs, () => {
      active.delete(fault);
      end(world, fault, active);
    });
  }
}

/** One fault at once, for scenarios. It ends after `forMs`. */
export function injectNow(world: World, fault: FaultPlan['faults'][number]): void {
  const { heap } = world;
  const active = new Set<Fault>([fault]);
  begin(world, fault, active);
  heap.at(heap.nowMs() + fault.forMs, () => {
    active.delete(fault);
    end(world, fault, active);
  });
}

function begin(world: World, fault: Fault, active: ReadonlySet<Fault>): void {
  switch (fault.kind) {
    case 'partition': case 'links': case 'clog': return layNetwork(world, active);
    case 'crash': case 'power': {
      for (const peer of fault.peers) {
        world.machine(peer).holds += 1;
        world.crash(peer, fault.kind === 'power');
      }
      return;
    }
    case 'pause': return world.pause(fault.peer);
    case 'slow-disk': return world.machine(fault.peer).disk.setConditions(fault.conditions);
    case 'disk-fails': {
      const machine = world.machine(fault.peer);
      if (machine.life !== null) machine.disk.failNextSync(diskFailure);
      machine.holds += 1;
      return;
    }
    case 'clock-jump': return setClock(world, fault.peer, fault.skewMs);
    case 'runtime': return world.machine(fault.peer).host.setFaults(fault.faults);
    case 'runtime-down': return world.machine(fault.peer).host.setUp(false);
    case 'containers': return harmContainers(world, fault);
    case 'leave': return takeOut(world, fault.peer);
  }
}

function end(world: World, fault: Fault, active: ReadonlySet<Fault>): void {
  switch (fault.kind) {
    case 'partition': case 'links': case 'clog': return layNetwork(world, active);
    case 'crash': case 'power': {
      for (const peer of fault.peers) release(world, peer);
      return;
    }
    case 'pause': return world.resume(fault.peer);
    case 'slow-disk': return world.machine(fault.peer).disk.setConditions(world.plan.disks);
    case 'disk-fails':
      // A failure that no sync has met yet must not outlive the fault.
      world.crash(fault.peer);
      return release(world, fault.peer);
    case 'clock-jump': return setClock(world, fault.peer, 0);
    case 'runtime': return world.machine(fault.peer).host.setFaults(noFaults);
    case 'runtime-down': return world.machine(fault.peer).host.setUp(true);
    case 'containers': return;
    case 'leave': return bringBack(world, fault.peer);
  }
}

function release(world: World, peer: number): void {
  world.machine(peer).holds -= 1;
  world.start(peer);
}

/** The network as all faults in force together have it. */
function layNetwork({ network, machines }: World, active: ReadonlySet<Fault>): void {
  const idOf = (number: number): PeerId => (machines[number - 1] as Machine).id;
  const each = (links: readonly LinkName[], lay: (from: PeerId, to: PeerId) => void): void => {
    for (const [from, to] of links) lay(idOf(from), idOf(to));
  };
  network.heal();
  for (const fault of active) {
    if (fault.kind === 'partition') {
      for (const a of fault.a) for (const b of fault.b) network.partition(idOf(a), idOf(b), fault.direction);
    } else if (fault.kind === 'links') {
      each(fault.links, (from, to) => network.lay(from, to, { conditions: fault.conditions }));
    } else if (fault.kind === 'clog') {
      each(fault.links, (from, to) => network.clog(from, to));
    }
  }
}

function setClock(world: World, peer: number, skewMs: number): void {
  const machine = world.machine(peer);
  machine.wallJumpMs = skewMs;
  if (machine.life !== null) jumpClock(machine, machine.life.clock, world.plan);
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
