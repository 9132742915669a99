// The containers port on Docker, through dockerode (Podman's socket speaks the same API).
//
// One sandbox container per pod holds the pod's network and IPC namespaces; the pod's containers join them.
// What always holds: only what carries this peer's label is seen or touched; making what exists adopts it;
// the engine's events are a hint that makes us look (inspect), never the truth themselves.

import Dockerode from 'dockerode';
import type { Readable } from 'node:stream';
import type {
  ContainerSpec, ContainersEvent, ContainersPort, RuntimeCall, RuntimeFailure, SandboxSpec,
} from '../../cluster/ports.ts';
import { builtinImages, imageArchive, sandboxImage } from './image/archive.ts';
import type { BuiltinImage } from './image/archive.ts';
import {
  containerName, failureOf, label, messageOf, podLabels, sandboxFact, statusOf,
} from './docker/facts.ts';
import { createDockerFlows } from './docker/flows.ts';
import { openDockerLog } from './docker/logs.ts';
import type { DockerLog } from './docker/logs.ts';
import { openMessages } from './docker/messages.ts';
import type { Messages } from './docker/messages.ts';
import { dockerUsage } from './docker/usage.ts';
import { watchEngine } from './docker/watch.ts';

export interface DockerOptions {
  /** The engine's socket; default: DOCKER_HOST or /var/run/docker.sock. */
  readonly socketPath?: string;
  /** Whose containers: the PeerId. */
  readonly owner: string;
  /** Where the containers' termination messages are kept. */
  readonly dir: string;
  readonly deliver: (event: ContainersEvent) => void;
}

export interface DockerRuntime extends ContainersPort { close(): Promise<void> }

type Done = Omit<Extract<ContainersEvent, { type: 'runtime-done' }>, 'type' | 'op'>;

/** Does an engine answer, and which? Null where none does. */
export async function probeDocker(
  socketPath?: string,
): Promise<{ version: string; architecture: string } | null> {
  try {
    const version = await engine(socketPath).version();
    return { version: version.Version, architecture: version.Arch };
  } catch {
    return null;
  }
}

export function createDockerRuntime(options: DockerOptions): DockerRuntime {
  const docker = engine(options.socketPath), messages = openMessages(docker, options.dir);
  const machine: Machine = { docker, owner: options.owner, messages };
  const logs = new Map<string, DockerLog>();
  const watch = watchEngine(docker, options.owner, messages.factOf, options.deliver);
  let closed = false;
  const deliver = (event: ContainersEvent): void => { if (!closed) options.deliver(event); };
  const flows = createDockerFlows(docker, deliver);
  const carry = (op: string, call: RuntimeCall): void => {
    perform(machine, call).then(
      (done) => deliver({ type: 'runtime-done', op, ...done }),
      (error: unknown) => deliver({ type: 'runtime-failed', op, failure: asFailure(error, call) }),
    );
  };
  return {
    name: 'docker',
    call: carry,
    openLog(stream, container, logOptions, credit) {
      logs.set(stream, openDockerLog(docker.getContainer(container), logOptions, credit,
        (data) => deliver({ type: 'log-chunk', stream, data }),
        (error) => {
          logs.delete(stream);
          deliver({ type: 'log-end', stream, error });
        }));
    },
    logCredit: (stream, bytes) => logs.get(stream)?.credit(bytes),
    closeLog(stream) {
      logs.get(stream)?.close();
      logs.delete(stream);
    },
    openFlow: (flow, target, credit) => flows.open(flow, target, credit),
    // Not from inside a call into the port.
    flowInput: (flow, input) => void setImmediate(() => flows.input(flow, input)),
    flowCredit: (flow, bytes) => void setImmediate(() => flows.credit(flow, bytes)),
    closeFlow: (flow) => void setImmediate(() => flows.close(flow)),
    async close() {
      closed = true;
      flows.closeAll();
      for (const log of logs.values()) log.close();
      await watch.close();
    },
  };
}

function engine(socketPath?: string): Dockerode {
  return socketPath === undefined ? new Dockerode() : new Dockerode({ socketPath });
}

/** The engine, whose containers are meant, and where their last words are. */
interface Machine { readonly docker: Dockerode; readonly owner: string; readonly messages: Messages }

async function perform(machine: Machine, call: RuntimeCall): Promise<Done> {
  const { docker } = machine;
  switch (call.call) {
    case 'pull': return { value: await pull(docker, call.image) };
    case 'image': return { value: await imageId(docker, call.image) };
    case 'create-sandbox': return createSandbox(machine, call.sandbox);
    case 'create-container': return createContainer(machine, call.container);
    case 'start-container': return start(machine, call.id);
    case 'stop-container': return stop(docker, call.id, call.graceMs);
    case 'remove-container': return remove(machine, call.id);
    case 'remove-sandbox': return removeSandbox(machine, call.id);
    case 'list': return list(machine);
    case 'usage': return { value: '', usage: await dockerUsage(docker, machine.owner) };
  }
}

