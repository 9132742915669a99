// Oracles of what clients see: acknowledged writes, reads that show them, watches that leave nothing out.
// Revisions order all writes of the cluster, so a read of a key is judged by one number: it must not be older
// than anything that was acknowledged before the read began.

import type { ObjectKey } from '../../cluster/ids.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { Change } from '../../cluster/state/types.ts';
import type { History } from './history.ts';
import type { Report } from './oracle.ts';

export interface ClientsOracle {
  /** An operation on this key begins: the token is handed back when it ends. */
  begin(key: ObjectKey): Begun;
  /** A linearizable read was answered; null: not found. */
  read(begun: Begun, object: KubeObject | null, who: string): void;
  /** A write was acknowledged with the object as stored. `after`: it was to replace this very revision. */
  wrote(begun: Begun, object: KubeObject, after: string | null, who: string): void;
  /** A write was refused for good: this marker must never appear in the object's data. */
  refused(key: ObjectKey, marker: string, who: string): void;
  /** A list at this revision, by key and revision. */
  listed(prefix: string, revision: number, items: ReadonlyMap<ObjectKey, string>, who: string): void;
  /** The next event of a watch that has seen everything up to `cursor`; returns what it has seen now. */
  watched(prefix: string, cursor: Cursor, event: WatchEvent, who: string): Cursor;
  /** A watch broke off and starts again from the revision it has seen: all of that revision must be seen. */
  resumed(prefix: string, cursor: Cursor, who: string): void;
  /** At the end of the run. */
  finish(): void;
}

export interface Begun { readonly key: ObjectKey; readonly floor: number }

/** All changes up to `revision`, and the first `seen` of those at it: one command may change several objects. */
export interface Cursor { readonly revision: number; readonly seen: number }

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: KubeObject;
}

export function createClientsOracle(report: Report, history: History): ClientsOracle {
  /** By key: the newest revision that a client has been told of. */
  const floors = new Map<ObjectKey, number>();
  const refusals: { readonly key: ObjectKey; readonly marker: string; readonly who: string }[] = [];

  function seen(key: ObjectKey, revision: number): void {
    floors.set(key, Math.max(revision, floors.get(key) ?? 0));
  }

  function nextAfter(prefix: string, { revision, seen: count }: Cursor): Change | undefined {
    if (count === Infinity) return history.after(prefix, revision, 1)[0];
    return history.after(prefix, revision - 1, count + 1)[count];
  }

  function checkStored(key: ObjectKey, object: KubeObject, who: string): void {
    const revision = revisionOf(object);
    const change = history.changeAt(key, revision);
    if (change === null) {
      report('acknowledged-is-committed', `${who} was told of ${key} at ${revision}, which is not committed`);
    } else if (JSON.stringify(dataOf(change.object)) !== JSON.stringify(dataOf(object))) {
      report('acknowledged-is-committed', `${who} was shown another ${key} at ${revision} than was committed`);
    }
  }

  return {
    begin: (key) => ({ key, floor: floors.get(key) ?? 0 }),
    read({ key, floor }, object, who) {
      if (object === null) {
        const change = history.after(key, floor, 1)[0];
        if (history.objectAt(key, floor) !== null && change?.type !== 'DELETED') {
          report('linearizable', `${who} does not find ${key}, which was acknowledged at ${floor}`);
        }
        return;
      }
      const revision = revisionOf(object);
      if (revision < floor) {
        report('linearizable', `${who} reads ${key} at ${revision}, but ${floor} was acknowledged before`);
      }
      checkStored(key, object, who);
      seen(key, revision);
    },
    wrote({ key, floor }, object, after, who) {
      const revision = revisionOf(object);
      if (revision <= floor) {
        report('linearizable', `${who} wrote ${key} at ${revision}, but ${floor} was acknowledged before`);
      }
      checkStored(key, object, who);
      const previous = history.changeAt(key, revision)?.previous?.metadata.resourceVersion ?? null;
      if (after !== null && previous !== after) {
        report('linearizable', `${who} replaced ${key} at ${previous}, but asked to replace ${after}`);
      }
      seen(key, revision);
    },
    refused(key, marker, who) { refusals.push({ key, marker, who }); },
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
        report('watch-is-history', `${who}, at ${cursor.revision}, is shown ${type} ${object.metadata.name} at `
          + `${revision}, but next is ${next === undefined ? 'nothing' : `${next.type} ${next.key} at ${next.revision}`}`);
      }
      return { revision, seen: revision === cursor.revision ? cursor.seen + 1 : 1 };
    },
    resumed(prefix, cursor, who) {
      const next = nextAfter(prefix, cursor);
      if (next === undefined || next.revision !== cursor.revision) return;
      report('watch-is-history', `${who} was shown a part of what changed at ${cursor.revision}, not ${next.key}`);
    },
    finish() {
      for (const { key, marker, who } of refusals) {
        const found = history.after(key, 0, Infinity).find(({ object }) => JSON.stringify(dataOf(object)).includes(marker));
        if (found === undefined) continue;
        report('acknowledged-is-committed', `${who} was refused a write of ${key} that took effect at ${found.revision}`);
        return;
      }
    },
  };
}

const revisionOf = ({ metadata }: KubeObject): number => Number(metadata.resourceVersion);

const dataOf = (object: KubeObject): unknown => (object as KubeObject & { data?: unknown }).data ?? null;
