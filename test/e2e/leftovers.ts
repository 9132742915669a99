// What a cluster has left on this machine after its end: processes, containers, tables of nftables.
// Nothing is what a test wants to see here.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import Dockerode from 'dockerode';
import { probeDocker } from '../../runtime/ports/docker.ts';
import { tableName } from '../../runtime/ports/nftables.ts';
import { containersOf } from '../docker.ts';

/** One line each; `dir`: where the peers lived, `owners`: their ids. */
export async function leftovers(dir: string, owners: readonly string[]): Promise<string[]> {
  return [...processesIn(dir), ...tablesOf(owners), ...await containersLeft(owners)];
}

/** Processes whose command line, program, working directory or environment is in `dir`; not this one's. */
export function processesIn(dir: string): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => traces(pid).some((text) => text.includes(dir)))
    .map((pid) => `process ${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
}

function traces(pid: string): string[] {
  const links = ['cwd', 'exe'].map((name) => {
    try {
      return readlinkSync(`/proc/${pid}/${name}`);
    } catch {
      return '';
    }
  });
  return [...links, read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`)];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function tablesOf(owners: readonly string[]): string[] {
  const listed = spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' });
  if (listed.status !== 0) return [];
  const names = owners.map(tableName);
  return listed.stdout.split('\n').filter((line) => names.some((name) => line.endsWith(` ${name}`)));
}

async function containersLeft(owners: readonly string[]): Promise<string[]> {
  if (await probeDocker() === null) return [];
  const docker = new Dockerode();
  const found = await Promise.all(owners.map((owner) => containersOf(docker, owner)));
  return found.flat().map(({ Names }) => `container ${Names.join(' ')}`);
}
