// What one transition of a pod works on, and what it can bring about: a call to the runtime, an event.
// What always holds: at most one call per key is under way.

import type { RuntimeCall } from '../../cluster/ports.ts';
import { initContainersOf, isEphemeral } from './context.ts';
import type { Effect, Op, PodContext, World } from './context.ts';

/** What a transition works on: a copy of the context, and the effects so far. */
export interface Work {
  readonly context: PodContext;
  readonly world: World;
  readonly effects: Effect[];
}

/** Makes a call, unless one with this key is under way, or calls are held back after a failure. */
export function callRuntime(work: Work, key: string, call: RuntimeCall): boolean {
  const { context, world: { time }, effects } = work;
  if (context.ops[key] !== undefined || context.heldUntilMs > time.nowMs) return false;
  const killAtMs = call.call === 'stop-container' ? time.nowMs + call.graceMs : null;
  const op: Op = { sinceMs: time.nowMs, killAtMs };
  context.ops = { ...context.ops, [key]: op };
  effects.push({ type: 'call', key, call });
  return true;
}

/** False where no such call was under way. */
export function endOp(context: PodContext, key: string): boolean {
  if (context.ops[key] === undefined) return false;
  const { [key]: _ended, ...rest } = context.ops;
  context.ops = rest;
  return true;
}

/** `launch:web` → `launch`, `web`. */
export function splitOp(key: string): readonly [string, string] {
  const colon = key.indexOf(':');
  return colon < 0 ? [key, ''] : [key.slice(0, colon), key.slice(colon + 1)];
}

export function say(
  work: Work, level: 'Normal' | 'Warning', reason: string, message: string, container: string | null = null,
): void {
  const { pod } = work.context, isInit = initContainersOf(pod).some(({ name }) => name === container);
  const isAdded = isEphemeral(pod, container ?? '');
  const list = isInit ? 'initContainers' : isAdded ? 'ephemeralContainers' : 'containers';
  const field = container === null ? null : `spec.${list}{${container}}`;
  work.effects.push({ type: 'event', level, reason, message, field });
}
