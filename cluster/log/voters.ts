// Who should vote: quorum arithmetic, and the next step from the membership as it is towards what it should
// be. Pure decisions: the leader's owner asks after every change of members or liveness, and proposes the
// answer; when that is committed, it asks again.
//
// One voter for one or two members, three for three or four, five from five on. A voter that is lost is
// replaced by a live learner; one that is lost while nobody can take its place stays. Between two odd numbers
// lies an even one, for the time of one commit. What always holds: after each step a quorum of the voters is
// alive (if one was before), as many voters can be lost for good as before while one is replaced, the leader
// stays a voter, and one member changes at a time.

import type { Index, PeerId } from '../ids.ts';
import { limits } from '../limits.ts';
import { compareIds, sortMembers } from './members.ts';
import type { LogMember } from './types.ts';

/** What of each live member is applied, by its beats: who is best fit to vote. */
export type CaughtUp = ReadonlyMap<PeerId, Index>;

/**
 * The membership to propose next, or null if it is right as it is. `leader` is the peer that asks, which is
 * alive whatever `live` says. Ties: the more caught up first, then the lower id.
 */
export function nextChange(
  members: readonly LogMember[], live: ReadonlySet<PeerId>, caughtUp: CaughtUp, leader: PeerId,
): LogMember[] | null {
  const sorted = sortMembers(members);
  const alive = (member: LogMember): boolean => member.id === leader || live.has(member.id);
  const voters = sorted.filter((each) => each.voter);
  if (!voters.some((each) => each.id === leader)) return null;
  const wanted = votersFor(sorted.length);
  const learners = byFitness(sorted.filter((each) => !each.voter && alive(each)), caughtUp);
  const fit = learners.filter((each) => isFit(each, sorted, caughtUp)), candidate = fit[0] ?? null;
  const lost = voters.filter((each) => !alive(each));
  const spare = worst(voters, lost, leader, caughtUp);
  const liveVoters = voters.length - lost.length;
  const quorate = (live: number, all: number): boolean => live >= quorum(all);
  const demote = (member: LogMember | null): LogMember[] | null => {
    if (member === null || voters.length === 1) return null;
    const left = liveVoters - (lost.includes(member) ? 0 : 1);
    return quorate(left, voters.length - 1) ? withVoter(sorted, member, false) : null;
  };

  if (voters.length > wanted) return demote(spare);
  if (candidate !== null && voters.length < wanted) {
    const odd = voters.length % 2 === 1;
    // Two at once, so that the number is odd again; a single newcomer only replaces a lost voter.
    if (!odd || (fit.length >= 2 && lost.length === 0)) return withVoter(sorted, candidate, true);
  }
  // First the newcomer, then the lost one goes: it may yet come back with all it had, and the vote that would
  // be missed otherwise may be the next one to be lost for good.
  if (candidate !== null && lost.length > 0) return withVoter(sorted, candidate, true);
  const even = voters.length % 2 === 0 && voters.length > 2;
  return even && candidate === null ? demote(spare) : null;
}

/** How many of `members` should vote. */
export function votersFor(members: number): number {
  return Math.min(members < 3 ? 1 : members < 5 ? 3 : 5, limits.votersMax);
}

/** The smallest number of `voters` of which any two sets share one. */
export const quorum = (voters: number): number => Math.floor(voters / 2) + 1;

/** The greatest value that a quorum of the voters has reached. */
export function reachedByQuorum(values: number[]): number {
  return values.sort((a, b) => b - a)[quorum(values.length) - 1] ?? 0;
}

/** How many more voters may fail at once with a quorum left; -1 where there is none even now. */
export function failuresSurvived(members: readonly LogMember[], live: ReadonlySet<PeerId>): number {
  const voters = members.filter((each) => each.voter);
  return Math.max(-1, voters.filter((each) => live.has(each.id)).length - quorum(voters.length));
}

/** Whether enough of the voters among `members` are alive. */
export function isQuorate(members: readonly LogMember[], live: ReadonlySet<PeerId>): boolean {
  const voters = members.filter((each) => each.voter);
  return voters.length > 0 && voters.filter((each) => live.has(each.id)).length >= quorum(voters.length);
}

/** The live learner that is fittest to vote; null where none is fit. */
export function successor(
  members: readonly LogMember[], live: ReadonlySet<PeerId>, caughtUp: CaughtUp,
): LogMember | null {
  const sorted = sortMembers(members), learners = sorted.filter((each) => !each.voter && live.has(each.id));
  return byFitness(learners.filter((each) => isFit(each, sorted, caughtUp)), caughtUp)[0] ?? null;
}

/** The voter to do without: lost ones before live ones, then the less caught up; never the leader. */
function worst(
  voters: readonly LogMember[], lost: readonly LogMember[], leader: PeerId, caughtUp: CaughtUp,
): LogMember | null {
  if (lost.length > 0) return byFitness(lost, caughtUp).at(-1) ?? null;
  return byFitness(voters.filter((each) => each.id !== leader), caughtUp).at(-1) ?? null;
}

function byFitness(members: readonly LogMember[], caughtUp: CaughtUp): LogMember[] {
  const at = (member: LogMember): number => caughtUp.get(member.id) ?? 0;
  return [...members].sort((a, b) => at(b) - at(a) || compareIds(a.id, b.id));
}

/** A peer that has nothing yet knows no members and votes for nobody; one far behind holds up commits. */
function isFit(member: LogMember, members: readonly LogMember[], caughtUp: CaughtUp): boolean {
  const best = members.reduce((most, each) => Math.max(most, caughtUp.get(each.id) ?? 0), 0);
  const applied = caughtUp.get(member.id) ?? 0;
  return applied > 0 && best - applied <= limits.promotionLagMax;
}

function withVoter(members: readonly LogMember[], changed: LogMember, voter: boolean): LogMember[] {
  return members.map((each) => (each.id === changed.id ? { ...each, voter } : each));
}
