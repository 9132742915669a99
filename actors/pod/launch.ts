// The way of one attempt of a container to its start: is the image here, pull it, create, start.
// What always holds: each step is one call, made again after a back-off when it fails; a launch that has made
// its container never makes another under the same attempt.

import { unreachable } from '../../cluster/assert.ts';
import { cpuMilli, memoryBytes } from '../../cluster/api/quantity.ts';
import { limits } from '../../cluster/limits.ts';
import type { ContainerFact, ContainerSpec } from '../../cluster/ports.ts';
import type { Container, EphemeralContainer } from '../../cluster/api/types.ts';
import type { RuntimeResult } from '../services.ts';
import { pullDelayMs, retryDelayMs } from './backoff.ts';
import { containersOf, currentSandbox, newest, newestIn, notesOf, setNotes } from './context.ts';
import type { Launch, PodContext, Trouble } from './context.ts';
import { containerEnv } from './env.ts';
import type { Environment } from './env.ts';
import { cannotRun, containerGone, recordContainer } from './facts.ts';
import { isImageReference, pullPolicy } from './image.ts';
import { words } from './words.ts';
import { callRuntime, say } from './work.ts';
import type { Work } from './work.ts';

/** Begins the launch, or takes its next step if that is due. `made`: the container is there, not started. */
export function advanceLaunch(work: Work, container: Container, made: string): void {
  const { context, world: { time } } = work;
  const { name } = container;
  if (notesOf(context, name).launch === null) begin(work, container, made);
  if (context.ops[`launch:${name}`] !== undefined) return;
  renew(work, container);
  const { launch, retryAtMs } = notesOf(context, name);
  if (launch === null) return;
  showBackOff(work, container);
  if (retryAtMs > time.nowMs) return;
  switch (launch.step) {
    case 'image': return askForImage(work, container);
    case 'pull': return pull(work, container);
    case 'create': return create(work, container, launch);
    case 'start': {
      callRuntime(work, `launch:${name}`, { call: 'start-container', id: launch.id });
      return;
    }
    default: return unreachable(launch.step);
  }
}

function begin({ context }: Work, { name, image }: Container, made: string): void {
  const last = newest(context, name);
  const { nextAttempt, restarts } = notesOf(context, name);
  const launch: Launch = made === '' ? { attempt: nextAttempt, image, step: 'image', sandbox: '', id: '' }
    : { attempt: last?.fact.attempt ?? 0, image, step: 'start', sandbox: last?.fact.sandbox ?? '', id: made };
  const again = made === '' && last?.fact.state === 'exited';
  setNotes(context, name, {
    launch, trouble: null, failures: 0, retryAtMs: 0, restarts: again ? restarts + 1 : restarts,
  });
}

/** The spec has another image now, and nothing is made of the old one yet. */
function renew({ context }: Work, { name, image }: Container): void {
  const { launch } = notesOf(context, name);
  if (launch === null || launch.image === image || launch.id !== '') return;
  setNotes(context, name, {
    launch: { ...launch, image, step: 'image' },
    trouble: null, failures: 0, retryAtMs: 0, pullFailures: 0,
  });
}

function moveTo(work: Work, name: string, change: Partial<Launch>): void {
  const { launch } = notesOf(work.context, name);
  if (launch === null) return;
  const next = { ...launch, ...change };
  setNotes(work.context, name, { launch: next, trouble: null, failures: 0, retryAtMs: 0 });
}

/** The step failed: say so, and try it again after a while. */
function fail(work: Work, name: string, trouble: Trouble, retryInMs: number | null = null): void {
  const { context, world: { time } } = work;
  const failures = notesOf(context, name).failures + 1;
  const delayMs = retryInMs ?? retryDelayMs(failures);
  setNotes(context, name, { trouble, failures, retryAtMs: time.nowMs + delayMs });
}

// ── the image ────────────────────────────────────────────────────────────────────────────────────────────

function askForImage(work: Work, container: Container): void {
  const { name, image } = container;
  if (!isImageReference(image)) {
    const trouble = { reason: 'InvalidImageName', message: words.invalidImage(image) };
    if (notesOf(work.context, name).trouble?.message === trouble.message) return;
    setNotes(work.context, name, { trouble });
    say(work, 'Warning', 'InspectFailed', trouble.message, name);
    say(work, 'Warning', 'Failed', words.failed(trouble.reason), name);
    return;
  }
  if (pullPolicy(container) === 'Always') {
    moveTo(work, name, { step: 'pull' });
    pull(work, container);
  } else callRuntime(work, `launch:${name}`, { call: 'image', image });
}

