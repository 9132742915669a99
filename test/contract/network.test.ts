// The network port's contract on the real adapter and on the simulated one, and what is particular to each:
// strangers, bounds and reconnection on sockets; faults and their fates in the simulator.

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { yamux } from '@chainsafe/libp2p-yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import type { Libp2p } from 'libp2p';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { peerId } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { NetworkEvent } from '../../cluster/ports.ts';
import { hash32 } from '../../cluster/random.ts';
import { createNetwork, createNetworkIdentity } from '../../runtime/ports/libp2p.ts';
import type { Network } from '../../runtime/ports/libp2p.ts';
import { parseAddress, parseListenAddress } from '../../runtime/ports/libp2p/addresses.ts';
import { createFrameReader, joinFrames } from '../../runtime/ports/libp2p/frames.ts';
import { loadIdentity } from '../../runtime/ports/libp2p/identity.ts';
import { meshOf } from '../../runtime/ports/libp2p/members.ts';
import { createHeap } from '../../sim/heap.ts';
import type { SimHeap } from '../../sim/heap.ts';
import { createNetwork as createSimNetwork } from '../../sim/ports/network.ts';
import type { SimNetwork } from '../../sim/ports/network.ts';
import { delayOf, goodLink } from '../../sim/ports/network/conditions.ts';
import type { LinkConditions } from '../../sim/ports/network/conditions.ts';
import { acquaint, bytesOf, feedOf, memberOf, messagesOf, networkContract, reach } from './network.ts';
import type { NetworkHarness, PeerUnderTest } from './network.ts';

const sleep = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

async function realHarness(): Promise<NetworkHarness> {
  const keys = new Map<string, Awaited<ReturnType<typeof loadIdentity>>>();
  const ports = new Map<string, string>();
  const running = new Set<Network>();
  const byPort = new Map<PeerUnderTest['port'], Network>();
  return {
    async start(name) {
      const privateKey = keys.get(name) ?? await generateKeyPair('Ed25519');
      keys.set(name, privateKey);
      const events: NetworkEvent[] = [];
      const network = await createNetwork({
        privateKey, listen: [ports.get(name) ?? '127.0.0.1:0'], deliver: (event) => events.push(event),
      });
      ports.set(name, network.addresses()[0] ?? '');
      running.add(network);
      byPort.set(network, network);
      return {
        id: network.peerId, port: network, events,
        async stop() {
          running.delete(network);
          await network.close();
        },
      };
    },
    async until(what, condition) {
      const deadline = performance.now() + 8_000;
      while (!condition()) {
        if (performance.now() > deadline) throw new Error(`${what}: not within 8 s`);
        await sleep(2);
      }
    },
    pass: sleep,
    bytesOut: (peer) => byPort.get(peer.port)?.stats().bytesOut ?? 0,
    async cleanUp() {
      await Promise.all([...running].map((network) => network.close()));
    },
  };
}

interface SimHarness extends NetworkHarness { readonly heap: SimHeap; readonly network: SimNetwork }

function simHarness(conditions: LinkConditions = goodLink, seed = 5): SimHarness {
  const heap = createHeap();
  const network = createSimNetwork(heap, seed, conditions);
  const pass = async (ms: number): Promise<void> => {
    const end = heap.nowMs() + ms;
    while (heap.step(end)) if (heap.nowMs() > end) throw new Error('time ran away');
  };
  return {
    heap, network, pass,
    async start(name) {
      const events: NetworkEvent[] = [];
      const id = peerId(name);
      const port = network.attach(id, [`${name}:7400`], (event) => events.push(event));
      return { id, port, events, stop: async () => network.detach(id) };
    },
    async until(what, condition) {
      const deadline = heap.nowMs() + 60_000;
      while (!condition()) {
        if (heap.nowMs() > deadline) throw new Error(`${what}: not within a minute`);
        for (let n = 0; n < 50; n += 1) if (!heap.step()) await pass(10);
      }
    },
    bytesOut: () => network.stats().bytes,
    cleanUp: async () => undefined,
  };
}

networkContract(test, 'real', realHarness);
networkContract(test, 'simulated', async () => simHarness());

// ── on sockets ───────────────────────────────────────────────────────────────────────────────────────────

const onSockets = (what: string, body: (harness: NetworkHarness) => Promise<void>): void => {
  test(`real: ${what}`, async () => {
    const harness = await realHarness();
    try {
      await body(harness);
    } finally {
      await harness.cleanUp();
    }
  });
};

