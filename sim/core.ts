// The second phase of some runs: a random core of peers heals, and the faults of all others become permanent.
// What is left must take them for lost and come to rest without them.
//
// What always holds: the core holds a quorum of the voters, or nothing could be promised: where the drawn one
// lacks it, because voters were replaced in the chaos or have lost their disks, the first others by number
// join it. Who is no member yet can't be missed: it belongs to the core.

import type { PeerId } from '../cluster/ids.ts';
import { quorum, votersFor } from '../cluster/log/voters.ts';
import { createRandom, hash32 } from '../cluster/random.ts';
import type { FaultClass, FaultPlan } from './faults.ts';
import { isSound } from './losing.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

/** In half of the runs that may: the peers that heal. Who is taken out of the cluster may not be lost too. */
export function drawCore(
  seed: number, peers: number, classes: readonly FaultClass[],
): Pick<FaultPlan, 'core'> {
  const random = createRandom(hash32(seed, 0xc03e));
  const lostMax = Math.floor((votersFor(peers) - 1) / 2);
  const leaving = classes.includes('leave') || classes.includes('replace');
  if (lostMax < 1 || leaving || !random.chance(1, 2)) return {};
  const core = Array.from({ length: peers }, (_, i) => i + 1);
  for (let n = random.between(1, lostMax); n > 0; n -= 1) core.splice(random.below(core.length), 1);
  return { core };
}

/** To be called once the plan's faults are scheduled: their ends come first. */
export function scheduleCore(world: World): void {
  const { plan: { core, healMs }, heap } = world;
  if (core !== undefined) heap.at(healMs, () => loseOthers(world, core));
}

function loseOthers(world: World, drawn: readonly number[]): void {
  const { heap, plan } = world;
  const lost = outside(world, drawn);
  for (const machine of lost) machine.lost = true;
  for (const machine of lost) {
    const { number, id } = machine;
    machine.holds += 1;
    // One that still runs, but is cut off, is as lost as one that is dead.
    const isDead = hash32(plan.seed, number, 0x6c6f) % 2 === 0;
    if (isDead) world.crash(number, hash32(plan.seed, number, 0x706f) % 2 === 0);
    else heap.at(heap.nowMs() + 1, () => cutOff(world, id));
  }
}

/** Once the last fault has given back the links that it held. */
function cutOff({ machines, network }: World, id: PeerId): void {
  for (const other of machines) if (!other.lost) network.partition(id, other.id, 'both');
}

function outside({ machines }: World, drawn: readonly number[]): Machine[] {
  const core = new Set(drawn), voters = votersOf(machines);
  const members = new Set(machines.flatMap(({ life }) => life?.peer.log().members.map(({ id }) => id) ?? []));
  for (const { id, number } of machines) if (!members.has(id)) core.add(number);
  const enough = (): boolean => voters.every((set) => {
    const there = set.filter((id) =>
      machines.some((each) => each.id === id && core.has(each.number) && isSound(each)));
    // A leader that has not missed it yet may be making a lost learner a voter just now.
    const joining = machines.some(({ id, number }) => !core.has(number) && !set.includes(id)) ? 1 : 0;
    return there.length >= quorum(set.length + joining);
  });
  for (const { number } of machines) {
    if (enough()) break;
    core.add(number);
  }
  return machines.filter(({ number }) => !core.has(number));
}

/** By every membership that some log has in force. */
function votersOf(machines: readonly Machine[]): readonly (readonly PeerId[])[] {
  return machines.flatMap(({ life }) => {
    const voters = life?.peer.log().voters ?? [];
    return voters.length === 0 ? [] : [voters];
  });
}