function pull(work: Work, { name, image }: Container): void {
  if (!callRuntime(work, `launch:${name}`, { call: 'pull', image })) return;
  say(work, 'Normal', 'Pulling', words.pulling(image), name);
}

/** A pull's error is shown for a moment, then that the next try has to wait. */
function showBackOff(work: Work, { name, image }: Container): void {
  const { context, world: { time } } = work;
  const { trouble, pullFailedMs, retryAtMs } = notesOf(context, name);
  if (trouble?.reason !== 'ErrImagePull' || time.nowMs < pullFailedMs + limits.imagePullErrorShownMs) return;
  if (retryAtMs <= time.nowMs) return;
  const message = `${words.pullBackOff(image)}: ErrImagePull: ${trouble.message}`;
  setNotes(context, name, { trouble: { reason: 'ImagePullBackOff', message } });
  say(work, 'Normal', 'BackOff', words.pullBackOff(image), name);
  say(work, 'Warning', 'Failed', words.failed('ImagePullBackOff'), name);
}

// ── the container ────────────────────────────────────────────────────────────────────────────────────────

function create(work: Work, container: Container, launch: Launch): void {
  const { context, world } = work;
  const { name } = container;
  const sandbox = currentSandbox(context);
  if (sandbox === null) return;
  const result = containerEnv(container, {
    pod: context.pod, podIP: sandbox.fact.ip, hostIP: world.node.hostIP, nodeName: world.node.name,
    lookup: world.lookup,
  });
  if (!result.ok) return misconfigured(work, name, result.message);
  const processesOf = processesFor(context, container, sandbox.fact.id);
  if (processesOf === null) return misconfigured(work, name, words.noTarget(targetOf(container)));
  const shared = processesOf === '' ? {} : { processesOf };
  const spec = {
    ...containerSpec(work, container, launch, sandbox.fact.id, result.environment), ...shared,
  };
  if (!callRuntime(work, `launch:${name}`, { call: 'create-container', container: spec })) return;
  setNotes(context, name, { trouble: null, launch: { ...launch, sandbox: sandbox.fact.id } });
}

/** Looked at again whenever anything changes; said once. */
function misconfigured(work: Work, name: string, message: string): void {
  if (notesOf(work.context, name).trouble?.message === message) return;
  setNotes(work.context, name, { trouble: { reason: 'CreateContainerConfigError', message } });
  say(work, 'Warning', 'Failed', words.failed(message), name);
}

/** Of an ephemeral container, whose processes it is to look at; empty: its own alone. */
const targetOf = ({ targetContainerName = '' }: EphemeralContainer): string => targetContainerName;

/** What it shares its processes with; empty: with nobody; null: with a container that does not run. */
function processesFor(context: PodContext, container: Container, sandbox: string): string | null {
  if (context.pod.spec.shareProcessNamespace === true) return sandbox;
  const target = targetOf(container);
  if (target === '') return '';
  const last = newestIn(context, sandbox, target);
  return last?.fact.state === 'running' ? last.fact.id : null;
}

function containerSpec(
  { context: { pod } }: Work, container: Container, launch: Launch, sandbox: string, environment: Environment,
): ContainerSpec {
  const { metadata } = pod;
  const { name, image, resources, terminationMessagePath, terminationMessagePolicy } = container;
  const { add = [], drop = [] } = container.securityContext?.capabilities ?? {};
  return {
    pod: { namespace: metadata.namespace ?? '', name: metadata.name, uid: metadata.uid },
    sandbox, name, attempt: launch.attempt, image, ...environment, workingDir: container.workingDir ?? '',
    cpuRequestMilli: cpuMilli(resources?.requests), cpuLimitMilli: cpuMilli(resources?.limits),
    memoryLimitBytes: memoryBytes(resources?.limits),
    stdin: container.stdin === true, tty: container.tty === true,
    ...(container.stdinOnce === true ? { stdinOnce: true } : {}),
    ...(add.length + drop.length === 0 ? {} : { capabilities: { add, drop } }),
    ...(terminationMessagePath === undefined ? {} : { terminationMessagePath }),
    ...(terminationMessagePolicy === 'FallbackToLogsOnError' ? { terminationMessagePolicy } : {}),
  };
}