interface Stranger { readonly node: Libp2p; knock(address: string, protocol: string): Promise<number> }

/** A libp2p peer that is none of ours and counts what it is sent. */
async function stranger(): Promise<Stranger> {
  const node = await createLibp2p({
    transports: [tcp()], connectionEncrypters: [tls()], streamMuxers: [yamux()],
    connectionMonitor: { enabled: false }, connectionGater: { denyDialMultiaddr: () => false },
  });
  return {
    node,
    /** Opens the protocol, says something, and returns the bytes that came back until it was closed. */
    async knock(address, protocol) {
      const connection = await node.dial(multiaddr(parseAddress(address).toString()));
      let bytes = 0;
      const closed = new Promise<void>((done) => { connection.addEventListener('close', () => done()); });
      try {
        const stream = await connection.newStream(protocol);
        stream.addEventListener('message', ({ data }) => { bytes += data.byteLength; });
        stream.send(joinFrames([bytesOf('give me your state')]));
      } catch {
        // Closed before the stream was there: as good as after.
      }
      const late = new Promise<string>((done) => { setTimeout(done, 4_500, 'still connected').unref(); });
      assert.is(await Promise.race([closed, late]), undefined, protocol);
      return bytes;
    },
  };
}

onSockets('a stranger gets no byte of any member protocol, and is closed', async (harness) => {
  const a = await harness.start('a'), b = await harness.start('b');
  acquaint(a, b);
  await reach(harness, a, b);
  const [address = ''] = a.port.addresses();
  const { node, knock } = await stranger();
  try {
    for (const protocol of ['/shoal/peer/1', '/meshsub/1.2.0', '/meshsub/1.1.0']) {
      const talking = setInterval(() => a.port.publish(bytesOf('for members')), 10);
      try {
        assert.is(await knock(address, protocol), 0, protocol);
      } finally {
        clearInterval(talking);
      }
    }
    await assertClosesSilent(node, address);
    assert.not(messagesOf(a).includes('give me your state'));
    await reach(harness, a, b);
  } finally {
    await node.stop();
  }
});

/** A stranger that only connects has its few seconds, hears nothing, and then is gone. */
async function assertClosesSilent(node: Libp2p, address: string): Promise<void> {
  const connection = await node.dial(multiaddr(parseAddress(address).toString()));
  const opened: string[] = [];
  const all = ['/shoal/peer/1', '/shoal/join/1', '/meshsub/1.2.0', '/meshsub/1.1.0', '/ipfs/id/1.0.0'];
  for (const protocol of all) {
    await node.handle(protocol, () => { opened.push(protocol); });
  }
  const startedMs = performance.now();
  while (connection.status === 'open' && performance.now() - startedMs < 8_000) await sleep(20);
  assert.is.not(connection.status, 'open');
  assert.ok(performance.now() - startedMs < limits.strangerSilenceMsMax + 2 * limits.linkTendMs);
  assert.equal(opened, []);
}

onSockets('strangers are few at a time, and members get in all the same', async (harness) => {
  const a = await harness.start('a'), b = await harness.start('b');
  const [address = ''] = a.port.addresses();
  const strangers = await Promise.all(Array.from({ length: limits.strangersMax + 6 }, stranger));
  try {
    const dials = strangers.map(({ node }) => node.dial(multiaddr(parseAddress(address).toString())));
    await Promise.allSettled(dials);
    await sleep(100);
    const connected = strangers.filter(({ node }) => node.getConnections().length > 0).length;
    assert.ok(connected > 0 && connected <= limits.strangersMax, `${connected} strangers`);
    acquaint(a, b);
    await reach(harness, b, a);
    await reach(harness, a, b);
  } finally {
    await Promise.all(strangers.map(({ node }) => node.stop()));
  }
});

