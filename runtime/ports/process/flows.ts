// Exec, attach and port-forward in the embedded runtime: one more program in a container's directory, control
// groups and environment; its log as it grows; a connection to the pod's address.
//
// A terminal is made by `script` (util-linux), for Node makes none; its size is set with `stty` from outside.
// What always holds: a program that was started for a client is ended with its flow, with its container, and
// with this peer; what it left running in peace goes on.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { unreachable } from '../../../cluster/assert.ts';
import { failedFlow } from '../../../cluster/flow.ts';
import type { FlowInput, FlowTarget } from '../../../cluster/flow.ts';
import { limits } from '../../../cluster/limits.ts';
import type { ContainersEvent } from '../../../cluster/ports.ts';
import { connectionFlow, isRefused, reach } from '../flows/dial.ts';
import type { OpenFlow } from '../flows/dial.ts';
import { createGuard } from '../flows/guard.ts';
import type { Guard } from '../flows/guard.ts';
import { createOutlet, give, read } from '../flows/pipe.ts';
import type { Entry, Place, ProcessContainer } from './container.ts';
import { createLogReader } from './logs.ts';
import { findTool } from './shim.ts';

export interface ProcessFlows {
  open(flow: string, target: FlowTarget, credit: number): void;
  input(flow: string, input: FlowInput): void;
  credit(flow: string, bytes: number): void;
  close(flow: string): void;
  /** The container has ended: so have the programs in it. */
  ended(container: string): void;
  closeAll(): void;
}

export interface ProcessFlowsOptions {
  readonly container: (id: string) => ProcessContainer | null;
  /** The place of a container's or a sandbox's; null: it is gone. */
  readonly placeOf: (container: string) => Place | null;
  readonly sandbox: (id: string) => Place | null;
  readonly dirOf: (container: string) => string;
  readonly deliver: (event: ContainersEvent) => void;
}

type Held = (OpenFlow | (OpenFlow & Killable)) & { readonly container: string | null };

type Started = (flow: OpenFlow) => void;

export function createProcessFlows(options: ProcessFlowsOptions): ProcessFlows {
  const { deliver } = options, flows = new Map<string, Held>(), guard = createGuard();
  let terminals = 0;

  function open(flow: string, target: FlowTarget, credit: number): void {
    const container = target.kind === 'dial' ? null : target.container;
    const over = (): void => { flows.delete(flow); };
    const started: Started = (opened) => flows.set(flow, { ...opened, container });
    const failed = (error: unknown): void => {
      over();
      const why = error instanceof Error ? error.message : String(error);
      deliver({ type: 'flow-end', flow, end: failedFlow(why) });
    };
    try {
      begin(flow, target, credit, started, over, failed);
    } catch (error) {
      failed(error);
    }
  }

  function begin(flow: string, target: FlowTarget, credit: number, started: Started, over: () => void,
    failed: (error: unknown) => void): void {
    switch (target.kind) {
      case 'dial': {
        const place = options.sandbox(target.sandbox);
        if (place === null) throw new Error('the sandbox is gone');
        const dialling = waiting();
        started(dialling.flow);
        reachPod(place, target.port).then((socket) => {
          if (dialling.closed()) return void socket.destroy();
          const opened = connectionFlow(flow, socket, credit + dialling.granted(), deliver, over);
          started(opened);
          for (const input of dialling.inputs) opened.input(input);
        }, (error: unknown) => { if (!dialling.closed()) failed(error); });
        return;
      }
      case 'attach': return started(attach(options, flow, target, credit, over));
      case 'exec': {
        const container = options.container(target.container), place = options.placeOf(target.container);
        if (container === null || place === null) throw new Error(`no such container: ${target.container}`);
        const entry = container.entry(place, target.command);
        terminals += 1;
        const terminal = target.tty ? join(options.dirOf(target.container), `terminal-${terminals}`) : null;
        return started(execute({ flow, target, entry, terminal, credit, deliver, over, guard }));
      }
      default: return unreachable(target);
    }
  }

  function close(flow: string): void {
    const open = flows.get(flow);
    flows.delete(flow);
    open?.close();
  }

  return {
    open, close,
    input: (flow, input) => flows.get(flow)?.input(input),
    credit: (flow, bytes) => flows.get(flow)?.credit(bytes),
    ended(id) {
      // Attached readers find the end in the log.
      for (const flow of flows.values()) if (flow.container === id && 'kill' in flow) flow.kill();
    },
    closeAll() {
      for (const flow of [...flows.keys()]) close(flow);
      guard.close();
    },
  };
}

