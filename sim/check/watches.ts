// The oracle of lists and watches: what an informer is shown is the committed history, in order, nothing left
// out and nothing twice, whatever peer it hangs on.

import type { ObjectKey } from '../../cluster/ids.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { Change } from '../../cluster/state/types.ts';
import type { History } from './history.ts';
import type { Report } from './oracle.ts';

export interface WatchOracle {
  /** A list at this revision, by key and revision. */
  listed(prefix: string, revision: number, items: ReadonlyMap<ObjectKey, string>, who: string): void;
  /** The next event of a watch that has seen everything up to `cursor`; returns what it has seen now. */
  watched(prefix: string, cursor: Cursor, event: WatchEvent, who: string): Cursor;
  /** A watch broke off and starts again from the revision it has seen: all of that revision must be seen. */
  resumed(prefix: string, cursor: Cursor, who: string): void;
}

/** All changes up to `revision`, and the first `seen` of those at it: one command may change several. */
export interface Cursor { readonly revision: number; readonly seen: number }

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: KubeObject;
}

export function createWatchOracle(report: Report, history: History): WatchOracle {
  function nextAfter(prefix: string, { revision, seen: count }: Cursor): Change | undefined {
    if (count === Infinity) return history.after(prefix, revision, 1)[0];
    return history.after(prefix, revision - 1, count + 1)[count];
  }

  return {
    listed(prefix, revision, items, who) {
      const expected = history.listAt(prefix, revision);
      const wrong = [...new Set([...expected.keys(), ...items.keys()])].sort()
        .find((key) => expected.get(key) !== items.get(key));
      if (wrong !== undefined) {
        report('watch-is-history', `${who} lists ${prefix} at ${revision} with ${wrong} at `
          + `${items.get(wrong) ?? 'no revision'}, not at ${expected.get(wrong) ?? 'none'}`);
      }
    },
    watched(prefix, cursor, { type, object }, who) {
      const revision = revisionOf(object);
      const next = nextAfter(prefix, cursor);
      if (type === 'BOOKMARK') {
        if (next !== undefined && next.revision <= revision) {
          report('watch-is-history', `${who} is told that all is seen up to ${revision}, but was not shown `
            + `${next.type} ${next.key} at ${next.revision}`);
        }
        return revision > cursor.revision ? { revision, seen: Infinity } : cursor;
      }
      const same = next !== undefined && next.revision === revision && next.type === type
        && next.key.endsWith(`/${object.metadata.name}`);
      if (!same) {
        const expected = next === undefined ? 'nothing' : `${next.type} ${next.key} at ${next.revision}`;
        report('watch-is-history', `${who}, at ${cursor.revision}, is shown ${type} ${object.metadata.name} `
          + `at ${revision}, but next is ${expected}`);
      }
      return { revision, seen: revision === cursor.revision ? cursor.seen + 1 : 1 };
    },
    resumed(prefix, cursor, who) {
      const next = nextAfter(prefix, cursor);
      if (next === undefined || next.revision !== cursor.revision) return;
      report('watch-is-history',
        `${who} was shown a part of what changed at ${cursor.revision}, not ${next.key}`);
    },
  };
}

const revisionOf = ({ metadata }: KubeObject): number => Number(metadata.resourceVersion);
