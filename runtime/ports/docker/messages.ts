// Termination messages: a file of ours, mounted into the container where its spec says that the program
// leaves its last words; read when it has ended.
// What always holds: a file belongs to one container name and goes with it; no more of it is read than
// Kubernetes shows.

import { chmodSync, closeSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type Dockerode from 'dockerode';
import type { ContainerFact, ContainerSpec } from '../../../cluster/ports.ts';
import { containerFact, label, lifeOf } from './facts.ts';
import type { Labels } from './facts.ts';

/** As in Kubernetes: bytes of the file, or bytes and lines of the log. */
const fileBytesMax = 4_096, logBytesMax = 2_048, logLinesMax = 80;

/** What Docker says of a container, with its last words. */
export type FactOf = (info: Dockerode.ContainerInspectInfo) => Promise<ContainerFact>;

export interface Messages {
  readonly factOf: FactOf;
  /** The mount for a container that is about to be made; null where its spec asks for none. */
  mount(name: string, spec: ContainerSpec): Dockerode.MountSettings | null;
  drop(name: string): void;
}

export function openMessages(docker: Dockerode, dir: string): Messages {
  const home = join(dir, 'messages');
  mkdirSync(home, { recursive: true, mode: 0o711 });
  const pathOf = (name: string): string => join(home, name.replace(/^\//, ''));
  async function lastWords(info: Dockerode.ContainerInspectInfo): Promise<string> {
    const said = firstBytes(pathOf(info.Name));
    const labels: Labels = info.Config.Labels;
    if (said !== '' || info.State.ExitCode === 0 || labels[label.messageFromLog] === undefined) return said;
    return endOfLog(docker, info);
  }
  return {
    factOf: async (info) => containerFact(info, lifeOf(info) === 'exited' ? await lastWords(info) : ''),
    mount(name, spec) {
      if (spec.terminationMessagePath === undefined || spec.terminationMessagePath === '') return null;
      const path = pathOf(name);
      writeFileSync(path, '', { flag: 'a' });
      // The program may run as anyone.
      chmodSync(path, 0o666);
      return { Type: 'bind', Source: path, Target: spec.terminationMessagePath, ReadOnly: false };
    },
    drop(name) { rmSync(pathOf(name), { force: true }); },
  };
}

function firstBytes(path: string): string {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return '';
  }
  const bytes = Buffer.alloc(fileBytesMax), read = readSync(file, bytes);
  closeSync(file);
  return bytes.subarray(0, read).toString('utf8');
}

async function endOfLog(docker: Dockerode, info: Dockerode.ContainerInspectInfo): Promise<string> {
  const framed = await docker.getContainer(info.Id)
    .logs({ stdout: true, stderr: true, follow: false, tail: logLinesMax });
  const parts: Buffer[] = [];
  for (let at = 0; !info.Config.Tty && at + 8 <= framed.length;) {
    const length = framed.readUInt32BE(at + 4);
    parts.push(framed.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  const text = info.Config.Tty ? framed : Buffer.concat(parts);
  return text.subarray(-logBytesMax).toString('utf8').trimEnd();
}
