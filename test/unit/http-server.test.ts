// The HTTPS API's server with real connections: who a client is, what a request becomes, how it ends.

import 'reflect-metadata'; // x509 asks for it
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import { Agent, request as requestHttps } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { connect as connectTls } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import type { ApiRequest } from '../../cluster/api/request.ts';
import { createAuthority, issueClient, issueServing } from '../../runtime/http/certificates.ts';
import type { KeyPair } from '../../runtime/http/certificates.ts';
import { serveClients } from './serving-bench.ts';
import type { Served } from './serving-bench.ts';

interface World extends Served {
  /** Answers each request unless it says otherwise. */
  onRequest: (request: ApiRequest) => void;
}

const test = suite<World>('http server');
const text = { 'content-type': 'text/plain' };
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

test.before(async (world) => {
  Object.assign(world, await serveClients((request) => world.onRequest(request)));
});

test.before.each((world) => {
  world.events.length = 0;
  world.onRequest = ({ id }) => world.clients.respond(id, { status: 200, headers: text, body: 'hello' });
});

test.after(async ({ clients }) => clients.close());

interface Call {
  readonly method?: string; readonly path?: string; readonly body?: Buffer;
  readonly user?: KeyPair | null; readonly headers?: Record<string, string | string[]>;
}
interface Heard { readonly status: number; readonly body: string; readonly length: string }

/** One request on a connection of its own. */
function http1(world: World, call: Call = {}): Promise<Heard> {
  const { method = 'GET', path = '/', body, user = world.admin, headers = {} } = call;
  return new Promise((done, fail) => {
    const outgoing = requestHttps({
      host: '127.0.0.1', port: world.port, path, method, headers, agent: false, ca: world.ca.cert,
      ...user ?? {},
    }, (response) => {
      let got = '';
      response.setEncoding('utf8').on('data', (part: string) => { got += part; });
      response.on('end', () => done({ status: response.statusCode ?? 0, body: got,
        length: response.headers['content-length'] ?? '' }));
      response.on('error', fail);
    });
    outgoing.on('error', fail);
    outgoing.end(body);
  });
}

function session(world: World, user: KeyPair | null = world.admin): ClientHttp2Session {
  const opened = connectHttp2(`https://127.0.0.1:${world.port}`, { ca: world.ca.cert, ...user ?? {} });
  opened.on('error', () => undefined);
  return opened;
}

function http2(client: ClientHttp2Session, call: Call = {}): Promise<Heard> {
  const { method = 'GET', path = '/', body, headers = {} } = call;
  return new Promise((done, fail) => {
    const stream = client.request({ ':method': method, ':path': path, ...headers });
    let got = '', status = 0, length = '';
    stream.on('response', (heads) => {
      status = Number(heads[':status']);
      length = String(heads['content-length'] ?? '');
    });
    stream.setEncoding('utf8').on('data', (part: string) => { got += part; });
    stream.on('end', () => done({ status, body: got, length }));
    stream.on('error', fail);
    stream.on('close', () => fail(new Error(`closed with ${stream.rstCode}`)));
    stream.end(body);
  });
}

const requests = ({ events }: World): ApiRequest[] =>
  events.flatMap((event) => (event.type === 'request' ? [event.request] : []));
/** Of the requests of this test. */
function closed(world: World): number {
  const own = new Set(requests(world).map(({ id }) => id));
  return world.events.filter((event) => event.type === 'request-closed' && own.has(event.id)).length;
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > 3_000) throw new Error(`${what}: not within 3 s`);
    await pause(10);
  }
}

// ── who ──────────────────────────────────────────────────────────────────────────────────────────────────

test('a client is known by its certificate, on either protocol', async (world) => {
  const client = session(world);
  assert.is((await http1(world, { path: '/a?x=1' })).body, 'hello');
  assert.is((await http2(client, { path: '/b' })).body, 'hello');
  client.close();
  assert.equal(requests(world).map(({ path, query, user }) => [path, query, user.name, user.groups.join()]), [
    ['/a', 'x=1', 'kubernetes-admin', 'system:masters,system:authenticated'],
    ['/b', '', 'kubernetes-admin', 'system:masters,system:authenticated'],
  ]);
});