onSockets('garbage on the port does no harm', async (harness) => {
  const a = await harness.start('a'), b = await harness.start('b');
  acquaint(a, b);
  const [, port] = (a.port.addresses()[0] ?? '').split(':');
  const socket = createConnection(Number(port), '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(Buffer.alloc(100_000, 0xab));
  await reach(harness, b, a);
  socket.destroy();
});

onSockets('a full queue drops the newest, and is counted', async (harness) => {
  const a = await harness.start('a'), b = await harness.start('b');
  acquaint(a, b);
  await reach(harness, a, b);
  const frame = new Uint8Array(1024 * 1024);
  // All in one tick: nothing can leave in between.
  for (let n = 0; n < 40; n += 1) a.port.send(b.id, frame.fill(n).slice());
  const fits = Math.floor(limits.sendQueueBytesMax / (frame.length + 4));
  const order = (): unknown[] => b.events.flatMap((event) =>
    (event.type === 'message' && event.frame.length === frame.length ? [event.frame[0]] : []));
  await harness.until('those that fit', () => order().length >= fits);
  await harness.pass(200);
  assert.equal(order(), Array.from({ length: fits }, (_, n) => n));
  assert.is((a.port as Network).stats().dropped, 40 - fits);
});

onSockets('two peers that reach for each other at once settle on a link and keep it', async (harness) => {
  const a = await harness.start('a'), b = await harness.start('b');
  acquaint(a, b);
  for (let n = 0; n < 30; n += 1) {
    a.port.send(b.id, bytesOf(`a ${n}`));
    b.port.send(a.id, bytesOf(`b ${n}`));
    await harness.pass(10);
  }
  await reach(harness, a, b);
  await reach(harness, b, a);
  const connections = (a.port as Network).stats().connections;
  assert.ok(connections <= 2, `${connections} connections`);
  await harness.pass(300);
  assert.is((a.port as Network).stats().connections, connections, 'and nothing is dialled again');
  assert.equal([...a.events, ...b.events].filter((event) => event.type === 'disconnected'), []);
  assert.is(messagesOf(b).filter((word) => word.startsWith('a ')).length, 30, 'and nothing was lost');
});

onSockets('stale addresses are tried in order until one answers', async (harness) => {
  const a = await harness.start('a'), b = await harness.start('b');
  b.port.setMembers([memberOf(a), memberOf(b)]);
  const addresses = ['no address at all', '127.0.0.1:1', ...b.port.addresses()];
  a.port.setMembers([memberOf(a), { id: b.id, addresses }]);
  await reach(harness, a, b);
});

test('the identity is made once, kept private, and refused when it is damaged', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'shoal-identity-'));
  try {
    const first = await createNetworkIdentity(dir);
    assert.is(await createNetworkIdentity(dir), first);
    const path = join(dir, 'identity.key');
    assert.is((await stat(path)).mode & 0o777, 0o600);
    const network = await createNetwork({ dir, listen: ['127.0.0.1:0'], deliver: () => undefined });
    assert.is(network.peerId, first);
    await network.close();
    await writeFile(path, (await readFile(path, 'utf8')).slice(0, 30));
    let message = '';
    await createNetworkIdentity(dir).catch((error: Error) => { message = error.message; });
    assert.match(message, `${path} holds no Ed25519 key`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});

