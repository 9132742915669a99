// exec, attach, cp and port-forward through a peer that does not run the pod, in Docker and in processes:
// with kubectl over WebSockets and over SPDY, with the client library, and when either peer is killed.
//
// Conformance tests of Kubernetes that this covers: "Pods should support remote command execution over
// websockets", "Pods should support retrieving logs from the container over websockets". Of kubectl's:
// "Simple pod should support exec", "… should support exec using resource/name", "… should return command
// exit codes".

import { randomBytes } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import Dockerode from 'dockerode';
import { Attach, Exec, KubeConfig, PortForward } from '@kubernetes/client-node';
import type { V1Status } from '@kubernetes/client-node';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import type { Pod } from '../../cluster/api/types.ts';
import { sleepers } from '../contract/programs.ts';
import { busybox, makeBusybox } from '../docker.ts';
import { freePort } from '../ports.ts';
import { readCredentials } from './client.ts';
import { command, until } from './cluster.ts';
import type { Cluster, Output, TestPeer } from './cluster.ts';
import { fetchPage, paths } from './workloads.ts';

type Runtime = 'docker' | 'process';
type On = (name: string, body: (cluster: Cluster) => Promise<void>) => void;

const docker = new Dockerode();
const protocols = ['true', 'false'] as const;
/** kubectl takes SPDY where it is told to leave WebSockets alone. */
const named = (websockets: string): string => (websockets === 'true' ? 'WebSocket' : 'SPDY');

function kubectl(
  peer: TestPeer, websockets: string, args: readonly string[], input?: string,
): Promise<Output> {
  return command('env', [
    `KUBECTL_REMOTE_COMMAND_WEBSOCKETS=${websockets}`, `KUBECTL_PORT_FORWARD_WEBSOCKETS=${websockets}`,
    'kubectl', '--kubeconfig', peer.kubeconfig, '--cache-dir', join(peer.dir, 'kubectl-cache'), ...args,
  ], input);
}

function pod(runtime: Runtime, name: string, node: string, script: string): object {
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name },
    spec: {
      nodeName: node, terminationGracePeriodSeconds: 0, tolerations: [{ operator: 'Exists' }],
      containers: [{
        name: 'main', image: runtime === 'docker' ? busybox : 'shoal.dev/host',
        command: ['/bin/sh', '-c', script],
      }],
    },
  };
}

const ticking = 'n=0; while :; do n=$((n+1)); echo "tick $n"; sleep 0.2; done';

async function running(peer: TestPeer, name: string): Promise<void> {
  await until(`${name} runs`, async () => {
    const found = await peer.api.json<Pod>('GET', `${paths.pods}/${name}`);
    return found.status?.phase === 'Running' && found.status.containerStatuses?.[0]?.ready === true;
  }, 60_000);
}

/** Registers all of it, on a cluster of two peers. */
export function streams(on: On, runtime: Runtime): void {
  /** Runs on peer 2; all is asked of peer 1. */
  const name = 'far';
  commands(on, runtime, name);
  terminals(on, name);
  forwards(on, runtime, name);
  library(on, name);
  deaths(on, name);
}

// ── kubectl ──────────────────────────────────────────────────────────────────────────────────────────────

