// Writes one pod's status into the state; and when nothing of a deleted pod is left, its object goes.
//
// What always holds: one write is under way at most and nothing is queued: a write is made from what is known
// when it is made, so while the quorum is out of reach the newest status waits and no other. A status that is
// final (Succeeded, Failed) is never changed again.

import { keyOf, resources, updateOp } from '../../cluster/api/objects.ts';
import type { Pod } from '../../cluster/api/types.ts';
import { uid as asUid } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get } from '../../cluster/state/query.ts';
import type { Op } from '../../cluster/state/types.ts';
import { isEnded } from '../controllers/pod-state.ts';
import { sameContent } from '../../cluster/canonical.ts';
import type { PodContext } from '../pod/context.ts';
import { podStatus } from '../pod/status.ts';
import type { PeerServices, SubmitOutcome } from '../services.ts';

export interface Reporter {
  /** Something changed: write soon, if there is anything to write. */
  touch(): void;
  stop(): void;
}

export interface ReporterHooks {
  /** The newest of what is known. */
  readonly context: () => PodContext;
  /** The object is gone from the state and nothing of the pod is left here. */
  readonly over: () => void;
}

export function createReporter(services: PeerServices, pod: Pod, hooks: ReporterHooks): Reporter {
  const key = keyOf(resources.pods, pod);
  let timer: unknown = null, writing = false, stopped = false, failures = 0;

  function flushIn(ms: number): void {
    if (timer !== null || stopped || writing) return;
    timer = services.clock.setTimeout(flush, ms);
  }

  function flush(): void {
    timer = null;
    if (stopped || writing) return;
    const context = hooks.context();
    if (context.removed) {
      if (context.phase === 'ended') hooks.over();
      return;
    }
    const stored = get<Pod>(services.state(), key);
    // Gone or replaced: its deletion is on its way to us.
    if (stored === null || stored.metadata.uid !== pod.metadata.uid) return;
    const op = statusOp(services, context, stored) ?? (context.phase === 'ended' ? farewell(stored) : null);
    if (op === null) return;
    writing = true;
    services.submit([op], null, written);
  }

  function written(outcome: SubmitOutcome): void {
    writing = false;
    if (outcome.ok || outcome.refusal.reason === 'NotFound') failures = 0;
    else failures += 1;
    if (!outcome.ok) {
      services.trace('kubelet', 'status-refused', { pod: key, reason: outcome.refusal.reason });
    }
    // The first conflict is settled at once: the state is newer now. More of them wait, like anything else.
    const atOnce = failures === 0 || (failures === 1 && !outcome.ok && outcome.refusal.reason === 'Conflict');
    const delayMs = Math.min(limits.statusRetryMsMax, limits.statusRetryMsMin * 2 ** Math.min(failures, 10));
    flushIn(atOnce ? 0 : delayMs);
  }

  return {
    touch: () => flushIn(limits.statusSettleMs),
    stop() {
      stopped = true;
      if (timer !== null) services.clock.clearTimeout(timer);
    },
  };
}

/** Null: the state has it already, or it is final. */
function statusOp(services: PeerServices, context: PodContext, stored: Pod): Op | null {
  if (isEnded(stored)) return null;
  const status = podStatus(context, stored, {
    time: { nowMs: services.nowMs(), wallMs: services.wallMs() },
    hostIP: services.self.hostIP, scheme: runtimeScheme(services),
  });
  return sameContent(status, stored.status) ? null : updateOp(resources.pods, stored, { ...stored, status });
}

/** `docker` of `docker://28.2.2`. */
function runtimeScheme({ self }: PeerServices): string {
  return /^([a-z]+):\/\//.exec(self.nodeInfo['containerRuntimeVersion'] ?? '')?.[1] ?? 'shoal';
}

/** Nothing runs any more: the object may go, once nobody's finalizer holds it. */
function farewell(stored: Pod): Op | null {
  const { metadata } = stored;
  if (metadata.deletionTimestamp === undefined) return null;
  if ((metadata.finalizers ?? []).length === 0) {
    return { op: 'delete', key: keyOf(resources.pods, stored), expect: { uid: asUid(metadata.uid) } };
  }
  // As in Kubernetes, a grace of 0 says that the node is done with it.
  if (metadata.deletionGracePeriodSeconds === 0) return null;
  const done = { ...metadata, deletionGracePeriodSeconds: 0 };
  return updateOp(resources.pods, stored, { ...stored, metadata: done });
}
