// Oracles of what clients are told: acknowledged writes, and reads that show them.
// Revisions order all writes of the cluster, so a read of a key is judged by one number: it must not be older
// than anything that was acknowledged before the read began. Beside that, all operations of a run together
// must have an order that explains every answer, whatever revisions say (`linearizability.ts`).

import type { ObjectKey } from '../../cluster/ids.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { History } from './history.ts';
import { checkLinearizable } from './linearizability.ts';
import type { Operation, Timed } from './linearizability.ts';
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
  /** An operation and what its client was told; `unknown` in it: it was not told anything. */
  ended(begun: Begun, operation: Operation, who: string): void;
  /** At the end of the run. How many keys' operations are too many to say whether an order explains them. */
  finish(): number;
}

export interface Begun { readonly key: ObjectKey; readonly floor: number; readonly calledMs: number }

export function createClientsOracle(report: Report, history: History, nowMs: () => number): ClientsOracle {
  /** By key: the newest revision that a client has been told of. */
  const floors = new Map<ObjectKey, number>();
  const refusals: { readonly key: ObjectKey; readonly marker: string; readonly who: string }[] = [];

  const operations = new Map<ObjectKey, Timed[]>();

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
    begin: (key) => ({ key, floor: floors.get(key) ?? 0, calledMs: nowMs() }),
    read({ key, floor }, object, who) {
      if (object === null) {
        const wentSince = history.after(key, floor, Infinity).some(({ type }) => type === 'DELETED');
        if (history.objectAt(key, floor) !== null && !wentSince) {
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
        report('compare-and-swap', `${who} replaced ${key} at ${previous}, but asked to replace ${after}`);
      }
      seen(key, revision);
    },
    refused(key, marker, who) { refusals.push({ key, marker, who }); },
    ended({ key, calledMs }, operation, who) {
      const isUnknown = 'answer' in operation && operation.answer === 'unknown';
      const one = { operation, who, calledMs, returnedMs: isUnknown ? Infinity : nowMs() };
      const list = operations.get(key);
      if (list === undefined) operations.set(key, [one]);
      else list.push(one);
    },
    finish() {
      let undecided = 0;
      for (const [key, list] of [...operations].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const { linearizable, stuckAt } = checkLinearizable(list);
        if (linearizable === null) undecided += 1;
        if (linearizable !== false) continue;
        const what = stuckAt === null ? 'their answers'
          : `${JSON.stringify(stuckAt.operation)} of ${stuckAt.who}`;
        report('linearizable-history',
          `no order of the ${list.length} operations on ${key} explains ${what}`);
      }
      for (const { key, marker, who } of refusals) {
        const found = history.after(key, 0, Infinity)
          .find(({ object }) => JSON.stringify(dataOf(object)).includes(marker));
        if (found === undefined) continue;
        report('acknowledged-is-committed',
          `${who} was refused a write of ${key} that took effect at ${found.revision}`);
        break;
      }
      return undecided;
    },
  };
}

const revisionOf = ({ metadata }: KubeObject): number => Number(metadata.resourceVersion);

const dataOf = (object: KubeObject): unknown => (object as KubeObject & { data?: unknown }).data ?? null;
