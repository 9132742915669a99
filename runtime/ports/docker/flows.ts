// Exec, attach and port-forward on Docker: an exec of the engine, its attach, and a connection to the pod's
// address or, for what listens on the pod's own 127.0.0.1 alone, through a program in the pod's sandbox.
//
// What always holds: an exec whose client or whose peer went away is ended, as far as this peer may end it
// (see `end`): the engine has no call for that. It tells a program's number a moment after the program was
// started; a peer that is killed within that moment leaves it behind.

import { readFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type Dockerode from 'dockerode';
import { failedFlow } from '../../../cluster/flow.ts';
import type { FlowEnd, FlowInput, FlowTarget } from '../../../cluster/flow.ts';
import type { ContainersEvent } from '../../../cluster/ports.ts';
import { unreachable } from '../../../cluster/assert.ts';
import { connectionFlow, isRefused, reach } from '../flows/dial.ts';
import type { OpenFlow } from '../flows/dial.ts';
import { createGuard } from '../flows/guard.ts';
import type { Guard } from '../flows/guard.ts';
import { createOutlet, give, read, readMultiplexed } from '../flows/pipe.ts';
import type { Outlet } from '../flows/pipe.ts';
import { messageOf, sandboxFact, statusOf } from './facts.ts';

export interface DockerFlows {
  open(flow: string, target: FlowTarget, credit: number): void;
  input(flow: string, input: FlowInput): void;
  credit(flow: string, bytes: number): void;
  close(flow: string): void;
  closeAll(): void;
}

type ExecTarget = Extract<FlowTarget, { kind: 'exec' }>;
type AttachTarget = Extract<FlowTarget, { kind: 'attach' }>;

interface Opening {
  readonly flow: string;
  readonly deliver: (event: ContainersEvent) => void;
  readonly guard: Guard;
  /** Its client gave it up meanwhile. */
  closed: boolean;
  granted: number;
  readonly inputs: FlowInput[];
  opened: OpenFlow | null;
  readonly over: () => void;
}

export function createDockerFlows(
  docker: Dockerode, deliver: (event: ContainersEvent) => void,
): DockerFlows {
  const flows = new Map<string, Opening>(), guard = createGuard();

  function close(flow: string): void {
    const opening = flows.get(flow);
    if (opening === undefined) return;
    flows.delete(flow);
    opening.closed = true;
    opening.opened?.close();
  }

  function open(flow: string, target: FlowTarget, credit: number): void {
    const opening: Opening = {
      flow, deliver, guard, closed: false, granted: credit, inputs: [], opened: null,
      over: () => { flows.delete(flow); },
    };
    flows.set(flow, opening);
    begin(docker, opening, target).then((opened) => {
      if (opening.closed) return opened.close();
      opening.opened = opened;
      for (const input of opening.inputs.splice(0)) opened.input(input);
    }, (error: unknown) => {
      if (opening.closed) return;
      opening.over();
      const missing = statusOf(error) === 404 && target.kind !== 'dial';
      deliver({ type: 'flow-end', flow, end: failedFlow(messageOf(error), missing) });
    });
  }

  return {
    open, close,
    input(flow, input) {
      const opening = flows.get(flow);
      if (opening?.opened === null) opening.inputs.push(input);
      else opening?.opened.input(input);
    },
    credit(flow, bytes) {
      const opening = flows.get(flow);
      if (opening?.opened === null) opening.granted += bytes;
      else opening?.opened.credit(bytes);
    },
    closeAll() {
      for (const flow of [...flows.keys()]) close(flow);
      guard.close();
    },
  };
}

function begin(docker: Dockerode, opening: Opening, target: FlowTarget): Promise<OpenFlow> {
  switch (target.kind) {
    case 'exec': return execute(docker, opening, target);
    case 'attach': return attach(docker, opening, target);
    case 'dial': return dial(docker, opening, target.sandbox, target.port);
    default: return unreachable(target);
  }
}

// ── exec ─────────────────────────────────────────────────────────────────────────────────────────────────

async function execute(docker: Dockerode, opening: Opening, target: ExecTarget): Promise<OpenFlow> {
  const { container, command, stdin, stdout, stderr, tty } = target;
  const exec = await docker.getContainer(container).exec({
    Cmd: [...command], AttachStdin: stdin, AttachStdout: stdout, AttachStderr: stderr && !tty, Tty: tty,
    ...tty ? { Env: ['TERM=xterm'] } : {},
  });
  const stream = await exec.start({ hijack: true, stdin: true, Tty: tty }) as Duplex;
  const running = watchProgram(docker, exec, container, opening.guard);
  const outlet = outletOf(opening, stream);
  if (tty) read(stream, 'stdout', outlet);
  else readMultiplexed(stream, outlet);
  stream.on('close', () => {
    running.ended().then((code) => outlet.end({ type: 'exited', code }),
      (error: unknown) => outlet.end(failedFlow(messageOf(error))));
  });
  stream.on('end', () => stream.destroy());
  return {
    input(given) {
      if (given.type === 'data') give(opening.flow, stdin ? stream : null, given.data, opening.deliver);
      else if (given.type === 'eof') stream.end();
      else running.resize(given.columns, given.rows);
    },
    credit: (bytes) => outlet.credit(bytes),
    close() {
      outlet.close();
      stream.destroy();
      running.kill();
    },
  };
}

function outletOf({ flow, granted, deliver, over }: Opening, stream: Duplex): Outlet {
  return createOutlet({
    flow, credit: granted, deliver, over, pause: () => stream.pause(), resume: () => stream.resume(),
  });
}

interface Program {
  /** Its exit code, once its output has ended. */
  ended(): Promise<number>;
  resize(columns: number, rows: number): void;
  kill(): void;
}

/** The engine tells a program's number, and takes its size, a moment after it was started. */
const startedTries = 100, startedTryMs = 20;

function watchProgram(docker: Dockerode, exec: Dockerode.Exec, container: string, guard: Guard): Program {
  const pid = numberOf(exec);
  pid.then((number) => { if (number > 0 && isInside(number, container)) guard.add(number); },
    () => undefined);
  async function ended(): Promise<number> {
    const number = await pid.catch(() => 0);
    for (let tries = 0; ; tries += 1) {
      const { Running: running, ExitCode: code } = await exec.inspect();
      if (running && tries < startedTries) {
        await sleep(startedTryMs);
        continue;
      }
      if (number > 0) guard.remove(number);
      // A connection that broke leaves it running.
      if (running) throw new Error('the container runtime closed the connection to the program');
      return code ?? 0;
    }
  }
  async function resize(columns: number, rows: number): Promise<void> {
    await pid;
    await exec.resize({ w: columns, h: rows });
  }
  return {
    ended,
    resize: (columns, rows) => { resize(columns, rows).catch(() => undefined); },
    kill() { end(docker, pid, container, guard).catch(() => undefined); },
  };
}

/** On the engine's machine; 0: it has ended, or never began. */
async function numberOf(exec: Dockerode.Exec): Promise<number> {
  for (let tries = 0; tries < startedTries; tries += 1) {
    const { Running: running, Pid: pid, ExitCode: code } = await exec.inspect();
    if (pid > 0 && running) return pid;
    if (code !== null && !running) return 0;
    await sleep(startedTryMs);
  }
  return 0;
}

/**
 * Where the engine runs on this machine and this peer may signal its processes, by signals; else by `kill` in
 * the container, where it has one.
 */
async function end(docker: Dockerode, pid: Promise<number>, container: string, guard: Guard): Promise<void> {
  const number = await pid;
  if (number === 0 || !isInside(number, container)) return;
  guard.kill(number);
  if (!isInside(number, container)) return;
  const inner = /^NSpid:.*\s(\d+)$/m.exec(readFileSync(`/proc/${number}/status`, 'utf8'))?.[1];
  if (inner === undefined) return;
  const kill = await docker.getContainer(container).exec({ Cmd: ['kill', '-KILL', `-${inner}`] });
  // The answer has nothing to read, and holds its connection until somebody has.
  const answer = await kill.start({ Detach: true }) as Duplex;
  answer.destroy();
}

/** Whether that number is, on this machine, a process of the container: the engine may be elsewhere. */
function isInside(pid: number, container: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(container);
  } catch {
    return false;
  }
}

