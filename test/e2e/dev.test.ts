// What `npm start` shows, on either runtime: a cluster on one machine, the example's page, a peer that is
// killed and brought back by hand, and an end that leaves nothing behind.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createNetworkIdentity } from '../../runtime/ports/libp2p.ts';
import { needingDocker } from '../docker.ts';
import { freePort } from '../ports.ts';
import { connectClient } from './client.ts';
import { figure, shoalCommand, until } from './cluster.ts';
import { leftovers } from './leftovers.ts';
import { configMap, fetchPage, paths } from './workloads.ts';

const onDocker = await needingDocker(test);
const shoal = fileURLToPath(new URL('../../runtime/cli/shoal.ts', import.meta.url));

interface Terminal { readonly child: ChildProcess; text(): string; readonly ended: Promise<number | null> }

function terminal(...args: string[]): Terminal {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', shoal, ...args],
    { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  const take = (data: Buffer): void => { text += data.toString(); };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return { child, text: () => text, ended: new Promise((done) => child.on('close', (code) => done(code))) };
}

/** Ctrl-C, and the code that it ends with. */
async function interrupt({ child, ended }: Terminal): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT');
  return ended;
}

/** Runs `dev --hello` until its page is shown; the page's address. */
async function shown(dev: Terminal): Promise<string> {
  const over = (): boolean => dev.child.exitCode !== null || dev.text().includes('Ctrl-C stops everything');
  await until('the page', over, 120_000);
  const url = /^(\S+) answers through its Service: Hello from hello-\S+$/m.exec(dev.text())?.[1] ?? '';
  assert.ok(url !== '', dev.text());
  assert.match(await fetchPage(url), /^Hello from hello-/);
  return url;
}

/** A directory for the peers, and the end of all that was started on it: nothing may be left. */
async function inDirectory(
  body: (dir: string, open: (terminal: Terminal) => Terminal) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-e2e-dev-')), terminals: Terminal[] = [];
  try {
    await body(dir, (each) => {
      terminals.push(each);
      return each;
    });
  } finally {
    for (const each of terminals.reverse()) await interrupt(each);
    const owners = await Promise.all([1, 2, 3].map((n) => createNetworkIdentity(join(dir, `peer-${n}`))));
    const left = await leftovers(dir, owners);
    rmSync(dir, { recursive: true });
    assert.equal(left, [], 'nothing is left');
  }
}

test('on processes: a page, a killed peer brought back by hand, Ctrl-C, and all of it again', async () => {
  await inDirectory(async (dir, open) => {
    const start = performance.now(), port = String(await freePort());
    const args = ['dev', '--hello', '--dir', dir, '--runtime', 'process', '--api-port', port];
    const dev = open(terminal(...args));
    await shown(dev);
    figure('dev: its page, on processes', performance.now() - start);
    for (const line of ['starting peer-1', 'starting peer-3', '3 peers running', 'kill -9 $(cat']) {
      assert.ok(dev.text().includes(line), `${line}: ${dev.text()}`);
    }
    const kubeconfig = join(dir, 'kubeconfig'), pid = join(dir, 'peer-2', 'pid');
    const api = connectClient(kubeconfig);
    const status = await shoalCommand('status', '--kubeconfig', kubeconfig, '--context', 'peer-3');
    assert.match(status.stdout, /This peer \(peer-3\) has applied/);
    process.kill(Number(readFileSync(pid, 'utf8')), 'SIGKILL');
    const isReady = async (): Promise<boolean> =>
      (await api.nodes()).find((node) => node.name === 'peer-2')?.ready === 'True';
    await until('it is missed', async () => !await isReady(), 30_000);
    const hand = open(terminal('start', '--dir', join(dir, 'peer-2')));
    await until('it is back', isReady, 30_000);
    const again = await terminal('start', '--dir', join(dir, 'peer-2')).ended;
    assert.is(again, 1, 'a peer runs once');
    assert.is(await interrupt(hand), 0);
    assert.not(existsSync(pid));
    await api.json('POST', paths.configMaps, configMap('kept'));
    const stopping = performance.now();
    assert.is(await interrupt(dev), 0, dev.text());
    figure('dev: Ctrl-C ends it', performance.now() - stopping);
    const next = open(terminal(...args));
    await shown(next);
    assert.is((await api.send('GET', `${paths.configMaps}/kept`)).status, 200, 'the same cluster');
  });
});

onDocker('on Docker: a page, and Ctrl-C', async () => {
  await inDirectory(async (dir, open) => {
    const start = performance.now(), port = String(await freePort());
    const dev = open(terminal('dev', '--hello', '--dir', dir, '--runtime', 'docker', '--api-port', port));
    await shown(dev);
    figure('dev: its page, on Docker', performance.now() - start);
    assert.is(await interrupt(dev), 0, dev.text());
  });
});

test.run();
