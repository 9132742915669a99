// What a pod actor knows: the pod as the state has it, what the runtime said of its sandbox and containers,
// and what is under way. Plain data, so that a transition is a function of it and nothing else.
// What always holds: facts never go back (created → running → exited); a container that the runtime no longer
// has is kept as `gone`, for its exit code and its number are still needed.

import type { ContainerFact, RuntimeCall, SandboxFact } from '../../cluster/ports.ts';
import type {
  ConfigMap, Container, ContainerStatus, EphemeralContainer, Pod, Secret, Service,
} from '../../cluster/api/types.ts';
import type { RuntimeResult } from '../services.ts';

export type Lifecycle =
  /** No sandbox yet, or a dead one. */
  | 'starting'
  | 'initializing'
  | 'running'
  /** Nothing runs and nothing will, but the object is still wanted (for its logs and exit codes). */
  | 'completed'
  | 'terminating'
  /** Nothing runs any more; what is left is being removed. */
  | 'removing'
  /** The runtime holds nothing of the pod. */
  | 'ended';

export interface Time { readonly nowMs: number; readonly wallMs: number }

export interface KnownSandbox { readonly fact: SandboxFact; readonly seenMs: number }

export interface KnownContainer {
  readonly fact: ContainerFact;
  /** When it was first heard of, monotonic. */
  readonly seenMs: number;
  /** When it exited, on the monotonic clock; null while it has not. */
  readonly exitedMs: number | null;
  /** The runtime does not have it any more. */
  readonly gone: boolean;
  /** A stop was answered, so it has exited; the fact that says how is still to come. */
  readonly stopped: boolean;
  /** Why it ended, where its exit code does not say. */
  readonly cause: 'ContainerCannotRun' | 'ContainerStatusUnknown' | null;
}

export interface Trouble { readonly reason: string; readonly message: string }

/** The way of one attempt of a container to its start. */
export interface Launch {
  readonly attempt: number;
  /** What it is made of; another image in the spec begins it anew. */
  readonly image: string;
  readonly step: 'image' | 'pull' | 'create' | 'start';
  /** The sandbox that it is made in, and the container's id: empty until they are known. */
  readonly sandbox: string;
  readonly id: string;
}

export interface ContainerNotes {
  readonly launch: Launch | null;
  /** Why the launch does not get on. */
  readonly trouble: Trouble | null;
  /** Failed tries of this launch's step in a row, and when the next may be made. */
  readonly failures: number;
  readonly retryAtMs: number;
  /** Failed pulls in a row: they have a schedule of their own. */
  readonly pullFailures: number;
  readonly pullFailedMs: number;
  /** Restarts since it last ran for long: the place in the crash back-off. */
  readonly restarts: number;
  readonly nextAttempt: number;
  /** For which attempt its back-off was announced. */
  readonly backOffSaid: number;
}

export interface Op {
  readonly sinceMs: number;
  /** For a stop: when SIGKILL comes. */
  readonly killAtMs: number | null;
}

/** How it ended, where not the exit codes decide: rejected, or over its deadline. */
export interface Verdict { readonly reason: string; readonly message: string }

export interface PodContext {
  pod: Pod;
  /** The object is gone from the state: nothing is written any more. */
  removed: boolean;
  phase: Lifecycle;
  verdict: Verdict | null;
  /** The state has it as Succeeded or Failed: nothing is ever started. */
  finished: boolean;
  /** When SIGKILL comes for all that still runs; null: nobody wants the pod to stop. */
  killAtMs: number | null;
  /** When `activeDeadlineSeconds` are over, on the monotonic clock. */
  deadlineAtMs: number | null;
  startedWallMs: number;
  sandboxes: readonly KnownSandbox[];
  sandboxAttempts: number;
  /** Sorted by name, then attempt. */
  containers: readonly KnownContainer[];
  notes: Readonly<Record<string, ContainerNotes>>;
  ops: Readonly<Record<string, Op>>;
  /** After a failed stop, removal or sandbox: nothing is called before this. */
  heldUntilMs: number;
  holds: number;
  wakeAtMs: number | null;
  initialized: boolean;
}

