// The shapes of the log: entries, members, messages, events in, effects out.
// The log knows nothing of Kubernetes: an entry's data is bytes to it.
// What always holds: an effect is plain data and safe to repeat; every message that depends on something
// durable is emitted only after the `persisted` event for it.

import type { Index, PeerId, Term } from '../ids.ts';

/** One entry. `data` of a `config` entry is a wire-encoded `LogMember[]`; of a `noop` entry it is empty. */
export interface Entry {
  readonly index: Index;
  readonly term: Term;
  readonly kind: 'noop' | 'command' | 'config';
  readonly data: Uint8Array;
}

/** A peer that the log has admitted. `voter` false means learner. */
export interface LogMember {
  readonly id: PeerId;
  readonly name: string;
  /** Multiaddrs or host:port hints, newest first; they may be out of date. */
  readonly addresses: readonly string[];
  readonly voter: boolean;
}

export interface HardState {
  readonly term: Term;
  readonly vote: PeerId | null;
}

/** Where the compacted part of the log ends. */
export interface SnapshotMeta {
  readonly index: Index;
  readonly term: Term;
  readonly members: readonly LogMember[];
}

/** What the disk gave back at start. */
export interface LogRecovery {
  readonly hard: HardState;
  readonly snapshot: SnapshotMeta;
  /** Entries after the snapshot, without a gap. */
  readonly entries: readonly Entry[];
  /** Nothing of this is on disk yet (a founding peer): the log hands it to `persist` before anything else. */
  readonly unsaved?: true;
}

export type LogRole = 'follower' | 'pre-candidate' | 'candidate' | 'leader' | 'learner';

export type LogMessage =
  | {
      readonly type: 'pre-vote' | 'vote'; readonly term: Term; readonly lastIndex: Index;
      readonly lastTerm: Term;
      /** The leader itself asked for this election (`timeout-now`): it counts while a leader is heard. */
      readonly forced?: true;
    }
  | { readonly type: 'pre-vote-reply' | 'vote-reply'; readonly term: Term; readonly granted: boolean }
  | {
      readonly type: 'append'; readonly term: Term; readonly prevIndex: Index; readonly prevTerm: Term;
      readonly commit: Index; readonly entries: readonly Entry[];
      /**
       * Echoed in the reply: the leader's round, for check-quorum, lease and read index. 0: the message only
       * brings news of the commit index, and is answered only if it doesn't fit.
       */
      readonly round: number;
    }
  | {
      readonly type: 'append-reply'; readonly term: Term; readonly ok: boolean; readonly round: number;
      /** ok: everything up to here matches and is durable. Not ok: the follower's hint where to look next. */
      readonly index: Index; readonly hintTerm: Term;
      /** Not ok: the `prevIndex` that was refused, so that a late refusal isn't taken for a new one. */
      readonly rejected?: Index;
    }
  | {
      readonly type: 'snapshot'; readonly term: Term; readonly meta: SnapshotMeta; readonly offset: number;
      readonly total: number; readonly data: Uint8Array; readonly round: number;
    }
  | { readonly type: 'snapshot-reply'; readonly term: Term; readonly index: Index; readonly received: number;
      readonly done: boolean; readonly round: number }
  /** The leader asks a caught-up voter to start an election at once (a leader that leaves). */
  | { readonly type: 'timeout-now'; readonly term: Term };

export type LogTimer = 'election' | 'heartbeat' | 'notice' | 'snapshot-retry';

