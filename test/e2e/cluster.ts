// A real cluster for the end-to-end tests: peers as child processes of the command line, in a directory and
// on addresses of its own, so that several clusters on one machine don't meet.
//
// What always holds: what was started is ended, whatever happens to the test: peers, containers, tables of
// nftables, directories; after `close` nothing is left, and what is left nevertheless is an error.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, closeSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PeerStatus } from '../../actors/peer/status.ts';
import { openClient } from '../../runtime/cli/client.ts';
import { removePods } from '../../runtime/cli/remove-pods.ts';
import { makeToken } from '../../runtime/cli/token.ts';
import { nodeFlags } from '../../runtime/node-flags.ts';
import { createNetworkIdentity } from '../../runtime/ports/libp2p.ts';
import { freePort } from '../ports.ts';
import { connectClient } from './client.ts';
import type { ApiClient } from './client.ts';
import { leftovers } from './leftovers.ts';

export interface ClusterOptions {
  readonly peers: number;
  readonly runtime: 'docker' | 'process';
  /** All serve their API on the same port, each on its own address, as on machines of their own. */
  readonly oneApiPort?: boolean;
}

const commonApiPort = 16443;

export interface Output { readonly code: number; readonly stdout: string; readonly stderr: string }

/** A command that goes on until it is ended, such as a watch. */
export interface Running { text(): string; end(): Promise<void> }

export interface TestPeer {
  readonly name: string;
  readonly dir: string;
  readonly hostIP: string;
  readonly kubeconfig: string;
  /** Where other peers connect. */
  readonly listen: string;
  /** The Kubernetes API of this peer; there once it has served for the first time. */
  readonly api: ApiClient;
  /** Its PeerId, as of its last start. */
  id(): string;
  /** Of the process that runs now; 0 while it is down. */
  pid(): number;
  /** `shoal start --dir`: brings back a peer that is down; resolves when it serves its API. */
  start(): Promise<void>;
  /** `shoal join --dir` with a new token of the other's, as for a peer that has left. */
  join(through: TestPeer): Promise<void>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves when the process is gone. */
  stop(): Promise<void>;
  /** Null where it does not answer. */
  status(): Promise<PeerStatus | null>;
  kubectl(...args: string[]): Promise<Output>;
  /** As `kubectl`, but a failure throws with what it said; gives stdout. */
  kubectlOk(...args: string[]): Promise<string>;
  /** Starts a `kubectl` that does not end by itself. */
  kubectlStream(...args: string[]): Running;
  /** The end of what its processes have printed. */
  log(): string;
}

export interface Cluster {
  readonly dir: string;
  readonly peers: readonly TestPeer[];
  /** Counted from 1, as in their names. */
  peer(n: number): TestPeer;
  /** The leader by the word of the given peers; waits for one. */
  leader(among?: readonly TestPeer[]): Promise<TestPeer>;
  /** One more peer: joins through this one, or the first. */
  join(through?: TestPeer): Promise<TestPeer>;
  /** Flags of a peer that would be one more: for trying to join by hand. */
  flags(name: string): Promise<string[]>;
  /** Ends everything; throws where something is left. */
  close(): Promise<void>;
}

const shoal = fileURLToPath(new URL('../../runtime/cli/shoal.ts', import.meta.url));
const startTimeoutMs = 60_000, stopTimeoutMs = 20_000, tokenMs = 600_000;

