// What a Node says of itself once its member is silent or back: the Ready condition and the taints.
// Source: Kubernetes, "Nodes: Conditions", "Taint based Evictions", and pkg/controller/nodelifecycle.
//
// What always holds: the same phase and the same beat give the same object, so nothing is written twice; the
// taints follow the condition; a NoExecute taint says when it was added, so that a new leader's evictions
// keep the old deadline.

import type { Beat } from '../../cluster/gossip/types.ts';
import { updateOp, resources } from '../../cluster/api/objects.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import type { Condition, Node, Pod, Taint } from '../../cluster/api/types.ts';
import { limits } from '../../cluster/limits.ts';
import { conditionOf, isReady, isEnded, withCondition } from '../controllers/pod-state.ts';
import type { Step, Note } from '../controllers/controller.ts';
import type { NodePhase } from './machine.ts';

export const taintNotReady = 'node.kubernetes.io/not-ready';
export const taintUnreachable = 'node.kubernetes.io/unreachable';
export const taintUnschedulable = 'node.kubernetes.io/unschedulable';

/** The kubelet writes its peer's id here; liveness is known by it. */
export const peerIdAnnotation = 'shoal.dev/peer-id';

export const readyStatus = (node: Node): Condition['status'] | null =>
  conditionOf(node.status?.conditions, 'Ready')?.status ?? null;

/** The node as this phase and beat show it; the very same object where nothing changes. */
export function nodeAsSeen(node: Node, phase: NodePhase, beat: Beat | null, nowWallMs: number): Node {
  const now = rfc3339(nowWallMs);
  const conditions = conditionsAsSeen(node, phase, beat, now);
  const conditioned: Node = conditions === node.status?.conditions
    ? node : { ...node, status: { ...node.status, ...(conditions === undefined ? {} : { conditions }) } };
  const taints = taintsFor(conditioned, now);
  return taints === null ? conditioned : { ...conditioned, spec: withTaints(conditioned.spec ?? {}, taints) };
}

function conditionsAsSeen(
  node: Node, phase: NodePhase, beat: Beat | null, now: string,
): readonly Condition[] | undefined {
  const known = node.status?.conditions;
  const ready = readyAsSeen(node, phase, beat);
  if (ready === null) return known;
  const current = conditionOf(known, 'Ready');
  const same = current !== null && current.status === ready.status && current.reason === ready.reason
    && current.message === ready.message;
  return same ? known : withCondition(known, { ...ready, lastHeartbeatTime: now }, now);
}

/** The Ready condition that this calls for; null where it is too early to say. */
function readyAsSeen(node: Node, phase: NodePhase, beat: Beat | null): Condition | null {
  switch (phase) {
    case 'joining': case 'suspect': return null;
    case 'ready':
      if (beat === null) return null;
      return beat.ready
        ? {
            type: 'Ready',
            status: 'True',
            reason: 'KubeletReady',
            message: 'kubelet is posting ready status',
          }
        : {
            type: 'Ready',
            status: 'False',
            reason: 'KubeletNotReady',
            message: beat.reason || 'container runtime is down',
          };
    case 'unreachable': case 'lost':
      return conditionOf(node.status?.conditions, 'Ready') === null
        ? {
            type: 'Ready',
            status: 'Unknown',
            reason: 'NodeStatusNeverUpdated',
            message: 'Kubelet never posted node status.',
          }
        : neverUpdatedOrStopped(node);
  }
}

/** Once it was never updated it stays so: there was nothing that could have stopped. */
function neverUpdatedOrStopped(node: Node): Condition {
  const never = conditionOf(node.status?.conditions, 'Ready')?.reason === 'NodeStatusNeverUpdated';
  return never
    ? {
        type: 'Ready',
        status: 'Unknown',
        reason: 'NodeStatusNeverUpdated',
        message: 'Kubelet never posted node status.',
      }
    : {
        type: 'Ready',
        status: 'Unknown',
        reason: 'NodeStatusUnknown',
        message: 'Kubelet stopped posting node status.',
      };
}

