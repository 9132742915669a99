// One peer in the real world: settings → ports → createPeer. Everything with a will of its own (sockets,
// files, processes) is opened here and closed here.
//
// What always holds: events reach the peer one at a time; a peer whose disk failed stops at once.

import { readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { hostname, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { authorityIn } from '../cluster/api/access/authority.ts';
import { versionInfo } from '../cluster/api/version.ts';
import { nodeName } from '../cluster/ids.ts';
import { bootstrapRecovery } from '../cluster/log/log.ts';
import type { ContainersPort, DiskRecovery, PeerEvent, Ports } from '../cluster/ports.ts';
import { createPeer } from '../actors/peer.ts';
import type { Lifecycle, Peer } from '../actors/peer.ts';
import type { PeerConfig } from '../actors/peer/core.ts';
import { leftReason } from '../actors/peer/departures.ts';
import {
  adminCertificate, authorityObject, keepAuthority, readAuthority, servingCertificate, tokenKeysObject,
} from './authority.ts';
import { openAudit } from './audit.ts';
import { installedDescriptions, makeDefinitionsAhead } from './descriptions.ts';
import { createLoopWatch } from './loop.ts';
import { createAuthority, renewalMs } from './http/certificates.ts';
import type { KeyPair } from './http/certificates.ts';
import { writeKubeconfig } from './http/kubeconfig.ts';
import { createClients } from './http/server.ts';
import type { Clients } from './http/server.ts';
import { createClock } from './ports/clock.ts';
import { openContainers } from './ports/containers.ts';
import { openDisk } from './ports/disk.ts';
import { createNetwork } from './ports/libp2p.ts';
import { createRandomPort } from './ports/random.ts';
import { createOutbound } from './ports/outbound.ts';
import { createTraffic } from './ports/traffic.ts';
import { writeSettings } from './settings.ts';
import type { Membership, Settings } from './settings.ts';

export interface RunningPeer {
  readonly peer: Peer;
  readonly id: string;
  /** Resolves once the API is served. */
  readonly serving: Promise<void>;
  /** Resolves with the reason once the peer has stopped by itself (it left, or its disk failed). */
  readonly ended: Promise<string>;
  close(): Promise<void>;
}

/** Starts the peer that lives in `dir`. Rejects with a clear error where it can't. */
export async function startPeer(dir: string, settings: Settings,
  log: (line: string) => void): Promise<RunningPeer> {
  const events = createInbox(), audit = openAudit(settings.audit, log);
  const { encryptionKeyFile: keyFile } = settings;
  const disk = await openDisk(dir, events.deliver, keyFile === null ? {} : { keyFile });
  const origin = await originOf(dir, settings, disk.recovery);
  writeSettings(dir, settings);
  const network = await createNetwork({ dir, listen: [settings.listen], deliver: events.deliver });
  const containers = await openContainers({
    choice: settings.runtime, dir: join(dir, 'runtime'), owner: network.peerId, hostIP: settings.hostIP,
    deliver: events.deliver, log,
  });
  const traffic = createTraffic({ owner: network.peerId, hostIP: settings.hostIP, log });
  const clients = createClients(events.deliver);
  const clock = createClock(events.deliver), outbound = createOutbound(events.deliver);
  const ports: Ports = {
    clock, random: createRandomPort(), network, disk: disk.port, containers, traffic, clients, outbound,
    trace: { event: traceTo(log) }, ...audit === null ? {} : { audit: audit.log },
  };
  writeFileSync(join(dir, 'pid'), `${process.pid}\n`);

  const { authority } = origin;
  const config = { ...peerConfig(dir, settings, containers, authority), audit: audit?.policy ?? null };
  const recovery = origin.founds ? founded(disk.recovery, network, settings) : disk.recovery;

  const ended = Promise.withResolvers<string>(), serving = Promise.withResolvers<void>();
  const api = createApi(dir, settings, clients, log, serving);
  let caughtUp = false;
  const lifecycle = (event: Lifecycle): void => {
    if (event.type === 'durable') return become('member');
    log(describe(event));
    if (event.type === 'caught-up') caughtUp = true;
    if (event.type !== 'stopped') return;
    if (event.reason === leftReason) become('left');
    ended.resolve(event.reason);
  };
  const become = (membership: Membership): void => {
    if (membership !== settings.membership || settings.join !== null) {
      writeSettings(dir, { ...settings, join: null, membership });
    }
  };
  const peer = createPeer(ports, config, recovery, lifecycle);
  api.start(authority);
  events.open((event) => {
    peer.deliver(event);
    if (caughtUp && !api.started()) api.start(authorityIn(peer.state()));
  });
  peer.start();
  return {
    peer, id: network.peerId, serving: serving.promise, ended: ended.promise,
    async close() {
      peer.stop();
      events.shut();
      await Promise.all([clients.close(), network.close(), traffic.close(), containers.close()]);
      clock.close();
      outbound.close();
      await Promise.all([disk.close(), audit?.log.close()]);
      rmSync(join(dir, 'pid'), { force: true });
    },
  };
}

interface Inbox {
  deliver(event: PeerEvent): void;
  open(to: (event: PeerEvent) => void): void;
  shut(): void;
}

/** Holds events back until the peer exists, then hands them over one at a time. */
function createInbox(): Inbox {
  const waiting: PeerEvent[] = [];
  let target: ((event: PeerEvent) => void) | null = null, shut = false, busy = false;
  const deliver = (event: PeerEvent): void => {
    if (shut) return;
    waiting.push(event);
    if (target !== null && !busy) work(target);
  };
  const work = (to: (event: PeerEvent) => void): void => {
    busy = true;
    try {
      for (let next = waiting.shift(); next !== undefined && !shut; next = waiting.shift()) to(next);
    } catch (error) {
      // A broken invariant ends the process, whatever the library does with it that called us.
      shut = true;
      setImmediate(() => { throw error; });
    }
    busy = false;
  };
  return {
    deliver,
    open(to) {
      target = to;
      work(to);
    },
    shut() { shut = true; },
  };
}

const dayMs = 86_400_000;

interface Origin { readonly founds: boolean; readonly authority: KeyPair | null }

/**
 * Whether this peer founds a cluster, and the CA as far as it is known here. A CA that is kept is the
 * cluster's own, unless this peer is about to join another one.
 */
async function originOf(dir: string, settings: Settings, { log }: DiskRecovery): Promise<Origin> {
  const empty = log.entries.length === 0 && log.snapshot.members.length === 0;
  const { join: through, membership } = settings;
  if (!empty && through !== null && membership === 'member') {
    throw new Error(`${dir} already holds a peer of a cluster; \`shoal start --dir ${dir}\` brings it back`);
  }
  if (!empty && membership !== 'left') return { founds: false, authority: readAuthority(dir) };
  if (through !== null && membership !== 'left') return { founds: false, authority: null };
  if (membership !== 'none') {
    const what = membership === 'left' ? 'has left its cluster'
      : 'was a member of a cluster, and its log is gone';
    throw new Error(`the peer in ${dir} ${what}; to let it in again: \`shoal token create\` on another peer, `
      + 'then `shoal join` here');
  }
  const authority = readAuthority(dir) ?? await createAuthority(settings.name);
  keepAuthority(dir, authority);
  return { founds: true, authority };
}

/** Serves the API as soon as there is a CA to serve it under: from disk, from founding, or from the state. */
function createApi(
  dir: string, settings: Settings, clients: Clients, log: (line: string) => void,
  serving: { resolve: () => void; reject: (error: unknown) => void },
): { start(authority: KeyPair | null): void; started(): boolean } {
  const ownHost = settings.apiHosts.includes('127.0.0.1') ? '127.0.0.1' : settings.hostIP;
  const server = `https://${ownHost}:${settings.apiPort}`;
  let started = false;
  async function introduce(authority: KeyPair): Promise<void> {
    writeKubeconfig(join(dir, 'kubeconfig'), authority.cert, await adminCertificate(authority),
      [{ name: settings.name, server }], settings.name);
  }
  async function renew(authority: KeyPair): Promise<void> {
    clients.renew(authority.cert, await servingCertificate(authority, settings));
    await introduce(authority);
    log('renewed the certificates of the API and of the kubeconfig');
  }
  async function run(authority: KeyPair): Promise<void> {
    keepAuthority(dir, authority);
    for (const host of settings.apiHosts) {
      await clients.listen({
        host, port: settings.apiPort, ca: authority.cert,
        serving: await servingCertificate(authority, settings),
      });
    }
    await introduce(authority);
    makeDefinitionsAhead();
    // Longer than setTimeout can count: it looks every day whether it is time.
    let renewedMs = Date.now();
    setInterval(() => {
      if (Date.now() - renewedMs < renewalMs) return;
      renewedMs = Date.now();
      renew(authority).catch((error: unknown) => log(`can't renew the certificates: ${String(error)}`));
    }, dayMs).unref();
    log(`API on ${server}`);
  }
  return {
    start(authority) {
      if (started || authority === null) return;
      started = true;
      run(authority).then(serving.resolve, serving.reject);
    },
    started: () => started,
  };
}

function founded(recovery: DiskRecovery, network: { self: unknown; addresses(): readonly string[] },
  settings: Settings): DiskRecovery {
  const member = {
    id: network.self as never, name: settings.name, addresses: network.addresses(), voter: true,
  };
  return { ...recovery, log: bootstrapRecovery(member) };
}

function peerConfig(dir: string, settings: Settings,
  containers: ContainersPort & { readonly version: string }, authority: KeyPair | null): PeerConfig {
  const os = process.platform === 'win32' ? 'windows' : process.platform;
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const descriptions = installedDescriptions();
  return {
    ...descriptions === null ? {} : { descriptions }, loop: createLoopWatch(),
    name: nodeName(settings.name), hostIP: settings.hostIP, apiPort: settings.apiPort,
    version: versionInfo.gitVersion,
    capacity: { cpuMilli: settings.cpuMilli, memoryBytes: Math.min(settings.memoryBytes, totalmem()),
      pods: 110, ephemeralStorageBytes: diskBytes(dir) },
    labels: {
      'kubernetes.io/hostname': settings.name, 'kubernetes.io/os': os, 'kubernetes.io/arch': arch,
    },
    nodeInfo: {
      kubeletVersion: versionInfo.gitVersion, kubeProxyVersion: versionInfo.gitVersion,
      operatingSystem: os, architecture: arch,
      osImage: osImage(), kernelVersion: release(), machineID: hostname(), systemUUID: hostname(), bootID: '',
      containerRuntimeVersion: containers.version,
    },
    join: settings.join,
    founding: authority === null ? [] : [authorityObject(authority), tokenKeysObject()],
  };
}

/** Of the file system that the peer lives on. */
function diskBytes(dir: string): number {
  const { blocks, bsize } = statfsSync(dir);
  return blocks * bsize;
}

function osImage(): string {
  try {
    return /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}

/**
 * With SHOAL_TRACE=area,area or SHOAL_TRACE=all, what the core reports goes to the log, one line each. Why a
 * peer can't join yet is always told, for somebody is waiting for it.
 */
function traceTo(log: (line: string) => void): Ports['trace']['event'] {
  let told = '';
  const wanted = new Set((process.env['SHOAL_TRACE'] ?? '').split(',').filter((area) => area !== ''));
  return (area, what, fields) => {
    if (area === 'join' && what === 'again' && fields['reason'] !== told) {
      told = String(fields['reason']);
      log(`can't join yet: ${told}; trying again`);
    }
    if (!wanted.has(area) && !wanted.has('all')) return;
    log(`${area} ${what} ${
      Object.entries(fields).map(([key, value]) => `${key}=${String(value)}`).join(' ')}`);
  };
}

function describe(event: Exclude<Lifecycle, { type: 'durable' }>): string {
  switch (event.type) {
    case 'joining': return `joining the cluster through ${event.address}`;
    case 'member': return 'member of the cluster; catching up';
    case 'caught-up': return 'caught up; running';
    case 'leader': return event.leads ? `leads in term ${event.term}`
      : `no longer leads (term ${event.term})`;
    case 'stopped': return `stopped: ${event.reason}`;
  }
}
