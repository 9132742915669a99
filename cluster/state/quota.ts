// Holds what is written to the quotas of its namespace. It runs inside `apply`, so that two writes that race
// through two peers can't both have the last of what is left.
//
// What is used stands in the quota's own status, as in Kubernetes: there is nothing beside the objects that a
// snapshot would have to carry, and a write costs as much as there are quotas in its namespace, however many
// objects there are.
// What always holds: a command is charged as a whole, after its operations, so that none of these finds a
// quota changed by an earlier one; it takes effect with all of its charges, or with none.

import { splitKey } from '../ids.ts';
import type { ObjectKey } from '../ids.ts';
import { keyOf, resources } from '../api/objects.ts';
import { charge, closedLedger, openLedger } from '../api/quota/ledger.ts';
import type { Ledger, Moved, ResourceQuota } from '../api/quota/ledger.ts';
import type { KubeObject } from '../api/types.ts';
import { nameOf } from './refusals.ts';
import { inOrder } from './shelf.ts';
import { mutable } from './state.ts';
import type { State } from './state.ts';
import type { Refusal } from './types.ts';

const none: readonly KubeObject[] = [];

/** The quotas of a namespace, by name. */
export function quotasIn(state: State, namespace: string): readonly ResourceQuota[] {
  const shelf = mutable(state).quotasByNamespace.get(namespace);
  return shelf === undefined ? none : inOrder(shelf);
}

export interface Charge { readonly key: ObjectKey; readonly quota: ResourceQuota }

interface Touch { readonly before: KubeObject | null; readonly now: KubeObject | null }

/**
 * What becomes of the quotas by what a command touches, or why it is refused. `current`: a quota as the
 * command leaves it; null: gone.
 */
export function chargesFor(
  state: State, touched: Iterable<readonly [ObjectKey, Touch]>,
  current: (key: ObjectKey) => KubeObject | null,
): readonly Charge[] | Refusal {
  const ledgers = new Map<ObjectKey, Ledger>();
  for (const [key, { before, now }] of touched) {
    const { resource, namespace } = splitKey(key);
    for (const stored of quotasIn(state, namespace)) {
      const place = keyOf(resources.resourceQuotas, stored);
      const ledger = ledgers.get(place) ?? opened(current(place));
      if (ledger === null) continue;
      ledgers.set(place, ledger);
      const why = chargeAgain(ledger, { resource, before, now });
      if (why !== null) return { reason: 'Forbidden', key, message: `${nameOf(key)} is forbidden: ${why}` };
    }
  }
  return [...ledgers].flatMap(([key, ledger]) =>
    (ledger.changed ? [{ key, quota: closedLedger(ledger) }] : []));
}

const opened = (quota: KubeObject | null): Ledger | null => quota === null ? null : openLedger(quota);

/** Taken away and made again by one command, it is two objects. */
function chargeAgain(ledger: Ledger, { resource, before, now }: Moved): string | null {
  if (before === null || now === null || before.metadata.uid === now.metadata.uid) {
    return charge(ledger, { resource, before, now });
  }
  return charge(ledger, { resource, before, now: null }) ?? charge(ledger, { resource, before: null, now });
}

/** Why a write would be refused now; null: it would not. For dry runs. */
export function quotaRefusal(
  state: State, key: ObjectKey, before: KubeObject | null, now: KubeObject,
): Refusal | null {
  const charges = chargesFor(state, [[key, { before, now }]], (place) => state.objects.get(place) ?? null);
  return 'reason' in charges ? charges : null;
}
