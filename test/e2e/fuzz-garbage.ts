// Bytes that are no HTTP, or are so only for a while: each on a connection of its own, which is left after a
// moment. The peer may answer, end the connection or wait; only what is an answer must be well formed.

import { connect as connectPlain } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import type { Random } from '../../cluster/random.ts';
import { bytes, chance, pick } from '../hostile.ts';
import { readCredentials } from './client.ts';
import type { TestPeer } from './cluster.ts';

const leaveAfterMs = 400, answerBytesMax = 1_000_000;

/** The status of the answer; `none`, `h2` (frames) or `refused` (no connection was made). */
export async function garbage(peer: TestPeer, random: Random, token: string): Promise<string> {
  const kind = random.below(100), wild = token !== '' && chance(random, 50);
  if (kind < 8) return talk(peer, random, 'plain', plainText(random));
  if (kind < 30) return talk(peer, random, 'h2', frames(random));
  const user = wild ? `authorization: Bearer ${token}\r\n` : '';
  if (kind < 60) return talk(peer, random, 'admin', [bytes(upgrade(random)), ...afterUpgrade(random)]);
  return talk(peer, random, wild ? 'robot' : 'admin', [bytes(broken(random, user))]);
}

type As = 'plain' | 'h2' | 'admin' | 'robot';

/** `raw`: what carries it, for an end without goodbye. */
function open(peer: TestPeer, as: As): { readonly socket: Socket; readonly raw: Socket } {
  const { server, ca, cert, key } = readCredentials(peer.kubeconfig), url = new URL(server);
  const raw = connectPlain({ host: url.hostname, port: Number(url.port) });
  raw.on('error', () => undefined);
  if (as === 'plain') return { socket: raw, raw };
  const own = as === 'robot' || cert === undefined || key === undefined ? {} : { cert, key };
  const ALPNProtocols = [as === 'h2' ? 'h2' : 'http/1.1'];
  return { socket: connectTls({ socket: raw, host: url.hostname, ca, ...own, ALPNProtocols }), raw };
}

async function talk(peer: TestPeer, random: Random, as: As, pieces: readonly Uint8Array[]): Promise<string> {
  const { socket, raw } = open(peer, as), parts: Buffer[] = [];
  let size = 0, connected = false, ended = false;
  socket.on('data', (part: Buffer) => {
    if ((size += part.length) < answerBytesMax) parts.push(part);
  });
  socket.on('error', () => { ended = true; });
  socket.on('close', () => { ended = true; });
  const ready = as === 'plain' ? 'connect' : 'secureConnect';
  await new Promise<void>((done) => {
    socket.on(ready, () => {
      connected = true;
      done();
    });
    socket.on('close', () => done());
    setTimeout(done, 20_000).unref();
  });
  for (const piece of pieces) {
    if (ended) break;
    socket.write(piece);
    if (chance(random, 30)) await sleep(random.below(30));
  }
  if (chance(random, 30)) socket.end();
  const until = performance.now() + leaveAfterMs;
  while (!ended && performance.now() < until) await sleep(20);
  if (chance(random, 50)) raw.resetAndDestroy();
  socket.destroy();
  return connected ? judged(Buffer.concat(parts), as) : 'refused';
}

/** What came back, where it is the beginning of an answer. */
function judged(answer: Buffer, as: As): string {
  if (answer.length === 0) return 'none';
  if (as === 'h2') return 'h2';
  const text = answer.toString('latin1'), found = /^HTTP\/1\.1 (\d{3}) /.exec(text);
  if (found === null) return as === 'plain' ? 'none' : 'frames';
  const status = Number(found[1]);
  assert.ok(status < 500 || [501, 504, 505].includes(status), `a garbled request got ${text}`);
  return String(status);
}

// ── HTTP/1.1 ─────────────────────────────────────────────────────────────────────────────────────────────

const pod = '/api/v1/namespaces/default/pods/runner';

function plainText(random: Random): Uint8Array[] {
  return pick<() => Uint8Array[]>(random, [
    () => [bytes('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    () => [noise(random, 200)],
    () => [],
    // A handshake that stops half-way, or says it is longer than it is.
    () => [Uint8Array.from([0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3]), noise(random, 32)],
    () => [Uint8Array.from([0x16, 3, 1, 0xff, 0xff]), noise(random, 2_000)],
  ])();
}

const noise = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length: random.below(length) + 1 }, () => random.below(256));

