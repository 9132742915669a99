// One transition of a pod: (context, event, world) → (context, effects). The event is recorded as a fact,
// then one `evaluate` decides; what it decides is marked as under way and handed out as effects.
// What always holds: at most one call per target is under way; the context handed in is not changed.

import { assert, unreachable } from '../../cluster/assert.ts';
import type { RuntimeCall, RuntimeFailure, SandboxSpec } from '../../cluster/ports.ts';
import type { Pod } from '../../cluster/api/types.ts';
import { crashDelayMs, retryDelayMs } from './backoff.ts';
import { containersOf, initContainersOf, newest, notesOf, setNotes } from './context.ts';
import type { Effect, KnownContainer, Lifecycle, PodContext, PodEvent, World } from './context.ts';
import {
  containerGone, containerStopped, forgetOld, graceMs, recordContainer, recordList, recordPod, recordSandbox,
  sandboxGone, stopBy,
} from './facts.ts';
import { advanceLaunch, launchResult } from './launch.ts';
import { isLeaving, mayRestart, plan, restartAtMs } from './plan.ts';
import type { Intent } from './plan.ts';
import { words } from './words.ts';
import { callRuntime, endOp, say, splitOp } from './work.ts';
import type { Work } from './work.ts';

export interface Step { readonly context: PodContext; readonly effects: readonly Effect[] }

export function step(before: PodContext, event: PodEvent, world: World): Step {
  const work: Work = { context: { ...before }, world, effects: [] };
  record(work, event);
  evaluate(work);
  const { context, effects } = work;
  const { phase } = context;
  assert(canFollow[before.phase].includes(phase), `a pod does not go from ${before.phase} to ${phase}`);
  return { context, effects };
}

/** The ways of a pod's life. */
export const canFollow: Readonly<Record<Lifecycle, readonly Lifecycle[]>> = {
  starting: ['starting', 'initializing', 'running', 'completed', 'terminating', 'removing', 'ended'],
  initializing: ['initializing', 'starting', 'running', 'completed', 'terminating', 'removing', 'ended'],
  running: ['running', 'starting', 'initializing', 'completed', 'terminating', 'removing', 'ended'],
  completed: ['completed', 'terminating', 'removing', 'ended'],
  terminating: ['terminating', 'completed', 'removing', 'ended'],
  removing: ['removing', 'terminating', 'ended'],
  ended: ['ended'],
};

function record(work: Work, event: PodEvent): void {
  const { context, world: { time } } = work;
  switch (event.type) {
    case 'pod': return recordPod(context, event.pod, time);
    case 'removed': {
      context.removed = true;
      // At least a second, as in Kubernetes: a forced deletion is no reason to lose data.
      return stopBy(context, time.nowMs + Math.max(1000, graceMs(context.pod)));
    }
    case 'sandbox': return recordSandbox(context, event.sandbox, time);
    case 'sandbox-gone': return sandboxGone(context, event.id);
    case 'container': return recordContainer(context, event.container, time);
    case 'container-gone': return containerGone(context, event.id, time);
    case 'listed': return recordList(context, event, time);
    case 'runtime-up': {
      context.heldUntilMs = 0;
      return;
    }
    case 'result': return recordResult(work, event);
    case 'references': case 'wake': return;
    default: return unreachable(event);
  }
}

// ── answers ────────────────────────────────────────────────────────────────────────────────────────────────

function recordResult(work: Work, event: Extract<PodEvent, { type: 'result' }>): void {
  const { context, world: { time } } = work;
  const { key, result } = event;
  const op = context.ops[key];
  if (op === undefined || !endOp(context, key)) return;
  if (!result.ok) return failed(work, key, result.failure);
  context.holds = 0;
  if (result.sandbox !== undefined) recordSandbox(context, result.sandbox, time);
  if (result.container !== undefined) recordContainer(context, result.container, time);
  const [kind, name = ''] = splitOp(key);
  if (kind === 'launch') return launchResult(work, name, result, { ...op, beganMs: event.beganMs });
  if (kind === 'remove') {
    const inside = context.containers.filter(({ fact }) => fact.sandbox === name);
    for (const { fact } of inside) containerGone(context, fact.id, time);
    sandboxGone(context, name);
  }
  if (kind === 'discard') containerGone(context, name, time);
  if (kind === 'stop' || kind === 'hurry') containerStopped(context, name);
}

function failed(work: Work, key: string, failure: RuntimeFailure): void {
  const { context, world: { time } } = work;
  const [kind, name] = splitOp(key);
  if (kind === 'launch' && failure.reason !== 'RuntimeUnavailable') {
    return launchResult(work, name, { ok: false, failure }, { sinceMs: time.nowMs, beganMs: time.nowMs });
  }
  if (kind === 'sandbox') {
    say(work, 'Warning', 'FailedCreatePodSandBox', words.sandboxFailed(failure.message));
  }
  context.holds += 1;
  context.heldUntilMs = time.nowMs + retryDelayMs(context.holds);
}

// ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────

