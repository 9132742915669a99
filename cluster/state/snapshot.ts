// The state as bytes and back. The same state gives the same bytes on every member.
// What always holds: a state that was read back applies the next entry exactly as the one it was taken from; of
// the window of changes nothing is kept, so watches from before it start over.

import { revision, term } from '../ids.ts';
import type { ObjectKey, PeerId, Revision, Term } from '../ids.ts';
import type { KubeObject } from '../api/types.ts';
import { place } from './indexes.ts';
import { everything } from './query.ts';
import { createState, mutable } from './state.ts';
import type { State } from './state.ts';
import type { Change } from './types.ts';

const format = 1;

interface Stored {
  readonly format: number;
  readonly revision: Revision;
  readonly term: Term;
  readonly digest: readonly [number, number];
  readonly serviceCidr: string;
  /** Origins from the least to the most recently used; numbers seen beyond `through` are sorted. */
  readonly windows: readonly (readonly [PeerId, number, number, number, readonly number[]])[];
  readonly objects: readonly (readonly [ObjectKey, KubeObject])[];
}

export function encodeState(state: State): Uint8Array {
  const { windows, digest, serviceCidr } = mutable(state);
  const stored: Stored = {
    format, revision: state.revision, term: state.term, digest, serviceCidr,
    windows: [...windows].map(([origin, { incarnation, through, forced, seen }]) =>
      [origin, incarnation, through, forced, [...seen].sort((a, b) => a - b)] as const),
    objects: everything(state).map(({ key, object }) => [key, object] as const),
  };
  return new TextEncoder().encode(JSON.stringify(stored));
}

/** The state, or why the bytes are none. Never throws for what the bytes hold. */
export function decodeState(bytes: Uint8Array): State | { readonly refusal: string } {
  let stored: Stored;
  try {
    stored = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Stored;
  } catch (error) {
    return { refusal: `not a snapshot: ${error instanceof Error ? error.message : 'unreadable'}` };
  }
  if (typeof stored !== 'object' || stored === null || !Array.isArray(stored.objects) || !Array.isArray(stored.windows)) {
    return { refusal: 'not a snapshot: its parts are missing' };
  }
  if (stored.format !== format) {
    return { refusal: `a snapshot of format ${String(stored.format)}; this version of Shoal reads format ${format}` };
  }
  const state = createState({ serviceCidr: stored.serviceCidr }), target = mutable(state);
  target.revision = revision(stored.revision);
  target.term = term(stored.term);
  target.digest = stored.digest;
  target.forgotten = target.revision;
  for (const [key, object] of stored.objects) place(target, key, object);
  for (const [origin, incarnation, through, forced, seen] of stored.windows) {
    target.windows.set(origin, { incarnation, through, forced, seen: new Set(seen) });
  }
  return state;
}

/** What leads from one state to another, as changes at the later one's revision: for those that kept up so far. */
export function difference(before: State, after: State): readonly Change[] {
  const found: Change[] = [];
  for (const { key, object } of everything(before)) {
    if (after.objects.get(key)?.metadata.uid === object.metadata.uid) continue;
    found.push({ type: 'DELETED', key, revision: after.revision, object, previous: object });
  }
  for (const { key, object } of everything(after)) {
    const old = before.objects.get(key);
    const previous = old?.metadata.uid === object.metadata.uid ? old : null;
    if (previous?.metadata.resourceVersion === object.metadata.resourceVersion) continue;
    found.push({ type: previous === null ? 'ADDED' : 'MODIFIED', key, revision: after.revision, object, previous });
  }
  return found;
}
