// The embedded runtime: the containers port on plain processes of this machine, for where there is no Docker.
// It isolates nothing but what control groups limit: a container sees the machine's files, processes and
// network. Each runs under a shim (process/shim.ts) that outlives the peer.
//
// What always holds: all that is known is on disk, so a peer that is started again goes on with what runs;
// what can't be honoured (images, host ports, terminals) is refused with words that say why.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  ContainersEvent, ContainersPort, ContainerSpec, LogOptions, PodIdentity, RuntimeCall,
  RuntimeFailure, SandboxSpec,
} from '../../cluster/ports.ts';
import { unreachable } from '../../cluster/assert.ts';
import { nextAddress, podAddressPrefix } from './process/address.ts';
import { openControlGroups } from './process/cgroup.ts';
import { createProcessContainer, RuntimeError } from './process/container.ts';
import type { Machine, Place, ProcessContainer } from './process/container.ts';
import { createProcessFlows } from './process/flows.ts';
import { commandLine, imageId, refusal } from './process/image.ts';
import type { Builtins } from './process/image.ts';
import { createLogReader } from './process/logs.ts';
import type { LogReader } from './process/logs.ts';
import { ownIdentity } from './process/proc.ts';
import { openRecords, recordId, sandboxFact } from './process/record.ts';
import type { SandboxRecord } from './process/record.ts';
import { findTools, peerFile, writeShim } from './process/shim.ts';
import { usageOfSessions } from './process/usage.ts';
import { machineUsage } from './machine.ts';
import type { RuntimeUsage } from '../../cluster/usage.ts';

export interface ProcessRuntimeOptions {
  /** This runtime's own directory; made if it is not there. */
  readonly dir: string;
  readonly deliver: (event: ContainersEvent) => void;
  /** Programs that Shoal brings along, by image. */
  readonly builtins?: Builtins;
  /** The node's address. On a loopback address each pod gets one of its own; else pods share this one. */
  readonly hostIP: string;
  readonly log?: (line: string) => void;
}

export interface ProcessRuntime extends ContainersPort {
  /** Ends the adapter. The containers go on. */
  close(): Promise<void>;
}

type Done = Omit<Extract<ContainersEvent, { type: 'runtime-done' }>, 'type' | 'op'>;

/** Throws where this machine can't run it: it needs Linux, and a few programs that every Linux has. */
export function createProcessRuntime(options: ProcessRuntimeOptions): ProcessRuntime {
  if (process.platform !== 'linux') throw new Error('the embedded runtime needs Linux; start Docker instead');
  let closed = false;
  const deliver = (event: ContainersEvent): void => { if (!closed) options.deliver(event); };
  const engine = createEngine(options, deliver);
  const flows = createProcessFlows({
    container: engine.container, placeOf: engine.placeOf, sandbox: engine.sandbox, dirOf: engine.dirOf,
    deliver,
  });
  engine.onEnd(flows.ended);
  const readers = new Map<string, { readonly reader: LogReader; readonly release: () => void }>();

  function endLog(stream: string): void {
    const open = readers.get(stream);
    readers.delete(stream);
    open?.release();
    open?.reader.close();
  }

  function openLog(stream: string, id: string, log: LogOptions, credit: number): void {
    const container = engine.container(id);
    if (container === null) return deliver({ type: 'log-end', stream, error: `no such container: ${id}` });
    container.refresh();
    const reader = createLogReader({
      dir: engine.dirOf(id), ended: () => container.logEnded(),
      chunk: (data) => deliver({ type: 'log-chunk', stream, data }),
      end(error) {
        endLog(stream);
        deliver({ type: 'log-end', stream, error });
      },
    }, log, credit);
    readers.set(stream, { reader, release: container.onLog(() => reader.pump()) });
    reader.pump();
  }

  setImmediate(() => deliver({ type: 'runtime-health', up: true, message: '' }));
  return {
    name: 'process',
    call(op, call) {
      setImmediate(() => {
        engine.perform(call).then(
          (done) => deliver({ type: 'runtime-done', op, ...done }),
          (error: unknown) => deliver({ type: 'runtime-failed', op, failure: failureOf(error) }),
        );
      });
    },
    openLog: (stream, id, log, credit) => void setImmediate(() => openLog(stream, id, log, credit)),
    logCredit: (stream, bytes) => void setImmediate(() => readers.get(stream)?.reader.credit(bytes)),
    closeLog: (stream) => void setImmediate(() => endLog(stream)),
    openFlow: (flow, target, credit) => void setImmediate(() => flows.open(flow, target, credit)),
    flowInput: (flow, input) => void setImmediate(() => flows.input(flow, input)),
    flowCredit: (flow, bytes) => void setImmediate(() => flows.credit(flow, bytes)),
    closeFlow: (flow) => void setImmediate(() => flows.close(flow)),
    async close() {
      closed = true;
      for (const stream of [...readers.keys()]) endLog(stream);
      flows.closeAll();
      engine.release();
    },
  };
}

