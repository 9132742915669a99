// Events (the Kubernetes object) that are older than their time to live go, a bounded batch at a time.
// What always holds: an Event that was said again lives on from then.

import { deleteOp, resources } from '../../cluster/api/objects.ts';
import { parseTime } from '../../cluster/api/time.ts';
import type { KubeEvent } from '../../cluster/api/types.ts';
import { limits } from '../../cluster/limits.ts';
import { list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

export const eventController: ControllerDefinition = {
  name: 'event-ttl',
  component: 'event-ttl-controller',
  // Time alone makes an Event old, so the one key comes back by itself and no change concerns it.
  keysOf: () => [],
  allKeys: () => ['events/all'],
  reconcile: expire,
};

function lastSaidMs(event: KubeEvent): number {
  const { eventTime } = event as { readonly eventTime?: string | null };
  return parseTime(event.lastTimestamp) ?? parseTime(eventTime ?? undefined)
    ?? parseTime(event.metadata.creationTimestamp) ?? 0;
}

export function expire(state: State, _: string, { nowWallMs }: ReconcileContext): Reconciliation {
  const old = list<KubeEvent>(state, resources.events)
    .filter((event) => lastSaidMs(event) + limits.eventTtlMs <= nowWallMs)
    .slice(0, limits.collectedPerCommand);
  if (old.length === 0) return { steps: [], requeueAfterMs: limits.eventCollectionIntervalMs };
  return { steps: [{ ops: old.map((event) => deleteOp(resources.events, event)) }] };
}
