// Disks and machines that are lost, and who looks after them. A peer whose disk is damaged refuses to start;
// whoever looks after it tries again, then does what the refusal says: empties the disk, so that the peer
// joins again as a newcomer, or, where the cluster could not do without what is on it, restores a copy.
//
// What always holds: nothing is lost but where the atlas allows it, asked at that very moment.

import { hash32 } from '../cluster/random.ts';
import { holds } from './check/log.ts';
import type { DiskView } from './check/log.ts';
import { mayLose } from './faults/atlas.ts';
import type { AtlasDisk } from './faults/atlas.ts';
import type { FaultOf } from './faults.ts';
import { isOut, takeOut } from './leaving.ts';
import type { Machine } from './machine.ts';
import type { DiskDamage } from './ports/disk/damage.ts';
import type { Note } from './ports/trace.ts';
import type { World } from './world.ts';

/** After so many refusals in a row somebody comes and looks. */
const refusalsMax = 3;
const retryMs = 1_000;
/** Who has not been let in by then tries another door. */
const joinPatienceMs = 15_000;
const lookEveryMs = 250;

/** Whether the cluster can do without what is on this machine's disk, now. */
export function canSpare(world: World, machine: Machine): boolean {
  const leader = leaderOf(world);
  const log = leader?.life?.peer.log();
  if (leader === null || log === undefined) return false;
  const { snapshot, entries } = leader.disk.synced;
  const applied = world.checker.history.applied();
  const last = entries[applied - (entries[0]?.index ?? 0)];
  const term = last?.term ?? snapshot.term;
  const disks = world.machines.map((each): AtlasDisk => ({
    id: each.id, sound: isSound(each), complete: holds(viewOf(each), applied, term),
  }));
  return mayLose({ voters: log.voters, disks }, machine.id);
}

const viewOf = ({ id, name, disk }: Machine): DiskView => ({ id, name, synced: disk.synced });

/** Nothing is wrong with what it holds, and it is there to stay. */
export function isSound({ disk, blank, leaves, replaced, lost }: Machine): boolean {
  return disk.damages().length === 0 && !blank && !leaves && !replaced && !lost;
}

function leaderOf({ machines }: World): Machine | null {
  const leading = machines.filter(({ life }) => life?.peer.log().role === 'leader' && life.peer.log().ready);
  const termOf = ({ life }: Machine): number => life?.peer.log().term ?? 0;
  return leading.sort((a, b) => termOf(b) - termOf(a))[0] ?? null;
}

/** The process dies, and its disk is empty from then on. False, and only the process dies: it is needed. */
export function wipe(world: World, number: number, power = false): boolean {
  const machine = world.machine(number);
  const spared = !canSpare(world, machine);
  world.crash(number, power);
  note(world, machine, spared ? 'spared' : 'wiped', {});
  if (!spared) empty(world, machine);
  return !spared;
}

/** Its disk is lost; it joins again as if it had never been there. */
export function empty(world: World, machine: Machine): void {
  world.checker.election.wiped(machine.id);
  machine.disk.wipe();
  machine.blank = true;
  machine.rejoins = true;
  machine.refusals = 0;
  seeItIn(world, machine);
}

/** A peer that is not let in tries again through another door. */
export function seeItIn(world: World, machine: Machine): void {
  const { heap } = world;
  heap.at(heap.nowMs() + joinPatienceMs, () => {
    const { life, number } = machine;
    if (machine.replaced || machine.lost || !machine.blank || machine.leaves) return;
    if (life !== null && !life.member && !life.paused) {
      world.crash(number);
      world.start(number);
    }
    seeItIn(world, machine);
  });
}

