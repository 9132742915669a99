// Taint based eviction: a pod that does not tolerate its node's NoExecute taints goes, at once or when its
// tolerationSeconds are over.
// Source: Kubernetes, "Taints and Tolerations: Taint based Evictions", and pkg/controller/tainteviction.
//
// Deadlines count from the taint's timeAdded, so they outlive a leader. When more than half of the cluster is
// down (`disruptedNodesPercent`), nobody is evicted for it: there would be nowhere better to go.

import { resources } from '../../cluster/api/objects.ts';
import { keyOf } from '../../cluster/api/objects.ts';
import { deletion } from '../../cluster/api/deletion.ts';
import { parseTime, rfc3339 } from '../../cluster/api/time.ts';
import type { Node, Pod, Taint, Toleration } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list, podsOnNode } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change } from '../../cluster/state/types.ts';
import { nothing } from '../controllers/controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from '../controllers/controller.ts';
import { isEnded, isTerminating, withCondition } from '../controllers/pod-state.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { readyStatus, taintNotReady, taintUnreachable } from './lifecycle.ts';

export const evictionController: ControllerDefinition = {
  name: 'taint-eviction',
  component: 'taint-eviction-controller',
  keysOf: threatened,
  allKeys: (state) => list<Node>(state, resources.nodes).filter((node) => noExecute(node).length > 0)
    .flatMap((node) => podsOnNode(state, node.metadata.name).map((pod) => keyOf(resources.pods, pod))),
  reconcile: evict,
};

const noExecute = (node: Node): readonly Taint[] =>
  (node.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute');

const nodeOf = (state: State, pod: Pod): Node | null =>
  get<Node>(state, objectKey(resources.nodes, '', pod.spec.nodeName ?? ''));

function threatened(state: State, { type, key, object, previous }: Change): readonly string[] {
  const { resource, name } = splitKey(key);
  if (type === 'DELETED') return [];
  if (resource === resources.pods) {
    const node = nodeOf(state, object as Pod);
    return node !== null && noExecute(node).length > 0 ? [key] : [];
  }
  if (resource !== resources.nodes) return [];
  const taints = noExecute(object as Node), before = previous === null ? [] : noExecute(previous as Node);
  if (taints.length === 0 || sameContent(taints, before)) return [];
  return podsOnNode(state, name).map((pod) => keyOf(resources.pods, pod));
}

export function evict(state: State, key: string, { nowWallMs }: ReconcileContext): Reconciliation {
  const pod = get<Pod>(state, key as ObjectKey);
  if (pod === null || isTerminating(pod) || isEnded(pod)) return nothing;
  const node = nodeOf(state, pod);
  const taints = node === null ? [] : noExecute(node);
  const dueMs = evictionDueMs(pod, taints, nowWallMs);
  if (dueMs === null) return nothing;
  if (dueMs > nowWallMs) return { steps: [], requeueAfterMs: dueMs - nowWallMs };
  const forSilence = taints.every((taint) => taint.key === taintNotReady || taint.key === taintUnreachable);
  if (forSilence && isDisrupted(state)) return { steps: [], requeueAfterMs: limits.evictionRetryMs };
  const conditions = withCondition(pod.status?.conditions, {
    type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
  }, rfc3339(nowWallMs));
  const op = deletion(resources.pods, { ...pod, status: { ...pod.status, conditions } }, { nowWallMs });
  if (op === null) return nothing;
  const name = `${pod.metadata.namespace}/${pod.metadata.name}`;
  const note = {
    object: pod,
    type: 'Normal',
    reason: 'TaintManagerEviction',
    message: `Marking for deletion Pod ${name}`,
  } as const;
  return { steps: [{ ops: [op], notes: [note] }] };
}

/** When the pod has to go, in wall-clock milliseconds; null: never, as things are. */
export function evictionDueMs(pod: Pod, taints: readonly Taint[], nowWallMs: number): number | null {
  let due: number | null = null;
  for (const taint of taints) {
    const matching = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
    if (matching.length === 0) return nowWallMs;
    const seconds = matching.flatMap(({ tolerationSeconds }) =>
      tolerationSeconds === undefined ? [] : [tolerationSeconds],
    );
    if (seconds.length === 0) continue;
    const shortest = Math.max(0, seconds.reduce((a, b) => Math.min(a, b)));
    // A taint without its time is being stamped by the node's own controller.
    const until = (parseTime(taint.timeAdded) ?? nowWallMs) + shortest * 1000;
    due = due === null ? until : Math.min(due, until);
  }
  return due;
}

/** Source: Kubernetes, "Taints and Tolerations: Concepts". */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { key = '', operator = 'Equal', value = '', effect } = toleration;
  if (effect !== undefined && effect !== taint.effect) return false;
  if (key !== '' && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return key !== '' && value === (taint.value ?? '');
}

/** Too many nodes are down for their pods to find a place elsewhere. */
function isDisrupted(state: State): boolean {
  const nodes = list<Node>(state, resources.nodes);
  const down = nodes.filter((node) => readyStatus(node) !== 'True').length;
  return down > 2 && down * 100 >= nodes.length * limits.disruptedNodesPercent;
}
