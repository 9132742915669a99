// Recording what the runtime says of a pod, and what the state says of it, into the actor's context.
// What always holds: a fact that is older than what is known changes nothing.

import type { ContainerFact, SandboxFact } from '../../cluster/ports.ts';
import { limits } from '../../cluster/limits.ts';
import { parseTime } from '../../cluster/api/time.ts';
import type { Pod } from '../../cluster/api/types.ts';
import { clearsBackoff } from './backoff.ts';
import { containersOf, freshNotes, notesOf, setNotes } from './context.ts';
import type { ContainerNotes, KnownContainer, PodContext, PodEvent, PodInput, Time } from './context.ts';

/** A context for a pod that is new to this peer, or that a former life of the peer ran. */
export function newContext({ pod, sandboxes, containers, verdict, time }: PodInput): PodContext {
  const { initContainerStatuses: init = [], containerStatuses: own = [] } = pod.status ?? {};
  const statuses = [...init, ...own, ...pod.status?.ephemeralContainerStatuses ?? []];
  const notes: Record<string, ContainerNotes> = {};
  for (const { name } of containersOf(pod)) {
    notes[name] = freshNotes(statuses.find((status) => status.name === name));
  }
  const started = parseTime(pod.status?.startTime);
  const context: PodContext = {
    pod, removed: false, phase: 'starting', verdict,
    finished: false,
    killAtMs: null, deadlineAtMs: null, startedWallMs: started ?? time.wallMs,
    sandboxes: [], sandboxAttempts: 0, containers: [], notes, ops: {},
    heldUntilMs: 0, holds: 0, wakeAtMs: null, initialized: false,
  };
  for (const sandbox of sandboxes) recordSandbox(context, sandbox, time);
  for (const container of containers) recordContainer(context, container, time);
  recordPod(context, pod, time);
  return context;
}

/** The pod as it is in the state now, and with it when it has to stop. */
export function recordPod(context: PodContext, pod: Pod, time: Time): void {
  context.pod = pod;
  // Whoever wrote it: a pod that the state has as ended never runs again.
  if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') context.finished = true;
  const active = pod.spec.activeDeadlineSeconds;
  // Wall time, for it has to outlive the peer; a jump of the clock moves it.
  context.deadlineAtMs = active === undefined ? null
    : time.nowMs + Math.max(0, context.startedWallMs + active * 1000 - time.wallMs);
  if (pod.metadata.deletionTimestamp !== undefined) stopBy(context, time.nowMs + graceMs(pod));
}

/** Every later call can only bring the end nearer. */
export function stopBy(context: PodContext, atMs: number): void {
  context.killAtMs = Math.min(context.killAtMs ?? Infinity, atMs);
}

/** The deletion's grace where there is one, else the pod's own. */
export function graceMs({ metadata, spec }: Pod): number {
  return (metadata.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ?? 30) * 1000;
}

export function recordSandbox(context: PodContext, fact: SandboxFact, time: Time): void {
  const known = context.sandboxes.find((each) => each.fact.id === fact.id);
  if (known !== undefined && !known.fact.running) return;
  const seenMs = known?.seenMs ?? time.nowMs;
  const others = context.sandboxes.filter((each) => each.fact.id !== fact.id);
  context.sandboxes = [...others, { fact, seenMs }].sort((a, b) => a.fact.attempt - b.fact.attempt);
  context.sandboxAttempts = Math.max(context.sandboxAttempts, fact.attempt + 1);
}

export function sandboxGone(context: PodContext, id: string): void {
  context.sandboxes = context.sandboxes.filter(({ fact }) => fact.id !== id);
}

const order = { created: 0, running: 1, exited: 2 } as const;

