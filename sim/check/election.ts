// Oracles of elections: one leader per term, one vote per term, terms that only grow.
// Votes are judged by what leaves a peer, not by what it believes: a vote that was given and then lost in a
// crash is given all the same.

import type { PeerId } from '../../cluster/ids.ts';
import type { HardState, LogRole } from '../../cluster/log/types.ts';
import type { Report } from './oracle.ts';

export interface ElectionOracle {
  /** A peer's role or term as it is after an event. */
  observe(peer: PeerId, role: LogRole, term: number): void;
  /** The peer started its leader's actors for this term. */
  acts(peer: PeerId, term: number): void;
  /** A granted vote left the peer. */
  voted(peer: PeerId, term: number, candidate: PeerId): void;
  /** What a peer finds on its disk when it starts again. */
  restarted(peer: PeerId, hard: HardState): void;
  /** The peer was taken out and its disk emptied: it comes back as a newcomer, with no promise to keep. */
  wiped(peer: PeerId): void;
  leaderOf(term: number): PeerId | null;
}

interface Known { term: number; readonly votes: Map<number, PeerId> }

export function createElectionOracle(report: Report): ElectionOracle {
  const leaders = new Map<number, PeerId>();
  const actors = new Map<number, PeerId>();
  /** By peer: the highest term that others may know it by, and its votes. */
  const peers = new Map<PeerId, Known>();

  function known(peer: PeerId): Known {
    let found = peers.get(peer);
    if (found === undefined) peers.set(peer, found = { term: 0, votes: new Map() });
    return found;
  }

  function voted(peer: PeerId, term: number, candidate: PeerId): void {
    const { votes } = known(peer);
    const before = votes.get(term);
    if (before === undefined) votes.set(term, candidate);
    else if (before !== candidate) {
      report('one-vote-per-term', `${peer} voted for ${before} and for ${candidate} in term ${term}`);
    }
    promise(peer, term);
  }

  /** Others may have acted on this peer's word in this term: it may never go back behind it. */
  function promise(peer: PeerId, term: number): void {
    const one = known(peer);
    if (term > one.term) one.term = term;
  }

  return {
    voted,
    observe(peer, role, term) {
      if (role !== 'leader') return;
      voted(peer, term, peer);
      const leader = leaders.get(term);
      if (leader === undefined) leaders.set(term, peer);
      else if (leader !== peer) report('election-safety', `${leader} and ${peer} both lead in term ${term}`);
    },
    acts(peer, term) {
      const other = actors.get(term);
      if (other === undefined) actors.set(term, peer);
      else if (other !== peer) {
        report('one-writer-per-fence', `${other} and ${peer} both run the leader's actors in term ${term}`);
      }
    },
    restarted(peer, { term, vote }) {
      const before = known(peer);
      if (term < before.term) {
        report('terms-grow', `${peer} starts again in term ${term}, after it voted or led in ${before.term}`);
      }
      const given = before.votes.get(term);
      if (given !== undefined && vote !== given) {
        report('one-vote-per-term', `${peer} forgot its vote for ${given} in term ${term}, now: ${vote}`);
      }
    },
    wiped(peer) { peers.delete(peer); },
    leaderOf: (term) => leaders.get(term) ?? null,
  };
}
