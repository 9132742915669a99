// The oracle of lists and watches: what an informer is shown is the committed history, in order, nothing left
// out and nothing twice, whatever peer it hangs on. Its message names the property that is broken, as etcd's
// guarantees for watches do: ordered, unique, reliable, atomic, resumable, bookmarkable.

import type { ObjectKey } from '../../cluster/ids.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
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
          report('watch-is-history', `not bookmarkable: ${who} is told that all is seen up to ${revision}, `
            + `but was not shown ${next.type} ${next.key} at ${next.revision}`);
        }
        return revision > cursor.revision ? { revision, seen: Infinity } : cursor;
      }
      const { name, namespace = '' } = object.metadata;
      const same = next !== undefined && next.revision === revision && next.type === type
        && next.key.endsWith(`/${namespace}/${name}`);
      if (same && !isShownAs(next.object, object)) {
        report('watch-is-history', `not reliable: ${who} is shown another ${next.key} at ${revision} than `
          + 'was committed');
      }
      if (!same) {
        const broken = revision < cursor.revision ? 'ordered'
          : revision === cursor.revision && cursor.seen === Infinity ? 'unique' : 'reliable';
        const expected = next === undefined ? 'nothing' : `${next.type} ${next.key} at ${next.revision}`;
        report('watch-is-history', `not ${broken}: ${who}, at ${cursor.revision}, is shown ${type} ${name} `
          + `at ${revision}, but next is ${expected}`);
      }
      return { revision, seen: revision === cursor.revision ? cursor.seen + 1 : 1 };
    },
    resumed(prefix, cursor, who) {
      const next = nextAfter(prefix, cursor);
      if (next === undefined || next.revision !== cursor.revision) return;
      report('watch-is-history', `not atomic, so not resumable: ${who} was shown a part of what changed at `
        + `${cursor.revision}, not ${next.key}`);
    },
  };
}

interface Parts { readonly spec?: unknown; readonly status?: unknown; readonly data?: unknown }

/** The same object in its uid and in what it says. */
function isShownAs(committed: KubeObject & Parts, shown: KubeObject & Parts): boolean {
  return committed.metadata.uid === shown.metadata.uid && sameContent(committed.spec, shown.spec)
    && sameContent(committed.status, shown.status) && sameContent(committed.data, shown.data);
}

const revisionOf = ({ metadata }: KubeObject): number => Number(metadata.resourceVersion);
