// The quota controller: puts a quota's limits in force by counting what there is, and counts anew where only
// time tells what counts.
//
// What is made, changed or taken away is charged where the log is applied, at the same revision; what is left
// to count is a quota that is new or whose limits changed, pods that took their time to go, and, every few
// minutes, everything, in case somebody wrote into a status.
// What always holds: a count is written only if the quota was not charged since it was counted, so that
// nothing that was made meanwhile is lost. A count that takes long is done in slices.
// Source: Kubernetes, "Resource Quotas", pkg/controller/resourcequota, pkg/quota/v1/evaluator/core/pods.go
// (QuotaV1Pod).

import { sameContent } from '../../cluster/canonical.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { ObjectKey, ResourceName } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { keyOf, resources, updateOp } from '../../cluster/api/objects.ts';
import {
  addTo, amountsOf, listOf, sameAmounts, sortedNames, times, zero,
} from '../../cluster/api/quota/amounts.ts';
import type { Amounts } from '../../cluster/api/quota/amounts.ts';
import { fits, givesBack, scopesOf } from '../../cluster/api/quota/ledger.ts';
import type { ResourceQuota } from '../../cluster/api/quota/ledger.ts';
import {
  countedBy, isCounted, isUsageKnown, usageOf, usageOfStuck,
} from '../../cluster/api/quota/usage.ts';
import type { Usage } from '../../cluster/api/quota/usage.ts';
import type { Quantity } from '../../cluster/api/quantity.ts';
import { parseTime } from '../../cluster/api/time.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import { get, list } from '../../cluster/state/query.ts';
import { quotasIn } from '../../cluster/state/quota.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change } from '../../cluster/state/types.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

export const quotaController: ControllerDefinition = {
  name: 'resourcequota',
  component: 'resourcequota-controller',
  keysOf: toCount,
  allKeys: (state) => list(state, resources.resourceQuotas).map(keyOfQuota),
  reconcile: countQuota,
};

const keyOfQuota = (quota: KubeObject): ObjectKey => keyOf(resources.resourceQuotas, quota);

function toCount(state: State, { key, type, object, previous }: Change): readonly string[] {
  const { resource, namespace } = splitKey(key);
  if (resource === resources.resourceQuotas) {
    if (type === 'DELETED') return [];
    const now = object as ResourceQuota, old = previous as ResourceQuota | null;
    const same = old !== null && sameContent(old.spec, now.spec);
    return same && sameContent(now.spec?.hard, now.status?.hard) ? [] : [key];
  }
  if (resource !== resources.pods || previous === null) return [];
  const now = type === 'DELETED' ? null : object;
  if (givesBack({ resource, before: previous, now })) return [];
  if (now !== null && usageOf(resource, now).text === usageOf(resource, previous).text) return [];
  return quotasIn(state, namespace)
    .filter((quota) => Object.keys(quota.status?.hard ?? {}).some((name) => isCounted(resource, name)))
    .map(keyOfQuota);
}

export function countQuota(state: State, key: string, context: ReconcileContext): Reconciliation {
  const quota = get<ResourceQuota>(state, key as ObjectKey);
  if (quota === null) return nothing;
  const hard = quota.spec?.hard ?? {}, limited = amountsOf(hard);
  const used = usedOf(state, quota, sortedNames(limited), context.nowWallMs);
  if (used === null) return { steps: [], requeueAfterMs: 1 };
  const known = amountsOf(quota.status?.used), inForce = amountsOf(quota.status?.hard);
  const counted = quota.status?.used !== undefined && quota.status.hard !== undefined;
  if (counted && sameAmounts(inForce, limited) && sameAmounts(known, used)) {
    return { steps: [], requeueAfterMs: limits.quotaResyncMs };
  }
  const next = { ...quota, status: { hard, used: listOf(used) } };
  return { steps: [{ ops: [updateOp(resources.resourceQuotas, quota, next)] }] };
}

/** What is used of what is limited, if anything can use it; null: it takes another slice to find out. */
function usedOf(
  state: State, quota: ResourceQuota, names: readonly string[], nowWallMs: number,
): Amounts | null {
  const namespace = quota.metadata.namespace ?? '', scopes = scopesOf(quota);
  const used = new Map<string, Quantity>(), counting = new Set<ResourceName>();
  for (const name of names) {
    const resource = countedBy(name);
    if (resource === null) continue;
    counting.add(resource);
    used.set(name, zero);
  }
  for (const resource of [...counting].sort()) {
    const tally = tallied(resource, list(state, resource, namespace), nowWallMs);
    if (tally === null) return null;
    for (const [usage, count] of tally) {
      if (!fits(scopes, usage)) continue;
      for (const [name, amount] of usage.amounts) {
        if (used.has(name)) addTo(used, name, times(amount, count));
      }
    }
  }
  return used;
}

/** How many objects use the same; null where too many have to be looked at for the first time. */
function tallied(
  resource: ResourceName, objects: readonly KubeObject[], nowWallMs: number,
): ReadonlyMap<Usage, number> | null {
  const tally = new Map<Usage, number>();
  let fresh = 0;
  for (const object of objects) {
    if (!isUsageKnown(resource, object)) fresh += 1;
    if (fresh > limits.quotaObjectsPerTurn) return null;
    const usage = resource === resources.pods && isStuck(object, nowWallMs) ? usageOfStuck(object)
      : usageOf(resource, object);
    tally.set(usage, (tally.get(usage) ?? 0) + 1);
  }
  return tally;
}

/** It should have been gone by now, twice its grace after it was told to go. */
function isStuck({ metadata }: KubeObject, nowWallMs: number): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return false;
  const due = parseTime(deletionTimestamp);
  return due !== null && nowWallMs > due + deletionGracePeriodSeconds * 1000;
}
