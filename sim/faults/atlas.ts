// The fault atlas: where something may be lost for good, so that every committed entry stays recoverable.
// Then a cluster that cannot recover has a bug, and the faults are no excuse. After TigerBeetle's atlas, but
// asked at the moment of each loss instead of being laid out before the run, because who votes changes.
//
// The rule. A disk may be lost while a quorum of the voters, without it, has sound disks: then whatever set
// of voters elects or commits next, made of those that remember, shares one with every quorum that committed
// anything. And one of the sound ones holds all that is committed, which follows, and is looked at all the
// same. A disk is not sound while it is damaged, nor from its loss until its peer is in the cluster again and
// has caught up, nor when its machine is about to leave. Without a leader nobody can say who votes: then
// nothing may be lost.
//
// What always holds: the answer changes nothing.

import type { PeerId } from '../../cluster/ids.ts';
import { quorum } from '../../cluster/log/voters.ts';

export interface AtlasDisk {
  readonly id: PeerId;
  /** Nothing of what it ever acknowledged is missing or bad, and its machine is there to stay. */
  readonly sound: boolean;
  /** It holds everything committed. */
  readonly complete: boolean;
}

export interface Atlas {
  /** By the membership of the leader; null: nobody leads. */
  readonly voters: readonly PeerId[] | null;
  readonly disks: readonly AtlasDisk[];
}

/** Whether the cluster can do without what is on this disk. */
export function mayLose({ voters, disks }: Atlas, lost: PeerId): boolean {
  if (voters === null || voters.length === 0) return false;
  const left = disks.filter(({ id, sound }) => sound && id !== lost);
  const voting = left.filter(({ id }) => voters.includes(id));
  return voting.length >= quorum(voters.length) && voting.some(({ complete }) => complete);
}
