// Oracles that are asked now and then, not after every event: what runs too long, how much is talked, and
// whether the views of the gossip plane agree once the world is well. What always holds: rounds only look; a
// run with them and the same run without them have one hash.

import type { Machine } from '../machine.ts';
import type { World } from '../world.ts';
import { convergenceMs } from './gossip.ts';
import type { Expected } from './gossip.ts';
import { createOverdueOracle } from './overdue.ts';
import type { Tended } from './overdue.ts';

const everyMs = 1_000;
const measureEveryMs = 10_000;

export function startRounds(world: World): void {
  const { heap, plan, machines, checker: { gossip, containers }, report } = world;
  const overdue = createOverdueOracle(report, containers, plan.faults, heap.nowMs);
  const names = new Map(machines.map(({ id, name }) => [id, name]));
  const withinMs = convergenceMs(machines.length);
  let starts = 0, quietSinceMs = plan.healMs, converged = false, measuredMs = 0;

  function round(): void {
    const now = heap.nowMs();
    overdue.look(machines.flatMap(tended));
    if (now - measuredMs >= measureEveryMs) {
      measuredMs = now;
      gossip.measure(names);
    }
    const runs = machines.reduce((sum, machine) => sum + machine.runs, 0);
    if (runs !== starts || machines.some(({ leaves }) => leaves)) {
      starts = runs;
      quietSinceMs = Math.max(now, plan.healMs);
    }
    if (!converged && now - quietSinceMs >= withinMs) {
      converged = true;
      gossip.converged(machines.map(expected));
    }
    heap.at(now + everyMs, round);
  }

  heap.at(everyMs, round);
}

/** A peer that is paused or still catching up sees to nothing. */
function tended({ life, lost, name, number }: Machine): readonly Tended[] {
  if (lost || life === null || life.paused || life.peer.phase() !== 'running') return [];
  return [{ name, number, state: life.peer.state() }];
}

const expected = ({ id, name, lost }: Machine): Expected => ({ id, name, status: lost ? 'dead' : 'alive' });
