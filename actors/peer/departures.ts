// Members that were taken out a moment ago. They hear of it by the log, like everyone, but the log's leader
// no longer sends to them: for a while they are still let in, get the commit feed, and may pull what they
// missed.
//
// What always holds: for all else they are strangers from the moment the log says so; one that comes back as
// a member is none of these; each is forgotten after `departureMs`.

import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { Core } from './core.ts';

/** Why a peer stops that was taken out. */
export const leftReason = 'left the cluster';

export interface Departures {
  /** The membership in force went from `before` to `next`. */
  changed(before: readonly LogMember[], next: readonly LogMember[]): void;
  has(peer: PeerId): boolean;
  list(): readonly LogMember[];
}

/** `over`: one more was forgotten. */
export function createDepartures(core: Core, over: () => void): Departures {
  const leaving = new Map<PeerId, LogMember>();

  function forget(peer: PeerId): void {
    core.disarm(`departure/${peer}`);
    leaving.delete(peer);
  }

  return {
    changed(before, next) {
      const stay = new Set(next.map(({ id }) => id));
      for (const peer of [...leaving.keys()]) if (stay.has(peer)) forget(peer);
      for (const member of before) {
        if (stay.has(member.id) || member.id === core.self) continue;
        leaving.set(member.id, member);
        core.arm(`departure/${member.id}`, limits.departureMs, () => {
          leaving.delete(member.id);
          over();
        });
      }
    },
    has: (peer) => leaving.has(peer),
    list: () => [...leaving.values()],
  };
}
