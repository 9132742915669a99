// The one machine under all controllers: it takes keys from a queue, asks a pure `reconcile` what to write,
// submits that under the leader's term and looks again when it is written or refused.
//
// State and liveness are local, so no expectations are kept: a key whose commands are in flight waits for
// their outcomes, and by then the state shows what they did. Conflict and every other refusal means: look
// again after a back-off. Fenced means that another leader is at work: the machine ends.
// What always holds: a key has commands of one reconciliation in flight at a time, and at most
// `controllerCommandsInFlightMax` reconciliations of one controller are in flight.

import { cancel, enqueueActions, raise, setup } from 'xstate';
import type { Term } from '../../cluster/ids.ts';
import type { Problem } from '../../cluster/api/status.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import { limits } from '../../cluster/limits.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op, Refusal } from '../../cluster/state/types.ts';
import type { Recorder } from '../recorder.ts';
import { startRoot } from '../root.ts';
import type { PeerServices, SubmitOutcome } from '../services.ts';
import { add, createQueue, done, hasReady, nextDueMs, take } from './queue.ts';
import type { WorkQueue } from './queue.ts';

/** Something to say of an object once (and if) what it is about has been written. */
export interface Note {
  readonly object: KubeObject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

/** Operations that take effect together or not at all. */
export interface Step {
  readonly ops: readonly Op[];
  readonly notes?: readonly Note[];
  /** What to say if it is refused for good reason: the refusal's message is appended. */
  readonly refused?: Note;
  /** Refused by admission already: there is nothing to submit, and it is as if the log had refused it. */
  readonly denied?: Problem;
}

export interface Reconciliation {
  readonly steps: readonly Step[];
  /** Look again after this, though nothing changed. Only heeded where there was nothing to write. */
  readonly requeueAfterMs?: number;
}

/** What a reconciliation needs besides the state. */
export interface ReconcileContext {
  readonly nowWallMs: number;
  newUid(): string;
  /** Five characters for the name of a new object, from the alphabet that Kubernetes uses. */
  suffix(): string;
  /** The last refusal of this key's commands, if they were not accepted since. */
  readonly refusal: Omit<Refusal, 'reason'> & { readonly reason: string } | null;
}

export interface ControllerDefinition {
  readonly name: string;
  /** The component that its Events name as their source. */
  readonly component: string;
  /** The keys that a change may concern. Every key holds a slash. */
  readonly keysOf: (state: State, change: Change) => readonly string[];
  /** All keys, for the start. */
  readonly allKeys: (state: State) => readonly string[];
  readonly reconcile: (state: State, key: string, context: ReconcileContext) => Reconciliation;
}

export interface Controller {
  changes(changes: readonly Change[]): void;
  /** Look at these keys again for a reason that is not in the state. */
  wake(keys: readonly string[]): void;
  stop(): void;
}

export const nothing: Reconciliation = { steps: [] };

type ControllerEvent =
  | { readonly type: 'keys'; readonly keys: readonly string[] }
  | { readonly type: 'turn' }
  | { readonly type: 'due' }
  | {
      readonly type: 'outcome';
      readonly key: string;
      readonly step: number;
      readonly outcome: SubmitOutcome;
    };

interface ControllerContext {
  readonly queue: WorkQueue;
  /** Keys whose commands are in flight. */
  readonly pending: Record<string, Pending>;
  inFlight: number;
  /** By key: why its last commands were refused. */
  readonly refusals: Record<string, NonNullable<ReconcileContext['refusal']>>;
  fenced: boolean;
}

interface Pending { readonly steps: readonly Step[]; open: number; failed: boolean }

export function createController(
  services: PeerServices, term: Term, recorder: Recorder, definition: ControllerDefinition,
): Controller {
  const send = (event: ControllerEvent): void => actor.send(event);
  const machine = controllerMachine(services, term, recorder, definition, send);
  const actor = startRoot(machine, { id: `controllers/${definition.name}`, clock: services.clock });
  actor.send({ type: 'keys', keys: definition.allKeys(services.state()) });
  return {
    changes(changes) {
      const keys: string[] = [];
      for (const change of changes) keys.push(...definition.keysOf(services.state(), change));
      if (keys.length > 0) actor.send({ type: 'keys', keys });
    },
    wake(keys) { actor.send({ type: 'keys', keys }); },
    stop() { actor.stop(); },
  };
}

/** resting ⇄ turning ⇄ full, and ended for good when the term is over. */
function controllerMachine(
  services: PeerServices, term: Term, recorder: Recorder, definition: ControllerDefinition,
  send: (event: ControllerEvent) => void,
) {
  const worker = createWorker(services, term, recorder, definition, send);
  const now = (): number => services.nowMs();
  return setup({
    types: { context: {} as ControllerContext, events: {} as ControllerEvent },
    actions: {
      add: ({ context, event }) => {
        if (event.type === 'keys') for (const key of event.keys) add(context.queue, key, now());
      },
      work: ({ context }) => worker.work(context),
      settle: ({ context, event }) => {
        if (event.type === 'outcome') worker.settle(context, event.key, event.step, event.outcome);
      },
    },
    guards: {
      fenced: ({ context }) => context.fenced,
      full: ({ context }) => context.inFlight >= limits.controllerCommandsInFlightMax,
      ready: ({ context }) => context.queue.overflowed || hasReady(context.queue, now()),
    },
  }).createMachine({
    id: 'controller',
    context: () => ({ queue: createQueue(), pending: {}, inFlight: 0, refusals: {}, fenced: false }),
    initial: 'deciding',
    states: {
      deciding: {
        always: [
          { guard: 'fenced', target: 'ended' },
          { guard: 'full', target: 'full' },
          { guard: 'ready', target: 'turning' },
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
          keys: { actions: 'add', target: 'deciding' },
          outcome: { actions: 'settle', target: 'deciding' },
          due: { target: 'deciding' },
        },
      },
      // A turn is an event of its own, so that the changes of one moment meet in one reconciliation.
      turning: {
        entry: raise({ type: 'turn' }, { id: 'turn', delay: 0 }),
        exit: cancel('turn'),
        on: {
          keys: { actions: 'add' },
          outcome: { actions: 'settle' },
          turn: { actions: 'work', target: 'deciding' },
        },
      },
      full: {
        on: {
          keys: { actions: 'add' },
          outcome: { actions: 'settle', target: 'deciding' },
        },
      },
      ended: { type: 'final' },
    },
  });
}

interface Worker {
  work(context: ControllerContext): void;
  settle(context: ControllerContext, key: string, step: number, outcome: SubmitOutcome): void;
}

function createWorker(
  services: PeerServices, term: Term, recorder: Recorder, definition: ControllerDefinition,
  send: (event: ControllerEvent) => void,
): Worker {
  function work(context: ControllerContext): void {
    const { queue } = context;
    if (queue.overflowed) {
      queue.overflowed = false;
      for (const key of definition.allKeys(services.state())) add(queue, key, services.nowMs());
    }
    for (let turns = 0; turns < limits.controllerKeysPerTurn; turns++) {
      if (context.inFlight >= limits.controllerCommandsInFlightMax) return;
      const key = take(queue, services.nowMs());
      if (key === null) return;
      reconcile(context, key);
    }
  }

  function reconcile(context: ControllerContext, key: string): void {
    const { steps, requeueAfterMs } = definition.reconcile(services.state(), key, {
      nowWallMs: services.wallMs(), newUid: () => services.newUid(), suffix: () => suffix(services),
      refusal: context.refusals[key] ?? null,
    });
    if (steps.length === 0) {
      delete context.refusals[key];
      done(
        context.queue,
        key,
        { result: 'nothing', requeueAfterMs: requeueAfterMs ?? null },
        services.nowMs(),
      );
      return;
    }
    context.pending[key] = { steps, open: steps.length, failed: false };
    context.inFlight += 1;
    steps.forEach(({ ops, denied }, step) => {
      const settled = (outcome: SubmitOutcome): void => send({ type: 'outcome', key, step, outcome });
      if (denied === undefined) services.submit(ops, term, settled);
      else settled(refusalOf(denied));
    });
  }

  function settle(context: ControllerContext, key: string, at: number, outcome: SubmitOutcome): void {
    const pending = context.pending[key];
    const step = pending?.steps[at];
    if (pending === undefined || step === undefined) return;
    pending.open -= 1;
    if (outcome.ok) for (const note of step.notes ?? []) say(note);
    else refuse(context, key, pending, step, outcome);
    if (pending.open > 0) return;
    delete context.pending[key];
    context.inFlight -= 1;
    if (!pending.failed) delete context.refusals[key];
    const result = pending.failed ? 'failed' : 'written';
    done(context.queue, key, { result, requeueAfterMs: null }, services.nowMs());
  }

  function refuse(
    context: ControllerContext,
    key: string,
    pending: Pending,
    step: Step,
    { refusal }: SubmitOutcome & { ok: false },
  ): void {
    pending.failed = true;
    const { reason, message } = refusal;
    if (reason === 'Fenced') context.fenced = true;
    // A lost race says nothing of the object; what is forbidden or invalid does.
    else if (reason === 'Forbidden' || reason === 'Invalid') {
      context.refusals[key] = refusal;
      if (step.refused !== undefined) say({ ...step.refused, message: `${step.refused.message}${message}` });
    }
    services.trace('controller', 'refused', { controller: definition.name, key, reason, message });
  }

  const say = ({ object, type, reason, message }: Note): void =>
    recorder.event(object, type, reason, message, term);

  return { work, settle };
}

/** As the log would refuse it: what a policy wants is not a matter of trying at once again. */
function refusalOf({ problem }: Problem): SubmitOutcome {
  const reason = problem.reason === 'Invalid' ? 'Invalid' : 'Forbidden';
  return { ok: false, refusal: { reason, message: problem.message ?? '' } };
}

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

function suffix(services: PeerServices): string {
  let text = '';
  for (let i = 0; i < 5; i++) text += alphabet[services.random.below(alphabet.length)] ?? '';
  return text;
}
