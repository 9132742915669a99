// What the embedded runtime keeps on disk, so that a peer that was killed finds its containers again:
//
//     sandboxes/ID/sandbox.json
//     containers/ID/container.json      what was asked for, and why it could not start
//     containers/ID/begun pid exit …    what the shim writes (see shim.ts)
//     containers/ID/log log.1           its output in Kubernetes' log format
//     containers/ID/message             its termination message
//     containers/ID/work/               its working directory, unless the spec names one
//
// What always holds: a file is whole or not there; the directories are the owner's alone, for environments
// hold secrets. What a container is doing is read from these files and from /proc, never remembered.

import { createHash } from 'node:crypto';
import {
  existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { ContainerSpec, PodIdentity, SandboxFact, SandboxSpec } from '../../../cluster/ports.ts';
import { bootId, isAlive } from './proc.ts';
import type { ProcessIdentity } from './proc.ts';

export interface SandboxRecord {
  readonly id: string; readonly spec: SandboxSpec; readonly ip: string; readonly createdAtMs: number;
}

export interface ContainerRecord {
  readonly id: string;
  readonly spec: ContainerSpec;
  readonly imageId: string;
  /** Why it could not be started, and the exit code that stands for it. */
  readonly failed?: { readonly message: string; readonly code: number; readonly atMs: number };
}

/** What the shim and /proc say of a container. */
export interface Life {
  readonly state: 'created' | 'starting' | 'running' | 'exited';
  readonly exitCode: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly shim: ProcessIdentity | null;
  readonly program: ProcessIdentity | null;
  /** The shim has written all output. */
  readonly drained: boolean;
}

export interface Records {
  readonly dir: string;
  containerDir(id: string): string;
  sandboxes(): readonly SandboxRecord[];
  containers(): readonly ContainerRecord[];
  sandbox(id: string): SandboxRecord | null;
  container(id: string): ContainerRecord | null;
  saveSandbox(record: SandboxRecord): void;
  saveContainer(record: ContainerRecord): void;
  removeSandbox(id: string): void;
  removeContainer(id: string): void;
  life(record: ContainerRecord): Life;
}

/** The exit code of a program whose shim was killed. Kubernetes shows the same for what it can't know. */
const unknownExitCode = 137;

export function openRecords(dir: string): Records {
  const boot = bootId();
  for (const part of ['sandboxes', 'containers']) {
    mkdirSync(join(dir, part), { recursive: true, mode: 0o700 });
  }
  removeTorn(join(dir, 'sandboxes'), 'sandbox.json');
  removeTorn(join(dir, 'containers'), 'container.json');
  const pathOf = (kind: 'sandboxes' | 'containers', id: string): string => join(dir, kind, id);
  const load = <T>(kind: 'sandboxes' | 'containers', file: string): readonly T[] =>
    readdirSync(join(dir, kind)).sort().flatMap((id) => readJson<T>(join(dir, kind, id, file)) ?? []);
  return {
    dir,
    containerDir: (id) => pathOf('containers', id),
    sandboxes: () => load<SandboxRecord>('sandboxes', 'sandbox.json'),
    containers: () => load<ContainerRecord>('containers', 'container.json'),
    sandbox: (id) => (isId(id) ? readJson(join(pathOf('sandboxes', id), 'sandbox.json')) : null),
    container: (id) => (isId(id) ? readJson(join(pathOf('containers', id), 'container.json')) : null),
    saveSandbox: (record) => writeJson(pathOf('sandboxes', record.id), 'sandbox.json', record),
    saveContainer: (record) => writeJson(pathOf('containers', record.id), 'container.json', record),
    removeSandbox: (id) => remove(pathOf('sandboxes', id)),
    removeContainer: (id) => remove(pathOf('containers', id)),
    life: (record) => readLife(pathOf('containers', record.id), record, boot),
  };
}

/** What a loss of power left half made: nothing that is told of to anybody depends on it. */
function removeTorn(dir: string, file: string): void {
  for (const id of readdirSync(dir)) if (readJson(join(dir, id, file)) === null) remove(join(dir, id));
}

const isId = (id: string): boolean => /^[0-9a-f]{64}$/.test(id);

function remove(dir: string): void {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
}

/** The same pod and name and attempt always have the same id, so making it twice finds the first. */
export function recordId(
  kind: 'sandbox' | 'container', pod: PodIdentity, name: string, attempt: number,
): string {
  const words = [kind, pod.namespace, pod.name, pod.uid, name, String(attempt)];
  return createHash('sha256').update(words.join('\n')).digest('hex');
}

export function sandboxFact({ id, spec, ip, createdAtMs }: SandboxRecord): SandboxFact {
  return { id, pod: spec.pod, attempt: spec.attempt, ip, running: true, createdAtMs };
}

function readLife(dir: string, record: ContainerRecord, boot: string): Life {
  const none = { exitCode: 0, startedAtMs: 0, finishedAtMs: 0, shim: null, program: null, drained: true };
  const { failed } = record;
  if (failed !== undefined) {
    return { ...none, state: 'exited', exitCode: failed.code, finishedAtMs: failed.atMs };
  }
  const begun = words(join(dir, 'begun'));
  if (begun === null) return { ...none, state: 'created' };
  const shim: ProcessIdentity = { pid: Number(begun[0]), start: begun[1] ?? '' };
  const program = words(join(dir, 'pid'));
  const known: Omit<Life, 'state'> = {
    ...none, shim, drained: existsSync(join(dir, 'drained')),
    program: program === null ? null : { pid: Number(program[0]), start: program[1] ?? '' },
    startedAtMs: program === null ? 0 : modifiedAt(join(dir, 'pid')),
  };
  const exit = words(join(dir, 'exit'));
  if (exit !== null) {
    const finishedAtMs = modifiedAt(join(dir, 'exit'));
    return { ...known, state: 'exited', exitCode: Number(exit[0]), finishedAtMs };
  }
  const sameBoot = begun[2] === boot;
  if (sameBoot && known.program !== null && isAlive(known.program)) return { ...known, state: 'running' };
  if (sameBoot && isAlive(shim)) return { ...known, state: known.program === null ? 'starting' : 'running' };
  // Nobody is left who could tell: the machine was started anew, or the shim was killed. Written down, so
  // that the answer stays the same; unless the shim did so at the very last.
  if (words(join(dir, 'exit')) === null) writeFileSync(join(dir, 'exit'), `${unknownExitCode}\n`);
  return readLife(dir, record, boot);
}

/** The words of a file of one line; null while the line is not there or not whole. */
function words(path: string): readonly string[] | null {
  try {
    const text = readFileSync(path, 'utf8');
    return text.endsWith('\n') ? text.trim().split(' ') : null;
  } catch {
    return null;
  }
}

function modifiedAt(path: string): number {
  return Math.floor(statSync(path).mtimeMs);
}

function readJson<T>(path: string): T | null {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch {
    return null;
  }
}

function writeJson(dir: string, file: string, value: unknown): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const temporary = join(dir, `${file}.new`);
  writeFileSync(temporary, JSON.stringify(value), { mode: 0o600 });
  renameSync(temporary, join(dir, file));
}
