// A large answer on its way out: one slice in a turn of the event loop, none while the client is behind, none
// after it has gone; and the same over real connections, compressed or not.

import { connect } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { gunzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Slices } from '../../cluster/api/request.ts';
import type { RequestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { Exchange } from '../../runtime/http/exchange.ts';
import { pull, takesGzip } from '../../runtime/http/slices.ts';
import { serveClients } from './serving-bench.ts';
import type { Served } from './serving-bench.ts';

interface World extends Served {
  onRequest: (id: RequestId, path: string) => void;
}

const test = suite<World>('slices');

test.before(async (world) => {
  Object.assign(world, await serveClients(({ id, path }) => world.onRequest(id, path)));
});

test.before.each((world) => { world.events.length = 0; });
test.after(async ({ clients }) => clients.close());

// ── without a network ────────────────────────────────────────────────────────────────────────────────────

const sliceChars = 1_000;

/** What was pulled, and in which turns of the event loop. */
interface Pulled { turns: number[]; returned: boolean }

function* counted(slices: number, pulled: Pulled, turn: () => number): Slices {
  try {
    for (let n = 0; n < slices; n += 1) {
      pulled.turns.push(turn());
      yield `${String(n).padStart(6, '0')}${'x'.repeat(sliceChars - 6)}`;
    }
  } finally {
    pulled.returned = true;
  }
}

interface Client {
  readonly exchange: Exchange; readonly pulled: Pulled; written: number; waiting: number; destroyed: boolean;
  /** The client takes all that waits for it. */
  take(): void;
}

/** A client that takes nothing until it is told to. */
function createClient(): Client {
  let taken: (() => void)[] = [];
  const client: Client = {
    pulled: { turns: [], returned: false }, written: 0, waiting: 0, destroyed: false,
    take() {
      const all = taken;
      taken = [];
      client.waiting = 0;
      for (const each of all) each();
    },
    exchange: {
      write(data: string | Uint8Array, done?: () => void) {
        client.written += data.length;
        client.waiting += data.length;
        taken.push(() => done?.());
      },
      waiting: () => client.waiting,
      destroy() { client.destroyed = true; },
    } as Partial<Exchange> as Exchange,
  };
  return client;
}

/** Counts the turns of the event loop until `over`. */
function countTurns(over: () => boolean): { readonly turn: () => number; readonly done: Promise<void> } {
  let turns = 0;
  const done = new Promise<void>((resolve) => {
    const next = (): void => {
      turns += 1;
      if (over()) resolve();
      else setImmediate(next);
    };
    setImmediate(next);
  });
  return { turn: () => turns, done };
}

const patient = { answerBufferBytesMax: 10 * sliceChars, answerSilenceMsMax: 60_000, answerMsMax: 60_000 };

test('no two slices are made in one turn of the event loop', async () => {
  const client = createClient();
  let whole = false;
  const loop = countTurns(() => {
    client.take();
    return whole;
  });
  pull(client.exchange, counted(200, client.pulled, loop.turn), false, () => { whole = true; }, patient);
  await loop.done;
  assert.is(new Set(client.pulled.turns).size, 200);
  assert.is(client.written, 200 * sliceChars);
});

test('while a client takes nothing, no more is made than the buffer holds; then it goes on', async () => {
  const client = createClient();
  let whole = false, turns = 0;
  const loop = countTurns(() => (turns += 1) > 500);
  const under = pull(client.exchange, counted(200, client.pulled, loop.turn), false, () => { whole = true; },
    patient);
  await loop.done;
  assert.is(client.pulled.turns.length, 11, 'ten fill it, one more was begun');
  client.take();
  await countTurns(() => (turns += 1) > 1_000).done;
  assert.is(client.pulled.turns.length, 22);
  assert.is(whole, false);
  under.stop();
  assert.ok(client.pulled.returned, 'the generator is told that nobody wants more');
  client.take();
  await countTurns(() => (turns += 1) > 1_500).done;
  assert.is(client.pulled.turns.length, 22, 'and is not asked again');
});

test('a client that takes nothing for too long is cut off', async () => {
  const client = createClient();
  const impatient = { ...patient, answerSilenceMsMax: 20 };
  pull(client.exchange, counted(200, client.pulled, () => 0), false, () => undefined, impatient);
  for (let waited = 0; !client.destroyed && waited < 500; waited += 1) await pause(10);
  assert.ok(client.destroyed && client.pulled.returned);
});

const pause = (ms: number): Promise<void> => new Promise((done) => { setTimeout(done, ms); });

test('gzip is for those who take it', () => {
  for (const header of ['gzip', 'deflate, gzip;q=1.0', 'br, GZIP']) assert.ok(takesGzip(header), header);
  for (const header of [undefined, '', 'gzip;q=0', 'gzip; q=0.0', 'br', 'x-gzip']) {
    assert.not(takesGzip(header), String(header));
  }
});

// ── over real connections ────────────────────────────────────────────────────────────────────────────────

interface Heard { readonly status: number; readonly body: Buffer; readonly encoding: string }

function http1(world: World, headers: Record<string, string> = {}, method = 'GET'): Promise<Heard> {
  return new Promise((done, fail) => {
    const { port, admin, ca } = world;
    const to = { host: '127.0.0.1', port, method, headers, agent: false, ca: ca.cert, ...admin };
    requestHttps(to, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => done({ status: response.statusCode ?? 0, body: Buffer.concat(parts),
        encoding: response.headers['content-encoding'] ?? '' }));
      response.on('error', fail);
    }).on('error', fail).end();
  });
}

