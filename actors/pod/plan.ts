// What to do next with a pod: from its spec, what the runtime was heard to say, and the clock.
// Level-triggered: it looks at how things are, never at what happened, so a lost event costs time and nothing
// else. Source: Kubernetes' computePodActions and the documentation of the pod lifecycle.
//
// What always holds: init containers run one by one and to success before any other starts; nothing starts in
// a pod that is to stop; a sandbox is removed only when nothing is known to run in it.

import type { Container } from '../../cluster/api/types.ts';
import { limits } from '../../cluster/limits.ts';
import { crashDelayMs } from './backoff.ts';
import {
  currentSandbox, ephemeralContainersOf, initContainersOf, isEphemeral, newest, newestIn, notesOf,
} from './context.ts';
import type { KnownContainer, Lifecycle, PodContext } from './context.ts';
import { graceMs } from './facts.ts';

export type Intent =
  | { readonly do: 'create-sandbox'; readonly attempt: number }
  | { readonly do: 'remove-sandbox'; readonly id: string }
  /** Bring the container's next attempt to its start. `id`: it is made already and only has to be started. */
  | { readonly do: 'launch'; readonly container: Container; readonly id: string }
  | { readonly do: 'stop'; readonly known: KnownContainer; readonly killAtMs: number; readonly why: string }
  | { readonly do: 'discard'; readonly id: string };

export interface Plan {
  readonly phase: Lifecycle;
  readonly intents: readonly Intent[];
  /** Something becomes due at this time though nothing happens; null: nothing. */
  readonly wakeAtMs: number | null;
  /** All init containers have done their work in the current sandbox. */
  readonly initialized: boolean;
}

export function plan(context: PodContext, nowMs: number): Plan {
  if (isLeaving(context) || context.verdict !== null || context.finished) return planEnd(context, nowMs);
  const sandbox = currentSandbox(context);
  if (sandbox === null || !sandbox.fact.running) return planSandbox(context, nowMs);
  return planContainers(context, sandbox.fact.id, nowMs);
}

/** The pod's object goes, so nothing may be left; otherwise what ended stays, for its logs. */
export const isLeaving = (context: PodContext): boolean =>
  context.removed || context.pod.metadata.deletionTimestamp !== undefined;

function planEnd(context: PodContext, nowMs: number): Plan {
  const killAtMs = context.killAtMs ?? nowMs + graceMs(context.pod);
  const running = context.containers.filter(({ fact }) => fact.state === 'running');
  const { initialized } = context;
  const busy = Object.keys(context.ops).some((key) => key.startsWith('launch:') || key === 'sandbox');
  if (running.length > 0 || busy) {
    const intents = running.map((known): Intent => ({ do: 'stop', known, killAtMs, why: '' }));
    return { phase: 'terminating', intents, wakeAtMs: null, initialized };
  }
  if (!isLeaving(context)) return { phase: 'completed', intents: [], wakeAtMs: null, initialized };
  const intents = [...removals(context), ...strays(context, nowMs)];
  const left = intents.length > 0 || Object.keys(context.ops).length > 0;
  return { phase: left ? 'removing' : 'ended', intents, wakeAtMs: null, initialized };
}

const removals = (context: PodContext): Intent[] =>
  context.sandboxes.map(({ fact }) => ({ do: 'remove-sandbox', id: fact.id }));

/** Containers that the runtime still has though their sandbox is gone. */
function strays(context: PodContext, nowMs: number): Intent[] {
  const boxes = new Set(context.sandboxes.map(({ fact }) => fact.id));
  const killAtMs = nowMs + graceMs(context.pod);
  return context.containers.filter(({ fact, gone }) => !gone && !boxes.has(fact.sandbox))
    .map((known) => (known.fact.state === 'running' ? { do: 'stop', known, killAtMs, why: changed }
      : { do: 'discard', id: known.fact.id }));
}

const changed = 'Pod sandbox changed, it will be killed and re-created.';

/** No sandbox, or a dead one: end what still runs in it, remove it, make a new one. */
function planSandbox(context: PodContext, nowMs: number): Plan {
  const nothingLeft = { wakeAtMs: null, initialized: false };
  if (hasFinished(context, null)) {
    return { phase: 'completed', intents: [], wakeAtMs: null, initialized: context.initialized };
  }
  const running = context.containers.filter(({ fact }) => fact.state === 'running');
  if (running.length > 0) {
    const killAtMs = nowMs + graceMs(context.pod);
    const intents = running.map((known): Intent => ({ do: 'stop', known, killAtMs, why: changed }));
    return { phase: 'starting', intents, ...nothingLeft };
  }
  const left = [...removals(context), ...strays(context, nowMs)];
  if (left.length > 0) return { phase: 'starting', intents: left, ...nothingLeft };
  const create: Intent = { do: 'create-sandbox', attempt: context.sandboxAttempts };
  return { phase: 'starting', intents: [create], ...nothingLeft };
}

/** Every container has ended and none is to run again; `sandbox`: the one in which init containers count. */
export function hasFinished(context: PodContext, sandbox: string | null): boolean {
  const { pod } = context;
  if (initFailed(context, sandbox)) return true;
  return pod.spec.containers.every(({ name }) => {
    const last = newest(context, name);
    if (last === null || last.fact.state !== 'exited' || mayRestart(context, last)) return false;
    return notesOf(context, name).launch === null;
  });
}

