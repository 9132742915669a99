// `shoal dev`: several peers on this machine, each a process of its own, and what a newcomer needs next.
//
// What always holds: a peer that is killed stays dead until it is started again by hand; the end of `dev`
// stops every peer that it started and removes the containers of them all.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { availableParallelism, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import pc from 'picocolors';
import { adminCertificate, readAuthority } from '../authority.ts';
import { writeKubeconfig } from '../http/kubeconfig.ts';
import { nodeFlags } from '../node-flags.ts';
import { probeDocker } from '../ports/docker.ts';
import { readSettings, writeSettings } from '../settings.ts';
import type { RuntimeChoice, Settings } from '../settings.ts';
import type { Node } from '../../cluster/api/types.ts';
import { openClient } from './client.ts';
import type { Client } from './client.ts';
import { hello } from './hello.ts';
import { createProgress } from './progress.ts';
import type { Progress } from './progress.ts';
import { runningPeer } from './pid.ts';
import { removePods, removeTableOf } from './remove-pods.ts';
import { makeToken } from './token.ts';

export interface DevFlags {
  readonly peers: number;
  readonly dir: string;
  readonly runtime: RuntimeChoice;
  readonly apiPort: number;
  readonly hello?: boolean;
}

const peersMax = 20, startTimeoutMs = 90_000, stopTimeoutMs = 30_000;

interface Session {
  readonly dir: string;
  readonly flags: DevFlags;
  readonly progress: Progress;
  readonly children: Map<string, ChildProcess>;
  /** No peer is started any more. */
  stopping: boolean;
}

const homeOf = ({ dir }: Session, n: number): string => join(dir, `peer-${n}`);

export async function dev(flags: DevFlags): Promise<void> {
  if (flags.peers < 1 || flags.peers > peersMax) throw new Error(`--peers takes 1 to ${peersMax}`);
  const session: Session = {
    dir: resolve(flags.dir), flags, progress: createProgress(), children: new Map(), stopping: false,
  };
  for (let n = 1; n <= flags.peers; n++) {
    const pid = runningPeer(homeOf(session, n));
    if (pid !== null) {
      throw new Error(`peer-${n} in ${session.dir} is running already, as process ${pid}; `
        + 'stop it first, or choose another --dir and --api-port');
    }
  }
  mkdirSync(session.dir, { recursive: true, mode: 0o700 });
  const ending = stopOnSignal(session);
  try {
    await Promise.race([run(session), ending]);
    await ending;
  } finally {
    session.stopping = true;
    session.progress.step('stopping the peers and their pods');
    await stopAll(session);
    session.progress.done('stopped');
  }
  process.exit(process.exitCode ?? 0);
}

async function run(session: Session): Promise<void> {
  const { dir, flags, progress } = session;
  const runtime = flags.runtime === 'auto' ? (await probeDocker() === null ? 'process' : 'docker')
    : flags.runtime;
  progress.step(`starting peer-1 (containers: ${
    runtime === 'docker' ? 'Docker' : 'processes, no Docker engine is used'})`);
  await prepare(session, 1, runtime, null);
  await launch(session, 'peer-1');
  const client = openClient({ kubeconfig: join(homeOf(session, 1), 'kubeconfig') });
  for (let n = 2; n <= flags.peers; n++) {
    progress.step(`starting peer-${n}`);
    const through = readSettings(homeOf(session, n))?.membership === 'member' ? null
      : { address: readSettings(homeOf(session, 1))?.listen ?? '',
        token: await makeToken(client, 3_600_000) };
    await prepare(session, n, runtime, through);
    await launch(session, `peer-${n}`);
  }
  await writeContexts(dir, flags);
  await nodesReady(client, flags.peers, progress);
  progress.done(`${flags.peers} peer${flags.peers === 1 ? '' : 's'} running`);
  if (flags.hello === true) await hello(join(dir, 'kubeconfig'), progress);
  printNext(dir, flags);
}

/** A Deployment that comes before its nodes are ready would crowd on the first. */
async function nodesReady(client: Client, wanted: number, progress: Progress): Promise<void> {
  for (const deadline = Date.now() + startTimeoutMs; ;) {
    const ready = await readyNodes(client);
    progress.step(`waiting for the nodes: ${ready} of ${wanted} ready`);
    if (ready >= wanted) return;
    if (Date.now() > deadline) throw new Error(`only ${ready} of ${
      wanted} nodes became ready; see DIR/peer-i/log.txt`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

/** None while nobody leads: peers that start again need a moment to find each other. */
async function readyNodes(client: Client): Promise<number> {
  const { status, body } = await client.send('GET', '/api/v1/nodes');
  if (status !== 200) return 0;
  return (JSON.parse(body) as { items: Node[] }).items.filter(({ status: { conditions } = {} }) =>
    conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True')).length;
}

/** The settings of peer n, kept from an earlier run where there was one. */
async function prepare(session: Session, n: number, runtime: RuntimeChoice,
  through: Settings['join']): Promise<void> {
  const { flags } = session, home = homeOf(session, n), known = readSettings(home);
  // Every peer has a loopback address of its own, so that node ports don't collide. Only Linux has them all.
  const hostIP = process.platform === 'linux' ? `127.0.0.${n}` : '127.0.0.1';
  const apiPort = flags.apiPort + n - 1;
  writeSettings(home, {
    name: `peer-${n}`, hostIP, listen: known?.listen ?? `127.0.0.1:${await choosePort(apiPort + 1_000)}`,
    apiHosts: hostIP === '127.0.0.1' ? [hostIP] : ['127.0.0.1', hostIP], apiPort, runtime,
    cpuMilli: availableParallelism() * 1000, memoryBytes: Math.floor(totalmem() / flags.peers),
    join: through, membership: known?.membership ?? 'none',
    encryptionKeyFile: known?.encryptionKeyFile ?? null,
    audit: known?.audit ?? null,
  });
}

/** This one if it is free: unlike one that the system chooses, no outgoing connection will take it later. */
async function choosePort(wanted: number): Promise<number> {
  return await freePort(wanted).catch(() => freePort(0));
}

function freePort(wanted: number): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => done(port));
    });
  });
}

