// What is left when a quorum of voters is gone for good: one survivor is made the only voter, by a person's
// word, and the log goes on from what it holds.
//
// What always holds: nothing here happens by itself; of survivors, the one whose log is the longest by Raft's
// own order (last term, then last index) holds every committed entry that any of them holds, so it must be
// that one; the new terms are far above those that anybody may have reached meanwhile, so that an entry of
// the old cluster is never taken for one of the new. Source: Ongaro's thesis, 3.6.1 (which log is the longer
// one, and what it must hold).

import { encodeMembers } from '../wire.ts';
import { index as toIndex, term as toTerm } from '../ids.ts';
import type { Term } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Log } from './log.ts';
import { lastConfig, sortMembers } from './members.ts';
import { appendEntries } from './record.ts';
import { becomeFollower, isCaughtUp } from './role.ts';
import type { LogMember } from './types.ts';

/** How often the cluster was recovered, by its terms: each time begins a new stretch of them. */
export const epochOf = (term: Term): number => Math.floor(term / limits.recoveryTermStep);

/**
 * `members`: those that are left, this peer among them. The others of them learn, until they are promoted.
 */
export function onRecover(log: Log, members: readonly LogMember[]): void {
  const refuse = (reason: 'has-leader' | 'unsafe'): void => {
    log.out.push({ type: 'refused', what: 'recover', reason });
  };
  if (log.leading !== null || log.leader !== null) return refuse('has-leader');
  const known = new Set(lastConfig(log.configs).members.map(({ id }) => id));
  const left = new Set(members.map(({ id }) => id));
  const valid = left.size === members.length && left.has(log.self)
    && members.every(({ id }) => known.has(id));
  if (!valid || !isCaughtUp(log)) return refuse('unsafe');
  becomeFollower(log, toTerm((epochOf(log.term) + 1) * limits.recoveryTermStep), null);
  const next = sortMembers(members.map((member) => ({ ...member, voter: member.id === log.self })));
  const index = toIndex(log.entries.lastIndex + 1);
  appendEntries(log, [{ index, term: log.term, kind: 'config', data: encodeMembers(next) }]);
  // It is the only voter now: there is nobody to wait for.
  log.heardMs = -Infinity;
  log.electionTimeoutMs = 0;
  log.out.push({ type: 'arm', timer: 'election', ms: 0 });
}