export function recordContainer(context: PodContext, fact: ContainerFact, time: Time): void {
  const known = context.containers.find((each) => each.fact.id === fact.id);
  if (known !== undefined) {
    const older = order[fact.state] < order[known.fact.state];
    // Why it ended was found out by ourselves; the runtime can only add to it.
    if (older || known.cause !== null) return;
  }
  const isNew = fact.state === 'exited' && known?.fact.state !== 'exited';
  const next: KnownContainer = {
    fact, seenMs: known?.seenMs ?? time.nowMs, gone: false, stopped: false, cause: null,
    exitedMs: isNew ? exitTime(fact, time) : known?.exitedMs ?? null,
  };
  put(context, next);
  setNotes(context, fact.name, {
    nextAttempt: Math.max(notesOf(context, fact.name).nextAttempt, fact.attempt + 1),
  });
  const ranMs = fact.finishedAtMs - fact.startedAtMs;
  if (isNew && clearsBackoff(ranMs)) setNotes(context, fact.name, { restarts: 0 });
}

/** On the monotonic clock; a skewed wall clock can't move it by more than the longest back-off. */
function exitTime(fact: ContainerFact, time: Time): number {
  const ageMs = time.wallMs - fact.finishedAtMs;
  return time.nowMs - Math.max(0, Math.min(limits.containerBackoffMsMax, ageMs));
}

function put(context: PodContext, known: KnownContainer): void {
  const others = context.containers.filter((each) => each.fact.id !== known.fact.id);
  context.containers = [...others, known].sort(byNameAndAttempt);
}

function byNameAndAttempt(a: KnownContainer, b: KnownContainer): number {
  if (a.fact.name !== b.fact.name) return a.fact.name < b.fact.name ? -1 : 1;
  return a.fact.attempt - b.fact.attempt;
}

/** The runtime has it no more. One that was not seen to exit ended in a way that nobody knows. */
export function containerGone(context: PodContext, id: string, time: Time): void {
  const known = context.containers.find((each) => each.fact.id === id);
  if (known === undefined || known.gone) return;
  if (known.fact.state === 'exited') put(context, { ...known, gone: true });
  else {
    const message = 'The container could not be located when the pod was terminated';
    put(context, { ...ended(known, 137, message, time), cause: 'ContainerStatusUnknown', gone: true });
  }
  forgetOld(context);
}

/** The answer to a stop may overtake the news of the exit. */
export function containerStopped(context: PodContext, id: string): void {
  const known = context.containers.find((each) => each.fact.id === id);
  if (known?.fact.state === 'running') put(context, { ...known, stopped: true });
}

/** It could not be started. */
export function cannotRun(context: PodContext, id: string, message: string, time: Time): void {
  const known = context.containers.find((each) => each.fact.id === id);
  if (known === undefined || known.fact.state === 'running') return;
  const code = known.fact.exitCode === 0 ? 128 : known.fact.exitCode;
  put(context, { ...ended(known, code, message, time), cause: 'ContainerCannotRun' });
}

function ended(known: KnownContainer, exitCode: number, message: string, time: Time): KnownContainer {
  const finishedAtMs = time.wallMs;
  const fact: ContainerFact = { ...known.fact, state: 'exited', exitCode, message, finishedAtMs };
  return { ...known, fact, exitedMs: time.nowMs };
}

/** The pod's whole inventory: what was known before the question and is not in the answer is gone. */
export function recordList(
  context: PodContext, { askedMs, sandboxes, containers }: Extract<PodEvent, { type: 'listed' }>, time: Time,
): void {
  for (const { fact, seenMs } of context.sandboxes) {
    const listed = sandboxes.some((each) => each.id === fact.id);
    if (!listed && seenMs < askedMs) sandboxGone(context, fact.id);
  }
  for (const { fact, seenMs } of context.containers) {
    const listed = containers.some((each) => each.id === fact.id);
    if (!listed && seenMs < askedMs) containerGone(context, fact.id, time);
  }
  for (const sandbox of sandboxes) recordSandbox(context, sandbox, time);
  for (const container of containers) recordContainer(context, container, time);
}

/** Of each container the newest two are remembered, and what the runtime still has. */
export function forgetOld(context: PodContext): void {
  context.containers = context.containers.filter((known) => {
    const newer = context.containers.filter((other) =>
      other.fact.name === known.fact.name && other.fact.attempt > known.fact.attempt);
    return !known.gone || newer.length < 2;
  });
}