test('no certificate, one of another CA, and one that is over: 401, but health is told', async (world) => {
  const other = await createAuthority('other');
  const strangers = [null, await issueClient(other, 'kubernetes-admin', ['system:masters']),
    await expiredCertificate(world.ca)];
  for (const user of strangers) {
    const client = session(world, user);
    assert.is((await http1(world, { user, path: '/api' })).status, 401);
    assert.is((await http2(client, { path: '/api' })).status, 401);
    const posted = await http2(client, { method: 'POST', path: '/api', body: Buffer.alloc(100_000) });
    assert.is(posted.status, 401);
    assert.is((await http1(world, { user, path: '/readyz' })).status, 200);
    client.close();
  }
  assert.equal(requests(world).map(({ user }) => user.name), Array(3).fill('system:anonymous'));
});

test('a bearer token is handed on, and not looked at where there is a certificate', async (world) => {
  const bearer = (authorization: string): Call => ({ user: null, path: '/api', headers: { authorization } });
  assert.is((await http1(world, bearer('Bearer abc.def.ghi'))).status, 200);
  assert.is((await http1(world, bearer('  bearer abc '))).status, 200);
  assert.is((await http1(world, { ...bearer('Bearer abc'), user: world.admin })).status, 200);
  for (const none of ['Basic abc', 'Bearer', 'Bearer ', 'abc', '']) {
    assert.is((await http1(world, bearer(none))).status, 401, none);
  }
  assert.equal(requests(world).map(({ user, token }) => [user.name, token]), [
    ['system:anonymous', 'abc.def.ghi'], ['system:anonymous', 'abc'], ['kubernetes-admin', undefined],
  ]);
});

async function expiredCertificate(ca: KeyPair): Promise<KeyPair> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const { subtle } = globalThis.crypto;
  const keys = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const signingKey = await subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(ca.key), algorithm, false,
    ['sign']);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: '01', subject: 'CN=kubernetes-admin, O=system:masters',
    issuer: new x509.X509Certificate(ca.cert).subject, notBefore: new Date(Date.now() - 86_400_000),
    notAfter: new Date(Date.now() - 3_600_000), signingAlgorithm: algorithm, publicKey: keys.publicKey,
    signingKey,
  }, globalThis.crypto);
  const key = x509.PemConverter.encode(await subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  return { cert: cert.toString('pem'), key };
}

// ── what ─────────────────────────────────────────────────────────────────────────────────────────────────

test('whoever tries token after token loses the connection, on either protocol', async (world) => {
  world.onRequest = ({ id }) => world.clients.respond(id, { status: 401, headers: text, body: 'no' });
  const max = limits.tokenFailuresPerConnectionMax, authorization = 'Bearer a.b.c';
  const session = connectHttp2(`https://127.0.0.1:${world.port}`, { ca: world.ca.cert });
  let closed = false;
  session.on('close', () => { closed = true; });
  for (let n = 1; n <= max; n += 1) {
    assert.not.ok(closed, `request ${n} has a connection`);
    const stream = session.request({ ':path': '/api', authorization });
    stream.resume();
    await new Promise((done) => { stream.on('close', done); });
  }
  await pause(100);
  assert.ok(closed);
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: world.ca.cert });
  let last: string | undefined;
  for (let n = 1; n <= max; n += 1) {
    assert.is.not(last, 'close', `request ${n} has a connection`);
    last = await new Promise((done, fail) => {
      const path = '/api', headers = { authorization }, host = '127.0.0.1', { port } = world;
      requestHttps({ host, port, path, headers, agent }, (answer) => {
        answer.resume().on('end', () => done(answer.headers.connection));
      }).on('error', fail).end();
    });
  }
  assert.is(last, 'close');
  agent.destroy();
});

