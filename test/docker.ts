// What tests that need a Docker engine share: the rule for machines without one, and images made on the spot.
//
// What always holds: without an engine such tests are skipped, and a line `SKIP <why>` says so; with
// SHOAL_DOCKER=required they fail instead. No image comes from a registry.

import { existsSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import Dockerode from 'dockerode';
import { pack } from 'tar-stream';
import { probeDocker } from '../runtime/ports/docker.ts';

type Test = ((name: string, body: () => Promise<void> | void) => void) & { skip(name: string): void };
type Register = (name: string, body: () => Promise<void>) => void;

/** Registers tests where an engine answers; else skips them with a printed reason, or makes them fail. */
export async function needingDocker(test: Test): Promise<Register> {
  if (await probeDocker() !== null) return test;
  const why = `no Docker engine answers at ${process.env['DOCKER_HOST'] ?? '/var/run/docker.sock'}`;
  if (process.env['SHOAL_DOCKER'] === 'required') {
    return (name) => test(name, () => { throw new Error(`SHOAL_DOCKER=required, but ${why}`); });
  }
  console.log(`SKIP ${why}`);
  return (name) => test.skip(name);
}

export const busybox = 'shoal.test/busybox:1';

const applets = [
  'sh', 'sleep', 'echo', 'printf', 'tail', 'wget', 'httpd', 'cat', 'nc', 'stty', 'tar', 'head',
  'md5sum', 'kill',
];

/** Makes the image of Debian's static busybox in the engine, under `name`; its id. */
export async function makeBusybox(docker: Dockerode, name = busybox): Promise<string> {
  const path = ['/bin/busybox', '/usr/bin/busybox'].find((each) => existsSync(each));
  if (path === undefined) throw new Error('/bin/busybox, which test images are made of, is missing');
  const out = pack();
  out.entry({ name: 'bin/busybox', mode: 0o755, mtime: new Date(0) }, readFileSync(path));
  for (const applet of applets) out.entry({ name: `bin/${applet}`, type: 'symlink', linkname: 'busybox' });
  out.entry({ name: 'tmp', type: 'directory', mode: 0o1777 });
  out.finalize();
  const [repo = name, tag = 'latest'] = name.split(/:(?=[^:/]+$)/);
  const progress = await docker.importImage(Readable.from(out), {
    repo, tag, changes: ['ENV PATH=/bin', 'CMD ["/bin/sh"]'],
  });
  await finished(docker, progress);
  return (await docker.getImage(name).inspect()).Id;
}

/** Reads a progress stream of the engine to its end; rejects with the error that it carries. */
export function finished(docker: Dockerode, progress: NodeJS.ReadableStream): Promise<void> {
  return new Promise((done, fail) => {
    docker.modem.followProgress(progress, (error) => error === null ? done() : fail(error));
  });
}

/** All containers of one owner, running or not. */
export async function containersOf(docker: Dockerode, owner: string): Promise<Dockerode.ContainerInfo[]> {
  return docker.listContainers({ all: true, filters: { label: [`dev.shoal.owner=${owner}`] } });
}
