// Between Docker's words and the containers port's: labels, names, inspect results, errors.
// What always holds: everything that Shoal makes in Docker carries `dev.shoal.owner`, the id of the peer that
// made it, so that a peer finds its own again and never touches what others made.

import type Dockerode from 'dockerode';
import type { ContainerFact, PodIdentity, RuntimeFailure, SandboxFact } from '../../../cluster/ports.ts';

export const label = {
  owner: 'dev.shoal.owner',
  kind: 'dev.shoal.kind',
  podNamespace: 'dev.shoal.pod.namespace',
  podName: 'dev.shoal.pod.name',
  podUid: 'dev.shoal.pod.uid',
  container: 'dev.shoal.container',
  attempt: 'dev.shoal.attempt',
  sandbox: 'dev.shoal.sandbox',
  image: 'dev.shoal.image',
  messageFromLog: 'dev.shoal.message-from-log',
} as const;

export type Labels = Readonly<Record<string, string>>;

export function podLabels(
  owner: string, kind: 'sandbox' | 'container', pod: PodIdentity, attempt: number,
): Labels {
  return {
    [label.owner]: owner, [label.kind]: kind, [label.podNamespace]: pod.namespace, [label.podName]: pod.name,
    [label.podUid]: pod.uid, [label.attempt]: String(attempt),
  };
}

/** `shoal_web_web-6d4cf_default_<uid>_0`: unique per attempt, so that making it twice finds the first. */
export function containerName(part: string, pod: PodIdentity, attempt: number): string {
  return `shoal_${part}_${pod.name}_${pod.namespace}_${pod.uid}_${attempt}`;
}

export function sandboxFact(info: Dockerode.ContainerInspectInfo): SandboxFact {
  const labels = info.Config.Labels;
  return {
    id: info.Id, pod: podOf(labels), attempt: Number(labels[label.attempt] ?? 0),
    ip: firstAddress(info),
    running: info.State.Running, createdAtMs: time(info.Created),
  };
}

/** `said`: the termination message, where it has ended. */
export function containerFact(info: Dockerode.ContainerInspectInfo, said = ''): ContainerFact {
  const labels = info.Config.Labels, { State: state } = info;
  const started = time(state.StartedAt);
  return {
    id: info.Id, sandbox: labels[label.sandbox] ?? '', pod: podOf(labels),
    name: labels[label.container] ?? '', attempt: Number(labels[label.attempt] ?? 0),
    image: labels[label.image] ?? info.Config.Image, imageId: info.Image,
    state: lifeOf(info),
    exitCode: state.ExitCode, oomKilled: state.OOMKilled,
    startedAtMs: started, finishedAtMs: state.Running ? 0 : time(state.FinishedAt),
    message: state.Error === '' ? said : state.Error,
  };
}

/** A container that could not be started has never run, but it has ended. */
export function lifeOf({ State: state }: Dockerode.ContainerInspectInfo): ContainerFact['state'] {
  if (state.Running) return 'running';
  return time(state.StartedAt) > 0 || state.ExitCode !== 0 ? 'exited' : 'created';
}

function firstAddress(info: Dockerode.ContainerInspectInfo): string {
  const networks = Object.values(info.NetworkSettings.Networks ?? {});
  return networks.map((network) => network.IPAddress).find((ip) => ip !== '') ?? '';
}

function podOf(labels: Labels): PodIdentity {
  return {
    namespace: labels[label.podNamespace] ?? '', name: labels[label.podName] ?? '',
    uid: labels[label.podUid] ?? '',
  };
}

/** Docker says `0001-01-01T00:00:00Z` for what has not happened. */
function time(text: string): number {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms < 0 ? 0 : ms;
}

/** Docker's HTTP status, or 0 where the engine did not answer at all. */
export function statusOf(error: unknown): number {
  return typeof error === 'object' && error !== null && 'statusCode' in error ? Number(error.statusCode) : 0;
}

export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const words = /^\(HTTP code \d+\) [^-]*- (.*)$/s.exec(text)?.[1] ?? text;
  return words.trim();
}

/** An error of a call in the port's words; a silent engine is always `RuntimeUnavailable`. */
export function failureOf(error: unknown, reason: RuntimeFailure['reason']): RuntimeFailure {
  const message = messageOf(error);
  if (statusOf(error) === 0 && /ECONN|ENOENT|EPIPE|socket hang up|EACCES/.test(message)) {
    return { reason: 'RuntimeUnavailable', message: `Docker does not answer: ${message}`, retry: true };
  }
  return { reason, message, retry: statusOf(error) !== 400 };
}