test('whom a client acts as comes through whole, header by header, on either protocol', async (world) => {
  const headers = {
    'Impersonate-User': 'jane', 'Impersonate-Group': ['dev', 'a, b'],
    'Impersonate-Extra-Acme.com%2fkey': ['x', 'y'], 'X-Other': 'not for the API',
  };
  const client = session(world);
  await http1(world, { headers });
  await http2(client, { headers });
  client.close();
  const [first, second] = requests(world);
  const expected = {
    'impersonate-user': 'jane', 'impersonate-group': 'dev\na, b', 'impersonate-extra-acme.com%2fkey': 'x\ny',
  };
  assert.equal(first?.headers, expected);
  assert.equal(second?.headers, expected);
  assert.is(first?.sourceIP, '127.0.0.1');
});

test('HEAD gets the headers alone, and the connection goes on', async (world) => {
  const client = session(world);
  assert.equal(await http1(world, { method: 'HEAD' }), { status: 200, body: '', length: '5' });
  assert.equal(await http2(client, { method: 'HEAD' }), { status: 200, body: '', length: '5' });
  assert.is((await http2(client)).body, 'hello');
  client.close();
  assert.is(closed(world), 0);
});

test('HEAD of a stream ends at once', async (world) => {
  world.onRequest = ({ id }) => world.clients.open(id, 200, text);
  const client = session(world);
  assert.equal(await http1(world, { method: 'HEAD' }), { status: 200, body: '', length: '' });
  assert.equal(await http2(client, { method: 'HEAD' }), { status: 200, body: '', length: '' });
  client.close();
  await until('both streams are over', () => closed(world) === 2);
});

test('a body comes whole or not at all', async (world) => {
  const client = session(world), body = Buffer.from('x'.repeat(200_000));
  await http1(world, { method: 'POST', body });
  await http2(client, { method: 'POST', body });
  assert.equal(requests(world).map((request) => request.body?.length), [200_000, 200_000]);

  // Node's client would not send the body of a DELETE unless told.
  const heads = { ':method': 'DELETE', ':path': '/half' }, more = { endStream: false };
  const half = client.request(heads, more);
  half.on('error', () => undefined).write('{}');
  const outgoing = requestHttps({
    host: '127.0.0.1', port: world.port, path: '/half', method: 'DELETE', agent: false, ca: world.ca.cert,
    ...world.admin, headers: { 'content-length': '100' },
  });
  outgoing.on('error', () => undefined).write('{}');
  await pause(100);
  // `close` would end the body in good order first.
  half.destroy(new Error('gone'));
  outgoing.destroy();
  const cut = session(world);
  cut.request(heads, more).on('error', () => undefined).write('{}');
  await pause(100);
  cut.destroy();
  await pause(200);
  assert.equal(requests(world).filter(({ path }) => path === '/half'), []);
  client.close();
});

test('a body that is too large is refused, and the peer goes on', async (world) => {
  const client = session(world), body = Buffer.alloc(limits.requestBodyBytesMax + 1);
  assert.is((await http2(client, { method: 'POST', body })).status, 413);
  assert.is((await http1(world, { method: 'POST', body })).status, 413);
  assert.is((await http2(client)).status, 200);
  client.close();
  assert.is(requests(world).length, 1);
});

test('headers that are too large end one request, not the peer', async (world) => {
  const headers = { 'x-large': 'x'.repeat(200_000) };
  const client = session(world);
  await http1(world, { headers }).then(({ status }) => assert.is(status, 431), () => undefined);
  await http2(client, { headers }).then(() => assert.unreachable(), () => undefined);
  assert.is((await http1(world)).status, 200);
  client.destroy();
});

// ── how it ends ──────────────────────────────────────────────────────────────────────────────────────────

function openStream(client: ClientHttp2Session): Promise<ClientHttp2Stream> {
  return new Promise((done, fail) => {
    const stream = client.request({ ':path': '/watch' });
    stream.on('error', () => undefined);
    stream.on('response', () => done(stream));
    stream.on('close', () => fail(new Error('closed')));
  });
}