function commands(on: On, runtime: Runtime, name: string): void {
  on('exec: what a program says, on which channel, and its code', async (cluster) => {
    const peer = cluster.peer(1);
    if (runtime === 'docker') await makeBusybox(docker);
    await peer.api.json('POST', paths.pods, pod(runtime, name, 'peer-2', ticking));
    await running(peer, name);
    for (const websockets of protocols) {
      const script = 'echo out; echo err >&2; exit 3';
      const ran = await kubectl(peer, websockets, ['exec', name, '--', 'sh', '-c', script]);
      assert.equal([ran.code, ran.stdout], [3, 'out\n'], named(websockets));
      assert.equal(ran.stderr, 'err\ncommand terminated with exit code 3\n');
      assert.is((await kubectl(peer, websockets, ['exec', `pod/${name}`, '--', 'echo'])).code, 0);
    }
  });

  on('exec: input of three megabytes, and output of as many, whole', async (cluster) => {
    const text = randomBytes(1_500_000).toString('hex');
    for (const websockets of protocols) {
      const ran = await kubectl(cluster.peer(1), websockets, ['exec', '-i', name, '--', 'cat'], text);
      assert.is(ran.code, 0, ran.stderr);
      assert.ok(ran.stdout === text, `${named(websockets)}: every byte, in order`);
    }
  });

  on('exec: what can not be, in Kubernetes\' words', async (cluster) => {
    const peer = cluster.peer(1);
    for (const websockets of protocols) {
      const run = async (...args: string[]): Promise<string> =>
        (await kubectl(peer, websockets, args)).stderr;
      assert.match(await run('exec', 'nope', '--', 'ls'), /\(NotFound\): pods "nope" not found/);
      assert.match(await run('exec', name, '-c', 'nope', '--', 'ls'),
        /container nope is not valid for pod far/);
      const absent = await kubectl(peer, websockets, ['exec', name, '--', 'no-such-program']);
      assert.is.not(absent.code, 0);
      assert.match(absent.stderr + absent.stdout, /executable file not found in \$PATH/);
    }
  });

  if (runtime === 'docker') on('debug: into a pod that runs, and of a copy of it', async (cluster) => {
    const peer = cluster.peer(1), look = ['debug', name, '--image', busybox, '--profile', 'general'];
    for (const websockets of protocols) {
      const container = `look-${websockets}`, script = 'cat /proc/1/cmdline; echo; exit 3\n';
      const ran = await kubectl(peer, websockets,
        [...look, '-i', '--target', 'main', '-c', container, '--', 'sh'], script);
      assert.is(ran.code, 0, ran.stderr);
      // The processes of the target are seen, not the container's own.
      assert.match(ran.stdout, /\/bin\/sh.*tick/);
      const log = await kubectl(peer, websockets, ['logs', name, '-c', container]);
      assert.match(log.stdout, /tick/);
    }
    const copied = await kubectl(peer, 'true', [...look, '--copy-to', 'copied', '--', 'sleep', '600']);
    assert.is(copied.code, 0, copied.stderr);
    await until('the copy runs', async () =>
      (await peer.api.json<Pod>('GET', `${paths.pods}/copied`)).status?.containerStatuses
        ?.every(({ ready }) => ready) === true, 30_000);
    const entered = ['exec', 'copied', '-c', 'main', '--', 'cat', '/proc/1/cmdline'];
    const seen = await kubectl(peer, 'true', entered);
    assert.match(seen.stdout, /pause/, 'the containers of a copy share their processes');
  });

  on('cp: a file there and back', async (cluster) => {
    const peer = cluster.peer(1), from = join(peer.dir, 'from'), back = join(peer.dir, 'back');
    const there = runtime === 'docker' ? '/tmp/copied' : join(peer.dir, 'copied');
    writeFileSync(from, randomBytes(2_000_000));
    for (const websockets of protocols) {
      const up = await kubectl(peer, websockets, ['cp', from, `${name}:${there}`]);
      assert.is(up.code, 0, up.stderr);
      const down = await kubectl(peer, websockets, ['cp', `${name}:${there}`, back]);
      assert.is(down.code, 0, down.stderr);
      assert.ok(readFileSync(back).equals(readFileSync(from)), named(websockets));
      rmSync(back);
    }
  });
}

function terminals(on: On, name: string): void {
  on('exec -t: a terminal of the size of the client\'s', async (cluster) => {
    const { kubeconfig } = cluster.peer(1);
    for (const websockets of protocols) {
      const call = `KUBECTL_REMOTE_COMMAND_WEBSOCKETS=${websockets} kubectl --kubeconfig ${kubeconfig} `
        + `exec -it ${name} -- sh -c 'sleep 0.5; stty size; exit 4'`;
      const ran = await command('script', ['-qec', `stty rows 33 cols 99; ${call}`, '/dev/null']);
      assert.is(ran.code, 4, ran.stdout);
      assert.match(ran.stdout, /33 99/, named(websockets));
    }
  });

  on('attach: what is printed from then on', async (cluster) => {
    const attached = cluster.peer(1).kubectlStream('attach', name);
    await until('lines', () => (attached.text().match(/tick \d+\n/g) ?? []).length > 3, 20_000);
    await attached.end();
    const ticks = [...attached.text().matchAll(/tick (\d+)\n/g)].map(([, n]) => Number(n));
    assert.equal(ticks, ticks.map((_, at) => (ticks[0] ?? 0) + at), 'none is missing');
    await running(cluster.peer(1), name);
  });
}