/** What it prints from now on: the program's own way in is closed in this runtime. */
function attach(
  options: ProcessFlowsOptions, flow: string,
  target: Extract<FlowTarget, { kind: 'attach' }>, credit: number, over: () => void,
): OpenFlow {
  const { deliver } = options;
  const container = options.container(target.container);
  if (container === null) throw new Error(`no such container: ${target.container}`);
  container.refresh();
  const end = (error: string | null): void => {
    release();
    over();
    deliver({ type: 'flow-end', flow, end: error === null ? { type: 'closed' } : failedFlow(error) });
  };
  const log = { follow: true, timestamps: false, tailLines: 0, sinceMs: null };
  const reader = createLogReader({
    dir: options.dirOf(target.container), ended: () => container.logEnded(), end,
    chunk(data, isError) {
      const channel = isError ? 'stderr' : 'stdout';
      if (isError ? target.stderr || target.tty : target.stdout) {
        deliver({ type: 'flow-output', flow, channel, data });
      } else reader.credit(data.length);
    },
  }, log, credit);
  const release = container.onLog(() => reader.pump());
  setImmediate(() => reader.pump());
  return {
    input(given) { if (given.type === 'data') give(flow, null, given.data, deliver); },
    credit: (bytes) => reader.credit(bytes),
    close() {
      release();
      reader.close();
    },
  };
}

/** On an address of its own a pod is found there; one that shares the machine's may listen on any of them. */
async function reachPod(place: Place, port: number): Promise<Socket> {
  try {
    return await reach(place.ip, port);
  } catch (error) {
    if (place.ownAddress || !isRefused(error)) throw error;
    return reach('127.0.0.1', port);
  }
}

/** What a client says while its connection is being made. */
function waiting() {
  const inputs: FlowInput[] = [];
  let closed = false, granted = 0;
  return {
    inputs, closed: () => closed, granted: () => granted,
    flow: {
      input: (input) => { inputs.push(input); },
      credit: (bytes) => { granted += bytes; },
      close() { closed = true; },
    } satisfies OpenFlow,
  };
}

// ── programs ─────────────────────────────────────────────────────────────────────────────────────────────

interface Killable { kill(): void }

interface Execution {
  readonly flow: string;
  readonly target: Extract<FlowTarget, { kind: 'exec' }>;
  readonly entry: Entry;
  /** Where a program with a terminal leaves its number and its terminal's name. */
  readonly terminal: string | null;
  readonly credit: number;
  readonly deliver: (event: ContainersEvent) => void;
  readonly over: () => void;
  readonly guard: Guard;
}

/** Joins the groups, then becomes the program; it leads a session of its own from its start. */
const enter = 'for each in $1; do echo 0 > "$each/cgroup.procs"; done 2>/dev/null; shift; exec "$@"';

function execute(execution: Execution): OpenFlow & Killable {
  const { flow, target, entry, terminal, credit, deliver, guard } = execution;
  const child = start(entry, terminal, target.stdin), { pid } = child;
  if (pid !== undefined) guard.add(pid);
  const outlet = createOutlet({
    flow, credit, deliver,
    pause: () => [child.stdout, child.stderr].forEach((each) => each?.pause()),
    resume: () => [child.stdout, child.stderr].forEach((each) => each?.resume()),
    over: execution.over,
  });
  const screen = terminal === null ? null : createScreen(terminal, guard);
  if (child.stdout !== null) read(child.stdout, 'stdout', target.stdout ? outlet : silent);
  if (child.stderr !== null) read(child.stderr, 'stderr', target.stderr ? outlet : silent);
  child.stdin?.on('error', () => undefined);
  let told = false;
  const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
    if (told) return;
    told = true;
    outlet.end({ type: 'exited', code: code ?? 128 + (signalNumbers[signal ?? 'SIGKILL'] ?? 9) });
  };
  child.on('error', (error) => outlet.end(failedFlow(error.message)));
  child.on('exit', (code, signal) => {
    if (pid !== undefined) guard.remove(pid);
    screen?.close();
    // What it left behind may hold its output open for ever.
    setTimeout(() => ended(code, signal), limits.flowDrainMs).unref();
  });
  child.on('close', ended);
  const kill = (): void => {
    screen?.kill();
    if (pid !== undefined && child.exitCode === null && child.signalCode === null) guard.kill(pid);
  };
  return {
    kill,
    input(given) {
      if (given.type === 'data') give(flow, child.stdin, given.data, deliver);
      else if (given.type === 'eof') child.stdin?.end();
      else screen?.resize(given.columns, given.rows);
    },
    credit: (bytes) => outlet.credit(bytes),
    close() {
      outlet.close();
      kill();
      for (const end of [child.stdin, child.stdout, child.stderr]) end?.destroy();
    },
  };
}

