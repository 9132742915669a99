// The words in which a pod is summed up: READY, STATUS, RESTARTS. kubectl users know them by heart, so they
// follow Kubernetes' printPod case by case (pkg/printers/internalversion).

import { parseTime } from '../time.ts';
import type { ContainerState, ContainerStatus, Pod } from '../types.ts';
import { since } from './columns.ts';
import type { Loose } from './validate.ts';

type LooseStatus = Loose<ContainerStatus>;

interface Summary {
  readonly reason: string;
  readonly ready: number;
  readonly restarts: number;
  /** When a container last ended before it was restarted; null if none was. */
  readonly lastRestart: string | null;
}

/** `1/2`. */
export function containersReady(pod: Loose<Pod>): string {
  return `${summarize(pod).ready}/${pod.spec?.containers?.length ?? 0}`;
}

/** `Running`, `CrashLoopBackOff`, `Init:0/1`, `Terminating` … */
export function podState(pod: Loose<Pod>): string {
  const { reason } = summarize(pod);
  if (pod.metadata?.deletionTimestamp === undefined) return reason;
  if (pod.status?.reason === 'NodeLost') return 'Unknown';
  const phase = pod.status?.phase;
  return phase === 'Succeeded' || phase === 'Failed' ? reason : 'Terminating';
}

/** `0`, or `2 (5s ago)`. */
export function restarts(pod: Loose<Pod>, nowWallMs: number): string {
  const summary = summarize(pod);
  if (summary.restarts === 0 || summary.lastRestart === null) return String(summary.restarts);
  return `${summary.restarts} (${since(summary.lastRestart, nowWallMs)} ago)`;
}

/** `1/2` of the conditions that the pod names as gates, `<none>` without gates. */
export function readinessGates(pod: Loose<Pod>): string {
  const { readinessGates: gates = [] } = (pod.spec ?? {}) as {
    readonly readinessGates?: readonly { readonly conditionType: string }[];
  };
  if (gates.length === 0) return '<none>';
  const passed = gates.filter((gate) => hasCondition(pod, gate.conditionType)).length;
  return `${passed}/${gates.length}`;
}

function hasCondition(pod: Loose<Pod>, type: string): boolean {
  return (pod.status?.conditions ?? []).some((one) => one.type === type && one.status === 'True');
}

function summarize(pod: Loose<Pod>): Summary {
  const phase = pod.status?.reason || pod.status?.phase || '';
  const initStatuses = pod.status?.initContainerStatuses ?? [];
  const statuses = pod.status?.containerStatuses ?? [];
  const gated = (pod.status?.conditions ?? []).some((condition) =>
    condition.type === 'PodScheduled' && condition.reason === 'SchedulingGated');
  const start = gated ? 'SchedulingGated' : phase;
  const initializing = initReason(initStatuses, pod.spec?.initContainers?.length ?? 0);
  if (initializing !== null && !hasCondition(pod, 'Initialized')) {
    // Containers that wait for an earlier one were never started; those before it have ended well.
    const begun = initStatuses.slice(0, initializing.index + 1);
    return { reason: initializing.reason, ready: 0, ...restartsOf(begun) };
  }
  const { reason, running, ready } = mainReason(statuses, initializing?.reason ?? start);
  const shown = reason === 'Completed' && running
    ? (hasCondition(pod, 'Ready') ? 'Running' : 'NotReady') : reason;
  return { reason: shown, ready, ...restartsOf(statuses) };
}

/** The first init container that has not ended well, and how to say it; null if all have. */
function initReason(
  statuses: readonly LooseStatus[], total: number,
): { readonly index: number; readonly reason: string } | null {
  for (const [index, { state }] of statuses.entries()) {
    const ended = state?.terminated;
    if (ended?.exitCode === 0) continue;
    if (ended !== undefined) return { index, reason: `Init:${endReason(ended)}` };
    const waiting = state?.waiting?.reason;
    if (waiting && waiting !== 'PodInitializing') return { index, reason: `Init:${waiting}` };
    return { index, reason: `Init:${index}/${total}` };
  }
  return null;
}

/** From the last container to the first, so that the first one that has something to say is heard. */
function mainReason(
  statuses: readonly LooseStatus[], start: string,
): { reason: string; running: boolean; ready: number } {
  let reason = start, running = false, ready = 0;
  for (const { state, ready: isReady } of [...statuses].reverse()) {
    if (state?.waiting?.reason) reason = state.waiting.reason;
    else if (state?.terminated !== undefined) reason = endReason(state.terminated);
    else if (isReady === true && state?.running !== undefined) {
      running = true;
      ready += 1;
    }
  }
  return { reason, running, ready };
}

function endReason(ended: Loose<NonNullable<ContainerState['terminated']>>): string {
  if (ended.reason) return ended.reason;
  return ended.signal ? `Signal:${ended.signal}` : `ExitCode:${ended.exitCode ?? 0}`;
}

function restartsOf(statuses: readonly LooseStatus[]): { restarts: number; lastRestart: string | null } {
  let total = 0, last: string | null = null;
  for (const status of statuses) {
    total += status.restartCount ?? 0;
    const ended = status.lastState?.terminated?.finishedAt;
    if (ended !== undefined && (parseTime(ended) ?? 0) > (parseTime(last ?? undefined) ?? 0)) last = ended;
  }
  return { restarts: total, lastRestart: last };
}