function forwards(on: On, runtime: Runtime, name: string): void {
  const listener = (port: number): string => `require('node:http').createServer((_, response) =>`
    + `response.end('Hello from ${name}')).listen(${port}, process.env.HOST)`;

  on('port-forward: a page, and a port that nobody listens on', async (cluster) => {
    const peer = cluster.peer(1), port = 18_090;
    // In Docker it listens where nobody but the pod itself could reach it.
    const serve = runtime === 'docker'
      ? ['sh', '-c', `mkdir -p /tmp/www; echo 'Hello from ${name}' > /tmp/www/index.html; `
        + `httpd -p 127.0.0.1:${port} -h /tmp/www`]
      : ['sh', '-c', `${process.execPath} -e "${listener(port)}" > /dev/null 2>&1 &`];
    assert.is((await kubectl(peer, 'true', ['exec', name, '--', ...serve])).code, 0);
    // kubectl gives up all it forwards when one connection is refused.
    const { status } = await peer.api.json<Pod>('GET', `${paths.pods}/${name}`);
    if (runtime === 'process') {
      const url = `http://${status?.podIP}:${port}/`;
      await until('it listens', () => fetchPage(url).catch(() => null), 20_000);
    }
    for (const websockets of protocols) {
      const local = await freePort();
      const forward = startForward(peer, websockets, [name, `${local}:${port}`]);
      await until('it forwards', () => forward.text().includes('Forwarding from'), 20_000);
      const url = `http://127.0.0.1:${local}/`;
      const first = await until('a page', () => fetchPage(url).catch(() => null), 20_000);
      assert.is(first, `Hello from ${name}`, named(websockets));
      const pages = await Promise.all(Array.from({ length: 8 }, () => fetchPage(url)));
      assert.equal(new Set(pages), new Set([first]), 'eight at once');
      await forward.end();
      const other = await freePort(), refused = startForward(peer, websockets, [name, `${other}:9`]);
      await until('it forwards', () => refused.text().includes('Forwarding from'), 20_000);
      await fetchPage(`http://127.0.0.1:${other}/`).catch(() => null);
      await until('it says why', () => /error forwarding port 9 to pod far_default, uid .*refused/i
        .test(refused.text()), 20_000);
      await refused.end();
    }
  });
}

function startForward(peer: TestPeer, websockets: string, args: readonly string[]) {
  process.env['KUBECTL_PORT_FORWARD_WEBSOCKETS'] = websockets;
  try {
    return peer.kubectlStream('port-forward', ...args);
  } finally {
    delete process.env['KUBECTL_PORT_FORWARD_WEBSOCKETS'];
  }
}

// ── the client library, and bare WebSockets ──────────────────────────────────────────────────────────────

function configOf({ kubeconfig }: TestPeer): KubeConfig {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  return config;
}

function collected() {
  const stream = new PassThrough(), parts: Buffer[] = [];
  stream.on('data', (data: Buffer) => parts.push(data));
  return { stream, text: () => Buffer.concat(parts).toString('utf8') };
}

