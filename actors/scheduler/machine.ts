// The scheduler, on the leader only: takes waiting pods one by one, places each on the view, counts it
// there at once and submits the binding under the leader's term.
//
// What always holds: at most `bindingsInFlightMax` writes are under way; a pod that was assumed on a node is
// counted there until the state shows it bound, or its binding was refused. A binding whose fate is unknown
// is repeated as it was: were the pod placed anew, both could come true in the eyes of other pods.

import { cancel, enqueueActions, raise, setup } from 'xstate';
import { resources } from '../../cluster/api/objects.ts';
import { keyOf } from '../../cluster/api/objects.ts';
import type { Pod } from '../../cluster/api/types.ts';
import type { ObjectKey, Term } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { createRecorder } from '../recorder.ts';
import type { Recorder } from '../recorder.ts';
import { startRoot } from '../root.ts';
import type { PeerServices, SubmitOutcome } from '../services.ts';
import { bindOp, isForScheduler, schedulerName, unschedulableOp } from './bind.ts';
import { concerns, noticeChanges } from './notice.ts';
import { placePod } from './placement.ts';
import { createPodQueue, drop, hasPod, nextDueMs, offer, retry, setAside, takePod } from './queue.ts';
import type { PodQueue } from './queue.ts';
import { candidateOf } from './requests.ts';
import { assumePod, createView, forgetPod } from './view.ts';
import type { ClusterView } from './view.ts';

export interface SchedulerActor {
  changes(changes: readonly Change[]): void;
  stop(): void;
}

type SchedulerEvent =
  | { readonly type: 'changes'; readonly changes: readonly Change[] }
  | { readonly type: 'turn' } | { readonly type: 'due' }
  | { readonly type: 'bound'; readonly bindings: readonly Binding[]; readonly outcome: SubmitOutcome }
  | { readonly type: 'noted'; readonly outcome: SubmitOutcome };

interface Binding {
  readonly key: string;
  readonly uid: string;
  readonly node: string;
  readonly resourceVersion: string;
}

interface SchedulerContext { readonly queue: PodQueue; inFlight: number; fenced: boolean }

export function createScheduler(services: PeerServices, term: Term): SchedulerActor {
  const recorder = createRecorder(services, schedulerName);
  const view = createView(services.state());
  const send = (event: SchedulerEvent): void => actor.send(event);
  const machine = schedulerMachine(services, createCycle(services, term, view, recorder, send), view);
  const actor = startRoot(machine, { id: 'scheduler', clock: services.clock });
  // Everything that waits, as if it had just come.
  actor.send({ type: 'changes', changes: [] });
  return {
    changes(changes) {
      const own = changes.filter(concerns);
      if (own.length > 0) actor.send({ type: 'changes', changes: own });
    },
    stop() {
      actor.stop();
      recorder.stop();
    },
  };
}

/** resting ⇄ turning ⇄ full, and ended for good when the term is over. */
function schedulerMachine(services: PeerServices, cycle: Cycle, view: ClusterView) {
  const now = (): number => services.nowMs();
  return setup({
    types: { context: {} as SchedulerContext, events: {} as SchedulerEvent },
    actions: {
      notice: ({ context, event }) => {
        if (event.type === 'changes') noticeChanges(view, context.queue, event.changes, now());
      },
      turn: ({ context }) => cycle.turn(context),
      settle: ({ context, event }) => {
        if (event.type === 'bound') cycle.bound(context, event.bindings, event.outcome);
        else if (event.type === 'noted') cycle.noted(context, event.outcome);
      },
    },
    guards: {
      fenced: ({ context }) => context.fenced,
      full: ({ context }) => context.inFlight >= limits.bindingsInFlightMax,
      waiting: ({ context }) => hasPod(context.queue, now()),
    },
  }).createMachine({
    id: 'scheduler',
    context: () => ({ queue: pendingPods(services), inFlight: 0, fenced: false }),
    initial: 'deciding',
    states: {
      deciding: {
        always: [
          { guard: 'fenced', target: 'ended' },
          { guard: 'full', target: 'full' },
          { guard: 'waiting', target: 'turning' },
          { target: 'resting' },
        ],
      },
      resting: {
        entry: enqueueActions(({ context, enqueue }) => {
          const dueMs = nextDueMs(context.queue);
          if (dueMs !== null) {
            enqueue.raise({ type: 'due' }, { id: 'due', delay: Math.max(0, dueMs - now()) });
          }
        }),
        exit: cancel('due'),
        on: {
          changes: { actions: 'notice', target: 'deciding' },
          bound: { actions: 'settle', target: 'deciding' },
          noted: { actions: 'settle', target: 'deciding' },
          due: { target: 'deciding' },
        },
      },
      // A turn is an event of its own, so that the pods of one moment are weighed against the same view.
      turning: {
        entry: raise({ type: 'turn' }, { id: 'turn', delay: 0 }),
        exit: cancel('turn'),
        on: {
          changes: { actions: 'notice' },
          bound: { actions: 'settle' },
          noted: { actions: 'settle' },
          turn: { actions: 'turn', target: 'deciding' },
        },
      },
      full: {
        on: {
          changes: { actions: 'notice' },
          bound: { actions: 'settle', target: 'deciding' },
          noted: { actions: 'settle', target: 'deciding' },
        },
      },
      ended: { type: 'final' },
    },
  });
}