export interface PodInput {
  readonly pod: Pod;
  readonly sandboxes: readonly SandboxFact[];
  readonly containers: readonly ContainerFact[];
  readonly verdict: Verdict | null;
  readonly time: Time;
}

export type PodEvent =
  | { readonly type: 'pod'; readonly pod: Pod }
  /** The object was deleted from the state. */
  | { readonly type: 'removed' }
  | { readonly type: 'sandbox'; readonly sandbox: SandboxFact }
  | { readonly type: 'sandbox-gone'; readonly id: string }
  | { readonly type: 'container'; readonly container: ContainerFact }
  | { readonly type: 'container-gone'; readonly id: string }
  /** All that the runtime has of this pod, asked for at `askedMs`. */
  | {
      readonly type: 'listed'; readonly askedMs: number;
      readonly sandboxes: readonly SandboxFact[]; readonly containers: readonly ContainerFact[];
    }
  /** `beganMs`: when the call was really made (pulls wait their turn). */
  | {
      readonly type: 'result'; readonly key: string; readonly result: RuntimeResult; readonly beganMs: number;
    }
  /** A ConfigMap, Secret or Service of the namespace changed. */
  | { readonly type: 'references' }
  | { readonly type: 'runtime-up' }
  | { readonly type: 'wake' };

export type Effect =
  /** The completion comes back as `result` with this key. */
  | { readonly type: 'call'; readonly key: string; readonly call: RuntimeCall }
  | {
      readonly type: 'event'; readonly level: 'Normal' | 'Warning';
      readonly reason: string; readonly message: string;
      /** `spec.containers{name}`, or null for the pod itself. */
      readonly field: string | null;
    };

/** What a transition may look at besides the context. */
export interface World {
  readonly time: Time;
  readonly node: { readonly name: string; readonly hostIP: string };
  readonly lookup: Lookup;
}

export interface Lookup {
  configMap(namespace: string, name: string): ConfigMap | null;
  secret(namespace: string, name: string): Secret | null;
  /** Sorted by name. */
  services(namespace: string): readonly Service[];
}

export const initContainersOf = (pod: Pod): readonly Container[] => pod.spec.initContainers ?? [];

export const ephemeralContainersOf = (pod: Pod): readonly EphemeralContainer[] =>
  pod.spec.ephemeralContainers ?? [];

export const isEphemeral = (pod: Pod, container: string): boolean =>
  ephemeralContainersOf(pod).some(({ name }) => name === container);

export const containersOf = (pod: Pod): readonly Container[] =>
  [...initContainersOf(pod), ...pod.spec.containers, ...ephemeralContainersOf(pod)];

/** The newest attempt of a container, whether or not the runtime still has it. */
export function newest(context: PodContext, name: string): KnownContainer | null {
  return context.containers.findLast((known) => known.fact.name === name) ?? null;
}

/** The newest attempt in this sandbox. */
export function newestIn(context: PodContext, sandbox: string, name: string): KnownContainer | null {
  return context.containers.findLast(({ fact }) => fact.name === name && fact.sandbox === sandbox) ?? null;
}

/** The sandbox of the highest attempt. */
export const currentSandbox = (context: PodContext): KnownSandbox | null => context.sandboxes.at(-1) ?? null;

export function notesOf(context: PodContext, name: string): ContainerNotes {
  return context.notes[name] ?? freshNotes(undefined);
}

export function setNotes(context: PodContext, name: string, change: Partial<ContainerNotes>): void {
  context.notes = { ...context.notes, [name]: { ...notesOf(context, name), ...change } };
}

/** What a new actor takes over from the status that an earlier one wrote: the number of the next attempt. */
export function freshNotes(status: ContainerStatus | undefined): ContainerNotes {
  const ran = status?.containerID !== undefined || status?.lastState?.terminated !== undefined;
  const nextAttempt = ran ? (status?.restartCount ?? 0) + 1 : 0;
  return {
    launch: null, trouble: null, failures: 0, retryAtMs: 0, pullFailures: 0, pullFailedMs: 0,
    restarts: Math.max(0, nextAttempt - 1), nextAttempt, backOffSaid: -1,
  };
}
