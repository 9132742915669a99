// A pod's status as its node reports it, from what the actor knows. A function of the context, the status
// that is stored, and the clock; the stored one is read for what must not move: transition and start times.
// Source: Kubernetes documentation, "Pod Lifecycle", and the kubelet's generateAPIPodStatus.

import type {
  Condition, Container, ContainerState, ContainerStatus, Pod, PodStatus,
} from '../../cluster/api/types.ts';
import { rfc3339 } from '../../cluster/api/time.ts';
import { conditionOf, withCondition } from '../controllers/pod-state.ts';
import { crashDelayMs } from './backoff.ts';
import {
  currentSandbox, ephemeralContainersOf, initContainersOf, isEphemeral, newest, notesOf,
} from './context.ts';
import type { KnownContainer, PodContext, Time } from './context.ts';
import { mayRestart } from './plan.ts';
import { words } from './words.ts';

export interface StatusPlace {
  readonly time: Time;
  readonly hostIP: string;
  /** Before a container's id in `containerID`: docker, process, … */
  readonly scheme: string;
}

/** `stored`: the pod as it is in the state now. */
export function podStatus(context: PodContext, stored: Pod, place: StatusPlace): PodStatus {
  const now = rfc3339(place.time.wallMs);
  const before = stored.status ?? {};
  const of = (container: Container): ContainerStatus => containerStatus(context, container, before, place);
  // What was rejected has no containers to report on.
  const rejected = context.verdict !== null && context.containers.length === 0;
  const init = rejected ? [] : initContainersOf(context.pod).map(of);
  const regular = rejected ? [] : context.pod.spec.containers.map(of);
  const ephemeral = rejected ? [] : ephemeralContainersOf(context.pod).map(of);
  const phase = phaseOf(context, init, regular);
  const sandbox = currentSandbox(context);
  const podIP = sandbox?.fact.running === true ? sandbox.fact.ip : before.podIP ?? '';
  const { reason: _reason, message: _message, ...kept } = before;
  const isOver = phase === 'Failed' && context.verdict !== null;
  return {
    ...kept, phase,
    ...(isOver ? { reason: context.verdict?.reason ?? '', message: context.verdict?.message ?? '' } : {}),
    conditions: conditionsOf(context, before.conditions ?? [], phase, init, regular, now),
    hostIP: place.hostIP, hostIPs: [{ ip: place.hostIP }],
    ...(podIP === '' ? {} : { podIP, podIPs: [{ ip: podIP }] }),
    startTime: before.startTime ?? rfc3339(context.startedWallMs),
    ...(init.length === 0 ? {} : { initContainerStatuses: init }),
    ...(regular.length === 0 ? {} : { containerStatuses: regular }),
    ...(ephemeral.length === 0 ? {} : { ephemeralContainerStatuses: ephemeral }),
  };
}

// ── containers ───────────────────────────────────────────────────────────────────────────────────────────

function containerStatus(
  context: PodContext, container: Container, before: PodStatus, place: StatusPlace,
): ContainerStatus {
  const { name } = container;
  const last = newest(context, name);
  const isInit = initContainersOf(context.pod).includes(container);
  const isAdded = isEphemeral(context.pod, name);
  const stored = (isInit ? before.initContainerStatuses
    : isAdded ? before.ephemeralContainerStatuses : before.containerStatuses)
    ?.find((status) => status.name === name);
  const notes = notesOf(context, name);
  const isForgotten = isAdded && last === null && notes.nextAttempt > 0;
  const state = isForgotten ? forgotten(stored?.state) : stateOf(context, container, last, place);
  const lastState = lastStateOf(context, last, state, place) ?? stored?.lastState ?? {};
  const running = state.running !== undefined;
  // An init container is ready once it has done its work; an ephemeral one is not for that.
  const ready = isInit ? state.terminated?.exitCode === 0 : running && !isAdded;
  return {
    name, image: container.image, imageID: last?.fact.imageId || (stored?.imageID ?? ''),
    ...(last === null ? {} : { containerID: containerId(last, place) }),
    ready, ...isAdded ? {} : { started: isInit ? running : ready },
    restartCount: last?.fact.attempt ?? Math.max(0, notes.nextAttempt - 1), state, lastState,
  };
}