function library(on: On, name: string): void {
  on('the client library: Exec, Attach, PortForward', async (cluster) => {
    const config = configOf(cluster.peer(1)), out = collected(), err = collected(), stdin = new PassThrough();
    const ended = new Promise<V1Status>((done, fail) => {
      new Exec(config).exec('default', name, 'main', ['sh', '-c', 'cat; echo end >&2; exit 7'], out.stream,
        err.stream, stdin, false, done).catch(fail);
    });
    stdin.end('hello');
    const status = await ended;
    assert.equal([status.status, status.reason, status.details?.causes?.[0]?.message],
      ['Failure', 'NonZeroExitCode', '7']);
    assert.equal([out.text(), err.text()], ['hello', 'end\n']);

    const seen = collected();
    const attached = await new Attach(config).attach('default', name, 'main', seen.stream, null, null, false);
    await until('a line', () => /tick \d+\n/.test(seen.text()), 20_000);
    attached.close();

    const page = collected(), wrong = collected(), request = new PassThrough();
    const forwarded = await new PortForward(config).portForward('default', name, [18_090], page.stream,
      wrong.stream, request);
    request.write('GET / HTTP/1.0\r\n\r\n');
    await until('the page', () => page.text().includes(`Hello from ${name}`) || wrong.text() !== '', 20_000);
    assert.is(wrong.text(), '');
    if ('close' in forwarded) forwarded.close();
  });

  on('logs over a WebSocket, message by message', async (cluster) => {
    const peer = cluster.peer(1), { server, ...tls } = readCredentials(peer.kubeconfig);
    for (const protocol of ['binary.k8s.io', 'base64.binary.k8s.io']) {
      const decode = (data: Buffer): string =>
        (protocol === 'binary.k8s.io' ? data : Buffer.from(data.toString(), 'base64')).toString();
      const url = `${server.replace('https', 'wss')}${paths.pods}/${name}/log?tailLines=3`;
      const ws = new WebSocket(url, protocol, tls);
      let text = '';
      ws.on('message', (data: Buffer) => { text += decode(data); });
      await new Promise<void>((done, fail) => {
        ws.on('close', () => done());
        ws.on('error', fail);
      });
      assert.match(text, /^tick \d+\ntick \d+\ntick \d+\n$/, protocol);
    }
  });
}

// ── deaths ───────────────────────────────────────────────────────────────────────────────────────────────

function deaths(on: On, name: string): void {
  let mark = 90_000 + process.pid % 1_000 * 7;

  /** A sleep that is asked for through a peer, and what became of the client. */
  async function sleeping(peer: TestPeer, websockets: string) {
    const own = mark += 1, script = `sleep ${own}; :`;
    const ran = kubectl(peer, websockets, ['exec', name, '--', 'sh', '-c', script]);
    // kubectl's own words have the number, too, but not as a word of its own.
    await until('it sleeps', () => sleepers(own) > 0, 30_000);
    // Docker tells the program's number a moment after it runs.
    await pause(500);
    return { ran, gone: () => until('nothing sleeps', () => sleepers(own) === 0, 20_000) };
  }

  on('kill -9 of the peer that was asked: the client hears of it, the program ends', async (cluster) => {
    const [asked, runs] = [cluster.peer(1), cluster.peer(2)];
    const all = await Promise.all(protocols.map((each) => sleeping(asked, each)));
    await asked.kill();
    for (const [at, { ran, gone }] of all.entries()) {
      const { code, stderr } = await ran;
      // Over SPDY kubectl takes the end of a connection for a good one, whoever ended it.
      if (protocols[at] === 'true') assert.is(code, 1, stderr);
      await gone();
    }
    // The other has no quorum now; its own pods can be reached all the same.
    for (const websockets of protocols) {
      const here = await kubectl(runs, websockets, ['exec', name, '--', 'echo', 'alone']);
      assert.equal([here.code, here.stdout], [0, 'alone\n'], `${named(websockets)}: ${here.stderr}`);
    }
    await asked.start();
    await until('both are there', async () =>
      (await asked.api.nodes()).every(({ ready }) => ready === 'True'), 30_000);
  });

  on('kill -9 of the peer that runs the pod: the client hears of it, the program ends', async (cluster) => {
    const [asked, runs] = [cluster.peer(1), cluster.peer(2)];
    const all = await Promise.all(protocols.map((each) => sleeping(asked, each)));
    await runs.kill();
    for (const { ran, gone } of all) {
      const { code, stderr } = await ran;
      assert.is(code, 1);
      assert.match(stderr, /the peer of node peer-2 went away/);
      await gone();
    }
    await runs.start();
    await until('it can be reached again', async () =>
      (await kubectl(asked, 'true', ['exec', name, '--', 'echo'])).code === 0, 30_000);
  });

  on('a client that goes away leaves nothing behind', async (cluster) => {
    const own = mark += 1, script = `sleep ${own}; :`;
    const client = cluster.peer(1).kubectlStream('exec', name, '--', 'sh', '-c', script);
    await until('it sleeps', () => sleepers(own) > 0, 30_000);
    await client.end();
    await until('nothing sleeps', () => sleepers(own) === 0, 20_000);
  });
}
