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
  containerFact, containerName, failureOf, label, messageOf, podLabels, sandboxFact, statusOf,
} from './docker/facts.ts';
import { openDockerLog } from './docker/logs.ts';
import type { DockerLog } from './docker/logs.ts';
import { watchEngine } from './docker/watch.ts';

export interface DockerOptions {
  /** The engine's socket; default: DOCKER_HOST or /var/run/docker.sock. */
  readonly socketPath?: string;
  /** Whose containers: the PeerId. */
  readonly owner: string;
  readonly deliver: (event: ContainersEvent) => void;
}

export interface DockerRuntime extends ContainersPort { close(): Promise<void> }

type Done = Omit<Extract<ContainersEvent, { type: 'runtime-done' }>, 'type' | 'op'>;

/** Does an engine answer, and which? Null where none does. */
export async function probeDocker(socketPath?: string): Promise<{ version: string; architecture: string } | null> {
  try {
    const version = await engine(socketPath).version();
    return { version: version.Version, architecture: version.Arch };
  } catch {
    return null;
  }
}

export function createDockerRuntime(options: DockerOptions): DockerRuntime {
  const docker = engine(options.socketPath);
  const logs = new Map<string, DockerLog>();
  const watch = watchEngine(docker, options.owner, options.deliver);
  let closed = false;
  const deliver = (event: ContainersEvent): void => { if (!closed) options.deliver(event); };
  const carry = (op: string, call: RuntimeCall): void => {
    perform(docker, options.owner, call).then(
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
    async close() {
      closed = true;
      for (const log of logs.values()) log.close();
      await watch.close();
    },
  };
}

function engine(socketPath?: string): Dockerode {
  return socketPath === undefined ? new Dockerode() : new Dockerode({ socketPath });
}

async function perform(docker: Dockerode, owner: string, call: RuntimeCall): Promise<Done> {
  switch (call.call) {
    case 'pull': return { value: await pull(docker, call.image) };
    case 'image': return { value: await imageId(docker, call.image) };
    case 'create-sandbox': return createSandbox(docker, owner, call.sandbox);
    case 'create-container': return createContainer(docker, owner, call.container);
    case 'start-container': return start(docker, call.id);
    case 'stop-container': return stop(docker, call.id, call.graceMs);
    case 'remove-container': return remove(docker, call.id);
    case 'remove-sandbox': return removeSandbox(docker, owner, call.id);
    case 'list': return list(docker, owner);
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

async function createSandbox(docker: Dockerode, owner: string, spec: SandboxSpec): Promise<Done> {
  await load(docker, sandboxImage);
  const ports = spec.hostNetwork ? [] : spec.ports.filter((port) => port.hostPort > 0);
  const binding = (port: SandboxSpec['ports'][number]): string => `${port.containerPort}/${port.protocol.toLowerCase()}`;
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

async function createContainer(docker: Dockerode, owner: string, spec: ContainerSpec): Promise<Done> {
  const shared = `container:${spec.sandbox}`;
  const container = await createOrAdopt(docker, {
    name: containerName(spec.name, spec.pod, spec.attempt),
    Image: spec.image,
    ...spec.command.length > 0 ? { Entrypoint: [...spec.command] } : {},
    ...spec.args.length > 0 ? { Cmd: [...spec.args] } : spec.command.length > 0 ? { Cmd: [] } : {},
    ...spec.workingDir === '' ? {} : { WorkingDir: spec.workingDir },
    Env: spec.env.map(({ name, value }) => `${name}=${value}`),
    OpenStdin: spec.stdin, Tty: spec.tty,
    Labels: {
      ...podLabels(owner, 'container', spec.pod, spec.attempt),
      [label.container]: spec.name, [label.sandbox]: spec.sandbox, [label.image]: spec.image,
    },
    HostConfig: {
      NetworkMode: shared, IpcMode: shared,
      CpuShares: Math.max(2, Math.floor((spec.cpuRequestMilli * 1024) / 1000)),
      ...spec.cpuLimitMilli > 0 ? { CpuPeriod: 100_000, CpuQuota: Math.max(1000, spec.cpuLimitMilli * 100) } : {},
      ...spec.memoryLimitBytes > 0 ? { Memory: spec.memoryLimitBytes, MemorySwap: spec.memoryLimitBytes } : {},
      LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
    },
  });
  return { value: container.id };
}

/** Creates, or finds the one of that name: it was made by an earlier run of this call. */
async function createOrAdopt(docker: Dockerode, spec: Dockerode.ContainerCreateOptions): Promise<Dockerode.Container> {
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

async function start(docker: Dockerode, id: string): Promise<Done> {
  const container = docker.getContainer(id);
  await startIfStopped(container);
  return { value: id, container: containerFact(await container.inspect()) };
}

async function stop(docker: Dockerode, id: string, graceMs: number): Promise<Done> {
  const container = docker.getContainer(id);
  await ignoring([304, 404], container.stop({ t: Math.ceil(graceMs / 1000) }));
  return { value: id };
}

/** 404: gone already; 409: its removal is under way. */
async function remove(docker: Dockerode, id: string): Promise<Done> {
  await ignoring([404, 409], docker.getContainer(id).remove({ force: true, v: true }));
  return { value: id };
}

async function removeSandbox(docker: Dockerode, owner: string, id: string): Promise<Done> {
  const inside = await docker.listContainers({
    all: true, filters: { label: [`${label.owner}=${owner}`, `${label.sandbox}=${id}`] },
  });
  for (const container of inside) await remove(docker, container.Id);
  return remove(docker, id);
}

async function list(docker: Dockerode, owner: string): Promise<Done> {
  const found = await docker.listContainers({ all: true, filters: { label: [`${label.owner}=${owner}`] } });
  const sandboxes = [], containers = [];
  for (const { Id: id } of found) {
    const info = await docker.getContainer(id).inspect().catch((error: unknown) => {
      if (statusOf(error) === 404) return null;
      throw error;
    });
    if (info === null) continue;
    if (info.Config.Labels[label.kind] === 'sandbox') sandboxes.push(sandboxFact(info));
    else containers.push(containerFact(info));
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
    case 'start-container': return failureOf(error, 'RunContainerError');
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