function http2(world: World, headers: Record<string, string> = {}): Promise<Heard> {
  const session = connect(`https://127.0.0.1:${world.port}`, { ca: world.ca.cert, ...world.admin });
  return new Promise<Heard>((done, fail) => {
    const stream = session.request({ ':path': '/', ...headers }), parts: Buffer[] = [];
    let status = 0, encoding = '';
    stream.on('response', (heads) => {
      status = Number(heads[':status']);
      encoding = String(heads['content-encoding'] ?? '');
    });
    stream.on('data', (part: Buffer) => parts.push(part));
    stream.on('end', () => done({ status, body: Buffer.concat(parts), encoding }));
    stream.on('error', fail);
  }).finally(() => session.close());
}

const slices = 3_000;
/** As `counted` makes it, behind `first`. */
const wanted = (): string => `first${[...counted(slices, { turns: [], returned: false }, () => 0)].join('')}`;

const closings = ({ events }: World): number => events.filter(({ type }) => type === 'request-closed').length;

for (const [what, call] of [['HTTP/1.1', http1], ['HTTP/2', http2]] as const) {
  test(`an answer in slices arrives whole, compressed if asked for: ${what}`, async (world) => {
    const pulled: Pulled = { turns: [], returned: false };
    world.onRequest = (id) => world.clients.respond(id, {
      status: 200, headers: { 'content-type': 'text/plain' }, body: 'first',
      rest: counted(slices, pulled, () => 0),
    });
    const plain = await call(world), zipped = await call(world, { 'accept-encoding': 'gzip' });
    assert.is(plain.encoding, '');
    assert.is(plain.body.toString(), wanted());
    assert.is(zipped.encoding, 'gzip');
    assert.is(gunzipSync(zipped.body).toString(), wanted());
    assert.ok(zipped.body.length < plain.body.length / 10);
    for (let waited = 0; closings(world) < 2 && waited < 300; waited += 1) await pause(10);
    assert.is(closings(world), 2, 'each is told of as closed once');
  });
}

test('long answers in one piece are compressed, too, and HEAD gets no body', async (world) => {
  const body = 'y'.repeat(limits.gzipCharsMin);
  world.onRequest = (id) => world.clients.respond(id, { status: 200, headers: {}, body });
  const zipped = await http2(world, { 'accept-encoding': 'gzip' });
  assert.is(gunzipSync(zipped.body).toString(), body);
  assert.is((await http1(world)).body.length, body.length);
  const pulled: Pulled = { turns: [], returned: false };
  world.onRequest = (id) => world.clients.respond(id, {
    status: 200, headers: {}, body: 'first', rest: counted(slices, pulled, () => 0),
  });
  assert.is((await http1(world, {}, 'HEAD')).body.length, 0);
  assert.is(pulled.turns.length, 0);
});

test('what a watch is told waits behind the slices that it begins with', async (world) => {
  world.onRequest = (id) => {
    world.clients.open(id, 200, {}, counted(slices, { turns: [], returned: false }, () => 0));
    world.clients.chunk(id, 'second');
    world.clients.tell([id], 'third');
    world.clients.end(id);
  };
  for (const call of [http1, http2]) {
    const { body } = await call(world);
    assert.is(`first${body.toString()}`, `${wanted()}secondthird`);
  }
});

test('for a client that reads nothing no more is made than buffers hold', async (world) => {
  const pulled: Pulled = { turns: [], returned: false };
  world.onRequest = (id) => world.clients.respond(id, {
    status: 200, headers: {}, body: '', rest: counted(1_000_000, pulled, () => 0),
  });
  const session = connect(`https://127.0.0.1:${world.port}`, { ca: world.ca.cert, ...world.admin });
  session.on('error', () => undefined);
  // Never read: the window of the stream stays shut.
  const stream = session.request({ ':path': '/' });
  stream.on('error', () => undefined);
  await new Promise((done) => { stream.on('response', done); });
  let before = -1;
  for (let waited = 0; pulled.turns.length !== before && waited < 100; waited += 1) {
    before = pulled.turns.length;
    await pause(50);
  }
  const made = pulled.turns.length * sliceChars;
  assert.ok(made < 4 * limits.answerBufferBytesMax, `${made} characters`);
  session.destroy();
  for (let waited = 0; !pulled.returned && waited < 300; waited += 1) await pause(10);
  assert.ok(pulled.returned, 'and nothing once it is gone');
  assert.is(closings(world), 1);
});

test.run();
