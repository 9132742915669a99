// One container of the embedded runtime: started through its shim, watched through its directory, stopped by
// signals to its group.
//
// What always holds: what it is doing is read from disk and /proc each time (see record.ts), so a container
// that another life of the peer started is no different from one of ours; who waits for its end is told once.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';
import type { ContainerFact, RuntimeFailure } from '../../../cluster/ports.ts';
import type { ControlGroups } from './cgroup.ts';
import { createCollector } from './collector.ts';
import { commandLine, findProgram } from './image.ts';
import type { Builtins } from './image.ts';
import { isAlive, signalGroup } from './proc.ts';
import type { ContainerRecord, Life, Records } from './record.ts';

export interface Machine {
  readonly records: Records;
  readonly groups: ControlGroups;
  /** The shell, and the script that it runs for each container. */
  readonly sh: string;
  readonly shim: string;
  readonly builtins: Builtins;
  /** A container started or exited. */
  changed(fact: ContainerFact): void;
}

/** What its sandbox gives it. `ownAddress`: no other pod of this machine has it. */
export interface Place { readonly ip: string; readonly hostname: string; readonly ownAddress: boolean }

export interface ProcessContainer {
  readonly id: string;
  record(): ContainerRecord;
  fact(): ContainerFact;
  /** Starts it, or finds it started. */
  start(place: Place): Promise<void>;
  /** SIGTERM now, SIGKILL after the grace; resolves when it has exited. */
  stop(graceMs: number): Promise<void>;
  /** Ends all of it, whatever it takes, and deletes its files. */
  destroy(): Promise<void>;
  /** Looks how it is; for what no event told of. */
  refresh(): void;
  /** The pid of its program, which leads a session; null where none runs. */
  program(): number | null;
  /** All its output is in its log. */
  logEnded(): boolean;
  /** How one more program is started in it; throws a `RuntimeError` where it can't be. */
  entry(place: Place, command: readonly string[]): Entry;
  /** Called whenever its log grew or ended; returns what ends that. */
  onLog(listener: () => void): () => void;
  /** Stops watching it; it goes on. */
  release(): void;
}

/** The words of an `env` call that ends in the program, and what they are to be run with. */
export interface Entry {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Directories of control groups that it has to join. */
  readonly groups: readonly string[];
}

/** What a call fails with. */
export class RuntimeError extends Error {
  override name = 'RuntimeError';
  readonly reason: RuntimeFailure['reason'];
  readonly retry: boolean;
  constructor(reason: RuntimeFailure['reason'], message: string, retry = true) {
    super(message);
    this.reason = reason;
    this.retry = retry;
  }
}