function evaluate(work: Work): void {
  const { context, world: { time } } = work;
  judgeDeadline(work);
  const next = plan(context, time.nowMs);
  context.phase = next.phase;
  context.initialized = next.initialized;
  if (next.phase !== 'initializing' && next.phase !== 'running') dropLaunches(context);
  for (const intent of next.intents) carryOut(work, intent);
  announceBackOffs(work);
  forgetOld(context);
  // What was just decided may have changed what is due next.
  const due = plan(context, time.nowMs).wakeAtMs;
  const held = context.heldUntilMs > time.nowMs ? context.heldUntilMs : null;
  context.wakeAtMs = due === null ? held : held === null ? due : Math.min(due, held);
}

function judgeDeadline(work: Work): void {
  const { context, world: { time } } = work;
  const isOver = context.deadlineAtMs !== null && time.nowMs >= context.deadlineAtMs;
  if (!isOver || context.verdict !== null || context.finished || isLeaving(context)) return;
  if (context.phase === 'completed') return;
  context.verdict = { reason: 'DeadlineExceeded', message: words.overDeadline };
  stopBy(context, time.nowMs + graceMs(context.pod));
  say(work, 'Normal', 'DeadlineExceeded', words.overDeadline);
}

/** A launch is given up, unless a call of it is under way, whose answer is awaited. */
function dropLaunches(context: PodContext): void {
  for (const { name } of containersOf(context.pod)) {
    if (notesOf(context, name).launch === null || context.ops[`launch:${name}`] !== undefined) continue;
    setNotes(context, name, { launch: null, trouble: null });
  }
}

function carryOut(work: Work, intent: Intent): void {
  const { context } = work;
  switch (intent.do) {
    case 'create-sandbox': {
      const sandbox = sandboxSpec(context.pod, intent.attempt);
      callRuntime(work, 'sandbox', { call: 'create-sandbox', sandbox });
      return;
    }
    case 'remove-sandbox': {
      callRuntime(work, `remove:${intent.id}`, { call: 'remove-sandbox', id: intent.id });
      return;
    }
    case 'discard': {
      callRuntime(work, `discard:${intent.id}`, { call: 'remove-container', id: intent.id });
      return;
    }
    case 'stop': return stopContainer(work, intent);
    case 'launch': return advanceLaunch(work, intent.container, intent.id);
    default: return unreachable(intent);
  }
}

/** A stop that is under way is asked for again only to shorten its grace. */
function stopContainer(work: Work, { known, killAtMs, why }: Extract<Intent, { do: 'stop' }>): void {
  if (known.stopped) return;
  const { context, world: { time } } = work;
  const key = `stop:${known.fact.id}`, hurried = `hurry:${known.fact.id}`;
  const stopping = context.ops[hurried] ?? context.ops[key];
  const call: RuntimeCall = {
    call: 'stop-container', id: known.fact.id, graceMs: Math.max(0, killAtMs - time.nowMs),
  };
  if (stopping === undefined) {
    const message = why === '' ? words.stopping(known.fact.name) : why;
    if (callRuntime(work, key, call)) say(work, 'Normal', 'Killing', message, known.fact.name);
    return;
  }
  if ((stopping.killAtMs ?? Infinity) <= killAtMs) return;
  endOp(context, hurried);
  callRuntime(work, hurried, call);
}

function sandboxSpec(pod: Pod, attempt: number): SandboxSpec {
  const { metadata, spec } = pod;
  const hostname = (spec.hostname ?? metadata.name).slice(0, 63).replace(/[-.]+$/, '');
  return {
    pod: { namespace: metadata.namespace ?? '', name: metadata.name, uid: metadata.uid },
    attempt, hostname, hostNetwork: spec.hostNetwork === true,
    ports: spec.containers.flatMap(({ ports = [] }) => ports.map((port) => ({
      containerPort: port.containerPort, hostPort: port.hostPort ?? 0, protocol: port.protocol ?? 'TCP',
      hostIP: port.hostIP ?? '',
    }))),
  };
}

/** Once per attempt: that the next start of a crashed container has to wait. */
function announceBackOffs(work: Work): void {
  const { context, world: { time } } = work;
  if (context.phase !== 'running' && context.phase !== 'initializing') return;
  for (const { name } of containersOf(context.pod)) {
    const last = newest(context, name);
    const isInit = initContainersOf(context.pod).some((container) => container.name === name);
    if (context.phase === 'initializing' && !isInit) continue;
    if (last === null || !isBackingOff(context, last, time.nowMs)) continue;
    if (notesOf(context, name).backOffSaid >= last.fact.attempt) continue;
    setNotes(context, name, { backOffSaid: last.fact.attempt });
    say(work, 'Warning', 'BackOff', words.crashBackOff(name, context.pod), name);
  }
}

/** It exited, is to run again, and has to wait for it. */
export function isBackingOff(context: PodContext, last: KnownContainer, nowMs: number): boolean {
  return last.fact.state === 'exited' && notesOf(context, last.fact.name).launch === null
    && mayRestart(context, last) && crashDelayMs(notesOf(context, last.fact.name).restarts) > 0
    && restartAtMs(context, last) > nowMs;
}