/** A request of which something does not hold. */
function broken(random: Random, user: string): string {
  const head = (line: string, ...more: string[]): string =>
    [line, 'host: x', ...user === '' ? [] : [user.trim()], ...more, '', ''].join('\r\n');
  const list = '/api/v1/namespaces/default/configmaps?dryRun=All', post = `POST ${list} HTTP/1.1`;
  const json = 'content-type: application/json';
  return pick<() => string>(random, [
    () => head('GET /api HTTP/1.1', `x: ${'a'.repeat(100_000)}`),
    () => head('GET /api HTTP/1.1', ...Array.from({ length: 3_000 }, (_, n) => `x-${n}: y`)),
    () => head(`GET /${'a/'.repeat(20_000)} HTTP/1.1`),
    () => head(post, json, 'content-length: 100') + '{"metadata":',
    () => head(post, json, 'content-length: 5', 'content-length: 6') + '{"a":1}',
    () => head(post, json, 'content-length: -1') + '{}',
    () => head(post, json, 'content-length: 99999999999999999999') + '{}',
    () => head(post, json, 'content-length: 2', 'transfer-encoding: chunked') + '2\r\n{}\r\n0\r\n\r\n',
    () => head(post, json, 'transfer-encoding: chunked') + 'zz\r\n{}\r\n',
    () => head(post, json, 'transfer-encoding: chunked') + 'ffffffffff\r\n{}\r\n',
    () => head(post, json, 'transfer-encoding: gzip, chunked') + '2\r\n{}\r\n0\r\n\r\n',
    () => head(post, json, 'expect: 100-continue', 'content-length: 10000000'),
    () => head(post, json, 'expect: the worst', 'content-length: 2') + '{}',
    () => head(post, json, `content-length: ${10 * 1_048_576}`) + 'x'.repeat(200_000),
    () => head('CONNECT example.com:443 HTTP/1.1'),
    () => head('GET http://evil.example/api HTTP/1.1'),
    () => head('OPTIONS * HTTP/1.1'),
    () => head('GET /api HTTP/3.7'),
    () => 'GET /api HTTP/1.0\r\n\r\n',
    () => 'GET /api HTTP/0.9\r\n\r\n',
    () => 'GET /api HTTP/1.1\r\n\r\n',
    () => head('GET /api\u0000x HTTP/1.1'),
    () => head('GET /api/v1/%00%2e%2e/%zz HTTP/1.1'),
    () => head('GET ../../etc/passwd HTTP/1.1'),
    () => head('GET /api HTTP/1.1', 'x : y', ' folded', 'z\u0001: \u0000'),
    () => head('GET /api HTTP/1.1').repeat(50),
    () => head('PRI * HTTP/2.0'),
    () => new TextDecoder('latin1').decode(noise(random, 3_000)),
    () => head('GET /api HTTP/1.1').slice(0, random.below(30)),
    () => head('GET /api/v1/pods?watch=1 HTTP/1.1'),
  ])();
}

const protocols = [
  'v5.channel.k8s.io', 'v4.channel.k8s.io', 'channel.k8s.io', 'SPDY/3.1+portforward.k8s.io', 'none', '',
  'v5.channel.k8s.io, v4.channel.k8s.io', 'base64.channel.k8s.io',
  'base64url.bearer.authorization.k8s.io.%%%',
];

function upgrade(random: Random): string {
  const verb = pick(random, ['exec?command=cat&stdin=true&stdout=true&container=c', 'exec?command=', 'exec',
    'exec?command=true&stdout=true&tty=maybe', 'attach?stdin=true&stdout=true', 'portforward?ports=1',
    'portforward', 'portforward?ports=x,-1,99999', 'log?follow=true', 'status', 'nothing']);
  const spdy = chance(random, 45), key = chance(random, 85) ? 'dGhlIHNhbXBsZSBub25jZQ=='
    : pick(random, ['', 'x', 'a'.repeat(500)]);
  const protocol = pick(random, protocols), version = chance(random, 90) ? '13' : pick(random, ['8', 'x']);
  const target = chance(random, 90) ? `${pod}/${verb}` : '/api/v1/pods?watch=1';
  const own = spdy ? [`upgrade: ${pick(random, ['SPDY/3.1', 'spdy/3.1', 'SPDY/2', 'h2c'])}`,
    `x-stream-protocol-version: ${pick(random, ['v4.channel.k8s.io', 'portforward.k8s.io', 'v9', ''])}`]
    : [`upgrade: ${pick(random, ['websocket', 'WebSocket', 'websocket, x', ''])}`,
      `sec-websocket-key: ${key}`, `sec-websocket-version: ${version}`,
      `sec-websocket-protocol: ${protocol}`];
  const method = pick(random, ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT']);
  const connection = chance(random, 85) ? 'Upgrade' : pick(random, ['upgrade, keep-alive', 'close']);
  const lines = [`${method} ${target} HTTP/1.1`, 'host: x', `connection: ${connection}`, ...own, '', ''];
  return lines.join('\r\n');
}

/** Frames of WebSockets and of SPDY, whole and not, sensible and not. */
function afterUpgrade(random: Random): Uint8Array[] {
  return Array.from({ length: random.below(6) }, () => pick<() => Uint8Array>(random, [
    () => noise(random, 500),
    // WebSocket: masked, unmasked, a length of 2^63, reserved bits, a close without its reason's code.
    () => Uint8Array.from([0x82, 0x83, 1, 2, 3, 4, 0 ^ 1, 0x61 ^ 2, 0x62 ^ 3]),
    () => Uint8Array.from([0x82, 3, 0, 0x61, 0x62]),
    () => Uint8Array.from([0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4]),
    () => Uint8Array.from([0xf2, 0x80, 0, 0, 0, 0]),
    () => Uint8Array.from([0x88, 0x81, 0, 0, 0, 0, 7]),
    () => Uint8Array.from([0x82, 0x82, 0, 0, 0, 0, 255, random.below(256)]),
    () => Uint8Array.from([0x89, 0xfe, 0, 200, 0, 0, 0, 0]),
    // SPDY: SYN_STREAM with a header block that is none, DATA of no stream, SETTINGS, RST_STREAM, and more.
    () => Uint8Array.from([0x80, 3, 0, 1, 0, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...noise(random, 9), 0]),
    () => Uint8Array.from([0, 0, 0, 99, 1, 0, 0, 3, 1, 2, 3]),
    () => Uint8Array.from([0x80, 3, 0, 4, 0, 0, 0, 12, 255, 255, 255, 255, 0, 0, 0, 4, 0, 0, 0, 0]),
    () => Uint8Array.from([0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, 5]),
    () => Uint8Array.from([0x80, 3, 0, 9, 255, 255, 255]),
    () => Uint8Array.from([0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, random.below(256)]),
  ])());
}

// ── HTTP/2 ───────────────────────────────────────────────────────────────────────────────────────────────

const preface = bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, flags: number, stream: number, payload: ArrayLike<number> = []): Uint8Array {
  const { length } = payload, id = [stream >>> 24, stream >>> 16 & 255, stream >>> 8 & 255, stream & 255];
  return Uint8Array.from([length >>> 16, length >>> 8 & 255, length & 255, type, flags, ...id,
    ...Array.from(payload)]);
}

