// The shapes of gossip: SWIM messages, beats, what membership tells its owner.
// Gossip decides nothing that two peers could disagree on: it only reports who seems alive, and how they are.

import type { Index, PeerId, Term } from '../ids.ts';
import type { Entry, SnapshotMeta } from '../log/types.ts';

/** A peer's own liveness record. `sequence` grows with each new beat of one incarnation. */
export interface Beat {
  readonly peer: PeerId;
  readonly incarnation: number;
  readonly sequence: number;
  /** Applied, and on the peer's own stable storage: votes are given for it. */
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
  | {
      readonly type: 'ping' | 'ack' | 'nack'; readonly sequence: number;
      readonly rumours: readonly Rumour[]; readonly beats: readonly Beat[];
    }
  | { readonly type: 'ping-request'; readonly sequence: number; readonly target: PeerId;
      readonly rumours: readonly Rumour[]; readonly beats: readonly Beat[] };

export type GossipTimer = 'probe' | 'probe-timeout' | 'probe-end' | 'suspicion' | 'relay';

export type GossipEvent =
  | { readonly type: 'timer'; readonly timer: GossipTimer }
  | { readonly type: 'message'; readonly from: PeerId; readonly message: GossipMessage }
  /** The members as the log has them; peers that left are forgotten. */
  | { readonly type: 'members'; readonly members: readonly PeerId[] }
  /**
   * New facts about this peer: membership stamps incarnation and sequence and spreads them. `to`: a member
   * that should not have to wait until they have spread.
   */
  | { readonly type: 'self'; readonly beat: Omit<Beat, 'peer' | 'incarnation' | 'sequence'>;
      readonly to?: PeerId }
  /** The owner wants to hear from this member now. */
  | { readonly type: 'ask'; readonly peer: PeerId };

export type GossipEffect =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: GossipMessage }
  | { readonly type: 'arm'; readonly timer: GossipTimer; readonly ms: number }
  | { readonly type: 'disarm'; readonly timer: GossipTimer }
  /** A member's status changed in this peer's view. */
  | {
      readonly type: 'liveness'; readonly peer: PeerId; readonly status: Liveness;
      readonly incarnation: number;
    }
  /** A newer beat of another member arrived; `first`: the first of its incarnation. */
  | { readonly type: 'beat'; readonly beat: Beat; readonly first: boolean }
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
  | {
      readonly type: 'snapshot-chunk'; readonly id: number; readonly meta: SnapshotMeta;
      readonly offset: number; readonly total: number; readonly data: Uint8Array;
    }
  | { readonly type: 'nothing'; readonly id: number; readonly applied: Index };

// ── commit feed ──────────────────────────────────────────────────────────────────────────────────────────

export type PublisherEvent =
  /** This peer leads, and the no-op of its term is committed. `last` is the last committed entry so far. */
  | { readonly type: 'lead'; readonly term: Term; readonly last: Index; readonly lastTerm: Term }
  /** Entries committed since, contiguous; ignored while this peer does not lead. */
  | { readonly type: 'committed'; readonly entries: readonly Entry[] }
  | { readonly type: 'stop' }
  | { readonly type: 'timer' };

export type PublisherEffect =
  /** A batch without entries says who leads, and that `first` will be the next index. */
  | { readonly type: 'publish'; readonly batch: FeedBatch }
  | { readonly type: 'arm'; readonly timer: 'feed'; readonly ms: number }
  | { readonly type: 'disarm'; readonly timer: 'feed' };

/** What the receiver asks of its owner: how far its own state is, and the terms of its log. */
export interface LogView {
  readonly applied: Index;
  /** The term of the entry at `index`; null if the log doesn't hold it (any more). */
  readonly termAt: (index: Index) => Term | null;
}

export type ReceiverEvent =
  | { readonly type: 'batch'; readonly batch: FeedBatch }
  /** The state moved on by other ways: what is held may fit now, or be of no use. */
  | { readonly type: 'progress' };

export type ReceiverEffect =
  /** Committed entries for the log, contiguous to what it was given before. */
  | { readonly type: 'learned'; readonly entries: readonly Entry[]; readonly prevTerm: Term }
  | { readonly type: 'leader-known'; readonly leader: PeerId; readonly term: Term }
  /** Everything up to here is committed: for repair, which finds out what is missing. */
  | { readonly type: 'seen'; readonly from: PeerId; readonly index: Index }
  /** A committed entry has another term here than there: a broken disk, or another cluster. Not taken. */
  | { readonly type: 'diverged'; readonly from: PeerId; readonly index: Index };

// ── repair ───────────────────────────────────────────────────────────────────────────────────────────────

export type RepairTimer = 'repair' | 'repair-timeout' | 'repair-snapshot';

/** What repair asks of its owner at each step. */
export interface RepairView extends LogView {
  /** False: this peer asks for nothing (it leads, or is a voter that the leader looks after). */
  readonly active: boolean;
  readonly term: Term;
  readonly leader: PeerId | null;
  /** The members that seem alive, sorted; this peer may be among them. */
  readonly live: readonly PeerId[];
  /** How far a member said in its last beat that it is; 0 if nothing is known. */
  readonly appliedOf: (peer: PeerId) => Index;
  /** Committed entries of the own log: at least one if `first` is committed, else about `bytesMax` bytes. */
  readonly entriesFrom: (first: Index, bytesMax: number) =>
    { readonly entries: readonly Entry[]; readonly prevTerm: Term } | 'compacted';
  /** The state as it is now, encoded: costly, so asked for rarely. */
  /** Null: it is being made; whoever asks again later gets it. */
  readonly snapshotNow: () => { readonly meta: SnapshotMeta; readonly data: Uint8Array } | null;
}

export type RepairEvent =
  | { readonly type: 'timer'; readonly timer: RepairTimer }
  | { readonly type: 'message'; readonly from: PeerId; readonly message: RepairMessage }
  /** The feed of that peer shows that everything up to here is committed somewhere. */
  | { readonly type: 'seen'; readonly from: PeerId; readonly index: Index }
  /** The own state, a beat or the members changed. */
  | { readonly type: 'look' };

export type RepairEffect =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: RepairMessage }
  | { readonly type: 'arm'; readonly timer: RepairTimer; readonly ms: number }
  | { readonly type: 'disarm'; readonly timer: RepairTimer }
  | { readonly type: 'learned'; readonly entries: readonly Entry[]; readonly prevTerm: Term }
  | { readonly type: 'learned-snapshot'; readonly meta: SnapshotMeta; readonly data: Uint8Array }
  | { readonly type: 'diverged'; readonly from: PeerId; readonly index: Index };
