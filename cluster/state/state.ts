// The cluster's state: what the log adds up to. Objects by key, with the orders and indexes that reading
// needs.
//
// What always holds: only `apply.ts` changes a state; objects in it are never changed in place; every index
// is a function of the objects, so that a state read back from a snapshot equals the one it was taken from.

import { revision, term } from '../ids.ts';
import type { ObjectKey, PeerId, ResourceName, Revision, Term } from '../ids.ts';
import type { KubeObject, Pod } from '../api/types.ts';
import { createAllocations } from './allocate.ts';
import type { Allocations } from './allocate.ts';
import type { Shelf } from './shelf.ts';
import type { Change } from './types.ts';

export interface State {
  /** Index of the last applied entry. */
  readonly revision: Revision;
  /** Term of the last applied entry. */
  readonly term: Term;
  readonly objects: ReadonlyMap<ObjectKey, KubeObject>;
}

export interface Keyed { readonly key: ObjectKey; readonly object: KubeObject }

/**
 * The objects of one resource in order, and the lists of single namespaces cut from it since the last change.
 */
export interface ResourceShelf {
  readonly shelf: Shelf<KubeObject>;
  readonly ranges: Map<string, readonly KubeObject[]>;
}

/** Which commands of one origin's run were applied. Everything up to `through` was, or can't be any more. */
export interface CommandWindow {
  incarnation: number;
  through: number;
  /** Up to here numbers were given up, applied or not, because the window moved on. */
  forced: number;
  readonly seen: Set<number>;
}

/** The state as `apply.ts` and its siblings see it. */
export interface MutableState extends State {
  revision: Revision;
  term: Term;
  /** Two 32-bit words over the whole history of changes. */
  digest: readonly [number, number];
  readonly objects: Map<ObjectKey, KubeObject>;
  readonly shelves: Map<ResourceName, ResourceShelf>;
  /** By `spec.nodeName`. */
  readonly podsByNode: Map<string, Shelf<Pod>>;
  /** By namespace. */
  readonly quotasByNamespace: Map<string, Shelf<KubeObject>>;
  /** By the uid of each owner. */
  readonly byOwner: Map<string, Shelf<Keyed>>;
  /** By origin, the least recently used first. */
  readonly windows: Map<PeerId, CommandWindow>;
  readonly allocations: Allocations;
  readonly serviceCidr: string;
  /** The newest changes, oldest first. */
  changes: Change[];
  /** Changes at or before this revision may have been forgotten. */
  forgotten: Revision;
}

export const defaultServiceCidr = '10.96.0.0/16';

export function createState(options: { readonly serviceCidr?: string } = {}): State {
  const serviceCidr = options.serviceCidr ?? defaultServiceCidr;
  const state: MutableState = {
    revision: revision(0), term: term(0), digest: [0, 0], objects: new Map(), shelves: new Map(),
    podsByNode: new Map(), quotasByNamespace: new Map(), byOwner: new Map(), windows: new Map(),
    allocations: createAllocations(serviceCidr), serviceCidr, changes: [], forgotten: revision(0),
  };
  return state;
}

/** For this folder only: whoever reads the state gets `State`, whoever applies to it this. */
export function mutable(state: State): MutableState { return state as MutableState; }
