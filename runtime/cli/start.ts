// `shoal start` and `shoal join`: one peer in the foreground, until a signal, its leaving, or its disk's
// failure.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join as joinPath } from 'node:path';
import { startPeer } from '../main.ts';
import type { RunningPeer } from '../main.ts';
import { defaultSettings, readSettings, writeSettings } from '../settings.ts';
import type { RuntimeChoice, Settings } from '../settings.ts';
import { removePods } from './remove-pods.ts';

export interface StartFlags {
  readonly dir: string;
  readonly name?: string;
  readonly nodeIp?: string;
  readonly listen?: string;
  readonly apiHost?: string[];
  readonly apiPort?: number;
  readonly cpu?: number;
  readonly memory?: number;
  readonly runtime?: RuntimeChoice;
  readonly stopPods?: boolean;
}

export async function start(flags: StartFlags): Promise<void> {
  await run(flags, merged(flags, null));
}

export async function join(address: string, flags: StartFlags & { readonly token: string }): Promise<void> {
  if (!/^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(flags.token)) {
    throw new Error('not a token: six characters, a dot, sixteen characters, as `shoal token create` prints');
  }
  if (!/^.+:\d+$/.test(address)) throw new Error(`not an address: ${address}; it reads host:port`);
  const known = readSettings(flags.dir);
  if (known !== null && known.join === null && existsSync(joinPath(flags.dir, 'log'))) {
    throw new Error(`${flags.dir} already holds a peer of a cluster; \`shoal start --dir ${
      flags.dir}\` brings it back`);
  }
  await run(flags, merged(flags, { address, token: flags.token }));
}

/** Defaults, then what the directory keeps, then flags. */
function merged(flags: StartFlags, through: Settings['join']): Settings {
  const known = readSettings(flags.dir) ?? defaultSettings();
  const settings: Settings = {
    name: flags.name ?? known.name,
    hostIP: flags.nodeIp ?? known.hostIP,
    listen: flags.listen ?? known.listen,
    apiHosts: flags.apiHost ?? known.apiHosts,
    apiPort: flags.apiPort ?? known.apiPort,
    cpuMilli: flags.cpu ?? known.cpuMilli,
    memoryBytes: flags.memory ?? known.memoryBytes,
    runtime: flags.runtime ?? known.runtime,
    join: through ?? known.join,
  };
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(settings.name)) {
    throw new Error(`"${
      settings.name}" can't be a node's name: lower-case letters, digits, '-' and '.' only; use --name`);
  }
  return settings;
}

async function run(flags: StartFlags, settings: Settings): Promise<void> {
  mkdirSync(flags.dir, { recursive: true, mode: 0o700 });
  refuseTwice(flags.dir);
  writeSettings(flags.dir, settings);
  const log = (line: string): void => console.log(`${settings.name}: ${line}`);
  const running = await startPeer(flags.dir, settings, log);
  log(`peer ${running.id} listens on ${settings.listen}`);
  running.serving.then(() => process.send?.({ type: 'serving' }), (error: unknown) => {
    log(`the API can't be served: ${error instanceof Error ? error.message : String(error)}`);
    process.kill(process.pid, 'SIGTERM');
  });
  const why = await Promise.race([running.ended, signalled()]);
  await stop(running, flags, log);
  if (why !== null) process.exitCode = why.startsWith('left') ? 0 : 1;
  // Libraries may hold sockets that nobody waits for any more.
  process.exit();
}

async function stop(running: RunningPeer, flags: StartFlags, log: (line: string) => void): Promise<void> {
  await running.close();
  if (flags.stopPods === true) await removePods(flags.dir, log);
  log('stopped');
}

/** Resolves with null on the first SIGTERM or SIGINT; a second one ends the process at once. */
function signalled(): Promise<null> {
  return new Promise((done) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) {
      process.on(signal, () => {
        done(null);
        process.on(signal, () => process.exit(1));
      });
    }
  });
}

function refuseTwice(dir: string): void {
  const path = joinPath(dir, 'pid');
  if (!existsSync(path)) return;
  const pid = Number(readFileSync(path, 'utf8'));
  if (pid === process.pid || !isPeer(pid)) return;
  throw new Error(`the peer in ${dir} is running already, as process ${pid}`);
}

function isPeer(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !existsSync('/proc/self') || readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('shoal');
  } catch {
    return false;
  }
}