/** Takes what is not wanted. */
const silent = { push() {}, credit() {}, end() {}, close() {} };

const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGABRT: 6, SIGKILL: 9, SIGSEGV: 11, SIGPIPE: 13, SIGTERM: 15,
};

function start({ words, env, cwd, groups }: Entry, terminal: string | null, stdin: boolean): ChildProcess {
  const sh = findTool('sh'), envTool = findTool('env');
  const joined = ['-c', enter, 'sh', groups.join(' '), envTool];
  if (terminal === null) {
    return spawn(sh, [...joined, ...words],
      { cwd, env, detached: true, stdio: [stdin ? 'pipe' : 'ignore', 'pipe', 'pipe'] });
  }
  const shell = Object.hasOwn(env, 'SHELL') ? [`SHELL=${env['SHELL'] ?? ''}`] : ['-u', 'SHELL'];
  const term = Object.hasOwn(env, 'TERM') ? [] : ['TERM=xterm'];
  const options = words.slice(0, words.findIndex((word, at) => word !== '-u' && words[at - 1] !== '-u'));
  const call = [envTool, ...options, ...shell, ...term, ...words.slice(options.length)].map(quoted).join(' ');
  // Its number and its terminal are told first; it waits a moment for the first size; then it becomes the
  // program.
  const size = quoted(`${terminal}.size`);
  const line = `echo "$$ $(tty)" > ${quoted(terminal)}; n=0; until [ -e ${size} ] || [ $n -ge 20 ]; do `
    + `sleep 0.02; n=$((n + 1)); done; [ -e ${size} ] && stty $(cat ${size}); exec ${call}`;
  // Without a way in it would see the end of its input at once: `script` passes that on as ^D.
  return spawn(sh, [...joined, findTool('script'), '-qefc', line, '/dev/null'],
    { cwd, env: { ...env, SHELL: sh }, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

interface Screen extends Killable { resize(columns: number, rows: number): void; close(): void }

/** The terminal of a program, by the file in which the program names it. */
function createScreen(path: string, guard: Guard): Screen {
  let wanted: { readonly columns: number; readonly rows: number } | null = null, pid = 0, closed = false;
  const look = (): string | null => {
    const [number = '', device = ''] = existsSync(path) ? readFileSync(path, 'utf8').trim().split(' ') : [];
    if (!device.startsWith('/dev/')) return null;
    if (pid === 0) {
      pid = Number(number);
      guard.add(pid);
    }
    return device;
  };
  const poll = setInterval(() => {
    const device = look();
    if (device === null) return;
    clearInterval(poll);
    apply(device);
  }, 10);
  poll.unref();
  function apply(device: string): void {
    if (wanted === null || closed) return;
    const { columns, rows } = wanted;
    wanted = null;
    const size = ['-F', device, 'rows', String(rows), 'cols', String(columns)];
    spawn(findTool('stty'), size, { stdio: 'ignore' }).on('error', () => undefined);
  }
  return {
    resize(columns, rows) {
      wanted = { columns, rows };
      writeFileSync(`${path}.new`, `rows ${rows} cols ${columns}\n`);
      renameSync(`${path}.new`, `${path}.size`);
      const device = look();
      if (device !== null) apply(device);
    },
    kill() {
      look();
      if (pid > 0) guard.kill(pid);
    },
    close() {
      closed = true;
      clearInterval(poll);
      look();
      if (pid > 0) guard.remove(pid);
      for (const file of [path, `${path}.size`]) rmSync(file, { force: true });
    },
  };
}