/** The address of a member; of the first, as all were told, for who starts for the first time. */
export function doorOf({ machines, plan }: World, machine: Machine): string {
  const [first] = machines;
  if (first !== undefined && !machine.rejoins && machine.runs <= 1) return first.address;
  const others = machines.filter((each) => each !== machine && !each.lost);
  const members = others.filter(({ life }) => life?.member === true);
  const open = members.length > 0 ? members : others;
  const at = hash32(plan.seed, machine.number, machine.runs, 0x646f) % Math.max(1, open.length);
  return (open[at] ?? machine).address;
}

/** The peer refuses to start on this disk. */
export function refused(world: World, machine: Machine, { message }: DiskDamage): void {
  const { heap } = world, { number, disk } = machine;
  machine.refusals += 1;
  note(world, machine, 'refuses to start', { message });
  heap.at(heap.nowMs() + retryMs, () => {
    if (machine.life !== null || machine.replaced || disk.damages().length === 0) return world.start(number);
    if (machine.refusals >= refusalsMax) {
      const spared = !canSpare(world, machine);
      note(world, machine, spared ? 'restored' : 'emptied', {});
      if (spared) disk.restore();
      else empty(world, machine);
    }
    world.start(number);
  });
}

/** Something on the disk goes bad, if the cluster can do without it. */
export function rot(world: World, { peer, where, atPpm }: FaultOf<'rot'>): void {
  const machine = world.machine(peer), { disk } = machine;
  const may = (): boolean => canSpare(world, machine);
  switch (where) {
    case 'write': return disk.spoilNextWrite({ how: 'rot', atPpm, may });
    case 'entry': case 'snapshot': {
      const spared = !may();
      world.crash(peer);
      const damage = spared ? null : disk.damage(where, atPpm);
      return note(world, machine, damage === null ? 'spared' : 'rots', { where, index: damage?.index ?? 0 });
    }
    case 'read':
      world.crash(peer);
      return disk.spoilNextRead();
  }
}

export function misdirect(world: World, { peer, atPpm }: FaultOf<'misdirect'>): void {
  const machine = world.machine(peer);
  machine.disk.spoilNextWrite({ how: 'misdirected', atPpm, may: () => canSpare(world, machine) });
}

/** While somebody's data is in danger, nobody else is taken out that it may be needed from. */
export function mayLeave(world: World, machine: Machine): boolean {
  const endangered = world.machines
    .some((each) => each !== machine && (each.blank || each.replaced || each.disk.damages().length > 0));
  return !endangered || canSpare(world, machine);
}

/** The machine is gone. False, and nothing happens: the cluster can't spare it. */
export function destroy(world: World, number: number): boolean {
  const machine = world.machine(number);
  if (machine.leaves || machine.replaced || !canSpare(world, machine)) {
    note(world, machine, 'spared', {});
    return false;
  }
  world.crash(number, true);
  world.checker.election.wiped(machine.id);
  machine.disk.wipe();
  machine.replaced = true;
  machine.holds += 1;
  note(world, machine, 'is gone', {});
  takeOut(world, number);
  return true;
}

/** Another machine takes its place; under the same name only once the former member is out. */
export function replace(world: World, fault: FaultOf<'replace'>, done: () => void): void {
  const { heap, machines } = world, { peer, name } = fault, machine = world.machine(peer);
  if (!machine.replaced) return;
  if (name === 'same') {
    if (machine.asked > 0 || !isOut(world, machine)) {
      heap.at(heap.nowMs() + lookEveryMs, () => replace(world, fault, done));
      return;
    }
    // The name is its successor's now: nobody may ask any more to have it taken out.
    machine.leaves = false;
  }
  const next = world.replace(peer, name === 'same' ? machine.name : null);
  note(world, next, 'takes its place', { id: next.id });
  done();
  seeItIn(world, next);
  world.start(peer);
  // Who knew only the former machine's address would dial it for ever.
  for (const { life, number } of machines) {
    if (life === null || life.member || number === peer) continue;
    world.crash(number);
    world.start(number);
  }
}

function note({ trace }: World, { name }: Machine, what: string, fields: Note['fields']): void {
  trace.port(name).event('machine', what, fields);
}