/** Of a container that ran, is never started again, and of which the runtime knows nothing any more. */
function forgotten(state: ContainerState = {}): ContainerState {
  if (state.terminated !== undefined) return state;
  const message = 'The container could not be located when the pod was terminated';
  return { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message } };
}

const containerId = ({ fact }: KnownContainer, { scheme }: StatusPlace): string => `${scheme}://${fact.id}`;

function stateOf(
  context: PodContext, container: Container, last: KnownContainer | null, place: StatusPlace,
): ContainerState {
  const { trouble } = notesOf(context, container.name);
  const isOver = context.phase !== 'starting' && !goesOn(context);
  const init = initContainersOf(context.pod);
  const isAdded = isEphemeral(context.pod, container.name);
  const early = !context.initialized && !init.includes(container) && init.length > 0 && !isAdded;
  if (last?.fact.state === 'running') return { running: { startedAt: rfc3339(last.fact.startedAtMs) } };
  // In a new sandbox the init containers come first again.
  if (early && context.phase === 'initializing') return { waiting: { reason: 'PodInitializing' } };
  if (trouble !== null && !isOver) return { waiting: { reason: trouble.reason, message: trouble.message } };
  if (last?.fact.state === 'exited') {
    return crashWaiting(context, last) ?? { terminated: terminated(last, place) };
  }
  return { waiting: { reason: early ? 'PodInitializing' : 'ContainerCreating' } };
}

const goesOn = ({ phase }: PodContext): boolean => phase === 'running' || phase === 'initializing';

/** A crashed container that has to wait for its next start. */
function crashWaiting(context: PodContext, last: KnownContainer): ContainerState | null {
  const { restarts, launch } = notesOf(context, last.fact.name);
  // While it is being launched, the start under way is already counted.
  const delayMs = crashDelayMs(launch === null ? restarts : restarts - 1);
  if (!goesOn(context) || delayMs === 0 || !mayRestart(context, last)) return null;
  const message = words.crashWaiting(delayMs, last.fact.name, context.pod);
  return { waiting: { reason: 'CrashLoopBackOff', message } };
}

function terminated(known: KnownContainer, place: StatusPlace): NonNullable<ContainerState['terminated']> {
  const { fact, cause } = known;
  const reason = cause ?? (fact.oomKilled ? 'OOMKilled'
    : fact.startedAtMs === 0 ? 'ContainerCannotRun' : fact.exitCode === 0 ? 'Completed' : 'Error');
  return {
    exitCode: fact.exitCode, reason,
    ...(fact.message === '' ? {} : { message: fact.message }),
    ...(fact.startedAtMs === 0 ? {} : { startedAt: rfc3339(fact.startedAtMs) }),
    ...(fact.finishedAtMs === 0 ? {} : { finishedAt: rfc3339(fact.finishedAtMs) }),
    containerID: containerId(known, place),
  };
}

/** The run before the one that `state` tells of; null: nothing is known of any. */
function lastStateOf(
  context: PodContext, last: KnownContainer | null, state: ContainerState, place: StatusPlace,
): ContainerState | null {
  if (last === null) return null;
  if (last.fact.state === 'exited' && state.terminated === undefined) {
    return { terminated: terminated(last, place) };
  }
  const earlier = context.containers.findLast(({ fact }) =>
    fact.name === last.fact.name && fact.attempt < last.fact.attempt && fact.state === 'exited');
  return earlier === undefined ? null : { terminated: terminated(earlier, place) };
}

// ── phase ────────────────────────────────────────────────────────────────────────────────────────────────