function pendingPods(services: PeerServices): PodQueue {
  const queue = createPodQueue();
  for (const pod of list<Pod>(services.state(), resources.pods)) {
    if (isForScheduler(pod)) {
      offer(queue, keyOf(resources.pods, pod), pod.metadata.uid, pod.spec.priority ?? 0);
    }
  }
  return queue;
}

interface Cycle {
  turn(context: SchedulerContext): void;
  bound(context: SchedulerContext, bindings: readonly Binding[], outcome: SubmitOutcome): void;
  noted(context: SchedulerContext, outcome: SubmitOutcome): void;
}

function createCycle(
  services: PeerServices,
  term: Term,
  view: ClusterView,
  recorder: Recorder,
  send: (event: SchedulerEvent) => void,
): Cycle {
  const podAt = (key: string): Pod | null => get<Pod>(services.state(), key as ObjectKey);

  function turn(context: SchedulerContext): void {
    let together: { bindings: Binding[]; ops: Op[] } = { bindings: [], ops: [] };
    const room = Math.min(limits.podsScheduledPerTurn, limits.bindingsInFlightMax - context.inFlight);
    for (let taken = 0; taken < room; taken++) {
      const next = takePod(context.queue, services.nowMs());
      if (next === null) break;
      const pod = podAt(next.key);
      if (pod === null || pod.metadata.uid !== next.item.uid || !isForScheduler(pod)) {
        drop(context.queue, next.key);
        forgetPod(view, next.key as ObjectKey);
        continue;
      }
      const node = place(context, next.key, pod);
      if (node === null) continue;
      const binding: Binding = {
        key: next.key,
        uid: pod.metadata.uid,
        node,
        resourceVersion: pod.metadata.resourceVersion,
      };
      const op = bindOp(pod, node, services.wallMs());
      if (next.item.alone || next.item.undecided !== null) {
        submit(context, [binding], [op]);
        continue;
      }
      together.bindings.push(binding);
      together.ops.push(op);
      if (together.ops.length < limits.bindingsPerCommand) continue;
      submit(context, together.bindings, together.ops);
      together = { bindings: [], ops: [] };
    }
    if (together.ops.length > 0) submit(context, together.bindings, together.ops);
  }

  /** The node for this pod, which is counted there from now on; null if it was set aside. */
  function place(context: SchedulerContext, key: string, pod: Pod): string | null {
    const item = context.queue.items[key];
    const undecided = item?.undecided ?? null;
    if (undecided !== null && undecided.resourceVersion === pod.metadata.resourceVersion) {
      return undecided.node;
    }
    // A newer version of the pod: whatever was under way for the old one can't come true any more.
    if (item !== undefined) item.undecided = null;
    forgetPod(view, key as ObjectKey);
    const placement = placePod(candidateOf(pod), view);
    if (placement.node !== null) {
      assumePod(view, key as ObjectKey, pod, placement.node);
      return placement.node;
    }
    setAside(context.queue, key, placement.filters, services.nowMs());
    recorder.event(pod, 'Warning', 'FailedScheduling', placement.message, term);
    const op = unschedulableOp(pod, placement.message, services.wallMs());
    if (op !== null) {
      context.inFlight += 1;
      services.submit([op], term, (outcome) => send({ type: 'noted', outcome }));
    }
    return null;
  }

  function submit(context: SchedulerContext, bindings: readonly Binding[], ops: readonly Op[]): void {
    context.inFlight += bindings.length;
    services.submit(ops, term, (outcome) => send({ type: 'bound', bindings, outcome }));
  }

  function bound(context: SchedulerContext, bindings: readonly Binding[], outcome: SubmitOutcome): void {
    context.inFlight -= bindings.length;
    for (const binding of bindings) {
      const item = context.queue.items[binding.key];
      if (outcome.ok) succeed(context, binding);
      else if (item === undefined || item.uid !== binding.uid) forgetPod(view, binding.key as ObjectKey);
      else if (outcome.refusal.reason === 'Unavailable') {
        item.undecided = { node: binding.node, resourceVersion: binding.resourceVersion };
        retry(context.queue, binding.key, 'after back-off', services.nowMs());
      } else {
        forgetPod(view, binding.key as ObjectKey);
        const shared = bindings.length > 1;
        item.alone = true;
        item.undecided = null;
        retry(context.queue, binding.key, shared ? 'at once' : 'after back-off', services.nowMs());
      }
    }
    if (!outcome.ok) refused(context, outcome);
  }

  function succeed(context: SchedulerContext, { key, uid, node }: Binding): void {
    if (context.queue.items[key]?.uid === uid) drop(context.queue, key);
    const pod = podAt(key);
    if (pod === null || pod.metadata.uid !== uid) return;
    const message = `Successfully assigned ${pod.metadata.namespace}/${pod.metadata.name} to ${node}`;
    recorder.event(pod, 'Normal', 'Scheduled', message, term);
    services.trace('scheduler', 'bound', { pod: `${pod.metadata.namespace}/${pod.metadata.name}`, node });
  }

  function noted(context: SchedulerContext, outcome: SubmitOutcome): void {
    context.inFlight -= 1;
    if (!outcome.ok) refused(context, outcome);
  }

  function refused(context: SchedulerContext, { refusal }: SubmitOutcome & { ok: false }): void {
    if (refusal.reason === 'Fenced') context.fenced = true;
    services.trace('scheduler', 'refused', { reason: refusal.reason, message: refusal.message });
  }

  return { turn, bound, noted };
}