test('addresses: what is read, and what is refused', async () => {
  const read = (text: string): string => parseAddress(text).toString();
  assert.is(read('192.0.2.1:7400'), '/ip4/192.0.2.1/tcp/7400');
  assert.is(read('[2001:db8::1]:7400'), '/ip6/2001:db8::1/tcp/7400');
  assert.is(read('peer-1.example:7400'), '/dns/peer-1.example/tcp/7400');
  assert.is(read('/ip4/192.0.2.1/tcp/1'), '/ip4/192.0.2.1/tcp/1');
  const bad = ['', 'host', 'host:', ':1', 'host:99999', '2001:db8::1:7400', '/ip4/x/tcp/1', '/ip4/::/udp/1',
    '/ip4/1.2.3.4/udp/1'];
  for (const text of bad) {
    assert.throws(() => parseAddress(text), /is no (address|multiaddr|TCP address)/, text);
  }
  assert.is(parseListenAddress('localhost:0').toString(), '/ip4/127.0.0.1/tcp/0');
  assert.throws(() => parseListenAddress('example.org:1'), /can't listen at example.org:1/);
  const one = await createNetwork({ privateKey: await generateKeyPair('Ed25519'), listen: ['127.0.0.1:0'],
    announce: ['peer.example:7400'], deliver: () => undefined });
  assert.equal(one.addresses(), ['peer.example:7400']);
  await one.close();
});

test('frames survive any cut of the stream; one too long is refused', () => {
  const frames = [0, 1, 3, 4, 5, 300, 70_000].map((size) => new Uint8Array(size).fill(size % 251));
  const stream = joinFrames(frames);
  for (const cut of [1, 2, 3, 7, 1_000, stream.length]) {
    const seen: Uint8Array[] = [];
    const reader = createFrameReader(70_000, (frame) => seen.push(frame));
    for (let at = 0; at < stream.length; at += cut) assert.ok(reader.take(stream.subarray(at, at + cut)));
    assert.equal(seen.map((frame) => frame.length), frames.map((frame) => frame.length));
    assert.ok(seen.every((frame, n) => Buffer.compare(frame, frames[n] ?? frame) === 0));
  }
  assert.not(createFrameReader(69_999, () => undefined).take(stream));
});

test('a large cluster\'s mesh connects everyone in a few hops', () => {
  const ids = Array.from({ length: 200 }, (_, n) => peerId(`peer-${n * 7919 % 1_000}`));
  const meshes = new Map(ids.map((id) => [id, meshOf(id, ids.filter((other) => other !== id))]));
  const [first = peerId('')] = ids;
  let reached = new Set<string>([first]);
  let hops = 0;
  while (reached.size < ids.length && hops < 10) {
    reached = new Set([...reached].flatMap((id) => [id, ...meshes.get(id as PeerId) ?? []]));
    hops += 1;
  }
  assert.is(reached.size, ids.length);
  assert.ok(hops <= 8, `${hops} hops`);
  assert.ok([...meshes.values()].every((mesh) => mesh.size <= 8));
});

// ── in the simulator ─────────────────────────────────────────────────────────────────────────────────────

const faulty: LinkConditions = {
  delay: 'exponential', delayMsMin: 1, delayMsMax: 5, lossPpm: 200_000, duplicatePpm: 100_000,
  reorderPpm: 100_000, reorderMsMax: 50,
};

/** What b hears of 2,000 messages of a, in order of arrival. */
async function hear(conditions: LinkConditions, seed = 5): Promise<string[]> {
  const harness = simHarness(conditions, seed);
  const a = await harness.start('a'), b = await harness.start('b');
  acquaint(a, b);
  for (let n = 0; n < 2_000; n += 1) {
    a.port.send(b.id, bytesOf(`${n}`));
    await harness.pass(1);
  }
  await harness.pass(1_000);
  return messagesOf(b);
}

test('simulated: the same seed gives the same fates, another seed others', async () => {
  const once = await hear(faulty);
  assert.equal(await hear(faulty), once);
  assert.not.equal(await hear(faulty, 6), once);
  const distinct = new Set(once).size;
  assert.ok(distinct > 1_450 && distinct < 1_750, `${distinct} of 2,000 arrived, a fifth should be lost`);
  assert.ok(once.length - distinct > 100, 'some came twice');
  assert.not.equal(once, [...once].sort((x, y) => Number(x) - Number(y)), 'some were overtaken');
});

test('simulated: a fault taken away leaves the others\' fates alone', async () => {
  const all = new Set(await hear(faulty));
  const orderly = await hear({ ...faulty, duplicatePpm: 0, reorderPpm: 0 });
  assert.equal(new Set(orderly), new Set([...all].sort((x, y) => Number(x) - Number(y))));
  assert.equal(orderly, [...orderly].sort((x, y) => Number(x) - Number(y)), 'without reordering, in order');
});

test('simulated: partitions, one way and both; clogs; and healing', async () => {
  const harness = simHarness();
  const a = await harness.start('a'), b = await harness.start('b'), c = await harness.start('c');
  acquaint(a, b, c);
  const round = async (name: string): Promise<string> => {
    for (const peer of [a, b, c]) peer.events.length = 0;
    for (const from of [a, b, c]) {
      for (const to of [a, b, c]) from.port.send(to.id, bytesOf(`${name} ${from.id}`));
    }
    a.port.publish(bytesOf(name));
    await harness.pass(100);
    const heard = [a, b, c].map((peer) =>
      `${peer.id}: ${messagesOf(peer).map((word) => word.at(-1)).sort().join('')}`);
    const fed = [b, c].filter((peer) => feedOf(peer).length > 0).map(({ id }) => id);
    return `${heard.join(' ')} feed: ${fed.join('')}`;
  };
  assert.is(await round('whole'), 'a: bc b: ac c: ab feed: bc');
  harness.network.partition(a.id, b.id, 'a-to-b');
  assert.is(await round('one way'), 'a: bc b: c c: ab feed: c');
  harness.network.partition(a.id, b.id, 'both');
  assert.is(await round('both'), 'a: c b: c c: ab feed: c');
  harness.network.heal();
  assert.is(await round('healed'), 'a: bc b: ac c: ab feed: bc');
  harness.network.clog(a.id, c.id);
  assert.is(await round('clogged'), 'a: bc b: ac c: b feed: b');
  for (const peer of [a, b, c]) peer.events.length = 0;
  harness.network.unclog(a.id, c.id);
  await harness.pass(100);
  assert.equal(messagesOf(c), ['clogged a'], 'what was clogged comes late, not never');
  assert.equal(feedOf(c), ['clogged']);
});

test('simulated: delays are as distributed as they say', () => {
  const quantiles = (delay: LinkConditions['delay']): number[] => {
    const conditions = { ...goodLink, delay, delayMsMin: 5, delayMsMax: 10 };
    const drawn = Array.from({ length: 100_000 }, (_, n) => delayOf(conditions, hash32(9, n)))
      .sort((a, b) => a - b);
    return [0, 0.5, 0.99, 0.999].map((part) => drawn[Math.floor(part * drawn.length)] ?? NaN);
  };
  const within = (found: number[], wanted: number[], what: string): void => {
    for (const [at, value] of wanted.entries()) {
      const off = Math.abs((found[at] ?? NaN) - value);
      assert.ok(off <= value * 0.15, `${what}: ${found.join(' ')}, not ${wanted.join(' ')}`);
    }
  };
  assert.equal(quantiles('constant'), [10, 10, 10, 10]);
  within(quantiles('uniform'), [5, 7.5, 9.95, 10], 'uniform');
  within(quantiles('exponential'), [5, 5 + 6.93, 5 + 66, 5 + 79], 'exponential');
  within(quantiles('heavy-tail'), [5 + 3.33, 5 + 5.29, 5 + 71.8, 5 + 333], 'heavy tail');
});

/** When each of 20 messages of 1,000 bytes, all sent at once, reaches b; and what was dropped. */
async function squeeze(change: Partial<LinkConditions>): Promise<{ atMs: number[]; overflowed: number }> {
  const harness = simHarness({ ...goodLink, delay: 'constant', delayMsMax: 5, ...change });
  const a = await harness.start('a'), b = await harness.start('b');
  acquaint(a, b);
  const atMs: number[] = [], startMs = harness.heap.nowMs();
  for (let n = 0; n < 20; n += 1) a.port.send(b.id, new Uint8Array(1_000).fill(n));
  while (harness.heap.step(startMs + 10_000)) {
    while (atMs.length < messagesOf(b).length) atMs.push(harness.heap.nowMs() - startMs);
  }
  return { atMs, overflowed: harness.network.stats().overflowed };
}

test('simulated: a narrow link sends one after the other; a full queue drops the newest', async () => {
  const wide = await squeeze({});
  assert.equal(wide.atMs, Array.from({ length: 20 }, () => 5));
  const narrow = await squeeze({ bytesPerSecond: 100_000 });
  assert.equal(narrow.atMs, Array.from({ length: 20 }, (_, n) => 10 * (n + 1) + 5));
  const short = await squeeze({ bytesPerSecond: 100_000, queueBytesMax: 4_500 });
  assert.equal(short.atMs, [15, 25, 35, 45]);
  assert.is(short.overflowed, 16);
});

test('simulated: laying one link anew leaves what is clogged on another where it is', async () => {
  const harness = simHarness();
  const a = await harness.start('a'), b = await harness.start('b'), c = await harness.start('c');
  acquaint(a, b, c);
  harness.network.lay(a.id, b.id, { clogged: true });
  a.port.send(b.id, bytesOf('waits'));
  await harness.pass(50);
  harness.network.lay(a.id, c.id, { blocked: true });
  harness.network.lay(a.id, b.id, { clogged: true, conditions: { ...goodLink, lossPpm: 1_000_000 } });
  await harness.pass(50);
  assert.equal(messagesOf(b), []);
  harness.network.lay(a.id, b.id, {});
  a.port.send(c.id, bytesOf('blocked'));
  await harness.pass(50);
  assert.equal(messagesOf(b), ['waits']);
  assert.equal(messagesOf(c), []);
});

test('simulated: what is on its way to a crashed peer does not reach its next life', async () => {
  const harness = simHarness({ ...goodLink, delayMsMin: 10, delayMsMax: 10 });
  const a = await harness.start('a');
  let b = await harness.start('b');
  acquaint(a, b);
  a.port.send(b.id, bytesOf('before'));
  await b.stop();
  const former = b;
  b = await harness.start('b');
  b.port.setMembers([memberOf(a), memberOf(b)]);
  former.port.send(a.id, bytesOf('from the dead'));
  await harness.pass(100);
  assert.equal([...messagesOf(b), ...messagesOf(former), ...messagesOf(a)], []);
  await reach(harness, a, b);
});

test.run();
