// Connections that are switched over, with real sockets: which protocol is agreed on, what goes both ways
// over it, how it ends, and what is answered where there is no switch.

import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import type { ApiRequest, StreamsRequest } from '../../cluster/api/request.ts';
import { failure } from '../../cluster/api/status.ts';
import { nodeName, objectKey, resourceName } from '../../cluster/ids.ts';
import { serveClients } from './serving-bench.ts';
import type { Served } from './serving-bench.ts';
import { createSpdyClient, data, spoken } from './spdy-bench.ts';

interface World extends Served {
  onRequest: (request: ApiRequest) => void;
}

const test = suite<World>('upgrade');

test.before(async (world) => {
  Object.assign(world, await serveClients((request) => setImmediate(() => world.onRequest(request))));
});
test.before.each(({ events }) => { events.length = 0; });
test.after(async ({ clients }) => clients.close());

const streams = (more: Partial<StreamsRequest> = {}): StreamsRequest => ({
  kind: 'exec', pod: objectKey(resourceName('core/pods'), 'default', 'web'), podUid: 'u-1',
  node: nodeName('runs'), container: 'web', command: ['cat'], stdin: true, stdout: true, stderr: false,
  tty: false, ports: [], ...more,
});

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > 5_000) throw new Error(`${what}: not within 5 s`);
    await new Promise((later) => setTimeout(later, 5));
  }
}

interface Raw { readonly socket: TLSSocket; head(): string; rest(): Buffer; readonly closed: Promise<void> }

/** A request by hand; `early` comes in the same packet. */
function raw(world: World, lines: readonly string[], early: Buffer = Buffer.alloc(0), user = true): Raw {
  const socket = connect({
    host: '127.0.0.1', port: world.port, ca: world.ca.cert, ALPNProtocols: ['http/1.1'],
    ...user ? world.admin : {},
  });
  let all = Buffer.alloc(0);
  socket.on('data', (part: Buffer) => { all = Buffer.concat([all, part]); });
  socket.on('error', () => undefined);
  const method = lines.includes('Upgrade: websocket') ? 'GET' : 'POST';
  const head = [`${method} /exec HTTP/1.1`, 'Host: x', 'Connection: Upgrade', ...lines, '', ''].join('\r\n');
  socket.write(Buffer.concat([Buffer.from(head), early]));
  const end = (): number => all.indexOf('\r\n\r\n');
  return {
    socket, head: () => (end() < 0 ? '' : all.toString('latin1', 0, end())),
    rest: () => (end() < 0 ? Buffer.alloc(0) : all.subarray(end() + 4)),
    closed: new Promise((done) => { socket.on('close', () => done()); }),
  };
}

const inputs = ({ events }: World): string[] => events.flatMap((event) => (event.type !== 'flow-input' ? []
  : [event.input.type === 'data' ? Buffer.from(event.input.data).toString() : event.input.type]));

test('SPDY: the switch, the streams, what comes before them, the end', async (world) => {
  world.onRequest = ({ id, headers }) => {
    assert.is(headers['upgrade'], 'spdy/3.1');
    world.clients.upgrade(id, streams());
    world.clients.flowOutput(id, 0, 'stdout', Buffer.from('early'));
  };
  const client = createSpdyClient(), first = await client.syn(1, { streamtype: 'error' });
  const one = raw(world, ['Upgrade: SPDY/3.1', 'X-Stream-Protocol-Version: v9.channel.k8s.io',
    'X-Stream-Protocol-Version: v4.channel.k8s.io, v3.channel.k8s.io'], first);
  await until('the switch', () => one.head() !== '');
  assert.is(one.head().split('\r\n')[0], 'HTTP/1.1 101 Switching Protocols');
  assert.match(one.head(), /x-stream-protocol-version: v4\.channel\.k8s\.io/i);
  one.socket.write(await client.syn(3, { streamtype: 'stdin' }));
  one.socket.write(data(3, 'hello'));
  one.socket.write(await client.syn(5, { streamtype: 'stdout' }));
  one.socket.write(data(3, '', true));
  await until('the input', () => inputs(world).length === 2);
  assert.equal(inputs(world), ['hello', 'eof']);
  const id = world.events.flatMap((event) => (event.type === 'request' ? [event.request.id] : []))[0]!;
  world.clients.flowEnd(id, 0, { type: 'exited', code: 0 });
  await one.closed;
  assert.equal((await spoken(one.rest())).filter((line) => !line.startsWith('window')), [
    'reply 1 headers=0', 'reply 3 headers=0', 'reply 5 headers=0', 'data 5 "early"',
    'data 1 "{\\"metadata\\":{},\\"status\\":\\"Success\\"}"', 'data 1 "" fin', 'data 5 "" fin',
    'data 3 "" fin', 'goaway last=5',
  ]);
});

interface Status { readonly code: number; readonly message: string; readonly kind: string }

const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', version = 'Sec-WebSocket-Version: 13';

test('the port-forward tunnel: a subprotocol with a slash', async (world) => {
  world.onRequest = ({ id }) => world.clients.upgrade(id, streams({ kind: 'portforward' }));
  const one = raw(world, ['Upgrade: websocket', key, version,
    'Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io']);
  await until('the switch', () => one.head() !== '');
  assert.match(one.head(), /^HTTP\/1\.1 101 /);
  assert.match(one.head(), /\r\nSec-WebSocket-Protocol: SPDY\/3\.1\+portforward\.k8s\.io/);
  one.socket.destroy();
  await until('its end', () => world.events.some(({ type }) => type === 'request-closed'));
});

