// SPDY/3.1 framing: transcripts of what a client sends and what the server says and tells of it.
//
//     syn 1 streamtype=data port=80      a stream with headers; `fin` as a word: the client says no more
//     data 1 hello                       `fin` likewise; `+1000` in place of a text: so many bytes
//     rst 1, ping 1, settings 7=100, window 1 +10, goaway, bytes HEX, block 1 HEX (inflated)
//     say 1 hello, end 1, reset 1, read 1 +10, close      the server's own doings
//     by N                               what the client sends arrives in pieces of N bytes from now on

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import { createRandom } from '../../cluster/random.ts';
import { createEmptyBlocks, dictionary, parseHeaders } from '../../runtime/http/streams/headers.ts';
import { createSpdySession } from '../../runtime/http/streams/spdy.ts';
import type { SpdySession, SpdyStream } from '../../runtime/http/streams/spdy.ts';
import { laterTranscripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';
import { control, createSpdyClient, data, numbers, pairs, spoken } from './spdy-bench.ts';
import type { SpdyClient } from './spdy-bench.ts';

interface World {
  readonly session: SpdySession; readonly client: SpdyClient; readonly told: string[];
  readonly streams: Map<number, SpdyStream>; readonly written: Buffer[];
  waiting: number;
}

function createWorld(): World {
  const told: string[] = [], streams = new Map<number, SpdyStream>(), written: Buffer[] = [];
  const world = { client: createSpdyClient(), told, streams, written, waiting: 0 };
  const session = createSpdySession({
    write(bytes, taken) {
      written.push(bytes);
      taken?.();
    },
    waiting: () => world.waiting, pause() {}, resume() {}, end() {}, destroy() {},
  }, {
    opened(stream) {
      const headers = [...stream.headers].map(([name, value]) => `${name}=${value}`);
      told.push(`opened ${stream.id} ${headers.join(' ')}`);
      if (stream.headers.has('refuse')) return false;
      streams.set(stream.id, stream);
      return true;
    },
    data: (stream, bytes) => {
      const text = bytes.toString('latin1');
      told.push(`data ${stream.id} ${text.length > 40 ? `+${text.length}` : JSON.stringify(text)}`);
    },
    ended: (stream) => told.push(`ended ${stream.id}`),
    reset: (stream) => told.push(`reset ${stream.id}`),
    failed: (why) => told.push(`failed: ${why}`),
  });
  return Object.assign(world, { session });
}

/** Headers are inflated on a thread of their own; something is told of them in the end, whatever they are. */
async function settled(told: () => boolean): Promise<void> {
  for (let waited = 0; !told(); waited += 2) {
    assert.ok(waited < 10_000, 'nothing was told');
    await new Promise((later) => setTimeout(later, 2));
  }
}

const withHeaders = ({ name, words: [first = ''] }: TranscriptCommand): boolean =>
  name === 'syn' || name === 'block' || (name === 'bytes' && first === '80030001');

const payload = (word: string): string => (word.startsWith('+') ? 'x'.repeat(Number(word)) : word);

async function frameOf(world: World, { name, words, options }: TranscriptCommand): Promise<Buffer | null> {
  const stream = Number(words[0] ?? 0), fin = words.includes('fin');
  switch (name) {
    case 'syn': return world.client.syn(stream, options, fin);
    case 'block': return world.client.block(stream, Buffer.from(words[1] ?? '', 'hex'));
    case 'data': return data(stream, payload(words[1] === 'fin' ? '' : words[1] ?? ''), fin);
    case 'rst': return control(3, numbers(stream, 5));
    case 'ping': return control(6, numbers(stream));
    case 'goaway': return control(7, numbers(0, 0));
    case 'window': return control(9, numbers(stream, Number(words[1])));
    case 'settings': {
      const all = Object.entries(options).flatMap(([id, value]) => [Number(id), Number(value)]);
      return control(4, numbers(all.length / 2, ...all));
    }
    case 'bytes': return Buffer.from(words.join(''), 'hex');
    default: return null;
  }
}

function act(world: World, { name, words }: TranscriptCommand): void {
  const stream = world.streams.get(Number(words[0] ?? 0)), amount = Number(words[1] ?? 0);
  switch (name) {
    case 'say':
      return stream?.write(Buffer.from(payload(words[1] ?? '')), () => world.told.push(`said ${words[0]}`));
    case 'end': return stream?.end();
    case 'reset': return stream?.reset();
    case 'read': return stream?.consumed(amount);
    case 'close': return world.session.close();
    case 'slow': world.waiting = limits.streamBufferBytesMax + 1; return;
    default: throw new Error(`unknown: ${name}`);
  }
}

laterTranscripts(test, 'test/data/streams', () => {
  let world = createWorld(), piece = Infinity, before = 0;
  return async (command) => {
    if (command.name === 'connection') {
      world = createWorld();
      before = 0;
      return 'open';
    }
    if (command.name === 'by') {
      piece = Number(command.words[0]);
      return `${piece}`;
    }
    const frame = await frameOf(world, command);
    if (frame === null) act(world, command);
    else for (let at = 0; at < frame.length; at += piece) world.session.data(frame.subarray(at, at + piece));
    if (withHeaders(command)) await settled(() => world.told.length > 0);
    const all = await spoken(Buffer.concat(world.written)), lines = all.slice(before).map((line) =>
      `> ${line.length > 60 ? line.replace(/"x+"/, (found) => `+${found.length - 2}`) : line}`);
    before = all.length;
    return [...world.told.splice(0), ...lines].join('\n') || 'nothing';
  };
});

test('the dictionary is SPDY\'s: the same length, and the checksum that zlib streams name it by', () => {
  let a = 1, b = 0;
  for (const byte of dictionary) {
    a = (a + byte) % 65_521;
    b = (b + a) % 65_521;
  }
  assert.equal([dictionary.length, b * 65_536 + a], [1_423, 0xe3c6a7c2]);
});

test('replies without headers are one zlib stream', () => {
  const block = createEmptyBlocks();
  assert.is(block().length, block().length + 2, 'its head comes once');
});

test('hostile bytes end the connection or are passed over; nothing throws, nothing is held', async () => {
  const random = createRandom(7), client = createSpdyClient();
  const seeds = [
    await client.syn(1, { streamtype: 'data', port: '80' }), data(1, 'hello', true),
    control(3, numbers(1, 5)), control(4, numbers(1, 7, 100)), control(6, numbers(1)),
    control(9, numbers(1, 10)), control(7, numbers(1, 0)),
  ];
  for (let round = 0; round < 1_500; round += 1) {
    const world = createWorld();
    const frames = Array.from({ length: random.between(1, 6) }, () => seeds[random.below(seeds.length)]!);
    const bytes = Buffer.concat(frames);
    for (let change = random.below(5); change > 0; change -= 1) {
      bytes[random.below(bytes.length)] = random.below(256);
    }
    for (let at = 0; at < bytes.length;) {
      const size = random.between(1, 40);
      world.session.data(bytes.subarray(at, at + size));
      at += size;
    }
    if (round % 50 === 0) await new Promise((later) => setTimeout(later, 5));
    world.session.destroy();
    assert.ok(world.told.filter((line) => line.startsWith('failed')).length <= 1);
  }
});

test('a header block that inflates without end is given up at the bound', async () => {
  const world = createWorld(), huge = pairs({ streamtype: 'x'.repeat(limits.spdyHeaderBytesMax * 8) });
  const frame = await world.client.block(1, huge);
  assert.ok(frame.length < limits.spdyHeaderBlockBytesMax, 'small on its way');
  world.session.data(frame);
  await settled(() => world.told.length > 0);
  assert.equal(world.told, [`failed: headers of more than ${limits.spdyHeaderBytesMax} bytes`]);
});

test('streams beyond the bound are refused, and the connection goes on', async () => {
  const world = createWorld();
  for (let i = 0; i <= limits.spdyStreamsMax; i += 1) {
    world.session.data(await world.client.syn(2 * i + 1, { streamtype: 'data' }));
  }
  await settled(() => world.written.length > limits.spdyStreamsMax);
  assert.is(world.streams.size, limits.spdyStreamsMax);
  const last = (await spoken(Buffer.concat(world.written))).at(-1);
  assert.is(last, `reset ${2 * limits.spdyStreamsMax + 1} status=3`);
});

test('header blocks are read to the byte', () => {
  assert.equal([...parseHeaders(pairs({ a: 'b', c: 'd' })) as Map<string, string>], [['a', 'b'], ['c', 'd']]);
  assert.is((parseHeaders(pairs({ a: 'b\0c' })) as Map<string, string>).get('a'), 'b');
  const whole = pairs({ __proto__x: '1', constructor: '2' });
  assert.is((parseHeaders(whole) as Map<string, string>).get('constructor'), '2');
  for (let cut = 0; cut < whole.length; cut += 1) assert.type(parseHeaders(whole.subarray(0, cut)), 'string');
  assert.is(parseHeaders(Buffer.concat([whole, Buffer.from([0])])), 'a malformed header block');
  assert.is(parseHeaders(numbers(0xffff_ffff)), 'a malformed header block');
  assert.is(parseHeaders(numbers(1, 0x7fff_ffff)), 'a malformed header block');
  const twice = [numbers(2), pairs({ a: '1' }).subarray(4), pairs({ a: '2' }).subarray(4)];
  assert.is(parseHeaders(Buffer.concat(twice)), 'header "a" twice');
});

test.run();