// ── attach ───────────────────────────────────────────────────────────────────────────────────────────────

async function attach(docker: Dockerode, opening: Opening, target: AttachTarget): Promise<OpenFlow> {
  const container = docker.getContainer(target.container), info = await container.inspect();
  const stream = await container.attach({
    stream: true, hijack: true, logs: false, stdin: target.stdin, stdout: target.stdout,
    stderr: target.stderr || target.tty,
  }) as Duplex;
  const outlet = outletOf(opening, stream), closed: FlowEnd = { type: 'closed' };
  const takes = target.stdin && info.Config.OpenStdin;
  if (info.Config.Tty) read(stream, 'stdout', outlet);
  else readMultiplexed(stream, outlet);
  stream.on('end', () => outlet.end(closed));
  stream.on('close', () => outlet.end(closed));
  return {
    input(given) {
      if (given.type === 'data') give(opening.flow, takes ? stream : null, given.data, opening.deliver);
      else if (given.type === 'eof') {
        // Of a container whose input goes on, the engine would end the output, too.
        if (takes && info.Config.StdinOnce === true) stream.end();
      } else if (info.Config.Tty) {
        container.resize({ w: given.columns, h: given.rows }).catch(() => undefined);
      }
    },
    credit: (bytes) => outlet.credit(bytes),
    close() {
      outlet.close();
      stream.destroy();
    },
  };
}

// ── port-forward ─────────────────────────────────────────────────────────────────────────────────────────

async function dial(docker: Dockerode, opening: Opening, sandbox: string, port: number): Promise<OpenFlow> {
  const info = await docker.getContainer(sandbox).inspect(), shared = info.HostConfig.NetworkMode === 'host';
  const host = shared ? '127.0.0.1' : sandboxFact(info).ip;
  try {
    const { flow, deliver, over } = opening, socket = await reach(host, port);
    return connectionFlow(flow, socket, opening.granted, deliver, over);
  } catch (error) {
    if (shared || !isRefused(error)) throw error;
  }
  const relay: ExecTarget = {
    kind: 'exec', container: sandbox, command: ['/tiny', 'dial', String(port)], stdin: true, stdout: true,
    stderr: true, tty: false,
  };
  return execute(docker, relayed(opening, host, port), relay);
}

/** The flow over a program in the sandbox: its end is the connection's, its complaint the error. */
function relayed(opening: Opening, host: string, port: number): Opening {
  const refused = failedFlow(`connect ECONNREFUSED ${host}:${port}`);
  return {
    ...opening,
    deliver(event) {
      if (event.type === 'flow-output' && event.channel === 'stderr') return;
      if (event.type !== 'flow-end' || event.end.type !== 'exited') return opening.deliver(event);
      opening.deliver({ ...event, end: event.end.code === 0 ? { type: 'closed' } : refused });
    },
  };
}