function failureOf(error: unknown): RuntimeFailure {
  if (error instanceof RuntimeError) {
    return { reason: error.reason, message: error.message, retry: error.retry };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { reason: 'RuntimeUnavailable', message: `the embedded runtime failed: ${message}`, retry: true };
}

/** Sandboxes and containers, and what can be done with them. */
function createEngine(options: ProcessRuntimeOptions, deliver: (event: ContainersEvent) => void) {
  const { dir, hostIP, builtins = {} } = options;
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const records = openRecords(dir);
  const self = ownIdentity();
  writeFileSync(join(dir, peerFile), `${self.pid} ${self.start}\n`);
  const warn = options.log ?? (() => {});
  const own: PodIdentity = { namespace: '', name: dir, uid: '' };
  const groups = openControlGroups(`shoal-${recordId('sandbox', own, '', 0).slice(0, 12)}`, warn);
  const tools = findTools();
  const machine: Machine = {
    records, groups, builtins, sh: tools.sh, shim: writeShim(dir, tools),
    changed(container) {
      deliver({ type: 'container-changed', container });
      if (container.state === 'exited') ended(container.id);
    },
  };
  let ended: (container: string) => void = () => {};
  const containers = new Map<string, ProcessContainer>();
  for (const record of records.containers()) {
    containers.set(record.id, createProcessContainer(machine, record));
  }
  const prefix = podAddressPrefix(hostIP);
  let lastAddress: string | null = null;

  async function perform(call: RuntimeCall): Promise<Done> {
    switch (call.call) {
      case 'image': return { value: imageId(call.image, builtins) };
      case 'pull': {
        const value = imageId(call.image, builtins);
        if (value === '') throw new RuntimeError('ErrImagePull', refusal(call.image, builtins), false);
        return { value };
      }
      case 'create-sandbox': {
        const sandbox = createSandbox(call.sandbox);
        return { value: sandbox.id, sandbox: sandboxFact(sandbox) };
      }
      case 'create-container': return { value: createContainer(call.container) };
      case 'start-container': return start(call.id);
      case 'stop-container': {
        await containers.get(call.id)?.stop(call.graceMs);
        return { value: call.id };
      }
      case 'remove-container': {
        await remove(call.id);
        return { value: call.id };
      }
      case 'remove-sandbox': {
        await removeSandbox(call.id);
        return { value: call.id };
      }
      case 'list': return { value: '', list: list() };
      case 'usage': return { value: '', usage: usage() };
      default: return unreachable(call);
    }
  }

  function createSandbox(spec: SandboxSpec): SandboxRecord {
    const id = recordId('sandbox', spec.pod, '', spec.attempt);
    const known = records.sandbox(id);
    if (known !== null) return known;
    const hostPort = spec.ports.find((port) => port.hostPort > 0);
    if (hostPort !== undefined && !spec.hostNetwork) {
      throw new RuntimeError('CreatePodSandboxError', `hostPort ${hostPort.hostPort} needs Docker: the `
        + 'embedded runtime forwards no ports; use hostNetwork or a Service of type NodePort', false);
    }
    const record = { id, spec, ip: spec.hostNetwork ? hostIP : address(), createdAtMs: Date.now() };
    records.saveSandbox(record);
    return record;
  }

  function address(): string {
    if (prefix === null) return hostIP;
    const taken = new Set(records.sandboxes().map(({ ip }) => ip));
    const next = nextAddress(prefix, taken, lastAddress);
    if (next === null) {
      throw new RuntimeError('CreatePodSandboxError', `all addresses of ${prefix}.0/24 are taken`);
    }
    lastAddress = next;
    return next;
  }

  function createContainer(spec: ContainerSpec): string {
    const id = recordId('container', spec.pod, spec.name, spec.attempt);
    if (containers.has(id)) return id;
    const refused = (message: string): RuntimeError =>
      new RuntimeError('CreateContainerError', message, false);
    const image = imageId(spec.image, builtins);
    if (image === '') throw refused(refusal(spec.image, builtins));
    if (records.sandbox(spec.sandbox) === null) throw refused(`no such sandbox: ${spec.sandbox}`);
    if (spec.tty || spec.stdin) {
      throw refused('the embedded runtime gives no terminal: stdin and tty need Docker');
    }
    const { add = [], drop = [] } = spec.capabilities ?? {};
    if (add.length + drop.length > 0) {
      throw refused('the embedded runtime runs programs as they are: capabilities need Docker');
    }
    if (commandLine(spec, builtins).length === 0) {
      throw refused(`image "${spec.image}" has no program of its own: the container needs a command`);
    }
    const record = { id, spec, imageId: image };
    records.saveContainer(record);
    containers.set(id, createProcessContainer(machine, record));
    return id;
  }

  async function start(id: string): Promise<Done> {
    const container = containers.get(id);
    if (container === undefined) throw new RuntimeError('NotFound', `no such container: ${id}`, false);
    const sandbox = records.sandbox(container.record().spec.sandbox);
    if (sandbox === null) throw new RuntimeError('RunContainerError', 'its sandbox is gone');
    await container.start(placeIn(sandbox));
    return { value: id, container: container.fact() };
  }

  const placeIn = ({ ip, spec }: SandboxRecord): Place =>
    ({ ip, hostname: spec.hostname, ownAddress: prefix !== null && !spec.hostNetwork });

  function sandbox(id: string): Place | null {
    const record = records.sandbox(id);
    return record === null ? null : placeIn(record);
  }

  function placeOf(id: string): Place | null {
    const container = containers.get(id);
    return container === undefined ? null : sandbox(container.record().spec.sandbox);
  }

  async function remove(id: string): Promise<void> {
    const container = containers.get(id);
    if (container === undefined) return;
    await container.destroy();
    if (containers.delete(id)) deliver({ type: 'container-gone', id });
  }

  async function removeSandbox(id: string): Promise<void> {
    const inside = [...containers.values()].filter((container) => container.record().spec.sandbox === id);
    await Promise.all(inside.map((container) => remove(container.id)));
    if (records.sandbox(id) === null) return;
    records.removeSandbox(id);
    deliver({ type: 'sandbox-gone', id });
  }

  function list(): NonNullable<Done['list']> {
    for (const container of containers.values()) container.refresh();
    return {
      sandboxes: records.sandboxes().map(sandboxFact),
      containers: [...containers.values()].map((container) => container.fact()),
    };
  }

  function usage(): RuntimeUsage {
    const running = [...containers.values()].flatMap(({ id, program }) => {
      const leader = program();
      return leader === null ? [] : [{ id, leader, grouped: groups.usage(id) }];
    });
    const alone = running.filter(({ grouped }) => grouped === null).map(({ leader }) => leader);
    const sessions = usageOfSessions(new Set(alone));
    return {
      machine: machineUsage(),
      containers: running.flatMap(({ id, leader, grouped }) => {
        const counted = grouped ?? sessions.get(leader);
        return counted === undefined ? [] : [{ id, ...counted }];
      }),
    };
  }

  return {
    perform, placeOf, sandbox,
    onEnd(tell: (container: string) => void) { ended = tell; },
    container: (id: string) => containers.get(id) ?? null,
    dirOf: (id: string) => records.containerDir(id),
    release() {
      rmSync(join(dir, peerFile), { force: true });
      for (const container of containers.values()) container.release();
    },
  };
}
