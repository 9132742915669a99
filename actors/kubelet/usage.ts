// Measures what this machine and its pods use, when somebody asks and never otherwise: a peer that nobody
// asks reads no counter. Rates need two readings. Where the last one is too old to be the first of them, two
// are taken a moment apart, so that whoever asks first has not to come again.
//
// What always holds: at most one reading is under way, and what is younger than the window is told again, so
// that many who ask cost no more than one; who asked is told once.
// Source: metrics-server, pkg/storage (what it tells of a pod: all of its containers, or nothing).

import { limits } from '../../cluster/limits.ts';
import type { NodeUsage, PodUsage, RuntimeUsage, Usage, UsageCounters } from '../../cluster/usage.ts';
import type { PodContext } from '../pod/context.ts';
import type { PeerServices, RuntimeResult } from '../services.ts';

/** Null: the runtime did not tell. */
export type UsageDone = (usage: NodeUsage | null) => void;

export interface UsageMeter {
  measure(done: UsageDone): void;
  stop(): void;
}

export interface Reading { readonly nowMs: number; readonly wallMs: number; readonly usage: RuntimeUsage }

/** `pods`: those that run here, in any order. */
export function createUsageMeter(services: PeerServices, pods: () => readonly PodContext[]): UsageMeter {
  let last: Reading | null = null, known: { readonly usage: NodeUsage; readonly atMs: number } | null = null;
  let waiting: UsageDone[] = [], reading = false, stopped = false, timer: unknown = null;

  function read(): void {
    timer = null;
    services.runtime({ call: 'usage' }, taken);
  }

  function taken(result: RuntimeResult): void {
    if (stopped) return;
    if (!result.ok || result.usage === undefined) return tell(null);
    const before = last, nowMs = services.nowMs();
    last = { nowMs, wallMs: services.wallMs(), usage: result.usage };
    if (before === null || nowMs - before.nowMs > limits.usageWindowMsMax) {
      timer = services.clock.setTimeout(read, limits.usageFirstWindowMs);
      return;
    }
    const usage = usageBetween(before, last, pods());
    known = { usage, atMs: nowMs };
    tell(usage);
  }

  function tell(usage: NodeUsage | null): void {
    reading = false;
    const told = waiting;
    waiting = [];
    for (const done of told) done(usage);
  }

  return {
    measure(done) {
      if (stopped || waiting.length >= limits.usageWaitersMax) return done(null);
      const fresh = known !== null && services.nowMs() - known.atMs < limits.usageWindowMs;
      if (!reading && fresh && known !== null) return done(known.usage);
      waiting.push(done);
      if (reading) return;
      reading = true;
      read();
    },
    stop() {
      stopped = true;
      if (timer !== null) services.clock.clearTimeout(timer);
    },
  };
}

/** What was used from one reading to the next. */
export function usageBetween(before: Reading, last: Reading, pods: readonly PodContext[]): NodeUsage {
  const windowMs = Math.max(1, last.nowMs - before.nowMs);
  const counted = new Map(last.usage.containers.map((each) => [each.id, each] as const));
  const earlier = new Map(before.usage.containers.map((each) => [each.id, each] as const));
  /** Of one that has started since, the time that it has run is its window. Null: too short to tell. */
  function rateOf(id: string, startedAtMs: number): Usage | null {
    const now = counted.get(id), then = earlier.get(id), ranMs = last.wallMs - startedAtMs;
    if (now === undefined) return null;
    if (then !== undefined) return rate(then, now, windowMs);
    if (startedAtMs < before.wallMs || ranMs < limits.usageFreshMsMin) return null;
    return rate({ cpuUs: 0, memoryBytes: 0 }, now, ranMs);
  }
  const usages = pods.flatMap((context): readonly PodUsage[] => {
    const { name, namespace = '', uid } = context.pod.metadata;
    const running = context.containers.filter(({ fact }) => fact.state === 'running');
    const containers = running.slice(0, limits.usageContainersMax).flatMap(({ fact }) => {
      const usage = rateOf(fact.id, fact.startedAtMs);
      return usage === null ? [] : [{ name: fact.name, ...usage }];
    });
    return containers.length < running.length || running.length === 0 ? []
      : [{ namespace, name, uid, containers }];
  });
  const place = ({ namespace, name }: PodUsage): string => `${namespace}/${name}`;
  return {
    takenAtMs: Math.floor(last.wallMs), windowMs,
    node: rate(before.usage.machine, last.usage.machine, windowMs),
    pods: usages.sort((a, b) => (place(a) < place(b) ? -1 : 1)).slice(0, limits.usagePodsMax),
  };
}

function rate(before: UsageCounters, last: UsageCounters, ms: number): Usage {
  // Microseconds in so many milliseconds; a counter that began anew tells nothing.
  const cpuNano = Math.floor((Math.max(0, last.cpuUs - before.cpuUs) / ms) * 1_000_000);
  return { cpuNano, memoryBytes: Math.max(0, Math.floor(last.memoryBytes)) };
}
