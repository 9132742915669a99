// The committed history: every entry applied once, to a state that no peer can touch. It is what peers,
// clients and watches are compared with. What always holds: entries come here in the order of the log, as
// soon as the first peer has committed them.

import { assert } from '../../cluster/assert.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { Entry } from '../../cluster/log/types.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { digestOf } from '../../cluster/state/digest.ts';
import { createState } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Applied, Change } from '../../cluster/state/types.ts';
import type { Report } from './oracle.ts';

export interface History {
  readonly state: State;
  applied(): number;
  /** The next entry is committed. */
  take(entry: Entry): Applied;
  /** Compares a peer's state with the one this history had at the same index. */
  compare(who: string, state: State): void;
  /** Changes of one resource after `revision`, oldest first: up to `count` of them. */
  after(prefix: string, revision: number, count: number): readonly Change[];
  /** What the object was at its newest change at or before `revision`. */
  objectAt(key: ObjectKey, revision: number): KubeObject | null;
  /** The object at its newest change at or before `revision`, its last version if that deleted it. */
  lastVersion(key: ObjectKey, revision: number): KubeObject | null;
  /** The key of the object that has or had this uid. */
  keyOfUid(uid: string): ObjectKey | null;
  /** Keys and revisions of all objects below `prefix` at `revision`. */
  listAt(prefix: string, revision: number): ReadonlyMap<ObjectKey, string>;
  /** The change that made this revision of the object; null if there is none. */
  changeAt(key: ObjectKey, revision: number): Change | null;
  changes(): readonly Change[];
}

export function createHistory(report: Report): History {
  const state = createState();
  const digests: string[] = [digestOf(state)];
  const all: Change[] = [];
  const byResource = new Map<string, Change[]>();
  const byKey = new Map<ObjectKey, Change[]>();
  const uids = new Map<string, ObjectKey>();
  /** Commands that took effect, by origin, incarnation and sequence, and where. */
  const effective = new Map<string, number>();

  function checkOnce({ id, index, outcome, duplicate }: Applied): void {
    if (id === null || duplicate || !outcome.ok) return;
    const name = `${id.origin}/${id.incarnation}/${id.sequence}`, before = effective.get(name);
    if (before === undefined) effective.set(name, index);
    else report('applied-once', `command ${name} takes effect at ${before} and again at ${index}`);
  }

  function record(change: Change): void {
    all.push(change);
    push(byResource, resourceOf(change.key), change);
    push(byKey, change.key, change);
    const { uid, resourceVersion } = change.object.metadata;
    const before = Number(change.previous?.metadata.resourceVersion ?? 0);
    if (Number(resourceVersion) !== change.revision || before >= change.revision) {
      report('identity', `${change.key} has revision ${resourceVersion} after ${before}, changed at `
        + `${change.revision}`);
    }
    const owner = uids.get(uid);
    if (owner === undefined) uids.set(uid, change.key);
    else if (owner !== change.key || change.type === 'ADDED') {
      report('identity', `uid ${uid} of ${owner} is given to ${change.key} at ${change.revision} too`);
    }
  }

  return {
    state,
    applied: () => state.revision,
    take(entry) {
      assert(entry.index === state.revision + 1, `history: entry ${entry.index} after ${state.revision}`);
      const applied = applyEntry(state, entry);
      digests.push(digestOf(state));
      checkOnce(applied);
      for (const change of applied.changes) record(change);
      return applied;
    },
    compare(who, other) {
      const mine = digests[other.revision], theirs = digestOf(other);
      if (mine !== theirs) {
        report('state-digest',
          `${who} has ${theirs} at index ${other.revision}, not ${mine ?? 'a committed state'}`);
      }
    },
    after(prefix, revision, count) {
      const list = byResource.get(resourceOf(prefix)) ?? [];
      const found: Change[] = [];
      for (let at = firstAfter(list, revision); at < list.length && found.length < count; at += 1) {
        const change = list[at] as Change;
        if (change.key.startsWith(prefix)) found.push(change);
      }
      return found;
    },
    objectAt(key, revision) {
      const list = byKey.get(key) ?? [];
      const change = list[firstAfter(list, revision) - 1];
      return change === undefined || change.type === 'DELETED' ? null : change.object;
    },
    lastVersion(key, revision) {
      const list = byKey.get(key) ?? [];
      return list[firstAfter(list, revision) - 1]?.object ?? null;
    },
    keyOfUid: (uid) => uids.get(uid) ?? null,
    listAt(prefix, revision) {
      const found = new Map<ObjectKey, string>();
      for (const change of byResource.get(resourceOf(prefix)) ?? []) {
        if (change.revision > revision) break;
        if (!change.key.startsWith(prefix)) continue;
        if (change.type === 'DELETED') found.delete(change.key);
        else found.set(change.key, change.object.metadata.resourceVersion);
      }
      return found;
    },
    changeAt(key, revision) {
      const list = byKey.get(key) ?? [];
      const change = list[firstAfter(list, revision - 1)];
      return change?.revision === revision ? change : null;
    },
    changes: () => all,
  };
}

/** The first position whose revision is greater. */
function firstAfter(list: readonly Change[], revision: number): number {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((list[middle] as Change).revision <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

const resourceOf = (key: string): string => splitKey(key as ObjectKey).resource;
