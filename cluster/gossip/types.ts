// The shapes of gossip: SWIM messages, beats, what membership tells its owner.
// Gossip decides nothing that two peers could disagree on: it only reports who seems alive, and how they are.

import type { Index, PeerId, Term } from '../ids.ts';
import type { Entry, SnapshotMeta } from '../log/types.ts';

/** A peer's own liveness record. `sequence` grows with each new beat of one incarnation. */
export interface Beat {
  readonly peer: PeerId;
  readonly incarnation: number;
  readonly sequence: number;
  readonly applied: Index;
  /** Free resources as the peer itself sees them: millicores and bytes. */
  readonly freeCpuMilli: number;
  readonly freeMemoryBytes: number;
  /** 0 … 1000: how late the peer's own event loop and disk are; 0 is at rest. */
  readonly pressure: number;
  /** Whether the peer's container runtime answers; the reason is shown in the Node's Ready condition. */
  readonly ready: boolean;
  readonly reason: string;
  readonly addresses: readonly string[];
}

export type Liveness = 'alive' | 'suspect' | 'dead';

/** What one member says of another: spread by piggyback. */
export interface Rumour {
  readonly peer: PeerId;
  readonly status: Liveness;
  readonly incarnation: number;
  /** Who suspects; needed to count independent confirmations (Lifeguard). */
  readonly from: PeerId;
}

export type GossipMessage =
  | { readonly type: 'ping'; readonly sequence: number; readonly rumours: readonly Rumour[]; readonly beats: readonly Beat[] }
  | { readonly type: 'ack' | 'nack'; readonly sequence: number; readonly rumours: readonly Rumour[]; readonly beats: readonly Beat[] }
  | { readonly type: 'ping-request'; readonly sequence: number; readonly target: PeerId;
      readonly rumours: readonly Rumour[]; readonly beats: readonly Beat[] };

export type GossipTimer = 'probe' | 'probe-timeout' | 'probe-end' | 'suspicion' | 'relay';

export type GossipEvent =
  | { readonly type: 'timer'; readonly timer: GossipTimer }
  | { readonly type: 'message'; readonly from: PeerId; readonly message: GossipMessage }
  /** The members as the log has them; peers that left are forgotten. */
  | { readonly type: 'members'; readonly members: readonly PeerId[] }
  /** New facts about this peer: membership stamps incarnation and sequence and spreads them. */
  | { readonly type: 'self'; readonly beat: Omit<Beat, 'peer' | 'incarnation' | 'sequence'> };

export type GossipEffect =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: GossipMessage }
  | { readonly type: 'arm'; readonly timer: GossipTimer; readonly ms: number }
  | { readonly type: 'disarm'; readonly timer: GossipTimer }
  /** A member's status changed in this peer's view. */
  | { readonly type: 'liveness'; readonly peer: PeerId; readonly status: Liveness; readonly incarnation: number }
  /** A newer beat of another member arrived. */
  | { readonly type: 'beat'; readonly beat: Beat }
  /** This peer refuted a rumour: its incarnation, to be kept on disk, so that it never goes back. */
  | { readonly type: 'incarnation'; readonly incarnation: number };

/** One message of the commit feed: committed entries, contiguous. `prevTerm` is the term at `first - 1`. */
export interface FeedBatch {
  readonly from: PeerId;
  readonly term: Term;
  readonly first: Index;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
}

export type RepairMessage =
  /** Give me committed entries from `first` on (at most `limits.repairBytesMax`). */
  | { readonly type: 'pull'; readonly id: number; readonly first: Index }
  | { readonly type: 'range'; readonly id: number; readonly batch: FeedBatch; readonly commit: Index }
  /** The range is compacted: a snapshot follows in chunks, each asked for by `pull-snapshot`. */
  | { readonly type: 'pull-snapshot'; readonly id: number; readonly index: Index; readonly offset: number }
  | { readonly type: 'snapshot-chunk'; readonly id: number; readonly meta: SnapshotMeta; readonly offset: number;
      readonly total: number; readonly data: Uint8Array }
  | { readonly type: 'nothing'; readonly id: number; readonly applied: Index };