// ── images ───────────────────────────────────────────────────────────────────────────────────────────────

async function imageId(docker: Dockerode, image: string): Promise<string> {
  try {
    return (await docker.getImage(image).inspect()).Id;
  } catch (error) {
    if (statusOf(error) === 404) return '';
    throw error;
  }
}

/** Pulls, or loads what Shoal brings along; the id of the image that is then here. */
async function pull(docker: Dockerode, image: string): Promise<string> {
  const builtin = builtinImages.find((each) => each.name === image);
  if (builtin !== undefined) return load(docker, builtin);
  // Without a tag, Docker would pull every tag there is.
  const reference = /[:@][^/]+$/.test(image) ? image : `${image}:latest`;
  const progress = await docker.pull(reference) as Readable;
  await new Promise<void>((done, fail) => {
    docker.modem.followProgress(progress, (error: Error | null) => error === null ? done() : fail(error));
  });
  return imageId(docker, image);
}

async function load(docker: Dockerode, image: BuiltinImage): Promise<string> {
  const { Arch: arch } = await docker.version();
  const { archive, id } = await imageArchive(image, arch);
  if (await imageId(docker, image.name) === id) return id;
  const { Readable: Source } = await import('node:stream');
  const progress = await docker.loadImage(Source.from([archive])) as Readable;
  await new Promise<void>((done, fail) => {
    docker.modem.followProgress(progress, (error: Error | null) => error === null ? done() : fail(error));
  });
  return imageId(docker, image.name);
}

// ── sandboxes and containers ─────────────────────────────────────────────────────────────────────────────

async function createSandbox({ docker, owner }: Machine, spec: SandboxSpec): Promise<Done> {
  await load(docker, sandboxImage);
  const ports = spec.hostNetwork ? [] : spec.ports.filter((port) => port.hostPort > 0);
  const binding = ({ containerPort, protocol }: SandboxSpec['ports'][number]): string =>
    `${containerPort}/${protocol.toLowerCase()}`;
  const container = await createOrAdopt(docker, {
    name: containerName('POD', spec.pod, spec.attempt),
    Image: sandboxImage.name,
    ...spec.hostNetwork ? {} : { Hostname: spec.hostname },
    Labels: podLabels(owner, 'sandbox', spec.pod, spec.attempt),
    ExposedPorts: Object.fromEntries(ports.map((port) => [binding(port), {}])),
    HostConfig: {
      NetworkMode: spec.hostNetwork ? 'host' : 'bridge', IpcMode: 'shareable',
      PortBindings: Object.fromEntries(ports.map((port) =>
        [binding(port), [{ HostIp: port.hostIP, HostPort: String(port.hostPort) }]])),
    },
  });
  await startIfStopped(container);
  const info = await container.inspect();
  return { value: info.Id, sandbox: sandboxFact(info) };
}

async function createContainer({ docker, owner, messages }: Machine, spec: ContainerSpec): Promise<Done> {
  const shared = `container:${spec.sandbox}`, name = containerName(spec.name, spec.pod, spec.attempt);
  const mount = messages.mount(name, spec);
  const container = await createOrAdopt(docker, {
    name,
    Image: spec.image,
    ...spec.command.length > 0 ? { Entrypoint: [...spec.command] } : {},
    ...spec.args.length > 0 ? { Cmd: [...spec.args] } : spec.command.length > 0 ? { Cmd: [] } : {},
    ...spec.workingDir === '' ? {} : { WorkingDir: spec.workingDir },
    Env: spec.env.map(({ name, value }) => `${name}=${value}`),
    OpenStdin: spec.stdin, StdinOnce: spec.stdin && spec.stdinOnce === true, Tty: spec.tty,
    Labels: {
      ...podLabels(owner, 'container', spec.pod, spec.attempt),
      [label.container]: spec.name, [label.sandbox]: spec.sandbox, [label.image]: spec.image,
      ...spec.terminationMessagePolicy === 'FallbackToLogsOnError' ? { [label.messageFromLog]: 'true' } : {},
    },
    HostConfig: {
      NetworkMode: shared, IpcMode: shared,
      ...spec.processesOf === undefined ? {} : { PidMode: `container:${spec.processesOf}` },
      CapAdd: [...spec.capabilities?.add ?? []], CapDrop: [...spec.capabilities?.drop ?? []],
      Mounts: mount === null ? [] : [mount],
      CpuShares: Math.max(2, Math.floor((spec.cpuRequestMilli * 1024) / 1000)),
      ...limitsOf(spec),
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
    },
  });
  return { value: container.id };
}

