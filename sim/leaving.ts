// Machines that leave the cluster and come back: somebody has a peer taken out, through whichever peer
// answers, until the cluster says that it is out; later the machine is emptied and joins again. What always
// holds: a machine comes back only once its former peer is out by the committed state; whoever does not hear
// of it, because it was down or cut off, is stopped by whoever looks after it.

import { objectKey } from '../cluster/ids.ts';
import { resources } from '../cluster/api/objects.ts';
import { get } from '../cluster/state/query.ts';
import { createRandom, hash32 } from '../cluster/random.ts';
import { empty } from './losing.ts';
import type { Machine } from './machine.ts';
import type { World } from './world.ts';

const askEveryMs = 3_000, lookEveryMs = 250;

/** Asks for it again and again, until it is out. */
export function takeOut(world: World, number: number): void {
  const { heap, plan } = world;
  const machine = world.machine(number);
  if (machine.leaves) return;
  machine.leaves = true;
  const random = createRandom(hash32(plan.seed, number, heap.nowMs(), 0x6c65));
  const body = new TextEncoder().encode(JSON.stringify({ name: machine.name }));
  const heard = (): void => { machine.asked -= 1; };
  const ask = (): void => {
    if (!machine.leaves || isOut(world, machine)) return;
    const through = random.between(1, plan.peers);
    const headers = { 'content-type': 'application/json' };
    world.request(through, { method: 'POST', path: '/shoal/v1/leave', query: '', headers, body }, {
      answer: heard, broken: heard,
    });
    machine.asked += 1;
    heap.at(heap.nowMs() + askEveryMs, ask);
  };
  ask();
}

/** Once it is out, empties the machine and lets it join again. */
export function bringBack(world: World, number: number): void {
  const { heap } = world;
  const machine = world.machine(number);
  if (!machine.leaves || machine.replaced) return;
  // Who has asked and not heard may be heard yet: that must not be taken for a wish to have it out again.
  if (machine.asked > 0 || !isOut(world, machine)) {
    heap.at(heap.nowMs() + lookEveryMs, () => bringBack(world, number));
    return;
  }
  world.crash(number, true);
  machine.leaves = false;
  if (machine.left) machine.holds -= 1;
  machine.left = false;
  empty(world, machine);
  world.start(number);
}

/** A leader knows no such member, and the committed state has no Node of it. */
export function isOut({ machines, checker }: World, { id, name }: Machine): boolean {
  const leader = machines.find(({ life }) => {
    const log = life?.peer.log();
    return log?.role === 'leader' && log.ready;
  });
  const members = leader?.life?.peer.log().members;
  return members !== undefined && !members.some((member) => member.id === id)
    && get(checker.history.state, objectKey(resources.nodes, '', name)) === null;
}