test('WebSocket v5: channels, the end of the input, the status', async (world) => {
  world.onRequest = ({ id }) => {
    world.clients.upgrade(id, streams({ tty: true }));
    world.clients.flowOutput(id, 0, 'stdout', Buffer.from('out'));
  };
  const ws = new WebSocket(`wss://127.0.0.1:${world.port}/exec`, ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    { ca: world.ca.cert, ...world.admin });
  const got: Buffer[] = [];
  ws.on('message', (message: Buffer) => got.push(message));
  const closed = new Promise<number>((done) => { ws.on('close', done); });
  await until('messages', () => got.length === 2);
  assert.is(ws.protocol, 'v5.channel.k8s.io');
  assert.equal(got.splice(0).map((message) => message.toString()), ['\x01', '\x01out']);
  ws.send(Buffer.from('\x00in'));
  ws.send(Buffer.from('\x04{"Width":80,"Height":24}'));
  ws.send(Buffer.from('\x01not for a client'));
  ws.send(Buffer.from([255, 0]));
  await until('the input', () => inputs(world).length === 3);
  assert.equal(inputs(world), ['in', 'resize', 'eof']);
  const id = world.events.flatMap((event) => (event.type === 'request' ? [event.request.id] : []))[0]!;
  world.clients.flowEnd(id, 0, { type: 'exited', code: 3 });
  assert.is(await closed, 1000);
  assert.is(got[0]?.[0], 3);
  assert.match(got[0]?.toString() ?? '', /"reason":"NonZeroExitCode"/);
});

test('no switch: a Status, whether it is the peer or the handshake that refuses', async (world) => {
  const status = async (one: Raw): Promise<{ code: number; message: string; head: string }> => {
    await one.closed;
    const { code, message, kind } = JSON.parse(one.rest().toString()) as Status;
    assert.is(kind, 'Status');
    return { code, message, head: one.head() };
  };
  world.onRequest = ({ id }) => world.clients.respond(id, failure(400, 'BadRequest', 'no'));
  assert.is((await status(raw(world, ['Upgrade: SPDY/3.1']))).code, 400);
  world.onRequest = ({ id }) => world.clients.upgrade(id, streams());
  const unknown = 'X-Stream-Protocol-Version: v9.channel.k8s.io';
  const spdy = await status(raw(world, ['Upgrade: SPDY/3.1', unknown]));
  const accepted = 'v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io channel.k8s.io';
  assert.equal([spdy.code, spdy.message], [403, 'unable to upgrade: unable to negotiate protocol: client '
    + `supports [v9.channel.k8s.io], server accepts [${accepted}]`]);
  assert.match(spdy.head, /x-accepted-stream-protocol-versions: v4\.channel/);
  assert.is((await status(raw(world, ['Upgrade: websocket', key, version,
    'Sec-WebSocket-Protocol: nope']))).code, 403);
  assert.is((await status(raw(world, ['Upgrade: websocket', version]))).code, 400, 'no key');
  world.onRequest = ({ id }) => world.clients.upgrade(id, streams({ kind: 'portforward' }));
  assert.is((await status(raw(world, ['Upgrade: websocket', key, version,
    'Sec-WebSocket-Protocol: v4.channel.k8s.io']))).message, 'query parameter "port" is required');
  await until('all are over', () => world.events.filter(({ type }) => type === 'request-closed').length >= 4);
});

test('a token as a subprotocol; without it, or without another one, nobody is let in', async (world) => {
  const seen: (string | undefined)[] = [];
  world.onRequest = ({ id, token }) => {
    seen.push(token);
    world.clients.upgrade(id, streams());
  };
  const token = `base64url.bearer.authorization.k8s.io.${Buffer.from('abc.def').toString('base64url')}`;
  const ask = (protocols: string): Raw => raw(world, ['Upgrade: websocket', key, version,
    `Sec-WebSocket-Protocol: ${protocols}`], undefined, false);
  const one = ask(`${token}, v4.channel.k8s.io`);
  await until('the switch', () => one.head() !== '');
  assert.match(one.head(), / 101 [\s\S]*Sec-WebSocket-Protocol: v4\.channel\.k8s\.io/);
  assert.equal(seen, ['abc.def']);
  one.socket.destroy();
  for (const protocols of [token, 'v4.channel.k8s.io']) {
    const other = ask(protocols);
    await until('an answer', () => other.head() !== '');
    assert.match(other.head(), /^HTTP\/1\.1 401 /);
  }
  assert.is(seen.length, 1);
});

test('any other value of Upgrade is a request like all others, with its body', async (world) => {
  world.onRequest = ({ id, headers, body }) => {
    assert.is(headers['upgrade'], undefined);
    world.clients.respond(id, { status: 200, headers: {}, body: Buffer.from(body ?? '').toString() });
  };
  const one = raw(world, ['Upgrade: h2c', 'Content-Length: 5'], Buffer.from('hello'));
  await until('an answer', () => one.rest().toString() === 'hello');
  one.socket.destroy();
});

test.run();