/** The taints that the conditions and the cordon call for; null where they are there already. */
function taintsFor(node: Node, now: string): readonly Taint[] | null {
  const known = node.spec?.taints ?? [];
  const wanted = wantedTaints(node);
  const managed =
    readyStatus(node) === null ? [taintUnschedulable] : [taintNotReady, taintUnreachable, taintUnschedulable];
  const kept = known.filter(
    (taint) => !managed.includes(taint.key) || wanted.some((one) => sameTaint(one, taint)),
  );
  const added = wanted.filter((one) => !known.some((taint) => sameTaint(one, taint)));
  const all = [...kept, ...added];
  const unstamped = all.some((taint) => taint.effect === 'NoExecute' && taint.timeAdded === undefined);
  if (kept.length === known.length && added.length === 0 && !unstamped) return null;
  return all.map((taint) =>
    (taint.effect === 'NoExecute' && taint.timeAdded === undefined ? { ...taint, timeAdded: now } : taint));
}

function wantedTaints(node: Node): readonly Taint[] {
  const cordon: readonly Taint[] = node.spec?.unschedulable === true
    ? [{ key: taintUnschedulable, effect: 'NoSchedule' }] : [];
  const status = readyStatus(node);
  if (status === null || status === 'True') return cordon;
  const key = status === 'Unknown' ? taintUnreachable : taintNotReady;
  return [...cordon, { key, effect: 'NoSchedule' }, { key, effect: 'NoExecute' }];
}

const sameTaint = (a: Taint, b: Taint): boolean => a.key === b.key && a.effect === b.effect;

function withTaints(spec: NonNullable<Node['spec']>, taints: readonly Taint[]): NonNullable<Node['spec']> {
  const { taints: _, ...rest } = spec;
  return taints.length === 0 ? rest : { ...rest, taints };
}

/** What to write for one node: the node itself, and its pods' readiness where nobody else can any more. */
export function lifecycleSteps(
  node: Node, pods: readonly Pod[], phase: NodePhase, beat: Beat | null, nowWallMs: number,
): readonly Step[] {
  const next = nodeAsSeen(node, phase, beat, nowWallMs);
  const steps: Step[] = [];
  if (next !== node) {
    steps.push({ ops: [updateOp(resources.nodes, node, next)], notes: notesFor(node, next) });
  }
  if (readyStatus(next) !== 'Unknown') return steps;
  const stale = pods.filter((pod) => isReady(pod) && !isEnded(pod));
  for (let at = 0; at < stale.length; at += limits.podsPerCommandMax) {
    const some = stale.slice(at, at + limits.podsPerCommandMax);
    steps.push({
      ops: some.map((pod) => updateOp(resources.pods, pod, notReady(pod, nowWallMs))),
      notes: some.map((pod) => ({
        object: pod,
        type: 'Warning',
        reason: 'NodeNotReady',
        message: 'Node is not ready',
      })),
    });
  }
  return steps;
}

function notReady(pod: Pod, nowWallMs: number): Pod {
  const conditions = withCondition(pod.status?.conditions, {
    type: 'Ready', status: 'False', reason: 'NodeNotReady', message: 'Node is not ready',
  }, rfc3339(nowWallMs));
  return { ...pod, status: { ...pod.status, conditions } };
}

function notesFor(node: Node, next: Node): readonly Note[] {
  const before = readyStatus(node), after = readyStatus(next);
  if (before === after) return [];
  const told = (reason: string): Note => ({
    object: next, type: 'Normal', reason, message: `Node ${node.metadata.name} status is now: ${reason}`,
  });
  if (after === 'True') return [told('NodeReady')];
  // One that is new was never ready.
  return before === 'True' ? [told('NodeNotReady')] : [];
}
