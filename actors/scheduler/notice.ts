// What the scheduler makes of a change in the state: the view follows it, pods enter and leave the queue, and
// pods that fitted nowhere get another chance where the change may help them.
// What always holds: what the scheduler itself writes on a waiting pod (why it waits) wakes nobody.

import { resources } from '../../cluster/api/objects.ts';
import type { Node, Pod } from '../../cluster/api/types.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { Change } from '../../cluster/state/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { conditionOf, isEnded } from '../controllers/pod-state.ts';
import { isForScheduler } from './bind.ts';
import { filters } from './filters.ts';
import { drop, moveOne, moveUp, offer } from './queue.ts';
import type { PodQueue } from './queue.ts';
import { updateView } from './view.ts';
import type { ClusterView } from './view.ts';

/** The filters that room on a node can satisfy. */
const roomFilters: readonly string[] = ['NodePorts', 'NodeResourcesFit'];

/** Most changes are of other kinds: they need not wake the scheduler. */
export function concerns({ key }: Change): boolean {
  return key.startsWith(podsPrefix) || key.startsWith(nodesPrefix);
}

const podsPrefix = `${resources.pods}/`, nodesPrefix = `${resources.nodes}/`;

export function noticeChanges(
  view: ClusterView, queue: PodQueue, changes: readonly Change[], nowMs: number,
): void {
  const helped = new Set<string>();
  for (const change of changes) {
    updateView(view, change);
    const { resource } = splitKey(change.key);
    if (resource === resources.nodes) for (const name of helpedByNode(change)) helped.add(name);
    if (resource !== resources.pods) continue;
    if (makesRoom(change)) for (const name of roomFilters) helped.add(name);
    noticePod(queue, change, nowMs);
  }
  // A pod that was tried while there was no node at all has no objections: any change helps it.
  if (helped.size > 0) {
    moveUp(queue, nowMs, (filters) => filters.length === 0 || filters.some((name) => helped.has(name)));
  }
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

/** The filters whose objections a node's change may lift; a change for the worse lifts none. */
function helpedByNode({ type, object, previous }: Change): readonly string[] {
  if (type === 'DELETED') return [];
  const node = object as Node, before = previous as Node | null;
  if (before === null) return filters.map(({ name }) => name);
  const helped: string[] = [];
  const had = before.spec?.taints ?? [], has = node.spec?.taints ?? [];
  if (before.spec?.unschedulable === true && node.spec?.unschedulable !== true) {
    helped.push('NodeUnschedulable');
  }
  if (
    had.some(
      (taint) => !has.some((one) => sameContent({ ...one, timeAdded: '' }, { ...taint, timeAdded: '' })),
    )
  ) {
    helped.push('TaintToleration');
  }
  if (!sameContent(before.metadata.labels ?? {}, node.metadata.labels ?? {})) helped.push('NodeAffinity');
  if (isReadyNode(node) && !isReadyNode(before)) helped.push('NodeReady');
  if (!sameContent(offers(before), offers(node))) helped.push('NodeResourcesFit');
  return helped;
}

const isReadyNode = ({ status }: Node): boolean =>
  conditionOf(status?.conditions, 'Ready')?.status === 'True';
const offers = ({ status }: Node): unknown => status?.allocatable ?? status?.capacity ?? {};
