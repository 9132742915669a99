// A little world for the kubelet: one peer with a real state and real commands, the simulated runtime on a
// machine that outlives it, and a clock that jumps from event to event. All that happens is told in lines.

import { index, nodeName, objectKey, peerId, term } from '../../cluster/ids.ts';
import { createOp, newborn, resources } from '../../cluster/api/objects.ts';
import type { KubeEvent, Pod } from '../../cluster/api/types.ts';
import type { ContainersEvent, ContainersPort, RuntimeCall } from '../../cluster/ports.ts';
import { limits } from '../../cluster/limits.ts';
import { createRandom } from '../../cluster/random.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { get } from '../../cluster/state/query.ts';
import { createState } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { encodeCommand } from '../../cluster/wire.ts';
import { createKubelet } from '../../actors/kubelet/kubelet.ts';
import type { Kubelet } from '../../actors/kubelet/kubelet.ts';
import { createRecorder } from '../../actors/recorder.ts';
import type { NodeCapacity, PeerServices, RuntimeResult, SubmitOutcome } from '../../actors/services.ts';
import { createSimContainers, createSimHost } from '../../sim/ports/containers.ts';
import type { ContainerFaults, SimHost } from '../../sim/ports/containers.ts';

export const startWallMs = Date.parse('2026-11-24T08:00:00Z');

export interface KubeletWorld {
  readonly state: State;
  readonly host: SimHost;
  /** What has happened since the last call, one line each. */
  story(): readonly string[];
  nowMs(): number;
  kubelet(): Kubelet;
  /** A peer process begins; `start` of the kubelet follows at once, as on a state that is caught up. */
  startPeer(): void;
  /** It is killed: nothing of it acts any more. */
  killPeer(): void;
  /** Writes come to nothing until it is mended. */
  cutOff(isCutOff: boolean): void;
  write(ops: readonly Op[]): SubmitOutcome;
  run(ms: number): void;
  pod(name: string): Pod | null;
}

export interface WorldOptions {
  readonly seed?: number;
  readonly faults?: Partial<ContainerFaults>;
  readonly capacity?: NodeCapacity;
}

interface Timer { readonly atMs: number; readonly sequence: number; readonly work: () => void }

/** One heap for the world; a peer's timers die with it, the machine's go on. */
function createClock() {
  const timers: Timer[] = [];
  let nowMs = 0, sequence = 0;
  return {
    now: () => nowMs,
    at(ms: number, work: () => void): Timer {
      const timer = { atMs: nowMs + Math.max(0, Math.ceil(ms)), sequence: (sequence += 1), work };
      timers.push(timer);
      return timer;
    },
    cancel(timer: Timer): void {
      const at = timers.indexOf(timer);
      if (at >= 0) timers.splice(at, 1);
    },
    run(ms: number): void {
      const endMs = nowMs + ms;
      for (;;) {
        let next: Timer | null = null;
        for (const timer of timers) {
          const earlier = next === null || timer.atMs < next.atMs
            || (timer.atMs === next.atMs && timer.sequence < next.sequence);
          if (earlier) next = timer;
        }
        if (next === null || next.atMs > endMs) break;
        this.cancel(next);
        nowMs = next.atMs;
        next.work();
      }
      nowMs = endMs;
    },
  };
}

/** One life of a peer. Whatever could still call into it looks first whether it is the one that lives. */
interface Life { readonly kubelet: Kubelet; readonly port: ContainersPort & { detach(): void } }

