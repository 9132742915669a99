// A calm simulated cluster for scenarios: no faults but those that the scenario brings, users that do what it
// says. What always holds: an oracle that speaks fails the scenario.

import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import type { KubeObject, Pod } from '../../cluster/api/types.ts';
import { list } from '../../cluster/state/query.ts';
import { createRandom, hash32 } from '../../cluster/random.ts';
import type { Fault, FaultPlan } from '../../sim/faults.ts';
import { injectNow } from '../../sim/inject.ts';
import type { Machine } from '../../sim/machine.ts';
import { trueClock } from '../../sim/ports/clock.ts';
import { viewOf } from '../../sim/run.ts';
import { unsettled } from '../../sim/check/convergence.ts';
import { createWorld } from '../../sim/world.ts';
import type { World, WorldOptions } from '../../sim/world.ts';

/** A fault that begins now. */
type StrikeNow = Fault extends infer Each ? Each extends Fault ? Omit<Each, 'atMs'> : never : never;

export interface Answer {
  readonly status: number;
  readonly object: KubeObject;
  readonly warning: string;
}

export interface Scene {
  readonly world: World;
  nowMs(): number;
  /**
   * Runs until the condition holds, looking every few milliseconds; fails after `ms`. Says how long it took.
   */
  until(what: string, condition: () => boolean, ms: number): number;
  pass(ms: number): void;
  /** Runs until all is as desired. */
  settle(ms?: number): void;
  /** Starts all machines and waits until they are one cluster. */
  form(): void;
  leader(): Machine | null;
  /** Sends a request to a peer and waits for its answer; null: the connection broke. */
  call(peer: number, method: string, path: string, body?: unknown, query?: string): Answer | null;
  strike(fault: StrikeNow): void;
  pods(): readonly Pod[];
}

export function calmPlan(seed: number, peers: number, change: Partial<FaultPlan> = {}): FaultPlan {
  const random = createRandom(hash32(seed, 0x63616c));
  return {
    version: 1, seed, peers, minutes: 1, healMs: 0, boundMs: 120_000, classes: [],
    links: {
      delay: 'uniform', delayMsMin: 0.2, delayMsMax: random.between(1, 10), lossPpm: 0, duplicatePpm: 0,
      reorderPpm: 0, reorderMsMax: 0,
    },
    disks: { syncMsMin: 0.1, syncMsMax: random.between(1, 5) },
    clocks: Array.from({ length: peers }, () => trueClock), logBounds: {}, faults: [], ...change,
  };
}

const stepMs = 5;

export function createScene(plan: FaultPlan, options: WorldOptions = {}): Scene {
  const world = createWorld(plan, options);
  const { heap, checker } = world;

  function pass(ms: number): void {
    world.run(heap.nowMs() + ms);
    const violation = world.violation();
    if (violation !== null) throw new Error(`${violation.oracle}: ${violation.message}`);
  }
  function until(what: string, condition: () => boolean, ms: number): number {
    const fromMs = heap.nowMs();
    while (!condition()) {
      if (heap.nowMs() - fromMs > ms) {
        throw new Error(`${what}: not within ${ms} ms; ${unsettled(viewOf(world))?.what}`);
      }
      pass(stepMs);
    }
    return heap.nowMs() - fromMs;
  }
  const settle = (ms = 60_000): void => {
    until('all as desired', () => unsettled(viewOf(world)) === null, ms);
  };
  return {
    world, until, pass, settle, nowMs: heap.nowMs,
    form() {
      for (const { number } of world.machines) world.start(number);
      settle();
    },
    leader: () => world.machines.find(({ life }) => {
      const log = life?.peer.log();
      return log?.role === 'leader' && log.ready;
    }) ?? null,
    call(peer, method, path, body, query = '') {
      let answer: Answer | 'broken' | null = null;
      const bytes = body === undefined ? null : new TextEncoder().encode(JSON.stringify(body));
      const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      world.request(peer, { method, path, query, headers: { 'content-type': type }, body: bytes }, {
        answer({ status, body: text, headers }) {
          answer = { status, object: JSON.parse(text) as KubeObject, warning: headers['warning'] ?? '' };
        },
        broken: () => { answer = 'broken'; },
      });
      until(`${method} ${path}`, () => answer !== null, 60_000);
      return answer === 'broken' ? null : answer;
    },
    strike: (fault) => injectNow(world, { ...fault, atMs: heap.nowMs() } as Fault),
    pods: () => list<Pod>(checker.history.state, resources.pods),
  };
}

export function deployment(name: string, replicas: number, cpuMilli = 100): unknown {
  return {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name },
    spec: {
      replicas, selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          containers: [{
            name: 'app', image: 'shoal/app:1', resources: { requests: { cpu: `${cpuMilli}m` } },
          }],
        },
      },
    },
  };
}

export const deploymentsPath = '/apis/apps/v1/namespaces/default/deployments';
export const configMapsPath = '/api/v1/namespaces/default/configmaps';

export const configMap = (name: string, data: Readonly<Record<string, string>> = {}): unknown =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data });

export function isReady({ status, metadata }: Pod): boolean {
  return metadata.deletionTimestamp === undefined
    && status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
}

export function accepted(answer: Answer | null, status: number): void {
  assert.is(answer?.status, status, JSON.stringify(answer?.object));
}
