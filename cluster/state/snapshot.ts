// The state as bytes and back: lines of JSON, first the head, then one object per line, sorted by key. No
// text of more than a chunk is ever made, for a state may be larger than the largest string.
// What always holds: the same state gives the same bytes on every member; a state that was read back applies
// the next entry exactly as the one it was taken from. Of the window of changes nothing is kept, so watches
// from before it start over.

import { revision, term } from '../ids.ts';
import type { ObjectKey, PeerId, Revision, Term } from '../ids.ts';
import type { KubeObject } from '../api/types.ts';
import { parseCidr } from './allocate.ts';
import { place } from './indexes.ts';
import { withSharedOwners } from './owners.ts';
import { everything, inTurn } from './query.ts';
import type { Keyed } from './query.ts';
import { createState, mutable } from './state.ts';
import type { State } from './state.ts';
import type { Change } from './types.ts';

const format = 1;
const chunkBytes = 256 * 1024;
const newline = 10;

interface Head {
  readonly format: number;
  readonly revision: Revision;
  readonly term: Term;
  readonly digest: readonly [number, number];
  readonly serviceCidr: string;
  /** Origins from the least to the most recently used; numbers seen beyond `through` are sorted. */
  readonly windows: readonly (readonly [PeerId, number, number, number, readonly number[]])[];
  /** How many lines follow. */
  readonly objects: number;
}

/** The whole of a snapshot, for a state whose snapshot is sent to another member. */
export const encodeState = (state: State): Uint8Array => joined([...encodeChunks(state)]);

/**
 * The snapshot in pieces of about 256 KiB, each encoded when it is asked for, within a few ms: of the
 * state as it is at this call, whatever is applied meanwhile.
 */
export function encodeChunks(state: State): Generator<Uint8Array, void, void> {
  const { windows, digest, serviceCidr } = mutable(state);
  const head: Head = {
    format, revision: state.revision, term: state.term, digest, serviceCidr,
    windows: [...windows].map(([origin, { incarnation, through, forced, seen }]) =>
      [origin, incarnation, through, forced, [...seen].sort((a, b) => a - b)] as const),
    objects: state.objects.size,
  };
  return chunksOf(`${JSON.stringify(head)}\n`, inTurn(state));
}

function* chunksOf(head: string, objects: Iterable<Keyed>): Generator<Uint8Array, void, void> {
  const encoder = new TextEncoder();
  let chunk = new Uint8Array(chunkBytes), filled = 0;
  for (const line of linesFrom(head, objects)) {
    let { read, written } = encoder.encodeInto(line, chunk.subarray(filled));
    if (read < line.length) {
      if (filled > 0) yield chunk.subarray(0, filled);
      // In UTF-8 a unit of a string takes three bytes at most.
      chunk = new Uint8Array(Math.max(chunkBytes, 3 * line.length));
      filled = 0;
      ({ read, written } = encoder.encodeInto(line, chunk));
    }
    filled += written;
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

function* linesFrom(head: string, objects: Iterable<Keyed>): Generator<string, void, void> {
  yield head;
  for (const { key, object } of objects) yield `${JSON.stringify([key, object])}\n`;
}

/** The pieces as one. */
export function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** The state, or why the bytes are none. Never throws for what the bytes hold. */
export function decodeState(bytes: Uint8Array): State | { readonly refusal: string } {
  try {
    return readState(bytes);
  } catch (error) {
    // JSON and UTF-8 that are none, and objects whose shape is not that of their kind.
    return { refusal: `not a snapshot: ${error instanceof Error ? error.message : 'unreadable'}` };
  }
}

function readState(bytes: Uint8Array): State | { readonly refusal: string } {
  const lines = linesOf(bytes), first = lines.next();
  const head = first.done === true ? null : JSON.parse(first.value) as Head | null;
  if (!Array.isArray(head?.windows) || !Array.isArray(head?.digest)) {
    return { refusal: 'not a snapshot: its head is missing' };
  }
  if (head.format !== format) {
    const version = String(head.format);
    return { refusal: `a snapshot of format ${version}; this version of Shoal reads format ${format}` };
  }
  if (parseCidr(head.serviceCidr) === null) {
    return { refusal: `not a snapshot: ${head.serviceCidr} is no range of addresses for Services` };
  }
  const state = createState({ serviceCidr: head.serviceCidr }), target = mutable(state);
  target.revision = revision(head.revision);
  target.term = term(head.term);
  target.digest = head.digest;
  target.forgotten = target.revision;
  for (const [origin, incarnation, through, forced, seen] of head.windows) {
    target.windows.set(origin, { incarnation, through, forced, seen: new Set(seen) });
  }
  for (const line of lines) {
    const [key, object] = JSON.parse(line) as [ObjectKey, KubeObject];
    if (typeof key !== 'string' || typeof object?.metadata !== 'object') {
      return { refusal: `not a snapshot: no object after ${state.objects.size} of them` };
    }
    if (state.objects.has(key)) return { refusal: `not a snapshot: ${key} is in it twice` };
    place(target, key, withSharedOwners(object));
  }
  if (state.objects.size === head.objects) return state;
  return { refusal: `not a whole snapshot: it holds ${state.objects.size} of ${head.objects} objects` };
}

/** The lines of a text; the last one ends like the others. Decoded in chunks, cut between lines. */
function* linesOf(bytes: Uint8Array): Generator<string, void, void> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (let from = 0; from < bytes.length;) {
    let to = bytes.lastIndexOf(newline, from + chunkBytes - 1);
    if (to < from) to = bytes.indexOf(newline, from);
    if (to < from) to = bytes.length;
    yield* decoder.decode(bytes.subarray(from, to)).split('\n');
    from = to + 1;
  }
}

/**
 * What leads from one state to another, as changes at the later one's revision: for those that kept up so
 * far.
 */
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
    const type = previous === null ? 'ADDED' : 'MODIFIED';
    found.push({ type, key, revision: after.revision, object, previous });
  }
  return found;
}
