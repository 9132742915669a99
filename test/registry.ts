// A registry of our own on this machine (Debian's docker-registry), so that pulling is tested for real and
// without anybody else's.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type Dockerode from 'dockerode';
import { finished } from './docker.ts';
import { freePort } from './ports.ts';

type Register = (name: string, body: () => Promise<void>) => void;

/** `register`, where a registry is installed; else tests are skipped with a printed reason. */
export function needingRegistry(test: { skip(name: string): void }, register: Register): Register {
  if (spawnSync('docker-registry', ['--version']).status === 0) return register;
  console.log('SKIP docker-registry is not installed: nothing is pulled');
  return (name) => test.skip(name);
}

export interface Registry {
  /** `127.0.0.1:port`, as images' names begin. */
  readonly address: string;
  /** Puts an image of the engine into the registry and takes its new name from the engine; the image's id. */
  push(docker: Dockerode, image: string, as: string): Promise<string>;
  /** Ends it and removes what it stored. May be called twice. */
  stop(): Promise<void>;
}

export async function startRegistry(): Promise<Registry> {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-registry-')), port = await freePort();
  const address = `127.0.0.1:${port}`, file = join(dir, 'config.json');
  writeFileSync(file, JSON.stringify({
    version: '0.1', log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, 'data') } }, http: { addr: address },
  }));
  const child = spawn('docker-registry', ['serve', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data: Buffer) => { said = (said + data.toString()).slice(-2_000); });
  const stopped = new Promise<void>((done) => child.on('exit', () => done()));
  const stop = async (): Promise<void> => {
    child.kill();
    await stopped;
    rmSync(dir, { recursive: true, force: true });
  };
  const deadline = performance.now() + 20_000;
  while (!await fetch(`http://${address}/v2/`).then((answer) => answer.ok, () => false)) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error(`docker-registry does not answer: ${said}`);
    }
    await sleep(20);
  }
  async function push(docker: Dockerode, image: string, as: string): Promise<string> {
    const [repo = '', tag = 'latest'] = as.split(':');
    await docker.getImage(image).tag({ repo: `${address}/${repo}`, tag });
    const pushed = docker.getImage(`${address}/${as}`);
    await finished(docker, await pushed.push({ authconfig: { username: '', password: '' } }));
    const { Id: id } = await pushed.inspect();
    await pushed.remove();
    return id;
  }
  return { address, push, stop };
}