/** The shim must have begun by then. */
const startTimeoutMs = 10_000;
/** What holds a container's output open though it has ended (a daemon of its own) is waited for this long. */
const drainTimeoutMs = 2_000;
/** Without file events, and for what they miss. */
const pollMs = 500;
/** A killed container has this long to be gone. */
const killTimeoutMs = 5_000;
const messageBytesMax = 4_096, logMessageBytesMax = 2_048, logMessageLinesMax = 80;
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function createProcessContainer(machine: Machine, initial: ContainerRecord): ProcessContainer {
  const { records, groups } = machine, { id } = initial, dir = records.containerDir(initial.id);
  const collector = createCollector(dir);
  const listeners = new Set<() => void>(), waiting = new Set<() => void>();
  let record = initial, watcher: FSWatcher | null = null, poll: NodeJS.Timeout | null = null, soon = false;
  let last = records.life(record).state, released = false;

  function refresh(): void {
    if (released || !existsSync(dir)) return;
    const life = records.life(record);
    const more = collector.collect(life.state === 'exited' && life.drained);
    if (more) later();
    if (life.state !== last) {
      last = life.state;
      if (life.state === 'running' || life.state === 'exited') machine.changed(fact());
    }
    if (life.state === 'exited' && collector.done()) unwatch();
    for (const wake of [...waiting, ...listeners]) wake();
  }

  /** Once per turn, however many events come. */
  function later(): void {
    if (soon || released) return;
    soon = true;
    setImmediate(() => {
      soon = false;
      refresh();
    });
  }

  function beginWatching(): void {
    if (watcher !== null || poll !== null || released) return;
    try {
      watcher = watch(dir, { persistent: false }, later);
      watcher.on('error', unwatch);
    } catch {
      // No more watches to be had: looking often does as well.
      poll = setInterval(refresh, pollMs).unref();
    }
  }

  function unwatch(): void {
    watcher?.close();
    watcher = null;
    if (poll !== null) clearInterval(poll);
    poll = null;
  }

  function until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const check = (): void => {
        const met = condition();
        if (!met && !released && performance.now() < deadline) return;
        clearInterval(timer);
        waiting.delete(check);
        resolve(met);
      };
      const deadline = performance.now() + timeoutMs;
      // An event may be missed; nobody is left waiting for one.
      const timer = setInterval(check, 50);
      waiting.add(check);
      check();
    });
  }

  function fact(): ContainerFact {
    const life = records.life(record);
    const state = life.state === 'starting' ? 'created' : life.state;
    const { spec } = record;
    return {
      id, sandbox: spec.sandbox, pod: spec.pod, name: spec.name, attempt: spec.attempt, image: spec.image,
      imageId: record.imageId, state, exitCode: life.exitCode,
      oomKilled: state === 'exited' && life.exitCode === 137 && groups.oomKills(id) > 0,
      startedAtMs: life.startedAtMs, finishedAtMs: life.finishedAtMs,
      message: state === 'exited' ? lastWords(dir, record, life) : '',
    };
  }

  const hasBegun = (): boolean => ['running', 'exited'].includes(records.life(record).state);

  async function start(place: Place): Promise<void> {
    const { state } = records.life(record);
    if (state === 'running' || state === 'exited') {
      if (record.failed !== undefined) throw new RuntimeError('RunContainerError', record.failed.message);
      return;
    }
    beginWatching();
    if (state === 'created') launch(place);
    if (!await until(hasBegun, startTimeoutMs)) {
      throw new RuntimeError('RunContainerError', 'the program did not start in time');
    }
    refresh();
    if (record.failed !== undefined) throw new RuntimeError('RunContainerError', record.failed.message);
  }

  function launch(place: Place): void {
    const found = prepare(place, commandLine(record.spec, machine.builtins));
    if ('code' in found) return fail(found.code, found.message);
    const { words, env, cwd, groups: joined } = found;
    const child = spawn(machine.sh, [machine.shim, dir, joined.join(':'), ...words],
      { cwd, env, detached: true, stdio: 'ignore' });
    child.on('error', (error) => {
      if (records.life(record).state === 'created') fail(126, error.message);
      later();
    });
    child.on('exit', later);
    child.unref();
  }

  function prepare(
    place: Place, [name = '', ...args]: readonly string[],
  ): Entry | { readonly code: number; readonly message: string } {
    const cwd = record.spec.workingDir === '' ? join(dir, 'work') : record.spec.workingDir;
    const env = environment(record, dir, place);
    if (!existsSync(cwd)) return { code: 126, message: `chdir to cwd ("${cwd}"): no such file or directory` };
    const program = findProgram(name, env['PATH'] ?? '', cwd);
    if (program === null) {
      return { code: 127, message: `exec: "${name}": executable file not found in $PATH` };
    }
    if (program.includes('=')) {
      return { code: 126, message: `exec: "${program}": a path with "=" can't be executed` };
    }
    // A shell drops variables whose names it could not use itself, and adds some of its own.
    const odd = Object.entries(env).filter(([key]) => !/^[A-Za-z_][A-Za-z0-9_]*$/.test(key));
    const added = ['PWD', 'OLDPWD', 'SHLVL', '_'].filter((key) => !Object.hasOwn(env, key));
    const words = [...added.flatMap((key) => ['-u', key]), ...odd.map(([key, value]) => `${key}=${value}`)];
    try {
      return { words: [...words, program, ...args], env, cwd, groups: groups.create(id, record.spec) };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { code: 128, message: `control group: ${why}` };
    }
  }

  function entry(place: Place, command: readonly string[]): Entry {
    const found = prepare(place, command);
    if ('code' in found) throw new RuntimeError('RunContainerError', found.message, false);
    return found;
  }

  /** It can't be started: written down, so that it stays so. */
  function fail(code: number, message: string): void {
    record = { ...record, failed: { message, code, atMs: Date.now() } };
    records.saveContainer(record);
    last = 'exited';
  }

  const hasExited = (): boolean => !['running', 'starting'].includes(records.life(record).state);

  function signal(name: 'SIGTERM' | 'SIGKILL'): void {
    const { program, state } = records.life(record);
    if (program !== null && state === 'running') signalGroup(program, name);
    if (name === 'SIGKILL') groups.killAll(id);
  }

  async function stop(graceMs: number): Promise<void> {
    if (hasExited()) return;
    beginWatching();
    await until(() => records.life(record).state !== 'starting', startTimeoutMs);
    if (graceMs > 0) signal('SIGTERM');
    const kill = setTimeout(() => signal('SIGKILL'), graceMs);
    await until(hasExited, graceMs + killTimeoutMs);
    clearTimeout(kill);
    refresh();
    if (hasExited()) return;
    throw new RuntimeError('RuntimeUnavailable', `the process of container ${id} can't be killed`);
  }

  async function destroy(): Promise<void> {
    const { shim } = records.life(record);
    signal('SIGKILL');
    await until(hasExited, killTimeoutMs);
    // What still holds its output open has left its group, but the shim's helpers are of the shim's.
    if (shim !== null && !await until(() => !isAlive(shim), drainTimeoutMs)) signalGroup(shim, 'SIGKILL');
    unwatch();
    // A killed process keeps its group for a moment longer.
    await until(() => groups.remove(id), killTimeoutMs);
    records.removeContainer(id);
    released = true;
    for (const wake of [...waiting, ...listeners]) wake();
  }

  function program(): number | null {
    const life = records.life(record);
    return life.state === 'running' ? life.program?.pid ?? null : null;
  }

  function logEnded(): boolean {
    if (released || !existsSync(dir)) return true;
    const life = records.life(record);
    if (life.state !== 'exited') return false;
    return life.shim === null || collector.done() || Date.now() - life.finishedAtMs > drainTimeoutMs;
  }

  refresh();
  if (!hasExited() && last !== 'created' || last === 'exited' && !collector.done()) beginWatching();
  return {
    id, record: () => record, fact, start, stop, destroy, refresh, program, logEnded, entry,
    onLog(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    release() {
      released = true;
      unwatch();
    },
  };
}

