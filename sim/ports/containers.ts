// The containers port of the simulator: a machine's runtime (`SimHost`), which lives in the world and goes on
// when its peer dies, and the adapter of the peer that lives now.
//
// A program's behaviour is written in its environment (see `behaviourOf`), or drawn by the faults. Each fate
// comes from a hash of the host's seed and what it is about, never from a shared sequence, so that removing
// one event of a run leaves the fates of the others alone.
// What always holds: nothing is delivered from inside a call; an adapter whose peer is dead delivers nothing;
// `inspect` tells what truly runs, whatever any peer believes.

import { hash32, hashText } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { unreachable } from '../../cluster/assert.ts';
import { limits } from '../../cluster/limits.ts';
import type {
  ContainerFact, ContainersEvent, ContainersPort, ContainerSpec, RuntimeCall, RuntimeFailure, SandboxFact,
  SandboxSpec,
} from '../../cluster/ports.ts';
import { behaviourOf } from './containers/behaviour.ts';
import { createSimFlows } from './containers/flows.ts';
import type { SimFlows } from './containers/flows.ts';
import { createSimLogs } from './containers/logs.ts';
import type { SimLogs } from './containers/logs.ts';
import { factOf } from './containers/host.ts';
import { usageOf } from './containers/usage.ts';
import type { SimContainer, SimSandbox } from './containers/host.ts';

/** Milliseconds, and chances in a thousand. All 0: everything is quick and nothing fails. */
export interface ContainerFaults {
  readonly pullMsMax: number;
  readonly callMsMax: number;
  readonly pullFails: number;
  readonly sandboxFails: number;
  readonly createFails: number;
  readonly startFails: number;
  /** A started container crashes within `crashMsMax`; half of these are out of memory. */
  readonly crashes: number;
  readonly crashMsMax: number;
  /** An event that should have told of a change is lost; `list` still tells. */
  readonly eventsLost: number;
}

export const noFaults: ContainerFaults = {
  pullMsMax: 0, callMsMax: 0, pullFails: 0, sandboxFails: 0, createFails: 0, startFails: 0,
  crashes: 0, crashMsMax: 0, eventsLost: 0,
};

export interface SimHostOptions {
  /** The world's timer: the work runs after `ms`, whatever becomes of any peer. */
  readonly schedule: (ms: number, work: () => void) => void;
  readonly wallMs: () => number;
  readonly random: Random;
  /** Two or three numbers that a machine's pod addresses begin with, e.g. `10.1.4`. */
  readonly addressPrefix: string;
  readonly faults?: Partial<ContainerFaults>;
  /** For oracles: told of what happens to containers, whether or not any peer hears of it. */
  readonly observe?: (what: Observed, container: ContainerFact) => void;
}

/** `lost`: it vanished, and nothing on the machine tells any more that it was there. */
export type Observed = 'started' | 'ended' | 'lost';

/** What truly is on the machine, for oracles: running or not, whoever owns it. */
export interface SimInspection {
  readonly sandboxes: readonly SandboxFact[];
  readonly containers: readonly ContainerFact[];
}

export interface SimHost {
  inspect(): SimInspection;
  setFaults(faults: Partial<ContainerFaults>): void;
  /** The runtime's daemon stops or starts answering; containers go on. */
  setUp(up: boolean): void;
  /** The lines that a container has printed. */
  output(container: string): readonly string[];
  /** Ends a running container now. False if there is no such running container. */
  exit(container: string, code: number, oomKilled?: boolean): boolean;
  /** Removes a container behind everybody's back, without a word. */
  lose(container: string): boolean;
  /** Removes a sandbox likewise; the containers in it go on. */
  loseSandbox(sandbox: string): boolean;
  /** The sandbox's own container dies; those that share its network go on. */
  killSandbox(sandbox: string): boolean;
  /** The machine loses power: nothing runs any more; what was made is still listed, as exited. */
  powerOff(): void;
  /** For the adapter: the peer that lives now. */
  attach(deliver: (event: ContainersEvent) => void): Session;
}

interface Session {
  call(op: string, call: RuntimeCall): void;
  readonly logs: SimLogs;
  readonly flows: SimFlows;
  detach(): void;
}