/** What is known of a container that was just made, before the runtime says more. */
function createdFact(work: Work, container: Container, launch: Launch, id: string): ContainerFact {
  const { metadata } = work.context.pod;
  return {
    id, sandbox: launch.sandbox, name: container.name, attempt: launch.attempt,
    pod: { namespace: metadata.namespace ?? '', name: metadata.name, uid: metadata.uid },
    image: container.image, imageId: '', state: 'created', exitCode: 0, oomKilled: false, startedAtMs: 0,
    finishedAtMs: 0, message: '',
  };
}

// ── answers ──────────────────────────────────────────────────────────────────────────────────────────────

/** When a call was wanted, and when the runtime was really asked. */
interface CallTimes { readonly sinceMs: number; readonly beganMs: number }

/** The answer to the call of this launch. */
export function launchResult(work: Work, name: string, result: RuntimeResult, times: CallTimes): void {
  const container = containersOf(work.context.pod).find((each) => each.name === name);
  const { launch } = notesOf(work.context, name);
  if (container === undefined || launch === null) return;
  if (!result.ok) return launchFailed(work, container, launch, result.failure);
  const { nowMs } = work.world.time;
  switch (launch.step) {
    case 'image': return imageAnswered(work, container, result.value);
    case 'pull': {
      const allMs = nowMs - times.sinceMs, pullMs = Math.min(allMs, nowMs - times.beganMs);
      const message = words.pulled(launch.image, pullMs, allMs);
      say(work, 'Normal', 'Pulled', message, name);
      setNotes(work.context, name, { pullFailures: 0 });
      return moveTo(work, name, { step: 'create' });
    }
    case 'create': {
      recordContainer(work.context, createdFact(work, container, launch, result.value), work.world.time);
      say(work, 'Normal', 'Created', words.created(name), name);
      return moveTo(work, name, { step: 'start', id: result.value });
    }
    case 'start': {
      say(work, 'Normal', 'Started', words.started(name), name);
      return setNotes(work.context, name, { launch: null, trouble: null, failures: 0, retryAtMs: 0 });
    }
    default: return unreachable(launch.step);
  }
}

function imageAnswered(work: Work, container: Container, imageId: string): void {
  const { name, image } = container;
  if (imageId !== '') {
    say(work, 'Normal', 'Pulled', words.present(image), name);
    return moveTo(work, name, { step: 'create' });
  }
  if (pullPolicy(container) === 'IfNotPresent') return moveTo(work, name, { step: 'pull' });
  if (notesOf(work.context, name).trouble?.reason !== 'ErrImageNeverPull') {
    say(work, 'Warning', 'ErrImageNeverPull', words.neverPulled(image), name);
    say(work, 'Warning', 'Failed', words.failed('ErrImageNeverPull'), name);
  }
  fail(work, name, { reason: 'ErrImageNeverPull', message: words.neverPulled(image) });
}

function launchFailed(
  work: Work, container: Container, launch: Launch, failure: Extract<RuntimeResult, { ok: false }>['failure'],
): void {
  const { name, image } = container;
  const { context, world: { time } } = work;
  const { reason, message } = failure;
  switch (launch.step) {
    case 'image': return fail(work, name, { reason: 'ImageInspectError', message });
    case 'pull': {
      const pullFailures = notesOf(context, name).pullFailures + 1;
      say(work, 'Warning', 'Failed', words.pullFailed(image, message), name);
      say(work, 'Warning', 'Failed', words.failed(reason), name);
      setNotes(context, name, { pullFailures, pullFailedMs: time.nowMs });
      return fail(work, name, { reason, message }, pullDelayMs(pullFailures));
    }
    case 'create': {
      say(work, 'Warning', 'Failed', words.failed(message), name);
      return fail(work, name, { reason, message });
    }
    case 'start': {
      say(work, 'Warning', 'Failed', words.failed(message), name);
      if (reason === 'NotFound') containerGone(context, launch.id, time);
      else cannotRun(context, launch.id, message, time);
      return setNotes(context, name, { launch: null, trouble: { reason: 'RunContainerError', message } });
    }
    default: return unreachable(launch.step);
  }
}
