// One pod on this node: the machine, the hands with which it acts, and the reporter of its status.
// What always holds: what the machine decided is carried out once; answers come back to it as events.

import type { Pod } from '../../cluster/api/types.ts';
import { unreachable } from '../../cluster/assert.ts';
import { createPodMachine } from '../pod/machine.ts';
import type { Effect, Lookup, PodContext, PodEvent, PodInput, World } from '../pod/context.ts';
import type { Recorder } from '../recorder.ts';
import { startRoot } from '../root.ts';
import type { PeerServices, RuntimeResult } from '../services.ts';
import type { Puller } from './puller.ts';
import { createReporter } from './reporter.ts';

export interface PodActor {
  pod(): Pod;
  context(): PodContext;
  /** Nothing of it is left in the runtime. */
  hasEnded(): boolean;
  /** It counts against the node's resources. */
  holdsResources(): boolean;
  send(event: PodEvent): void;
  changed(pod: Pod): void;
  /** Its object was deleted from the state. */
  removed(): void;
  /** A ConfigMap or a Secret of its namespace changed. */
  referencesChanged(): void;
  gone(type: 'container-gone' | 'sandbox-gone', id: string): void;
  stop(): void;
}

export interface PodActorParts {
  readonly recorder: Recorder;
  readonly puller: Puller;
  readonly lookup: Lookup;
  /** The object is gone and so is everything here: the actor may be forgotten. */
  readonly over: () => void;
}

export function createPodActor(
  services: PeerServices, parts: PodActorParts, input: Omit<PodInput, 'time'>,
): PodActor {
  const node = { name: services.self.name, hostIP: services.self.hostIP };
  const world = (): World => ({ time: time(), node, lookup: parts.lookup });
  const time = () => ({ nowMs: services.nowMs(), wallMs: services.wallMs() });
  const { namespace, name, uid } = input.pod.metadata;
  const context = (): PodContext => root.snapshot().context;
  const reporter = createReporter(services, input.pod, { context, over: parts.over });

  function perform(effects: readonly Effect[]): void {
    for (const effect of effects) carryOut(effect);
    reporter.touch();
  }

  function carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'event': {
        const { level, reason, message, field } = effect;
        return parts.recorder.event(context().pod, level, reason, message, null, field ?? undefined);
      }
      case 'call': {
        const { key, call } = effect;
        if (call.call === 'pull') {
          return parts.puller.pull(call.image, (result, beganMs) => answer(key, result, beganMs));
        }
        const beganMs = services.nowMs();
        return services.runtime(call, (result) => answer(key, result, beganMs));
      }
      default: return unreachable(effect);
    }
  }

  const machine = createPodMachine({ world, perform });
  const root = startRoot(machine, {
    id: `pod/${namespace}/${name}/${uid}`, clock: services.clock, input: { ...input, time: time() },
  });
  const send = (event: PodEvent): void => root.send(event);
  const answer = (key: string, result: RuntimeResult, beganMs: number): void =>
    send({ type: 'result', key, result, beganMs });
  send({ type: 'wake' });

  return {
    context, send,
    pod: () => context().pod,
    hasEnded: () => context().phase === 'ended',
    holdsResources() {
      const { phase, verdict } = context();
      return verdict === null && phase !== 'completed' && phase !== 'ended';
    },
    changed(pod) {
      send({ type: 'pod', pod });
      reporter.touch();
    },
    removed() {
      if (context().phase === 'ended') parts.over();
      else send({ type: 'removed' });
    },
    referencesChanged() {
      const isWaiting = Object.values(context().notes)
        .some(({ trouble }) => trouble?.reason === 'CreateContainerConfigError');
      if (isWaiting) send({ type: 'references' });
    },
    gone(type, id) {
      const { containers, sandboxes } = context();
      const known = type === 'container-gone' ? containers : sandboxes;
      if (known.some(({ fact }) => fact.id === id)) send({ type, id });
    },
    stop() {
      reporter.stop();
      root.stop();
    },
  };
}