/** Source: the kubelet's getPhase. */
function phaseOf(
  context: PodContext, init: readonly ContainerStatus[], regular: readonly ContainerStatus[],
): NonNullable<PodStatus['phase']> {
  const { pod, verdict, phase } = context;
  const stopped = phase === 'completed' || phase === 'removing' || phase === 'ended';
  if (verdict !== null && stopped) return 'Failed';
  const policy = pod.spec.restartPolicy ?? 'Always';
  const initFailed = init.some(({ state, lastState }) =>
    ((state?.terminated ?? lastState?.terminated)?.exitCode ?? 0) !== 0 && state?.running === undefined);
  if (initFailed && policy === 'Never') return 'Failed';
  const ended = regular.filter(({ state }) => state?.terminated !== undefined);
  const running = regular.filter(({ state }) => state?.running !== undefined);
  const crashed = regular.filter(({ state, lastState }) =>
    state?.waiting !== undefined && lastState?.terminated !== undefined);
  const over = ended.length + crashed.length;
  if (running.length + over < regular.length) return stopped ? 'Failed' : 'Pending';
  if (running.length > 0) return 'Running';
  const succeeded = ended.length === regular.length
    && ended.every(({ state }) => state?.terminated?.exitCode === 0);
  if (stopped) return succeeded ? 'Succeeded' : 'Failed';
  if (policy === 'Always') return 'Running';
  if (succeeded) return 'Succeeded';
  return policy === 'Never' ? 'Failed' : 'Running';
}

// ── conditions ───────────────────────────────────────────────────────────────────────────────────────────

function conditionsOf(
  context: PodContext, before: readonly Condition[], phase: PodStatus['phase'],
  init: readonly ContainerStatus[], regular: readonly ContainerStatus[], now: string,
): readonly Condition[] {
  const sandbox = currentSandbox(context);
  const hasSandbox = sandbox?.fact.running === true;
  let conditions = before;
  const set = (condition: Condition): void => { conditions = withCondition(conditions, condition, now); };
  set({ type: 'PodReadyToStartContainers', status: hasSandbox ? 'True' : 'False' });
  set({ type: 'Initialized', ...initialized(context, init, phase) });
  set({ type: 'Ready', ...ready(regular, phase) });
  set({ type: 'ContainersReady', ...ready(regular, phase) });
  if (conditionOf(conditions, 'PodScheduled') === null) set({ type: 'PodScheduled', status: 'True' });
  return conditions;
}

type Judgement = Pick<Condition, 'status'> & { readonly reason?: string; readonly message?: string };

function initialized(
  context: PodContext, init: readonly ContainerStatus[], phase: PodStatus['phase'],
): Judgement {
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' };
  const open = init.filter((status) => !status.ready).map(({ name }) => name);
  if (open.length === 0 || context.initialized) return { status: 'True' };
  const message = `containers with incomplete status: [${open.join(' ')}]`;
  return { status: 'False', reason: 'ContainersNotInitialized', message };
}

function ready(regular: readonly ContainerStatus[], phase: PodStatus['phase']): Judgement {
  if (phase === 'Succeeded') return { status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' };
  const unready = regular.filter((status) => !status.ready).map(({ name }) => name);
  if (unready.length === 0) return { status: 'True' };
  const message = `containers with unready status: [${unready.join(' ')}]`;
  return { status: 'False', reason: 'ContainersNotReady', message };
}

/** The container whose log is wanted: of the newest run, or of the one before. Null: there is none. */
export function logContainer(context: PodContext, name: string, previous: boolean): string | null {
  const here = context.containers.filter(({ fact, gone }) =>
    fact.name === name && !gone && fact.startedAtMs > 0);
  const last = here.at(-1);
  if (!previous) return last?.fact.id ?? null;
  // A crashed container that waits for its next start is itself the previous one.
  if (last?.fact.state === 'exited' && mayRestart(context, last)) return last.fact.id;
  return here.at(-2)?.fact.id ?? null;
}
