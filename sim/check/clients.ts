// Oracles of what clients are told: acknowledged writes, and reads that show them.
// Revisions order all writes of the cluster, so a read of a key is judged by one number: it must not be older
// than anything that was acknowledged before the read began.

import type { ObjectKey } from '../../cluster/ids.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
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
  /** At the end of the run. */
  finish(): void;
}

export interface Begun { readonly key: ObjectKey; readonly floor: number }

export function createClientsOracle(report: Report, history: History): ClientsOracle {
  /** By key: the newest revision that a client has been told of. */
  const floors = new Map<ObjectKey, number>();
  const refusals: { readonly key: ObjectKey; readonly marker: string; readonly who: string }[] = [];

  function seen(key: ObjectKey, revision: number): void {
    floors.set(key, Math.max(revision, floors.get(key) ?? 0));
  }

  function checkStored(key: ObjectKey, object: KubeObject, who: string): void {
    const revision = revisionOf(object);
    const change = history.changeAt(key, revision);
    if (change === null) {
      report('acknowledged-is-committed', `${who} was told of ${key} at ${revision}, which is not committed`);
    } else if (JSON.stringify(dataOf(change.object)) !== JSON.stringify(dataOf(object))) {
      report('acknowledged-is-committed',
        `${who} was shown another ${key} at ${revision} than was committed`);
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
    finish() {
      for (const { key, marker, who } of refusals) {
        const found = history.after(key, 0, Infinity)
          .find(({ object }) => JSON.stringify(dataOf(object)).includes(marker));
        if (found === undefined) continue;
        report('acknowledged-is-committed',
          `${who} was refused a write of ${key} that took effect at ${found.revision}`);
        return;
      }
    },
  };
}

const revisionOf = ({ metadata }: KubeObject): number => Number(metadata.resourceVersion);

const dataOf = (object: KubeObject): unknown => (object as KubeObject & { data?: unknown }).data ?? null;
