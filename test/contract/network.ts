// The contract of the network port, as a suite that every adapter must pass.

import * as assert from 'uvu/assert';
import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { NetworkEvent, NetworkMember, NetworkPort } from '../../cluster/ports.ts';

export interface PeerUnderTest {
  readonly id: PeerId;
  readonly port: NetworkPort;
  readonly events: NetworkEvent[];
  /** Ends as a process does: nothing more is heard of it. */
  stop(): Promise<void>;
}

export interface NetworkHarness {
  /** Starts the peer of this name. After a stop: the same peer, at the same address. */
  start(name: string): Promise<PeerUnderTest>;
  until(what: string, condition: () => boolean): Promise<void>;
  pass(ms: number): Promise<void>;
  /** Bytes that left this peer so far. */
  bytesOut(peer: PeerUnderTest): number;
  cleanUp(): Promise<void>;
}

type Test = (name: string, body: () => Promise<void>) => void;
type It = (what: string, body: (harness: NetworkHarness) => Promise<void>) => void;

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (frame: Uint8Array): string => new TextDecoder().decode(frame);

export const memberOf = ({ id, port }: PeerUnderTest): NetworkMember => ({ id, addresses: port.addresses() });

/** Everyone counts everyone as a member. */
export function acquaint(...peers: readonly PeerUnderTest[]): void {
  const members = peers.map(memberOf);
  for (const { port } of peers) port.setMembers(members);
}

const greeting = 'hello from ';

const isGreeting = (frame: Uint8Array): boolean => textOf(frame.subarray(0, greeting.length)) === greeting;

/** The messages that came, without the greetings of `reach`, of which the last may come late. */
const framesOf = ({ events }: PeerUnderTest): Uint8Array[] => events.flatMap((event) =>
  (event.type === 'message' && !isGreeting(event.frame) ? [event.frame] : []));

export const messagesOf = (peer: PeerUnderTest): string[] => framesOf(peer).map(textOf);

export const feedOf = ({ events }: PeerUnderTest): string[] =>
  events.flatMap((event) => (event.type === 'feed' ? [textOf(event.frame)] : []));

const joinsOf = ({ events }: PeerUnderTest): string[] =>
  events.flatMap((event) => (event.type === 'join-message' ? [`${event.from} ${textOf(event.frame)}`] : []));

type Dialled = Extract<NetworkEvent, { type: 'dialled' }>;

export const dialledOf = ({ events }: PeerUnderTest): Dialled[] =>
  events.filter((event): event is Dialled => event.type === 'dialled');

let greetings = 0;

/** Says it again until the other has heard: a first message may be lost while a link is being made. */
export async function reach(harness: NetworkHarness, from: PeerUnderTest, to: PeerUnderTest): Promise<void> {
  const word = `${greeting}${from.id} ${greetings += 1}`;
  let saidMs = -Infinity;
  await harness.until(`${to.id} hears ${from.id}`, () => {
    if (performance.now() - saidMs > 50) {
      saidMs = performance.now();
      from.port.send(to.id, bytesOf(word));
    }
    return to.events.some((event) => event.type === 'message' && textOf(event.frame) === word);
  });
}

/** Registers the whole suite. */
export function networkContract(test: Test, name: string, makeHarness: () => Promise<NetworkHarness>): void {
  const it: It = (what, body) => {
    test(`${name}: ${what}`, async () => {
      const harness = await makeHarness();
      try {
        await body(harness);
      } finally {
        await harness.cleanUp();
      }
    });
  };
  messages(it);
  membership(it);
  feed(it);
}

function messages(it: It): void {
  it('a message arrives whole, with its sender, and not from inside the call', async (harness) => {
    const a = await harness.start('a'), b = await harness.start('b');
    acquaint(a, b);
    a.port.send(b.id, bytesOf('ping'));
    assert.equal(b.events, []);
    await harness.until('ping', () => messagesOf(b).length === 1);
    b.port.send(a.id, bytesOf('pong'));
    await harness.until('pong', () => messagesOf(a).length === 1);
    assert.equal(b.events.filter((event) => event.type === 'message'),
      [{ type: 'message', from: a.id, frame: bytesOf('ping') }]);
    assert.equal(messagesOf(a), ['pong']);
  });

  it('many small messages arrive in order, both ways at once', async (harness) => {
    const a = await harness.start('a'), b = await harness.start('b');
    acquaint(a, b);
    await reach(harness, a, b);
    a.events.length = b.events.length = 0;
    const words = Array.from({ length: 3_000 }, (_, n) => `message ${n}`);
    for (const word of words) {
      a.port.send(b.id, bytesOf(word));
      b.port.send(a.id, bytesOf(word));
    }
    await harness.until('all', () => messagesOf(a).length >= 3_000 && messagesOf(b).length >= 3_000);
    assert.equal(messagesOf(b), words);
    assert.equal(messagesOf(a), words);
  });

  it('messages of every size arrive whole, the largest too', async (harness) => {
    const a = await harness.start('a'), b = await harness.start('b');
    acquaint(a, b);
    await reach(harness, a, b);
    b.events.length = 0;
    const sizes = [1, 2, 3, 4, 5, 255, 65_535, 65_536, 262_144, 1_000_003, limits.messageBytesMax];
    for (const size of sizes) a.port.send(b.id, new Uint8Array(size).fill(size % 251));
    await harness.until('all', () => framesOf(b).length === sizes.length);
    const frames = framesOf(b);
    assert.equal(frames.map((frame) => frame.length), sizes);
    for (const frame of frames) assert.ok(frame.every((byte) => byte === frame.length % 251));
  });

  it('a peer that starts again is reached again, by itself and by others', async (harness) => {
    const a = await harness.start('a');
    let b = await harness.start('b');
    acquaint(a, b);
    await reach(harness, a, b);
    await b.stop();
    await harness.until('a is told', () => a.events.some((event) => event.type === 'disconnected'));
    const told = a.events.filter((event) => event.type === 'disconnected');
    assert.equal(told, [{ type: 'disconnected', peer: b.id }]);
    a.port.send(b.id, bytesOf('into the void, or late'));
    b = await harness.start('b');
    b.port.setMembers([memberOf(a), memberOf(b)]);
    await reach(harness, a, b);
    await reach(harness, b, a);
  });
}

