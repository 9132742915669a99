// Who this peer is: the steps down to follower or learner, and the election timer. The steps up are in
// `election.ts`.
//
// The timer is not moved with every message of the leader: it fires, sees how long it has been quiet, and is
// armed for the rest. Votes are refused for `electionTimeoutMsMin` after a leader was heard. That is what a
// leader's lease rests on (`read.ts`), so a peer that starts again, and can't know when it last heard the
// leader, refuses votes for as long.

import type { PeerId, Term } from '../ids.ts';
import { limits } from '../limits.ts';
import type { Log } from './log.ts';
import { lastConfig } from './members.ts';

/** Moves to `term` if it is newer, and stops whatever this peer was doing in the old role. */
export function becomeFollower(log: Log, term: Term, leader: PeerId | null): void {
  if (term > log.term) {
    log.term = term;
    log.vote = null;
    log.durable.hardChanged = true;
    log.incoming = null;
  }
  if (log.leading !== null) stopLeading(log);
  log.leader = leader;
  log.votes.clear();
  if (mayCampaign(log)) {
    log.role = 'follower';
    restartElectionTimer(log);
  } else {
    becomeLearner(log);
  }
}

function becomeLearner(log: Log): void {
  log.role = 'learner';
  log.votes.clear();
  log.out.push({ type: 'disarm', timer: 'election' });
}

function stopLeading(log: Log): void {
  for (const { id } of log.leading?.reads ?? []) {
    log.out.push({ type: 'refused', what: 'read', reason: 'not-leader', readId: id });
  }
  log.leading = null;
  log.out.push({ type: 'disarm', timer: 'heartbeat' }, { type: 'disarm', timer: 'snapshot-retry' });
}

/** Membership may have changed in this step: a learner starts to watch the leader, or a voter stops. */
export function refreshRole(log: Log): void {
  if (log.leading !== null) return;
  const may = mayCampaign(log);
  if (may && log.role === 'learner') {
    log.role = 'follower';
    restartElectionTimer(log);
  } else if (!may && log.role !== 'learner') {
    becomeLearner(log);
  }
}

/**
 * A voter of the membership in force; or of one that may still be the committed one, for a peer whose
 * removal isn't committed may be the only one that can commit it (Ongaro's thesis, 4.2.2).
 */
function mayCampaign(log: Log): boolean {
  if (!isCaughtUp(log)) return false;
  for (let at = log.configs.length - 1; at >= 0; at--) {
    const config = log.configs[at];
    if (config === undefined) break;
    if (config.voters.includes(log.self)) return true;
    if (config.index <= log.entries.commit) break;
  }
  return false;
}

/**
 * A newcomer may have been a member before, with a log that is gone. It votes by no membership of those days:
 * two such peers would be taken for the quorum that they once were.
 */
export const isCaughtUp = (log: Log): boolean => log.entries.commit >= log.votesFrom;

export const isVoter = (log: Log, id: PeerId): boolean => lastConfig(log.configs).voters.includes(id);

/** A leader, or whoever this peer has just voted for, gets a fresh random time to be heard. */
export function restartElectionTimer(log: Log): void {
  log.quietSinceMs = log.nowMs;
  log.electionTimeoutMs = log.random.between(limits.electionTimeoutMsMin, limits.electionTimeoutMsMax);
  log.out.push({ type: 'arm', timer: 'election', ms: log.electionTimeoutMs });
}

/** The leader of this term was heard. */
export function hear(log: Log, leader: PeerId): void {
  if (log.role !== 'follower' && log.role !== 'learner') becomeFollower(log, log.term, leader);
  log.leader = leader;
  log.heardMs = log.nowMs;
  log.quietSinceMs = log.nowMs;
}

/** A live leader is not to be disturbed: neither one that was heard lately, nor oneself. */
export function hearsLeader(log: Log): boolean {
  return log.leading !== null || log.nowMs - log.heardMs < limits.electionTimeoutMsMin;
}