export function createKubeletWorld(options: WorldOptions = {}): KubeletWorld {
  const clock = createClock(), state = createState(), random = createRandom(options.seed ?? 1);
  const told: string[] = [];
  let life: Life | null = null, isCutOff = false, lastIndex = 0, commands = 0, uids = 0, ops = 0;
  const host = createSimHost({
    schedule: (ms, work) => void clock.at(ms, work), wallMs: () => startWallMs + clock.now(),
    random, addressPrefix: '10.1.1', ...(options.faults === undefined ? {} : { faults: options.faults }),
  });
  const tell = (line: string): void => { told.push(`+${(clock.now() / 1000).toFixed(3)} ${line}`); };

  function apply(writes: readonly Op[]): SubmitOutcome {
    const id = { origin: peerId('world'), incarnation: 1, sequence: (commands += 1) };
    const data = encodeCommand({ id, ops: writes });
    const applied = applyEntry(state, { index: index(lastIndex += 1), term: term(1), kind: 'command', data });
    for (const change of applied.changes) tellChange(change, tell);
    life?.kubelet.changes(applied.changes);
    return applied.outcome;
  }

  function begin(): Life {
    const waiting = new Map<string, (result: RuntimeResult) => void>();
    const born: { life: Life | null } = { life: null };
    const isAlive = (): boolean => life !== null && life === born.life;
    const port = createSimContainers({
      host,
      deliver(event: ContainersEvent) {
        if (!isAlive() || born.life === null) return;
        if (event.type === 'runtime-done' || event.type === 'runtime-failed') {
          const done = waiting.get(event.op);
          waiting.delete(event.op);
          if (event.type === 'runtime-failed') return done?.({ ok: false, failure: event.failure });
          const { type: _type, op: _op, ...result } = event;
          return done?.({ ok: true, ...result });
        }
        born.life.kubelet.fact(event);
      },
    });
    const services: PeerServices = {
      self: {
        id: peerId('id-1'), name: nodeName('n1'), hostIP: '10.0.0.1', version: 'v1.36.0',
        labels: { 'shoal.dev/api-port': '6443', zone: 'a' },
        nodeInfo: { containerRuntimeVersion: 'simulated://1' },
        capacity: options.capacity ?? { cpuMilli: 4000, memoryBytes: 8 * 2 ** 30, pods: 110 },
      },
      state: () => state,
      nowMs: clock.now, wallMs: () => startWallMs + clock.now(),
      random, newUid: () => `event-${(uids += 1)}`,
      clock: {
        setTimeout: (fn, ms) => clock.at(ms, () => { if (isAlive()) fn(); }),
        clearTimeout: (timer) => clock.cancel(timer as Timer),
      },
      submit(writes, _fence, done) {
        const answer = (outcome: SubmitOutcome): void => { if (isAlive()) done(outcome); };
        if (!isCutOff) clock.at(1, () => { if (isAlive()) answer(apply(writes)); });
        else clock.at(limits.noLeaderPatienceMs, () => answer({
          ok: false, refusal: { reason: 'Unavailable', message: 'no leader' },
        }));
      },
      runtime(call, done) {
        const op = `op-${(ops += 1)}`;
        waiting.set(op, done);
        tellCall(call, tell);
        port.call(op, call);
      },
      traffic() {},
      liveness: () => ({ status: 'alive', beat: null }),
      trace() {},
    };
    const kubelet = createKubelet(services, createRecorder(services, 'kubelet', 'n1'));
    born.life = { kubelet, port };
    return born.life;
  }

  const world: KubeletWorld = {
    state, host, nowMs: clock.now,
    story: () => told.splice(0),
    kubelet() {
      if (life === null) throw new Error('no peer lives');
      return life.kubelet;
    },
    startPeer() {
      life = begin();
      life.kubelet.start();
    },
    killPeer() {
      life?.port.detach();
      life = null;
    },
    cutOff(next) { isCutOff = next; },
    write: apply,
    run: (ms) => clock.run(ms),
    pod: (name) => get<Pod>(state, objectKey(resources.pods, 'default', name)),
  };
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } };
  apply([createOp(resources.namespaces, newborn(namespace, { uid: 'ns', nowWallMs: startWallMs }))]);
  told.length = 0;
  return world;
}

function tellCall(call: RuntimeCall, tell: (line: string) => void): void {
  switch (call.call) {
    case 'list': case 'image': case 'usage': return;
    case 'pull': return tell(`call pull ${call.image}`);
    case 'create-sandbox': {
      const { pod, attempt } = call.sandbox;
      return tell(`call create-sandbox ${pod.uid} attempt ${attempt}`);
    }
    case 'create-container': {
      const { pod, name, attempt } = call.container;
      return tell(`call create-container ${pod.uid} ${name} attempt ${attempt}`);
    }
    case 'stop-container': return tell(`call stop-container ${call.id} grace ${call.graceMs / 1000}s`);
    default: return tell(`call ${call.call} ${call.id}`);
  }
}

function tellChange(change: Change, tell: (line: string) => void): void {
  const { kind } = change.object;
  if (kind === 'Event') {
    const { type, reason, message, involvedObject, count } = change.object as KubeEvent;
    const field = involvedObject.fieldPath === undefined ? '' : ` ${involvedObject.fieldPath}`;
    const times = (count ?? 1) > 1 ? ` (x${count})` : '';
    return tell(`event ${involvedObject.name}${field} ${type} ${reason}: ${message}${times}`);
  }
  if (kind === 'Pod') {
    const pod = change.object as Pod;
    if (change.type === 'DELETED') return tell(`gone ${pod.metadata.name}`);
    return tell(`status ${podLine(pod)}`);
  }
  tell(`${change.type.toLowerCase()} ${kind} ${change.object.metadata.name}`);
}

/** `web Running ready 1/1 main=running(2)`. */
export function podLine({ metadata, status = {} }: Pod): string {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = status;
  const all = [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses];
  const parts = all.map(({ name, state = {}, restartCount }) => {
    const word = state.running !== undefined ? 'running' : state.waiting !== undefined ? state.waiting.reason
      : `${state.terminated?.reason}:${state.terminated?.exitCode}`;
    return `${name}=${word}${restartCount > 0 ? `(${restartCount})` : ''}`;
  });
  const ready = status.conditions?.find(({ type }) => type === 'Ready')?.status === 'True' ? ' Ready' : '';
  const reason = status.reason === undefined ? '' : ` ${status.reason}`;
  const leaving = metadata.deletionTimestamp === undefined ? '' : ' leaving';
  return `${metadata.name} ${status.phase ?? ''}${reason}${ready}${leaving} ${parts.join(' ')}`.trimEnd();
}