function openHttp1(world: World): Promise<IncomingMessage> {
  return new Promise((done, fail) => {
    requestHttps({ host: '127.0.0.1', port: world.port, path: '/watch', agent: false, ca: world.ca.cert,
      ...world.admin }, done).on('error', fail).end();
  });
}

test('a stream shows its headers before its first part; a client that goes is told once', async (world) => {
  world.onRequest = ({ id }) => world.clients.open(id, 200, text);
  const client = session(world);
  const stream = await openStream(client), incoming = await openHttp1(world), cut = session(world);
  await openStream(cut);
  for (const { id } of requests(world)) world.clients.chunk(id, 'part\n');
  stream.close(8);
  incoming.destroy();
  cut.destroy();
  await until('three are told', () => closed(world) >= 3);
  for (const { id } of requests(world)) {
    world.clients.chunk(id, 'to nobody');
    world.clients.end(id);
  }
  await pause(100);
  assert.is(closed(world), 3);
  client.close();
});

test('the end of a stream is its end, and nothing is told', async (world) => {
  world.onRequest = ({ id }) => {
    world.clients.open(id, 200, text);
    world.clients.chunk(id, 'one\n');
    world.clients.chunk(id, 'two\n');
    world.clients.end(id);
  };
  const client = session(world);
  assert.is((await http2(client)).body, 'one\ntwo\n');
  assert.is((await http1(world)).body, 'one\ntwo\n');
  client.close();
  await pause(50);
  assert.is(closed(world), 0);
});

test('what a client has taken is counted', async (world) => {
  const part = new Uint8Array(50_000);
  world.onRequest = ({ id }) => {
    world.clients.open(id, 200, text);
    for (let n = 0; n < 10; n += 1) world.clients.chunk(id, part);
  };
  const client = session(world);
  (await openStream(client)).resume();
  (await openHttp1(world)).resume();
  const taken = (): number =>
    world.events.reduce((sum, event) => sum + (event.type === 'request-drained' ? event.bytes : 0), 0);
  await until('all is taken', () => taken() === 2 * 10 * part.length);
  client.destroy();
});

test('a client that does not read loses its stream and no other', async (world) => {
  world.onRequest = ({ id }) => world.clients.open(id, 200, text);
  const client = session(world);
  const slow = await openStream(client), other = await openStream(client), old = await openHttp1(world);
  slow.pause();
  old.pause();
  const [first, second, third] = requests(world).map(({ id }) => id);
  if (first === undefined || second === undefined || third === undefined) throw new Error('not three');
  const part = 'x'.repeat(1024 * 1024);
  for (let n = 0; n * part.length < 2 * limits.watchBufferBytesMax; n += 1) {
    world.clients.chunk(first, part);
    world.clients.chunk(third, part);
    await pause(1);
  }
  await until('both are cut off', () => closed(world) >= 2);
  const got = new Promise((done) => other.once('data', done));
  world.clients.chunk(second, 'still here');
  assert.is(String(await got), 'still here');
  await pause(50);
  assert.is(closed(world), 2);
  client.destroy();
});

test('a renewed certificate is shown to new clients, and old ones stay', async (world) => {
  const client = session(world), before = await fingerprint(world);
  const serving = await issueServing(world.ca, 'peer', ['localhost'], ['127.0.0.1']);
  world.clients.renew(world.ca.cert, serving);
  assert.is.not(await fingerprint(world), before);
  assert.is((await http2(client)).body, 'hello');
  assert.is((await http1(world)).status, 200);
  client.close();
});

function fingerprint({ port, ca }: World): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connectTls({ host: '127.0.0.1', port, ca: ca.cert }, () => {
      done(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.on('error', fail);
  });
}

test('closing ends what is open', async (world) => {
  world.onRequest = ({ id }) => world.clients.open(id, 200, text);
  const client = session(world);
  await openStream(client);
  await openHttp1(world).then((incoming) => incoming.on('error', () => undefined));
  await world.clients.close();
  client.destroy();
});

test.run();