/** Clusters that are not closed yet: a signal ends them too. */
const open = new Set<Cluster>();
let clusters = 0, signalled = false;

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  onSignals();
  const dir = mkdtempSync(join(tmpdir(), 'shoal-e2e-')), peers: PeerProcess[] = [];
  const net = `127.${1 + process.pid % 60}.${clusters += 1}`;
  let host = process.pid % 100 * 2;
  const address = (): string => `${net}.${host += 1}`;
  const add = async (): Promise<NewPeer> => {
    const made = await newPeer(dir, `peer-${peers.length + 1}`, address(), options);
    peers.push(made.peer);
    return made;
  };
  const letIn = async ({ peer, flags }: NewPeer, through = cluster.peer(1)): Promise<void> =>
    peer.run([...await doorTo(through), ...flags]);
  const cluster: Cluster = {
    dir, peers,
    peer: (n) => peers[n - 1] ?? raise(`there is no peer ${n}`),
    leader: (among = peers) => until('a leader', () => leaderOf(peers, among), 20_000),
    flags: (name) => flagsOf(join(dir, name), name, address(), options),
    async join(through) {
      const made = await add();
      await letIn(made, through);
      return made.peer;
    },
    async close() {
      open.delete(cluster);
      await Promise.all(peers.map((peer) => peer.stop().catch(() => peer.kill())));
      const ids = [];
      for (const peer of peers) {
        ids.push(await createNetworkIdentity(peer.dir));
        await removePods(peer.dir, (line) => console.log(`${peer.name}: ${line}`));
      }
      const left = await leftovers(dir, ids);
      rmSync(dir, { recursive: true, force: true });
      if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
    },
  };
  open.add(cluster);
  const start = performance.now();
  try {
    const first = await add(), others: NewPeer[] = [];
    while (peers.length < options.peers) others.push(await add());
    await first.peer.run(['start', ...first.flags]);
    await Promise.all(others.map((each) => letIn(each)));
    await until('all nodes ready', () => nodesReady(cluster.peer(1), options.peers), 30_000);
    console.log(`  ${options.peers} peers started (${seconds(start)})`);
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

type Register = (name: string, body: () => Promise<void>) => void;
type Suite = Register & { after(hook: () => Promise<void>): void };

/**
 * A file's tests on one cluster, one after the other, which the first of them starts. When one fails the
 * peers' last lines are printed, and those after it fail too, for they build on it. `how`: for a test that
 * needs more than the others.
 */
export function clusterTests(
  suite: Suite, options: ClusterOptions, register: Register = suite,
): (name: string, body: (cluster: Cluster) => Promise<void>, how?: Register) => void {
  let started: Promise<Cluster> | null = null, broken = '';
  suite.after(async () => { await (await started?.catch(() => null))?.close(); });
  return (name, body, how = register) => how(name, async () => {
    if (broken !== '') throw new Error(`not tried, for "${broken}" failed`);
    broken = name;
    started ??= startCluster(options);
    const cluster = await started, start = performance.now();
    try {
      await body(cluster);
      broken = '';
      console.log(`  ${name} (${seconds(start)})`);
    } catch (error) {
      for (const peer of cluster.peers) console.log(`\n── ${peer.name} ──\n${peer.log()}`);
      throw error;
    }
  });
}

async function leaderOf(all: readonly TestPeer[], among: readonly TestPeer[]): Promise<TestPeer | undefined> {
  const found = await Promise.all(among.map((peer) => peer.status()));
  for (const status of found) {
    const leader = status?.members.find((member) => member.leader);
    const peer = all.find(({ name }) => name === leader?.name);
    if (peer !== undefined && among.includes(peer)) return peer;
  }
  return undefined;
}

async function nodesReady(peer: TestPeer, wanted: number): Promise<boolean> {
  const nodes = await peer.api.nodes();
  return nodes.filter((node) => node.ready === 'True').length === wanted;
}

// ── one peer ─────────────────────────────────────────────────────────────────────────────────────────────

interface PeerProcess extends TestPeer { run(args: readonly string[]): Promise<void> }

interface NewPeer { readonly peer: PeerProcess; readonly flags: readonly string[] }

async function newPeer(
  home: string, name: string, hostIP: string, options: ClusterOptions,
): Promise<NewPeer> {
  const flags = await flagsOf(join(home, name), name, hostIP, options);
  const listen = flags[flags.indexOf('--listen') + 1] ?? '';
  return { peer: createPeerProcess(join(home, name), name, hostIP, listen), flags };
}

/** The words that join a cluster through one of its peers. */
async function doorTo({ listen, kubeconfig }: TestPeer): Promise<string[]> {
  return ['join', listen, '--token', await makeToken(openClient({ kubeconfig }), tokenMs)];
}

async function flagsOf(
  dir: string, name: string, hostIP: string, options: ClusterOptions,
): Promise<string[]> {
  return [
    '--dir', dir, '--name', name, '--node-ip', hostIP, '--listen', `${hostIP}:${await freePort(hostIP)}`,
    '--api-host', hostIP,
    '--api-port', String(options.oneApiPort === true ? commonApiPort : await freePort(hostIP)),
    '--runtime', options.runtime, '--cpu', String(availableParallelism() * 1000),
    '--memory', String(Math.floor(totalmem() / options.peers)),
  ];
}

function createPeerProcess(dir: string, name: string, hostIP: string, listen: string): PeerProcess {
  const kubeconfig = join(dir, 'kubeconfig'), output = join(dir, 'output.txt');
  let child: ChildProcess | null = null, api: ApiClient | null = null, id = '';
  mkdirSync(dir, { recursive: true });

  async function run(args: readonly string[]): Promise<void> {
    const file = openSync(output, 'a');
    const started = spawn(process.execPath, [...nodeFlags, shoal, ...args],
      { stdio: ['ignore', file, file, 'ipc'] });
    closeSync(file);
    child = started;
    started.on('exit', () => { if (child === started) child = null; });
    await new Promise<void>((done, fail) => {
      const late = (): void => fail(new Error(`${name} does not serve its API:\n${log()}`));
      const timer = setTimeout(late, startTimeoutMs);
      started.on('message', () => done());
      started.on('error', fail);
      started.on('exit', (code) => fail(new Error(`${name} ended with ${code} before it served:\n${log()}`)));
      started.on('exit', () => clearTimeout(timer));
      started.on('message', () => clearTimeout(timer));
    });
    api ??= connectClient(kubeconfig);
    id = await createNetworkIdentity(dir);
  }
  function end(signal: 'SIGTERM' | 'SIGKILL', ms: number): Promise<void> {
    const ending = child;
    if (ending === null) return Promise.resolve();
    return new Promise((done, fail) => {
      const timer = setTimeout(() => fail(new Error(`${name} has not ended ${ms} ms after ${signal}`)), ms);
      ending.on('exit', () => {
        clearTimeout(timer);
        done();
      });
      ending.kill(signal);
    });
  }
  const flags = ['--kubeconfig', kubeconfig, '--cache-dir', join(dir, 'kubectl-cache')];
  const kubectl = (...args: string[]): Promise<Output> => command('kubectl', [...flags, ...args]);
  const log = (): string => readFileSync(output, 'utf8').split('\n').slice(-40).join('\n');
  return {
    name, dir, hostIP, kubeconfig, listen, run, kubectl, log,
    get api() { return api ?? raise(`${name} has not served yet`); },
    id: () => id,
    pid: () => child?.pid ?? 0,
    start: () => run(['start', '--dir', dir]),
    join: async (through) => run([...await doorTo(through), '--dir', dir]),
    kill: () => end('SIGKILL', stopTimeoutMs),
    stop: () => end('SIGTERM', stopTimeoutMs),
    async status() {
      const answer = await this.api.send('GET', '/shoal/v1/status').catch(() => null);
      return answer?.status === 200 ? JSON.parse(answer.body) as PeerStatus : null;
    },
    kubectlStream: (...args) => stream('kubectl', [...flags, ...args]),
    async kubectlOk(...args) {
      const { code, stdout, stderr } = await kubectl(...args);
      if (code !== 0) throw new Error(`kubectl ${args.join(' ')}: exit ${code}: ${stderr}${stdout}`);
      return stdout;
    },
  };
}

// ── commands, conditions, signals ────────────────────────────────────────────────────────────────────────

export function shoalCommand(...args: string[]): Promise<Output> {
  return command(process.execPath, ['--disable-warning=ExperimentalWarning', shoal, ...args]);
}

function stream(name: string, args: readonly string[]): Running {
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const take = (data: Buffer): void => { text += data.toString(); };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<void>((done) => child.on('close', () => done()));
  return {
    text: () => text,
    end() {
      child.kill();
      return ended;
    },
  };
}

/** Runs a command to its end, or kills it after a minute. */
export function command(name: string, args: readonly string[], input?: string): Promise<Output> {
  return new Promise((done, fail) => {
    const child = spawn(name, args, { timeout: 60_000, killSignal: 'SIGKILL' });
    let stdout = '', stderr = '';
    child.stdout.on('data', (data: Buffer) => { stdout += data.toString(); });
    child.stderr.on('data', (data: Buffer) => { stderr += data.toString(); });
    child.on('error', fail);
    child.on('close', (code) => done({ code: code ?? -1, stdout, stderr }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
  });
}

type Seen<T> = T | undefined | null | false;

/** Looks until there is something to see: whatever is neither undefined, null nor false. */
export async function until<T>(
  what: string, look: () => Promise<Seen<T>> | Seen<T>, ms: number,
): Promise<T> {
  let failed = '';
  for (const deadline = performance.now() + ms; performance.now() < deadline; await sleep(25)) {
    try {
      const found = await look();
      if (found !== undefined && found !== null && found !== false) return found;
      failed = '';
    } catch (error) {
      failed = `: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
  throw new Error(`${what}: not within ${ms} ms${failed}`);
}

const seconds = (since: number): string => `${((performance.now() - since) / 1_000).toFixed(1)} s`;

/** Figures for people; `test/run.ts` shows such lines of files that pass, too. */
export function figure(what: string, ms: number): void {
  console.log(`\nFIGURE ${what}: ${ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`}`);
}

function onSignals(): void {
  if (signalled) return;
  signalled = true;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      Promise.allSettled([...open].map((cluster) => cluster.close())).then(() => process.exit(130));
    });
  }
  process.on('exit', () => {
    const running = [...open].flatMap((cluster) => cluster.peers).filter((peer) => peer.pid() > 0);
    for (const peer of running) process.kill(peer.pid(), 'SIGKILL');
  });
}

function raise(message: string): never { throw new Error(message); }
