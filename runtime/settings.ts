// What a peer is started with, kept in DIR/settings.json from its first start on, so that
// `shoal start --dir DIR` brings the same peer back. A flag given later wins over what is kept.

import {
  closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync,
} from 'node:fs';
import { availableParallelism, hostname, networkInterfaces, totalmem } from 'node:os';
import { join } from 'node:path';

import type { AuditSettings } from './audit.ts';

export type RuntimeChoice = 'auto' | 'docker' | 'process';

export interface Settings {
  readonly name: string;
  /** The node's address, for clients, other peers and node ports. */
  readonly hostIP: string;
  /** Where other peers connect: `host:port`. */
  readonly listen: string;
  readonly apiHosts: readonly string[];
  readonly apiPort: number;
  readonly runtime: RuntimeChoice;
  readonly cpuMilli: number;
  readonly memoryBytes: number;
  /** Set until the peer's own disk knows that it is a member. */
  readonly join: { readonly address: string; readonly token: string } | null;
  readonly membership: Membership;
  /** Where the keys are that its data is encrypted with; null: in its own directory. */
  readonly encryptionKeyFile: string | null;
  /** Null: no audit log is kept. */
  readonly audit: AuditSettings | null;
}

/**
 * `member`: the log in this directory is a member's; where it is missing it was lost, and a new cluster in
 * its place would be taken for the old one by those that know this peer. `left`: the peer was taken out.
 */
export type Membership = 'none' | 'member' | 'left';

export const peerPortDefault = 7_443, apiPortDefault = 6_443;

export function defaultSettings(): Settings {
  const hostIP = firstAddress();
  return {
    name: hostname().toLowerCase(), hostIP, listen: `0.0.0.0:${peerPortDefault}`, apiHosts: ['0.0.0.0'],
    apiPort: apiPortDefault, runtime: 'auto', cpuMilli: availableParallelism() * 1000,
    memoryBytes: totalmem(), join: null, membership: 'none', encryptionKeyFile: null,
    audit: null,
  };
}

/** Null where this directory never held a peer. */
export function readSettings(dir: string): Settings | null {
  const path = join(dir, 'settings.json');
  if (!existsSync(path)) return null;
  try {
    return { ...defaultSettings(), ...JSON.parse(readFileSync(path, 'utf8')) as Partial<Settings> };
  } catch (error) {
    throw new Error(`${path} can't be read: ${error instanceof Error ? error.message : String(error)}; `
      + 'mend it by hand, or remove the file and start with flags again');
  }
}

export function writeSettings(dir: string, settings: Settings): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const path = join(dir, 'settings.json');
  // Whole or not at all, also when power fails just then.
  const file = openSync(`${path}.new`, 'w', 0o600);
  writeSync(file, `${JSON.stringify(settings, null, 2)}\n`);
  fsyncSync(file);
  closeSync(file);
  renameSync(`${path}.new`, path);
}

/** Where a peer lives unless told otherwise. */
export function defaultDir(): string {
  if (process.getuid?.() === 0) return '/var/lib/shoal';
  return join(process.env['HOME'] ?? '.', '.shoal');
}

/** The first IPv4 address that others may reach; the loopback address where there is none. */
function firstAddress(): string {
  const names = networkInterfaces();
  for (const name of Object.keys(names).filter((each) => !/^(docker|br-|veth|virbr|cni)/.test(each)).sort()) {
    const found = names[name]?.find((address) => address.family === 'IPv4' && !address.internal);
    if (found !== undefined) return found.address;
  }
  return '127.0.0.1';
}
