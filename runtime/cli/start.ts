// `shoal start` and `shoal join`: one peer in the foreground, until a signal, its leaving, or its disk's
// failure.

import { mkdirSync, rmSync } from 'node:fs';
import { join as joinPath, resolve as resolvePath } from 'node:path';
import { leftReason } from '../../actors/peer/departures.ts';
import { maxSizeMBDefault } from '../audit.ts';
import type { AuditSettings } from '../audit.ts';
import { startPeer } from '../main.ts';
import { defaultSettings, readSettings } from '../settings.ts';
import type { RuntimeChoice, Settings } from '../settings.ts';
import { runningPeer } from './pid.ts';
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
  readonly encryptionKeyFile?: string;
  readonly auditPolicyFile?: string;
  readonly auditLogPath?: string;
  readonly auditLogMaxsize?: number;
  readonly auditLogMaxbackup?: number;
}

export async function start(flags: StartFlags): Promise<void> {
  await run(flags, merged(flags, null));
}

export async function join(address: string, flags: StartFlags & { readonly token: string }): Promise<void> {
  if (!/^[a-z0-9]{6}\.[a-z0-9]{16}$/.test(flags.token)) {
    throw new Error('not a token: six characters, a dot, sixteen characters, as `shoal token create` prints');
  }
  if (!/^.+:\d+$/.test(address)) throw new Error(`not an address: ${address}; it reads host:port`);
  refuseTwice(flags.dir);
  const settings = merged(flags, { address, token: flags.token });
  if (settings.membership !== 'left') return run(flags, settings);
  // What it held of the cluster that it left is of no use in any other, nor in that one.
  for (const name of ['log', 'tls', 'kubeconfig']) {
    rmSync(joinPath(flags.dir, name), { recursive: true, force: true });
  }
  return run(flags, { ...settings, membership: 'none' });
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
    encryptionKeyFile: keyFileOf(flags) ?? known.encryptionKeyFile,
    join: through ?? known.join,
    membership: known.membership,
    audit: auditOf(flags, known.audit),
  };
  if (known.membership === 'member' && settings.name !== known.name) {
    throw new Error(`the cluster knows this peer as "${known.name}"; a member keeps its name`);
  }
  if (!/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(settings.name)) {
    throw new Error(`"${
      settings.name}" can't be a node's name: lower-case letters, digits, '-' and '.' only; use --name`);
  }
  return settings;
}

/** As it is from wherever the peer is started next. */
function keyFileOf({ encryptionKeyFile: path }: StartFlags): string | null {
  return path === undefined ? null : resolvePath(path);
}

/** An empty path ends what the directory says of it. */
function auditOf(flags: StartFlags, known: AuditSettings | null): AuditSettings | null {
  const policyFile = flags.auditPolicyFile ?? known?.policyFile ?? '';
  const logPath = flags.auditLogPath ?? known?.logPath ?? '';
  if (flags.auditPolicyFile === '' || flags.auditLogPath === '') return null;
  if (policyFile === '' && logPath === '') return null;
  if (policyFile === '' || logPath === '') {
    throw new Error('an audit log needs both --audit-policy-file and --audit-log-path');
  }
  return {
    // It is kept, and whoever starts this peer again may stand elsewhere.
    policyFile: resolvePath(policyFile), logPath: logPath === '-' ? logPath : resolvePath(logPath),
    maxSizeMB: flags.auditLogMaxsize ?? known?.maxSizeMB ?? maxSizeMBDefault,
    maxBackups: flags.auditLogMaxbackup ?? known?.maxBackups ?? 0,
  };
}

async function run(flags: StartFlags, settings: Settings): Promise<void> {
  mkdirSync(flags.dir, { recursive: true, mode: 0o700 });
  refuseTwice(flags.dir);
  const log = (line: string): void => console.log(`${settings.name}: ${line}`);
  const running = await startPeer(flags.dir, settings, log);
  log(`peer ${running.id} listens on ${settings.listen}`);
  const parent = process.send !== undefined;
  const unserved = running.serving.then(() => {
    if (process.connected) process.send?.({ type: 'serving' });
    return forever;
  }, (error: unknown) => `the API can't be served: ${
    error instanceof Error ? error.message : String(error)}`);
  const why = await Promise.race([running.ended, unserved, signalled(), ...parent ? [orphaned()] : []]);
  if (why !== null) log(why);
  await running.close();
  // A peer that has left, or that nobody looks after any more, leaves nothing behind.
  if (why === leftReason || why === orphan) await removePods(flags.dir, log);
  log('stopped');
  process.exitCode = why === null || why === leftReason ? 0 : 1;
  // Libraries may hold sockets that nobody waits for any more.
  process.exit();
}

const forever = new Promise<never>(() => undefined);
const orphan = 'whoever started this peer is gone';

/** Resolves when the process that started this one, and talks to it, ends. */
function orphaned(): Promise<string> {
  return new Promise((done) => process.on('disconnect', () => done(orphan)));
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
  const pid = runningPeer(dir);
  if (pid !== null && pid !== process.pid) {
    throw new Error(`the peer in ${dir} is running already, as process ${pid}`);
  }
}
