// The shapes that go into the state and come out of it: commands, outcomes, changes.
// A command is made by the peer that took a request (or by an actor) and is the same bytes on every member;
// what it does to the state is decided by `apply.ts` alone, from the command and the state, nothing else.

import type { Index, ObjectKey, PeerId, Revision, Term, Uid } from '../ids.ts';
import type { KubeObject } from '../api/types.ts';

/**
 * Identity of a command. A command that is proposed twice (a retry over a lost leader) is applied once.
 * `sequence` grows by one per command of one run (`incarnation`) of one peer.
 */
export interface CommandId {
  readonly origin: PeerId;
  readonly incarnation: number;
  readonly sequence: number;
}

/** What must hold of the object, else the whole command is refused with Conflict. */
export interface Expectation {
  readonly revision?: Revision;
  readonly uid?: Uid;
}

export type Op =
  /**
   * The object has everything but resourceVersion (and what `allocate.ts` gives out: clusterIP, nodePort).
   */
  | { readonly op: 'create'; readonly key: ObjectKey; readonly object: KubeObject }
  /** Replaces the whole object; metadata.uid must be that of the stored one. */
  | {
      readonly op: 'update'; readonly key: ObjectKey; readonly object: KubeObject;
      readonly expect?: Expectation;
    }
  | { readonly op: 'delete'; readonly key: ObjectKey; readonly expect?: Expectation };

/** All operations take effect at one revision, or none does. */
export interface Command {
  readonly id: CommandId;
  /**
   * Set by the scheduler and the controllers: the term whose leader made it. Refused under any other term.
   */
  readonly fence?: Term;
  readonly ops: readonly Op[];
}

export type RefusalReason =
  | 'AlreadyExists' | 'NotFound' | 'Conflict' | 'Invalid' | 'Forbidden' | 'Fenced' | 'TooOld';

/** Why a command changed nothing: a value, the same on every member. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly message: string;
  readonly key?: ObjectKey;
  /** The field at fault, for `details.causes`, e.g. `spec.clusterIP`. */
  readonly field?: string;
}

export type Outcome =
  /** `objects`: per op, the object as stored, or as last stored for a delete. */
  | { readonly ok: true; readonly revision: Revision; readonly objects: readonly KubeObject[] }
  | { readonly ok: false; readonly refusal: Refusal };

/** One object's change. For DELETED, `object` is the last version with `resourceVersion` of the deletion. */
export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly key: ObjectKey;
  readonly revision: Revision;
  readonly object: KubeObject;
  readonly previous: KubeObject | null;
}

/** What applying one entry did. `id` is null for entries that carry no command. */
export interface Applied {
  readonly index: Index;
  readonly id: CommandId | null;
  /** True where this id was applied before: nothing changed and `outcome` must not be delivered again. */
  readonly duplicate: boolean;
  readonly outcome: Outcome;
  readonly changes: readonly Change[];
}