function limitsOf({ cpuLimitMilli: cpu, memoryLimitBytes: memory }: ContainerSpec): Dockerode.HostConfig {
  return {
    ...cpu > 0 ? { CpuPeriod: 100_000, CpuQuota: Math.max(1000, cpu * 100) } : {},
    // No swap on top of it, as in Kubernetes.
    ...memory > 0 ? { Memory: memory, MemorySwap: memory } : {},
  };
}

/** Creates, or finds the one of that name: it was made by an earlier run of this call. */
async function createOrAdopt(
  docker: Dockerode, spec: Dockerode.ContainerCreateOptions,
): Promise<Dockerode.Container> {
  try {
    return await docker.createContainer(spec);
  } catch (error) {
    if (statusOf(error) !== 409 || spec.name === undefined) throw error;
    return docker.getContainer((await docker.getContainer(spec.name).inspect()).Id);
  }
}

/** 304: it runs already. */
async function startIfStopped(container: Dockerode.Container): Promise<void> {
  await ignoring([304], container.start());
}

async function start({ docker, messages }: Machine, id: string): Promise<Done> {
  const container = docker.getContainer(id);
  await startIfStopped(container);
  return { value: id, container: await messages.factOf(await container.inspect()) };
}

async function stop(docker: Dockerode, id: string, graceMs: number): Promise<Done> {
  const container = docker.getContainer(id);
  await ignoring([304, 404], container.stop({ t: Math.ceil(graceMs / 1000) }));
  return { value: id };
}

async function remove(machine: Machine, id: string): Promise<Done> {
  const name = await nameOf(machine.docker, id);
  if (name !== null) await erase(machine, id, name);
  return { value: id };
}

/** Null where it is gone. */
async function nameOf(docker: Dockerode, id: string): Promise<string | null> {
  try {
    return (await docker.getContainer(id).inspect()).Name;
  } catch (error) {
    if (statusOf(error) === 404) return null;
    throw error;
  }
}

/** 404: gone already; 409: its removal is under way. */
async function erase({ docker, messages }: Machine, id: string, name: string): Promise<void> {
  await ignoring([404, 409], docker.getContainer(id).remove({ force: true, v: true }));
  messages.drop(name);
}

async function removeSandbox(machine: Machine, id: string): Promise<Done> {
  const { docker, owner } = machine;
  const inside = await docker.listContainers({
    all: true, filters: { label: [`${label.owner}=${owner}`, `${label.sandbox}=${id}`] },
  });
  for (const { Id, Names: [name = ''] } of inside) await erase(machine, Id, name);
  return remove(machine, id);
}

async function list({ docker, owner, messages }: Machine): Promise<Done> {
  const found = await docker.listContainers({ all: true, filters: { label: [`${label.owner}=${owner}`] } });
  const sandboxes = [], containers = [];
  for (const { Id: id } of found) {
    const info = await docker.getContainer(id).inspect().catch((error: unknown) => {
      if (statusOf(error) === 404) return null;
      throw error;
    });
    if (info === null) continue;
    if (info.Config.Labels[label.kind] === 'sandbox') sandboxes.push(sandboxFact(info));
    else containers.push(await messages.factOf(info));
  }
  return { value: '', list: { sandboxes, containers } };
}

async function ignoring(statuses: readonly number[], work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!statuses.includes(statusOf(error))) throw error;
  }
}

// ── failures ─────────────────────────────────────────────────────────────────────────────────────────────

function asFailure(error: unknown, call: RuntimeCall): RuntimeFailure {
  switch (call.call) {
    case 'pull': return pullFailure(error, call.image);
    case 'create-sandbox': return failureOf(error, 'CreatePodSandboxError');
    case 'create-container': return failureOf(error, 'CreateContainerError');
    // A program that is not in the image is a 404 too.
    case 'start-container':
      return failureOf(error, /no such container/i.test(messageOf(error)) ? 'NotFound' : 'RunContainerError');
    default: return failureOf(error, statusOf(error) === 404 ? 'NotFound' : 'RuntimeUnavailable');
  }
}

function pullFailure(error: unknown, image: string): RuntimeFailure {
  const message = messageOf(error);
  if (/invalid reference format|repository name must be/.test(message)) {
    const text = `Failed to apply default image tag "${image}": couldn't parse image name: ${message}`;
    return { reason: 'InvalidImageName', message: text, retry: false };
  }
  return failureOf(error, 'ErrImagePull');
}

