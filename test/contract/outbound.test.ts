// The outbound port's contract: over HTTPS against a server with an authority of its own, and simulated; the
// simulated one's fates follow from its seed.

import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { OutboundEvent } from '../../cluster/ports.ts';
import { createAuthority, issueServing } from '../../runtime/http/certificates.ts';
import { createOutbound } from '../../runtime/ports/outbound.ts';
import { createHeap } from '../../sim/heap.ts';
import { createSimOutbound } from '../../sim/ports/outbound.ts';
import type { SimServers } from '../../sim/ports/outbound.ts';
import { answerOf, outboundContract } from './outbound.ts';
import type { OutboundHarness } from './outbound.ts';

const serverName = 'hooks.default.svc', base64 = (text: string): string =>
  Buffer.from(text).toString('base64');
const authority = await createAuthority('users'), other = await createAuthority('others');
const pair = await issueServing(authority, serverName, [serverName], []);

const pass = (ms: number): Promise<void> => new Promise((done) => { setTimeout(done, ms); });

let connections = 0;

async function realHarness(): Promise<OutboundHarness> {
  const events: OutboundEvent[] = [], port = createOutbound((event) => void events.push(event));
  const server = createServer({ cert: pair.cert, key: pair.key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '' } = request;
      const answer = answerOf(method, url, Buffer.concat(chunks).toString());
      if (answer === null) request.socket.destroy();
      else setTimeout(() => response.writeHead(answer.status).end(answer.body), answer.afterMs ?? 0).unref();
    });
  });
  server.on('secureConnection', () => { connections += 1; });
  const listening = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', listening.resolve);
  await listening.promise;
  const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  return {
    port, events, pass, otherBundle: base64(other.cert), nobody: { host: '127.0.0.1', port: 1 },
    server: { address, serverName, caBundle: base64(authority.cert) },
    async until(what, condition) {
      const deadline = performance.now() + 20_000;
      while (!condition()) {
        if (performance.now() > deadline) throw new Error(`${what}: not within 20 s`);
        await pass(2);
      }
    },
    async stop() {
      port.close();
      server.closeAllConnections();
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

const address = { host: '10.0.0.7', port: 8443 };

const servers: SimServers = new Map([['10.0.0.7:8443', {
  serverName, caBundle: 'own',
  serve: ({ method, path, body }) => answerOf(method, path, typeof body === 'string' ? body
    : new TextDecoder().decode(body ?? undefined)),
}]]);

async function simHarness(): Promise<OutboundHarness> {
  const heap = createHeap(), events: OutboundEvent[] = [];
  const port = createSimOutbound(heap, 7, servers, (event) => void events.push(event));
  return {
    port, events, nobody: { host: '10.0.0.8', port: 1 }, otherBundle: 'other',
    server: { address, serverName, caBundle: 'own' },
    async until(what, condition) {
      while (!condition()) if (!heap.step()) throw new Error(`${what}: nothing more happens`);
    },
    async pass(ms) {
      const end = heap.nowMs() + ms;
      while (heap.step(end)) if (heap.nowMs() > end) throw new Error('time ran away');
    },
    async stop() { port.stop(); },
  };
}

outboundContract(test, 'https', realHarness);
outboundContract(test, 'simulated', simHarness);

test('https: one connection serves calls that come one after the other', async () => {
  const harness = await realHarness(), { server, port, events } = harness, before = connections;
  for (let n = 0; n < 5; n++) {
    port.call(`${n}`, {
      ...server, method: 'GET', authority: serverName, path: '/', headers: {}, body: null, timeoutMs: 5_000,
    });
    await harness.until(`answer ${n}`, () => events.length === n + 1);
  }
  await harness.stop();
  assert.is(connections - before, 1);
});

test('simulated: the seed decides who is heard', () => {
  const fates = (seed: number): string => {
    const heap = createHeap(), events: string[] = [];
    const port = createSimOutbound(heap, seed, servers, ({ id, result }) => void events.push(
      `${heap.nowMs()} ${id} ${result.ok ? result.status : result.failure.reason}`),
    { latencyMsMax: 50, lostPercent: 30, refusedPercent: 30 });
    for (let n = 0; n < 40; n++) {
      port.call(`${n}`, {
        method: 'GET', address, serverName, caBundle: 'own', authority: serverName, path: '/', headers: {},
        body: null, timeoutMs: 1_000,
      });
    }
    while (heap.step()) assert.ok(heap.nowMs() <= 1_000);
    return events.join('\n');
  };
  assert.is(fates(1), fates(1));
  assert.is.not(fates(1), fates(2));
  for (const fate of ['200', 'refused', 'timeout']) assert.match(fates(1), new RegExp(` ${fate}$`, 'm'));
});

test.run();
