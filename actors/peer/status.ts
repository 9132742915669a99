// What a peer says of itself and of the cluster: `shoal status`, `/shoal/v1/status`.

import type { PeerId } from '../../cluster/ids.ts';
import type { Beat, Liveness } from '../../cluster/gossip/types.ts';
import type { NetworkStats } from '../../cluster/ports.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import { epochOf } from '../../cluster/log/recover.ts';
import { failuresSurvived, isQuorate } from '../../cluster/log/voters.ts';
import type { Core } from './core.ts';

export interface MemberStatus {
  readonly id: PeerId;
  readonly name: string;
  readonly voter: boolean;
  readonly leader: boolean;
  readonly liveness: Liveness;
  /** By its last beat; null where none was heard. */
  readonly applied: number | null;
  readonly addresses: readonly string[];
}

export interface PeerStatus {
  readonly id: PeerId;
  readonly name: string;
  readonly phase: string;
  readonly role: string;
  readonly term: number;
  readonly leader: PeerId | null;
  readonly applied: number;
  readonly commit: number;
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** How often the cluster was recovered after the loss of a quorum. */
  readonly epoch: number;
  /** Since when no leader was heard; 0: one is heard; null: not since this peer's start. */
  readonly leaderlessMs: number | null;
  /** Whether this peer follows a leader, or is one, and sees enough live voters for a quorum. */
  readonly quorum: boolean;
  /** How many more members may fail at once, those that are gone already aside, before writes stop. */
  readonly survives: number;
  readonly members: readonly MemberStatus[];
  /** Null where nobody counts. */
  readonly network: NetworkStats | null;
}

export type LivenessOf = (peer: PeerId) => { readonly status: Liveness; readonly beat: Beat | null };

export function peerStatus(core: Core, log: LogDescription, phase: string, freshMs: number | null,
  livenessOf: LivenessOf): PeerStatus {
  const live = new Set(log.members.filter(({ id }) => livenessOf(id).status !== 'dead').map(({ id }) => id));
  live.add(core.self);
  const members = log.members.map((member): MemberStatus => {
    const { status, beat } = livenessOf(member.id);
    return {
      id: member.id, name: member.name, voter: member.voter, leader: member.id === log.leader,
      liveness: member.id === core.self ? 'alive' : status,
      applied: member.id === core.self ? core.state.revision : beat?.applied ?? null,
      addresses: beat?.addresses ?? member.addresses,
    };
  });
  return {
    id: core.self, name: core.config.name, phase, role: log.role, term: log.term, leader: log.leader,
    applied: core.state.revision, commit: log.commit, lastIndex: log.lastIndex,
    lastTerm: log.lastTerm, epoch: epochOf(log.term),
    leaderlessMs: log.leader !== null ? 0 : freshMs === null ? null : core.now() - freshMs,
    quorum: log.leader !== null && isQuorate(log.members, live),
    survives: Math.max(0, failuresSurvived(log.members, live)), members,
    network: core.ports.network.stats?.() ?? null,
  };
}

/** The names of the voters that this peer can't reach, sorted. */
export function unreachableVoters(core: Core, log: LogDescription, livenessOf: LivenessOf): string[] {
  return log.members.filter(({ id, voter }) => voter && id !== core.self && livenessOf(id).status !== 'alive')
    .map(({ name }) => name).sort();
}