export type LogEvent =
  /** The first event of a run: the log arms its timers and says its role and members. */
  | { readonly type: 'start' }
  /**
   * A door has let this peer in; by then `index` was committed, in `term`. The log up to there may tell of a
   * time when this very peer was a voter, with a log that it has lost since.
   */
  | { readonly type: 'joined'; readonly term: Term; readonly index: Index }
  | { readonly type: 'timer'; readonly timer: LogTimer }
  | { readonly type: 'message'; readonly from: PeerId; readonly message: LogMessage }
  /** Many proposals may come in one event: they share one disk write and one append per follower. */
  | { readonly type: 'propose'; readonly data: readonly Uint8Array[] }
  /** Replace one member's record or voter flag, add or remove one member. One at a time; see `voters.ts`. */
  | { readonly type: 'propose-config'; readonly members: readonly LogMember[] }
  /** Everything handed to `persist` with this token or a lower one is on stable storage. */
  | { readonly type: 'persisted'; readonly token: number }
  /** The owner has saved a snapshot of the state at `index`; the log may forget entries up to `keepFrom`. */
  | { readonly type: 'compacted'; readonly index: Index }
  /** The answer to `need-snapshot`: the state, encoded, at `meta.index`. */
  | {
      readonly type: 'snapshot-ready'; readonly to: PeerId; readonly meta: SnapshotMeta;
      readonly data: Uint8Array;
    }
  /**
   * Committed entries that came by the commit feed or by repair, contiguous, all committed. They are taken if
   * they begin at or below commit + 1, or if the entry before them is here with `prevTerm`; else ignored.
   */
  | { readonly type: 'learned'; readonly entries: readonly Entry[]; readonly prevTerm?: Term }
  /** The commit feed says who leads: learners get no heartbeats and know it from there. Voters ignore it. */
  | { readonly type: 'leader-known'; readonly leader: PeerId; readonly term: Term }
  /** A committed snapshot that came by repair, already decoded and accepted by the owner. */
  | { readonly type: 'learned-snapshot'; readonly meta: SnapshotMeta; readonly data: Uint8Array }
  /** A read wants an index that no acknowledged write can lie beyond. Leader only. */
  | { readonly type: 'read'; readonly id: number }
  /**
   * This voter waits for what the leader's log holds by now: it hears of the commits up to there at once.
   * Others hear of them with the next append, or `commitNoticeMs` later. Ignored by whoever doesn't lead.
   */
  | { readonly type: 'hurry'; readonly peer: PeerId }
  /** Give up leadership to the best voter, before leaving or shutting down. */
  | { readonly type: 'transfer' }
  /** A quorum is gone for good, a person says: go on with these members, this peer their only voter. */
  | { readonly type: 'recover'; readonly members: readonly LogMember[] };

export type LogEffect =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: LogMessage }
  /** Write in this order, then one fsync, then `persisted`. `truncateAfter`: drop entries above it first. */
  | {
      readonly type: 'persist'; readonly token: number; readonly hard?: HardState;
      readonly truncateAfter?: Index;
      readonly entries: readonly Entry[];
      /** A received snapshot that replaces the whole log up to `meta.index`. */
      readonly snapshot?: { readonly meta: SnapshotMeta; readonly data: Uint8Array };
    }
  /** Entries to apply, in order, each exactly once per run. */
  | { readonly type: 'commit'; readonly entries: readonly Entry[] }
  /** Replace the whole state by this snapshot. */
  | { readonly type: 'install'; readonly meta: SnapshotMeta; readonly data: Uint8Array }
  | { readonly type: 'need-snapshot'; readonly to: PeerId }
  | { readonly type: 'arm'; readonly timer: LogTimer; readonly ms: number }
  | { readonly type: 'disarm'; readonly timer: LogTimer }
  /** Role, term or known leader changed. `ready`: a leader whose no-op of this term is committed. */
  | {
      readonly type: 'role'; readonly role: LogRole; readonly term: Term; readonly leader: PeerId | null;
      readonly ready: boolean;
    }
  /** The membership in force (appended, perhaps not yet committed) changed. */
  | { readonly type: 'members'; readonly members: readonly LogMember[]; readonly committed: boolean }
  /** The fate of the n-th proposal of the event: appended at an index, or refused. */
  | { readonly type: 'proposed'; readonly first: Index; readonly count: number; readonly term: Term }
  | {
      readonly type: 'refused'; readonly what: 'propose' | 'propose-config' | 'read' | 'transfer' | 'recover';
      readonly reason: 'not-leader' | 'not-ready' | 'change-in-flight' | 'unsafe' | 'full' | 'has-leader';
      readonly readId?: number;
    }
  | { readonly type: 'read-ready'; readonly id: number; readonly index: Index };
