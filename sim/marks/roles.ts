// Marks of roles: elections, leases, and what a peer finds when it starts again.

import type { PeerId } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { LogRecovery, LogRole } from '../../cluster/log/types.ts';
import type { MarkName } from './names.ts';

export interface RoleMarks {
  /** `termAt`: of what the peer had written before it stopped. */
  opened(peer: PeerId, recovery: LogRecovery, termAt: TermAt): void;
  wiped(peer: PeerId, wasVoter: boolean): void;
  /** After an event. */
  moved(peer: PeerId, now: LogDescription, before: Before): void;
}

type TermAt = (index: number) => number | null;
interface Before { readonly role: string; readonly term: number }

export function createRoleMarks(
  reach: (name: MarkName) => void, leaderOf: (term: number) => PeerId | null,
): RoleMarks {
  /** Peers whose disk was emptied, and whether they voted then. */
  const emptied = new Map<PeerId, boolean>();
  /** Terms in which a peer holds a lease, or leads. */
  const leases = new Map<PeerId, number>();
  const leaders = new Map<PeerId, number>();

  function changedRole(peer: PeerId, now: LogDescription, before: Before): void {
    const { role, term } = now, was = before.role as LogRole;
    const isUndecided = was === 'candidate' && role === 'pre-candidate';
    if (isUndecided && leaderOf(before.term) === null) reach('split-vote');
    if (was === 'candidate' && role === 'follower') reach('candidate-gives-way');
    if (was === 'pre-candidate' && role === 'follower' && term === before.term) reach('pre-vote-in-vain');
    if (was === 'leader' && role !== 'leader') {
      if (now.lastIndex > now.commit) reach('leader-deposed-with-uncommitted-entries');
      if (term === before.term) reach('leader-steps-down-without-quorum');
    }
    if (role === 'leader') leaders.set(peer, term);
    else leaders.delete(peer);
    if (role === 'leader' && leaders.size > 1) reach('two-leaders-of-different-terms');
  }

  function checkLease(peer: PeerId, { role, term, lease }: LogDescription): void {
    if (role !== 'leader') leases.delete(peer);
    else if (lease) leases.set(peer, term);
    else if (leases.get(peer) === term) {
      leases.delete(peer);
      reach('lease-runs-out');
    }
  }

  return {
    opened(peer, { entries, snapshot }, termAt) {
      const last = entries.at(-1) ?? snapshot;
      leases.delete(peer);
      leaders.delete(peer);
      if (termAt(last.index + 1) !== null) reach('writes-lost-in-a-crash');
    },
    wiped(peer, wasVoter) { emptied.set(peer, wasVoter); },
    moved(peer, now, before) {
      if (now.role !== before.role || now.term !== before.term) changedRole(peer, now, before);
      checkLease(peer, now);
      const wasVoter = emptied.get(peer);
      if (wasVoter === undefined || !now.members.some(({ id }) => id === peer)) return;
      emptied.delete(peer);
      reach(wasVoter ? 'wiped-voter-readmitted' : 'wiped-learner-readmitted');
    },
  };
}
