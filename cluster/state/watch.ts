// What changed since a revision: a bounded window of the newest changes, for watches.
// What always holds: the answer is complete and in order, or it is `expired`.

import type { Revision } from '../ids.ts';
import { mutable } from './state.ts';
import type { State } from './state.ts';
import type { Change } from './types.ts';

/** Changes after `after` whose key begins with `prefix`, oldest first; `expired` if some may be forgotten. */
export function changesSince(state: State, after: Revision, prefix = ''): readonly Change[] | 'expired' {
  const { changes, forgotten } = mutable(state);
  if (after < forgotten) return 'expired';
  let low = 0, high = changes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((changes[middle] as Change).revision <= after) low = middle + 1;
    else high = middle;
  }
  const newer = changes.slice(low);
  return prefix === '' ? newer : newer.filter((change) => change.key.startsWith(prefix));
}

/** The lowest revision that a watch can start after. */
export const oldestWatchable = (state: State): Revision => mutable(state).forgotten;
