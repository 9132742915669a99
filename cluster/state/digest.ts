// A digest over the whole history of a state's changes: equal on two members at one index exactly if they
// applied the same changes. It finds members that drifted apart; it protects against bugs, not against
// malice.

import { hashText } from '../random.ts';
import { canonicalText } from '../canonical.ts';
import { everything } from './query.ts';
import { mutable } from './state.ts';
import type { State } from './state.ts';
import type { Change } from './types.ts';

/** The digest after one more change. Two 32-bit words, each over all that came before. */
export function digested(digest: readonly [number, number], change: Change): readonly [number, number] {
  const content = change.type === 'DELETED' ? change.object.metadata.uid : JSON.stringify(change.object);
  const head = hashText(change.key, Math.imul(digest[0] ^ change.revision, 0x85ebca6b));
  return [hashText(content, head ^ change.type.length), Math.imul(digest[1] ^ head, 0xc2b2ae35) >>> 0];
}

/** 16 hex digits. */
export function digestOf(state: State): string {
  return mutable(state).digest.map((word) => word.toString(16).padStart(8, '0')).join('');
}

/** A digest of all that the state holds now, from canonical text: slow, for checks. */
export function fullDigest(state: State): string {
  let low = 0x811c9dc5, high = 0x9e3779b9;
  for (const { key, object } of everything(state)) {
    const text = canonicalText(object);
    low = hashText(text, hashText(key, low));
    high = hashText(text, Math.imul(high, 31) ^ low);
  }
  return [low, high].map((word) => word.toString(16).padStart(8, '0')).join('');
}