/** What its program sees: the spec's variables, over the few that every container has. */
function environment({ spec }: ContainerRecord, dir: string, place: Place): Record<string, string> {
  mkdirSync(join(dir, 'work'), { recursive: true, mode: 0o700 });
  return {
    PATH: defaultPath, HOSTNAME: place.hostname, POD_IP: place.ip,
    // Many servers listen on $HOST; on an address of its own, no other pod is in the way of its ports.
    ...(place.ownAddress ? { HOST: place.ip } : {}),
    ...(spec.terminationMessagePath === undefined ? {} : { TERMINATION_MESSAGE_PATH: join(dir, 'message') }),
    ...Object.fromEntries(spec.env.map(({ name, value }) => [name, value])),
  };
}

/** The start error; else the termination message; else, if the spec wants it and it failed, the log's end. */
function lastWords(dir: string, { failed, spec }: ContainerRecord, { exitCode }: Life): string {
  if (failed !== undefined) return failed.message;
  const said = read(join(dir, 'message')).subarray(0, messageBytesMax).toString('utf8');
  if (said !== '' || exitCode === 0 || spec.terminationMessagePolicy !== 'FallbackToLogsOnError') return said;
  const lines = read(join(dir, 'log')).toString('utf8').trimEnd().split('\n').slice(-logMessageLinesMax);
  const text = lines.map((line) => line.split(' ').slice(3).join(' ')).join('\n');
  return Buffer.from(text).subarray(-logMessageBytesMax).toString('utf8');
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}
