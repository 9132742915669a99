// Canaries: bugs put into one run on purpose, so that it is known that the oracles sing.
// They are made of the simulator's own ports; the core has no switch for any of them.

import { place } from '../cluster/state/indexes.ts';
import { mutable } from '../cluster/state/state.ts';
import type { DiskEvent, DiskPort } from '../cluster/ports.ts';
import type { State } from '../cluster/state/state.ts';
import type { SimScheduler } from './heap.ts';

/** Name → what goes wrong, and the oracle that should say so. */
export const canaries = {
  'acknowledge-early': 'disks say that a write is synced before it is: committed-is-durable',
  'forget-votes': 'disks keep the term, but not the vote in it: one-vote-per-term',
  'spoil-state': 'one peer\'s state loses an object: state-digest',
} as const;

export type Canary = keyof typeof canaries;

export function isCanary(text: string): text is Canary { return Object.hasOwn(canaries, text); }

export function spoilDisk(
  canary: Canary | null, port: DiskPort, scheduler: SimScheduler, deliver: (event: DiskEvent) => void,
): DiskPort {
  switch (canary) {
    case 'acknowledge-early': return {
      ...port,
      write(write) {
        port.write(write);
        scheduler.at(scheduler.nowMs(), () => deliver({ type: 'persisted', token: write.token }));
      },
    };
    case 'forget-votes': return {
      ...port,
      write(write) {
        port.write(write.hard === undefined ? write
          : { ...write, hard: { term: write.hard.term, vote: null } });
      },
    };
    case 'spoil-state': case null: return port;
  }
}

/** Takes one object out of the state behind everybody's back. True if there was one. */
export function spoilState(state: State): boolean {
  const { objects } = state;
  const key = [...objects.keys()].find((each) => each.startsWith('core/configmaps/'));
  if (key === undefined) return false;
  place(mutable(state), key, null);
  return true;
}