function membership(it: It): void {
  it('only members are spoken to', async (harness) => {
    const a = await harness.start('a'), b = await harness.start('b'), c = await harness.start('c');
    acquaint(a, b);
    c.port.setMembers([memberOf(a), memberOf(b), memberOf(c)]);
    await reach(harness, a, b);
    const before = harness.bytesOut(a);
    for (let n = 0; n < 10; n += 1) {
      a.port.send(c.id, bytesOf('not for you'));
      c.port.send(a.id, bytesOf('let me in'));
      c.port.publish(bytesOf('read me'));
      a.port.publish(bytesOf('for members'));
      await harness.pass(25);
    }
    await harness.until('b has the feed', () => feedOf(b).length > 0);
    assert.equal(messagesOf(c), []);
    assert.equal(feedOf(c), []);
    assert.not(messagesOf(a).includes('let me in'));
    assert.not([...feedOf(a), ...feedOf(b)].includes('read me'));
    assert.ok(harness.bytesOut(a) > before);
  });

  it('a stranger joins through the join protocol and no other', async (harness) => {
    const door = await harness.start('door'), other = await harness.start('other');
    const guest = await harness.start('guest');
    acquaint(door, other);
    const [address = ''] = door.port.addresses();
    guest.port.dial(address);
    assert.equal(guest.events, []);
    await harness.until('dialled', () => dialledOf(guest).length === 1);
    assert.equal(dialledOf(guest)[0], { type: 'dialled', address, peer: door.id, error: null });
    guest.port.sendJoin(door.id, bytesOf('hello'));
    await harness.until('hello', () => joinsOf(door).length === 1);
    assert.equal(joinsOf(door), [`${guest.id} hello`]);
    door.port.sendJoin(guest.id, bytesOf('challenge'));
    await harness.until('challenge', () => joinsOf(guest).length === 1);
    guest.port.send(door.id, bytesOf('as if a member'));
    acquaint(door, other, guest);
    for (const peer of [door, other]) {
      await reach(harness, guest, peer);
      await reach(harness, peer, guest);
    }
    assert.not(messagesOf(door).includes('as if a member'));
  });

  it('a dial that can\'t succeed says why', async (harness) => {
    const a = await harness.start('a');
    for (const address of ['127.0.0.1:1', ...a.port.addresses().slice(0, 1)]) {
      a.events.length = 0;
      a.port.dial(address);
      await harness.until('an answer', () => dialledOf(a).length === 1);
      assert.is(dialledOf(a)[0]?.peer, null);
      assert.match(dialledOf(a)[0]?.error ?? '', address);
    }
  });

  it('a removed member is not heard and not spoken to any more', async (harness) => {
    const a = await harness.start('a'), b = await harness.start('b'), c = await harness.start('c');
    acquaint(a, b, c);
    await reach(harness, a, b);
    await reach(harness, b, a);
    await reach(harness, a, c);
    a.events.length = b.events.length = 0;
    a.port.setMembers([memberOf(a), memberOf(c)]);
    await harness.until('b is told', () => b.events.some((event) => event.type === 'disconnected'));
    for (let n = 0; n < 10; n += 1) {
      b.port.send(a.id, bytesOf('still here'));
      a.port.send(b.id, bytesOf('goodbye'));
      await harness.pass(30);
    }
    assert.equal(messagesOf(a), []);
    assert.equal(messagesOf(b), []);
    await reach(harness, a, c);
  });
}

function feed(it: It): void {
  for (const count of [3, 4, 5]) {
    it(`the feed reaches each of ${count} members exactly once`, async (harness) => {
      const peers = await Promise.all(Array.from({ length: count }, (_, n) => harness.start(`peer-${n}`)));
      acquaint(...peers);
      // A member that joins late gets nothing that was published before: wait until all hear all.
      let round = 0;
      const heard = (): boolean => peers.every((peer) => peers.every((other) => other === peer
        || feedOf(peer).some((word) => word.startsWith(`warm ${other.id} `))));
      while (!heard() && round < 100) {
        for (const peer of peers) peer.port.publish(bytesOf(`warm ${peer.id} ${round}`));
        await harness.pass(50);
        round += 1;
      }
      const heardOf = (peer: PeerUnderTest): string[] =>
        feedOf(peer).filter((word) => !word.startsWith('warm')).sort();
      const words: string[] = [];
      for (let n = 0; n < 40; n += 1) {
        for (const peer of peers) {
          const word = `${peer.id} ${n} ${'.'.repeat(n * 20)}`;
          words.push(word);
          peer.port.publish(bytesOf(word));
        }
        await harness.pass(5);
      }
      const wanted = (peer: PeerUnderTest): string[] =>
        words.filter((word) => !word.startsWith(peer.id)).sort();
      await harness.until('all', () => peers.every((peer) => heardOf(peer).length >= wanted(peer).length));
      await harness.pass(50);
      for (const peer of peers) assert.equal(heardOf(peer), wanted(peer));
    });
  }
}