function initFailed(context: PodContext, sandbox: string | null): boolean {
  if (context.pod.spec.restartPolicy !== 'Never') return false;
  return initContainersOf(context.pod).some(({ name }) => {
    const last = sandbox === null ? newest(context, name) : newestIn(context, sandbox, name);
    return last?.fact.state === 'exited' && last.fact.exitCode !== 0;
  });
}

/** By the pod's restart policy; an init container that failed is tried again unless the policy is Never. */
export function mayRestart({ pod }: PodContext, { fact, cause }: KnownContainer): boolean {
  const failed = fact.exitCode !== 0 || cause !== null;
  const isInit = initContainersOf(pod).some(({ name }) => name === fact.name);
  if (isEphemeral(pod, fact.name)) return false;
  switch (pod.spec.restartPolicy ?? 'Always') {
    case 'Always': return isInit ? failed : true;
    case 'OnFailure': return failed;
    default: return false;
  }
}

/** When an exited container that is to run again is due. */
export function restartAtMs(context: PodContext, known: KnownContainer): number {
  return (known.exitedMs ?? 0) + crashDelayMs(notesOf(context, known.fact.name).restarts);
}

/** Collects what one look at the containers finds. */
interface Findings { intents: Intent[]; wakes: number[] }

function planContainers(context: PodContext, sandbox: string, nowMs: number): Plan {
  const leftovers = [...oldSandboxes(context, sandbox), ...oldAttempts(context), ...strays(context, nowMs)];
  const found: Findings = { intents: leftovers, wakes: [] };
  if (context.deadlineAtMs !== null) found.wakes.push(context.deadlineAtMs);
  const finish = (phase: Lifecycle, initialized: boolean): Plan => ({
    phase, intents: found.intents, initialized,
    wakeAtMs: found.wakes.length === 0 ? null : Math.min(...found.wakes),
  });
  const running = context.containers.filter(({ fact }) => fact.state === 'running');
  const others = running.filter(({ fact }) => isEphemeral(context.pod, fact.name));
  const waitFor = nextInit(context, sandbox);
  // Who only looks on does not keep a pod from being over.
  if (others.length === running.length && hasFinished(context, sandbox)) {
    const killAtMs = nowMs + graceMs(context.pod);
    for (const known of others) found.intents.push({ do: 'stop', known, killAtMs, why: '' });
    return { ...finish('completed', waitFor === null), wakeAtMs: null };
  }
  for (const added of ephemeralContainersOf(context.pod)) lookAtEphemeral(context, added, nowMs, found);
  if (waitFor !== null) {
    look(context, waitFor, newestIn(context, sandbox, waitFor.name), nowMs, found);
    return finish('initializing', false);
  }
  for (const container of context.pod.spec.containers) {
    look(context, container, newest(context, container.name), nowMs, found);
  }
  return finish('running', true);
}

/** The init container whose turn it is; null: all have done their work, or the others have begun already. */
function nextInit(context: PodContext, sandbox: string): Container | null {
  const { spec } = context.pod;
  if (spec.containers.some(({ name }) => newestIn(context, sandbox, name) !== null)) return null;
  return initContainersOf(context.pod).find(({ name }) => {
    const last = newestIn(context, sandbox, name);
    return last === null || last.fact.state !== 'exited' || last.fact.exitCode !== 0;
  }) ?? null;
}

/** One container: start it, start it again, replace it, or leave it. */
function look(
  context: PodContext, container: Container, last: KnownContainer | null, nowMs: number, found: Findings,
): void {
  const launch = (id: string): void => { found.intents.push({ do: 'launch', container, id }); };
  const { launch: begun, trouble, retryAtMs, pullFailedMs } = notesOf(context, container.name);
  if (begun !== null) {
    if (retryAtMs > nowMs) found.wakes.push(retryAtMs);
    const shownMs = pullFailedMs + limits.imagePullErrorShownMs;
    if (trouble?.reason === 'ErrImagePull' && shownMs > nowMs) found.wakes.push(shownMs);
  }
  if (begun !== null || last === null) return launch('');
  if (last.fact.state === 'created') return launch(last.fact.id);
  if (last.fact.state === 'running') {
    if (last.fact.image === container.image) return;
    const why = `Container ${container.name} definition changed, will be restarted`;
    found.intents.push({ do: 'stop', known: last, killAtMs: nowMs + graceMs(context.pod), why });
    return;
  }
  if (!mayRestart(context, last)) return;
  const atMs = restartAtMs(context, last);
  if (atMs <= nowMs) launch('');
  else found.wakes.push(atMs);
}

/** Started once, and never again; also while init containers are still at work. */
function lookAtEphemeral(context: PodContext, container: Container, nowMs: number, found: Findings): void {
  const last = newest(context, container.name), { launch, nextAttempt } = notesOf(context, container.name);
  const wasMade = last !== null || nextAttempt > 0;
  if (launch === null && wasMade && last?.fact.state !== 'created') return;
  look(context, container, last, nowMs, found);
}

function oldSandboxes(context: PodContext, current: string): Intent[] {
  return context.sandboxes.filter(({ fact }) => fact.id !== current)
    .map(({ fact }) => ({ do: 'remove-sandbox', id: fact.id }));
}

/** The attempt before the newest is kept for `logs --previous`; older ones go. */
function oldAttempts(context: PodContext): Intent[] {
  return context.containers.filter(({ fact, gone }) => {
    if (gone || fact.state === 'running') return false;
    const last = newest(context, fact.name);
    return last !== null && fact.attempt < last.fact.attempt - 1;
  }).map(({ fact }) => ({ do: 'discard', id: fact.id }));
}