/** Starts one peer and waits until it serves its API. Its output goes to DIR/peer-i/log.txt. */
function launch(session: Session, name: string): Promise<void> {
  const { dir, children } = session;
  if (session.stopping) return Promise.reject(new Error('interrupted'));
  const home = join(dir, name), entry = fileURLToPath(new URL(`./shoal${extension}`, import.meta.url));
  return new Promise((done, fail) => {
    // Its own process group: Ctrl-C reaches `dev` alone, which then stops the peers in order.
    const child = spawn(process.execPath, [...nodeFlags, entry, 'start', '--dir', home],
      { detached: true, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    children.set(name, child);
    let output = '';
    const keep = (data: Buffer): void => {
      output = (output + data.toString()).slice(-4_000);
      writeFileSync(join(home, 'log.txt'), data, { flag: 'a' });
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const timer = setTimeout(() => fail(new Error(`${name} does not serve its API; it said:\n${output}`)),
      startTimeoutMs);
    child.on('message', () => {
      clearTimeout(timer);
      done();
    });
    child.on('error', fail);
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      children.delete(name);
      // On a machine of its own the table of a killed peer waits for its return; here it would stand before
      // those of the others, with backends that are no more.
      if (!session.stopping) void removeTableOf(home);
      fail(new Error(`${name} ended (${signal ?? `exit ${code}`}) before it served its API; it said:\n${
        output}`));
    });
  });
}

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

async function writeContexts(dir: string, flags: DevFlags): Promise<void> {
  const authority = readAuthority(join(dir, 'peer-1'));
  if (authority === null) throw new Error(`${dir}/peer-1 has no CA`);
  const peers = Array.from({ length: flags.peers }, (_, at) => ({
    name: `peer-${at + 1}`, server: `https://127.0.0.1:${flags.apiPort + at}`,
  }));
  writeKubeconfig(join(dir, 'kubeconfig'), authority.cert, await adminCertificate(authority), peers,
    'peer-1');
}

function printNext(dir: string, flags: DevFlags): void {
  const shown = existsSync(flags.dir) ? flags.dir : dir;
  const shoal = import.meta.url.endsWith('.ts') ? 'npm run shoal --' : 'shoal';
  const victim = flags.peers > 1 ? 'peer-2' : 'peer-1';
  console.log([
    '', pc.bold('Try next'), `  export KUBECONFIG=${shown}/kubeconfig`,
    '  kubectl get nodes,pods -o wide', `  kubectl --context ${victim} get pods -w`,
    `  ${shoal} status`,
    `  kill -9 $(cat ${shown}/${victim}/pid)     # the others carry on`,
    `  ${shoal} start --dir ${shown}/${victim}   # and bring it back`,
    '', 'Ctrl-C stops everything.', '',
  ].join('\n'));
}

/** Resolves on the first signal; the second ends everything at once. */
function stopOnSignal({ children }: Session): Promise<void> {
  let told = false;
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.on(signal, () => {
        done();
        if (told) {
          for (const child of children.values()) child.kill('SIGKILL');
          process.exit(1);
        }
        told = true;
      });
    }
  });
}

/** Asks each peer to stop, makes those stop that don't, then removes what they ran. */
async function stopAll(session: Session): Promise<void> {
  await Promise.all([...session.children.values()].map((child) => stopChild(child)));
  for (let n = 1; n <= session.flags.peers; n++) {
    const home = homeOf(session, n), pid = runningPeer(home);
    if (pid !== null) console.log(`peer-${n} was started by hand and goes on: process ${pid}`);
    else await removePods(home, (line) => console.log(`peer-${n}: ${line}`));
  }
}

function stopChild(child: ChildProcess): Promise<void> {
  return new Promise((done) => {
    if (child.exitCode !== null || child.signalCode !== null) return done();
    const timer = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    child.on('exit', () => {
      clearTimeout(timer);
      done();
    });
    child.kill('SIGTERM');
  });
}