/** The adapter of one life of a peer. `detach` when the peer dies: nothing is delivered any more. */
export function createSimContainers(
  options: { readonly host: SimHost; readonly deliver: (event: ContainersEvent) => void },
): ContainersPort & { detach(): void } {
  const session = options.host.attach(options.deliver);
  return {
    name: 'simulated',
    call: (op, call) => session.call(op, call),
    openLog: (stream, container, log, credit) => session.logs.open(stream, container, log, credit),
    logCredit: (stream, bytes) => session.logs.credit(stream, bytes),
    closeLog: (stream) => session.logs.close(stream),
    openFlow: (flow, target, credit) => session.flows.open(flow, target, credit),
    flowInput: (flow, input) => session.flows.input(flow, input),
    flowCredit: (flow, bytes) => session.flows.credit(flow, bytes),
    closeFlow: (flow) => session.flows.close(flow),
    detach: () => session.detach(),
  };
}

type Done = Omit<Extract<ContainersEvent, { type: 'runtime-done' }>, 'type' | 'op'>;
type Answer = (result: { readonly done: Done } | { readonly failure: RuntimeFailure }) => void;

export function createSimHost(options: SimHostOptions): SimHost {
  const { schedule, wallMs } = options;
  const { draw, strikes } = createFates(options.random.u32());
  const sandboxes = new Map<string, SimSandbox>();
  const containers = new Map<string, SimContainer>();
  const images = new Set<string>();
  let faults: ContainerFaults = { ...noFaults, ...options.faults };
  let up = true;
  let deliver: ((event: ContainersEvent) => void) | null = null;
  let logs: SimLogs | null = null;
  let flows: SimFlows | null = null;
  let addresses = 0;
  /** How often it lost its power: what was under way before is never done. */
  let boots = 0;

  function tell(event: ContainersEvent): void {
    const to = deliver;
    if (to === null || !up) return;
    if ('container' in event && strikes('event', event.container.id, faults.eventsLost)) return;
    schedule(1, () => { if (deliver === to) to(event); });
  }

  /** Whoever reads along looks again. */
  function shown(id: string): void {
    logs?.changed(id);
    flows?.changed(id);
  }

  function finish(container: SimContainer, code: number, oomKilled: boolean): void {
    if (container.state !== 'running') return;
    Object.assign(container, { state: 'exited', exitCode: code, oomKilled, finishedAtMs: wallMs() });
    container.message = oomKilled ? '' : container.behaviour.message;
    options.observe?.('ended', factOf(container));
    shown(container.id);
    for (const done of container.stopping.splice(0)) done();
    tell({ type: 'container-changed', container: factOf(container) });
  }

  function call(op: string, runtimeCall: RuntimeCall): void {
    const from = deliver;
    const answer: Answer = (result) => {
      if (deliver !== from || from === null) return;
      if ('done' in result) from({ type: 'runtime-done', op, ...result.done });
      else from({ type: 'runtime-failed', op, failure: result.failure });
    };
    const delay = 1 + draw('delay', op, faults.callMsMax), boot = boots;
    schedule(delay, () => {
      if (up && boot === boots) perform(runtimeCall, answer);
      else answer({ failure: { reason: 'RuntimeUnavailable', message: silence, retry: true } });
    });
  }

  function perform(runtimeCall: RuntimeCall, answer: Answer): void {
    switch (runtimeCall.call) {
      case 'pull': return pull(runtimeCall.image, answer);
      case 'image': {
        const { image } = runtimeCall;
        return answer({ done: { value: images.has(image) ? imageId(image) : '' } });
      }
      case 'create-sandbox': return createSandbox(runtimeCall.sandbox, answer);
      case 'create-container': return createContainer(runtimeCall.container, answer);
      case 'start-container': return start(runtimeCall.id, answer);
      case 'stop-container': return stop(runtimeCall.id, runtimeCall.graceMs, answer);
      case 'remove-container': {
        remove(runtimeCall.id);
        return answer({ done: { value: runtimeCall.id } });
      }
      case 'remove-sandbox': return removeSandbox(runtimeCall.id, answer);
      case 'list': return answer({ done: { value: '', list: inspect() } });
      case 'usage': {
        const running = [...containers.values()].filter(({ state }) => state === 'running');
        return answer({ done: { value: '', usage: usageOf(running, wallMs()) } });
      }
      default: return unreachable(runtimeCall);
    }
  }

  function pull(image: string, answer: Answer): void {
    schedule(draw('pull', image, faults.pullMsMax), () => {
      const absent = /(^|\/)missing/.test(image);
      if (absent || strikes('pull-fails', image, faults.pullFails)) {
        const message = absent ? `manifest for ${image} not found` : 'connection reset by peer';
        return answer({ failure: { reason: 'ErrImagePull', message, retry: true } });
      }
      images.add(image);
      answer({ done: { value: imageId(image) } });
    });
  }

  function createSandbox(spec: SandboxSpec, answer: Answer): void {
    const id = `sandbox-${spec.pod.uid}-${spec.attempt}`;
    if (!sandboxes.has(id)) {
      if (strikes('sandbox-fails', id, faults.sandboxFails)) {
        const message = 'failed to set up the network of the sandbox';
        return answer({ failure: { reason: 'CreatePodSandboxError', message, retry: true } });
      }
      addresses = (addresses % addressesMax) + 1;
      const ip = `${options.addressPrefix}.${spec.hostNetwork ? 1 : addresses + 1}`;
      const { pod, attempt } = spec;
      sandboxes.set(id, { id, pod, attempt, ip, running: true, createdAtMs: wallMs() });
    }
    const sandbox = sandboxes.get(id) as SimSandbox;
    answer({ done: { value: id, sandbox: { ...sandbox } } });
  }

  function createContainer(spec: ContainerSpec, answer: Answer): void {
    const id = `container-${spec.pod.uid}-${spec.name}-${spec.attempt}`;
    const failed = strikes('create-fails', id, faults.createFails);
    const message = !images.has(spec.image) ? `no such image: ${spec.image}`
      : sandboxes.get(spec.sandbox)?.running !== true ? `sandbox ${spec.sandbox} is not running`
        : failed ? 'no space left on device' : '';
    if (message !== '' && !containers.has(id)) {
      return answer({ failure: { reason: 'CreateContainerError', message, retry: true } });
    }
    if (!containers.has(id)) {
      containers.set(id, {
        id, sandbox: spec.sandbox, pod: spec.pod, name: spec.name, attempt: spec.attempt, image: spec.image,
        imageId: imageId(spec.image), state: 'created', exitCode: 0, oomKilled: false, startedAtMs: 0,
        finishedAtMs: 0, message: '',
        behaviour: behaviourOf(spec), output: [], stopping: [], killAtMs: Infinity,
      });
    }
    answer({ done: { value: id } });
  }

  function start(id: string, answer: Answer): void {
    const container = containers.get(id);
    if (container === undefined) {
      return answer({ failure: { reason: 'NotFound', message: `no such container: ${id}`, retry: false } });
    }
    if (container.state === 'created') {
      const { behaviour } = container;
      const drawn = strikes('start-fails', id, faults.startFails) ? 'cannot allocate memory' : '';
      const message = behaviour.startError !== '' ? behaviour.startError : drawn;
      if (message !== '') {
        Object.assign(container, { state: 'exited', exitCode: 128, message, finishedAtMs: wallMs() });
        return answer({ failure: { reason: 'RunContainerError', message, retry: true } });
      }
      Object.assign(container, { state: 'running', startedAtMs: wallMs() });
      options.observe?.('started', factOf(container));
      for (const line of behaviour.prints) print(container, line);
      if (behaviour.printsLater.length > 0) {
        schedule(behaviour.printsAfterMs, () => {
          if (container.state === 'running') for (const line of behaviour.printsLater) print(container, line);
        });
      }
      plan(container);
      tell({ type: 'container-changed', container: factOf(container) });
    }
    answer({ done: { value: id, container: factOf(container) } });
  }

  /** When and how a container that runs now will end by itself. */
  function plan(container: SimContainer): void {
    const { behaviour, id } = container;
    if (behaviour.exitAfterMs !== null) {
      schedule(behaviour.exitAfterMs, () => finish(container, behaviour.exitCode, behaviour.oom));
    }
    if (strikes('crashes', id, faults.crashes)) {
      const oom = draw('oom', id, 2) === 1;
      schedule(draw('crash', id, faults.crashMsMax), () => finish(container, oom ? 137 : 1, oom));
    }
  }

  function print(container: SimContainer, line: string): void {
    container.output.push({ wallMs: wallMs(), line });
    shown(container.id);
  }

  function stop(id: string, graceMs: number, answer: Answer): void {
    const container = containers.get(id);
    const done = (): void => answer({ done: { value: id } });
    if (container === undefined || container.state !== 'running') return done();
    container.stopping.push(done);
    const killAtMs = wallMs() + graceMs;
    const { behaviour } = container;
    if (!behaviour.ignoresTerm) schedule(termMs, () => finish(container, behaviour.termCode, false));
    if (killAtMs >= container.killAtMs) return;
    container.killAtMs = killAtMs;
    schedule(graceMs, () => finish(container, 137, false));
  }

  function remove(id: string): void {
    const container = containers.get(id);
    if (container === undefined) return;
    finish(container, 137, false);
    containers.delete(id);
    shown(id);
    tell({ type: 'container-gone', id });
  }

  function removeSandbox(id: string, answer: Answer): void {
    for (const container of [...containers.values()]) if (container.sandbox === id) remove(container.id);
    if (sandboxes.delete(id)) tell({ type: 'sandbox-gone', id });
    answer({ done: { value: id } });
  }

  function inspect(): SimInspection {
    const byId = (a: { id: string }, b: { id: string }): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
    return {
      sandboxes: [...sandboxes.values()].map((sandbox) => ({ ...sandbox })).sort(byId),
      containers: [...containers.values()].map(factOf).sort(byId),
    };
  }

  function setUp(next: boolean): void {
    if (next === up) return;
    up = true;
    tell({ type: 'runtime-health', up: next, message: next ? '' : silence });
    up = next;
  }

  function exit(id: string, code: number, oomKilled = false): boolean {
    const container = containers.get(id);
    if (container?.state !== 'running') return false;
    finish(container, code, oomKilled);
    return true;
  }

  function lose(id: string): boolean {
    const container = containers.get(id);
    if (container === undefined) return false;
    containers.delete(id);
    if (container.state === 'running') options.observe?.('ended', factOf(container));
    options.observe?.('lost', factOf(container));
    // Whatever it still had before it comes to nothing.
    container.state = 'exited';
    return true;
  }

  function attach(next: (event: ContainersEvent) => void): Session {
    deliver = next;
    const mine = createSimLogs({
      container: (id) => containers.get(id) ?? null,
      deliver: (event) => schedule(1, () => { if (deliver === next) next(event); }),
    });
    logs = mine;
    const ownFlows = createSimFlows({
      container: (id) => containers.get(id) ?? null,
      inside: (sandbox) => [...containers.values()]
        .filter((each) => each.sandbox === sandbox && each.state === 'running'),
      deliver: (event) => schedule(1, () => { if (deliver === next) next(event); }),
    });
    flows = ownFlows;
    tell({ type: 'runtime-health', up, message: up ? '' : silence });
    return {
      call, logs: mine, flows: ownFlows,
      detach() {
        if (deliver === next) deliver = logs = flows = null;
      },
    };
  }

  return {
    inspect,
    output: (id) => (containers.get(id)?.output ?? []).map(({ line }) => line),
    setFaults(next) { faults = { ...noFaults, ...next }; },
    setUp,
    exit,
    lose,
    loseSandbox: (id) => sandboxes.delete(id),
    killSandbox(id) {
      const sandbox = sandboxes.get(id);
      if (sandbox === undefined || !sandbox.running) return false;
      sandbox.running = false;
      tell({ type: 'sandbox-changed', sandbox: { ...sandbox } });
      return true;
    },
    powerOff() {
      boots += 1;
      for (const sandbox of sandboxes.values()) sandbox.running = false;
      for (const container of containers.values()) finish(container, 137, false);
    },
    attach,
  };
}

/**
 * Each fate by itself: a hash of the seed, what it is about, and how often that was asked before. So what
 * happens to one thing never depends on how much happens to others.
 */
function createFates(seed: number) {
  const asked = new Map<number, number>();
  /** A number in [0, bound). */
  function draw(what: string, thing: string, bound: number): number {
    if (bound <= 0) return 0;
    const subject = hash32(hashText(what), hashText(thing));
    const n = (asked.get(subject) ?? 0) + 1;
    asked.set(subject, n);
    return hash32(seed, subject, n) % bound;
  }
  const strikes = (what: string, thing: string, chance: number): boolean => draw(what, thing, 1_000) < chance;
  return { draw, strikes };
}

const silence = 'the runtime does not answer';
/** How long a program takes to end on SIGTERM. */
const termMs = 5;

const imageId = (image: string): string => `sha256:${hashText(image).toString(16).padStart(8, '0')}`;
/** Addresses given out before they come round again: more than a machine has pods. */
const addressesMax = limits.podsPerNodeMax * 2;
