// What the scheduler makes of a change in the state: the view follows it, pods enter and leave the queue, and
// pods that fitted nowhere get another chance where the change may help them.
// What always holds: what the scheduler itself writes on a waiting pod (why it waits) wakes nobody.

import { resources } from '../../cluster/api/objects.ts';
import type { Node, Pod } from '../../cluster/api/types.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { Change } from '../../cluster/state/types.ts';
import { sameContent } from '../controllers/canonical.ts';
import { conditionOf, isEnded } from '../controllers/pod-state.ts';
import { isForScheduler } from './bind.ts';
import { drop, moveOne, moveUp, offer } from './queue.ts';
import type { PodQueue } from './queue.ts';
import { updateView } from './view.ts';
import type { ClusterView } from './view.ts';

/** The filters that room on a node can satisfy. */
const roomFilters: readonly string[] = ['NodePorts', 'NodeResourcesFit'];

export function noticeChanges(
  view: ClusterView, queue: PodQueue, changes: readonly Change[], nowMs: number,
): void {
  let nodeChanged = false, roomMade = false;
  for (const change of changes) {
    updateView(view, change);
    const { resource } = splitKey(change.key);
    if (resource === resources.nodes) nodeChanged ||= mayHelp(change);
    if (resource !== resources.pods) continue;
    roomMade ||= makesRoom(change);
    noticePod(queue, change, nowMs);
  }
  if (nodeChanged) moveUp(queue, nowMs, () => true);
  else if (roomMade) moveUp(queue, nowMs, (filters) => filters.some((name) => roomFilters.includes(name)));
}

function noticePod(queue: PodQueue, { type, key, object, previous }: Change, nowMs: number): void {
  const pod = object as Pod;
  if (type === 'DELETED' || !isForScheduler(pod)) return drop(queue, key);
  offer(queue, key, pod.metadata.uid, pod.spec.priority ?? 0);
  const before = previous as Pod | null;
  const same = before === null || (sameContent(before.spec, pod.spec)
    && sameContent(before.metadata.labels ?? {}, pod.metadata.labels ?? {}));
  return same ? undefined : moveOne(queue, key, nowMs);
}

/** A placed pod went away, or ended. */
function makesRoom({ type, object, previous }: Change): boolean {
  const before = previous as Pod | null;
  const held = before !== null && (before.spec.nodeName ?? '') !== '' && !isEnded(before);
  return held && (type === 'DELETED' || isEnded(object as Pod));
}

/** A node came, or what the filters look at changed. */
function mayHelp({ type, object, previous }: Change): boolean {
  if (type === 'DELETED') return false;
  return previous === null || !sameContent(looked(previous as Node), looked(object as Node));
}

function looked({ metadata, spec, status }: Node): unknown {
  return {
    labels: metadata.labels ?? {}, unschedulable: spec?.unschedulable ?? false, taints: spec?.taints ?? [],
    allocatable: status?.allocatable ?? status?.capacity ?? {}, ready: conditionOf(status?.conditions, 'Ready')?.status ?? '',
  };
}
