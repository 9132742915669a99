// Chooses the container runtime: Docker where an engine answers, else the embedded one.

import type { ContainersEvent, ContainersPort } from '../../cluster/ports.ts';
import type { RuntimeChoice } from '../settings.ts';
import { createDockerRuntime, probeDocker } from './docker.ts';
import { builtinImages } from './image/archive.ts';
import { createProcessRuntime } from './process.ts';
import { installTiny } from './image/install.ts';

export interface ContainersOptions {
  readonly choice: RuntimeChoice;
  /** The runtime's home. */
  readonly dir: string;
  /** Whose containers: the PeerId. */
  readonly owner: string;
  readonly hostIP: string;
  readonly deliver: (event: ContainersEvent) => void;
  readonly log: (line: string) => void;
}

export type Containers = ContainersPort & {
  /** As in Node.status.nodeInfo: `docker://20.10.24`. */
  readonly version: string;
  close(): Promise<void>;
};

/** Rejects where Docker was asked for by name and does not answer. */
export async function openContainers(options: ContainersOptions): Promise<Containers> {
  const docker = options.choice === 'process' ? null : await probeDocker();
  if (docker !== null) {
    options.log(`containers run in Docker ${docker.version}`);
    const runtime = createDockerRuntime({ owner: options.owner, dir: options.dir, deliver: options.deliver });
    return Object.assign(runtime, { version: `docker://${docker.version}` });
  }
  if (options.choice === 'docker') {
    throw new Error('no Docker engine answers; start one, set DOCKER_HOST, or use --runtime process');
  }
  options.log('containers run as processes of this machine (no Docker engine is used); '
    + 'they are not isolated from it');
  const tiny = installTiny(options.dir);
  const builtins = tiny === null ? {} : Object.fromEntries(builtinImages.map(({ name, entrypoint,
    command }) =>
    [name, { path: tiny, args: entrypoint.slice(1), defaultArgs: command }]));
  const runtime = createProcessRuntime({
    dir: options.dir, deliver: options.deliver, builtins, hostIP: options.hostIP, log: options.log,
  });
  return Object.assign(runtime, { version: 'process://1' });
}