/** `:method GET`, `:scheme https`, `:path /`, by HPACK's table. */
const getRoot = [0x82, 0x87, 0x84];
const settings = frame(4, 0, 0), dataType = 0, headersType = 1, priority = 2, reset = 3, ping = 6, goaway = 7;
const windowUpdate = 8, continuation = 9, endBoth = 5;

function frames(random: Random): Uint8Array[] {
  const many = (count: number, make: (n: number) => Uint8Array): Uint8Array =>
    Buffer.concat(Array.from({ length: count }, (_, n) => make(n)));
  const shape = pick<() => Uint8Array[]>(random, [
    () => [noise(random, 1_000)],
    () => [frame(headersType, endBoth, 1, noise(random, 60))],
    () => [frame(headersType, endBoth, 2, getRoot)],
    () => [frame(headersType, endBoth, 0, getRoot)],
    () => [frame(headersType, 1, 1, getRoot), many(200, () => frame(continuation, 0, 1, [0x40]))],
    () => [frame(dataType, 1, 1, [1, 2, 3])],
    () => [frame(dataType, 0, 0, [1, 2, 3])],
    () => [many(100, () => frame(4, 0, 0, [0, 4, 0, 0, 255, 255]))],
    () => [frame(4, 0, 0, [0, 4, 255, 255, 255, 255])],
    () => [frame(4, 1, 0, [1])],
    () => [many(100, (n) => frame(ping, 0, 0, [0, 0, 0, 0, 0, 0, 0, n]))],
    () => [frame(ping, 0, 0, [1])],
    // Rapid reset: streams asked for and left at once.
    () => [many(150, (n) => Buffer.concat([frame(headersType, endBoth, 2 * n + 1, getRoot),
      frame(reset, 0, 2 * n + 1, [0, 0, 0, 8])]))],
    () => [many(150, (n) => frame(headersType, endBoth, 2 * n + 1, getRoot))],
    () => [many(2, () => frame(windowUpdate, 0, 0, [0x7f, 255, 255, 255]))],
    () => [frame(windowUpdate, 0, 0, [0, 0, 0, 0])],
    () => [frame(priority, 0, 1, [0, 0, 0, 1, 16])],
    () => [frame(goaway, 0, 0, [0, 0, 0, 0, 0, 0, 0, 2])],
    () => [frame(headersType, 4, 1, [...getRoot, 0x40, 1, 0x41, 1, 0x62]), frame(dataType, 1, 1, [])],
    () => [Uint8Array.from([255, 255, 255, 0, 0, 0, 0, 0, 1]), noise(random, 500)],
    () => [frame(99, 255, 1, noise(random, 30))],
    () => [frame(headersType, endBoth, 1, [...getRoot, 0x3f, 0xff, 0xff, 0xff, 0xff, 0x7f])],
  ])();
  if (chance(random, 5)) return [preface.slice(0, random.below(preface.length)), ...shape];
  return [preface, settings, ...shape];
}
