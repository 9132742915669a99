// Membership: transcripts of one peer's answers, and what many peers reach together in a miniature world.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createMembership, livenessOf, liveMembers, step } from '../../cluster/gossip/membership.ts';
import type { Membership } from '../../cluster/gossip/membership.ts';
import type {
  Beat, GossipEffect, GossipMessage, GossipTimer, Liveness, Rumour,
} from '../../cluster/gossip/types.ts';
import { index, peerId } from '../../cluster/ids.ts';
import { createRandom } from '../../cluster/random.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';
import { createNet, facts } from './gossip-net.ts';
import type { GossipNet } from './gossip-net.ts';

// ── transcripts ──────────────────────────────────────────────────────────────────────────────────────────

/**
 * new self=a incarnation=1 members=b,c    members b,c    timer probe    self    view
 * ping|ack|nack|ask from=b seq=1 [target=c], its rumours below: `c suspect 1 b`, beats: `beat c 1 4`
 * Any command may say at=MS.
 */
function membershipHandler(): (command: TranscriptCommand) => string {
  let m: Membership | null = null;
  let now = 0;
  return (command) => {
    const { name, words, options, input } = command;
    now = Number(options['at'] ?? now);
    if (name === 'new') {
      const self = peerId(options['self'] ?? ''), incarnation = Number(options['incarnation'] ?? 1);
      m = createMembership({ self, incarnation }, createRandom(1));
      return show(step(m, { type: 'members', members: list(options['members'] ?? '') }, now));
    }
    if (m === null) throw new Error('`new` first');
    switch (name) {
      case 'members': return show(step(m, { type: 'members', members: list(words[0] ?? '') }, now));
      case 'timer': return show(step(m, { type: 'timer', timer: words[0] as GossipTimer }, now));
      case 'self': return show(step(m, { type: 'self', beat: facts }, now));
      case 'view': return view(m);
      case 'ping': case 'ack': case 'nack': case 'ask': {
        const from = peerId(options['from'] ?? '');
        return show(step(m, { type: 'message', from, message: parse(name, options, input) }, now));
      }
      default: throw new Error(`unknown command ${name}`);
    }
  };
}

const list = (text: string) => text.split(',').filter((part) => part !== '').map(peerId);

function parse(
  name: 'ping' | 'ack' | 'nack' | 'ask', options: TranscriptCommand['options'], input: string,
): GossipMessage {
  const lines = input.split('\n').filter((row) => row.trim() !== '').map((row) => row.trim().split(/\s+/));
  const rumours: Rumour[] = [], beats: Beat[] = [];
  for (const [first = '', second = '', third = '', fourth = ''] of lines) {
    if (first === 'beat') {
      beats.push({ ...facts, peer: peerId(second), incarnation: Number(third), sequence: Number(fourth) });
    } else {
      const status = second as Liveness;
      rumours.push({ peer: peerId(first), status, incarnation: Number(third), from: peerId(fourth) });
    }
  }
  const sequence = Number(options['seq'] ?? 0);
  if (name !== 'ask') return { type: name, sequence, rumours, beats };
  return { type: 'ping-request', sequence, target: peerId(options['target'] ?? ''), rumours, beats };
}

function show(effects: readonly GossipEffect[]): string {
  return effects.length === 0 ? 'nothing' : effects.map(line).join('\n');
}

function line(effect: GossipEffect): string {
  switch (effect.type) {
    case 'send': {
      const { message } = effect;
      const target = message.type === 'ping-request' ? ` ${message.target}` : '';
      const rumours = message.rumours.map((r) => `[${r.peer} ${r.status} ${r.incarnation} by ${r.from}]`);
      const beats = message.beats.map((b) => `(${b.peer} ${b.incarnation}.${b.sequence})`);
      const head = `to ${effect.to}: ${message.type}${target} ${message.sequence}`;
      return [head, ...rumours, ...beats].join(' ');
    }
    case 'arm': return `arm ${effect.timer} ${effect.ms}`;
    case 'disarm': return `disarm ${effect.timer}`;
    case 'liveness': return `${effect.peer} is ${effect.status} (${effect.incarnation})`;
    case 'beat': return `beat of ${effect.beat.peer} ${effect.beat.incarnation}.${effect.beat.sequence}`;
    case 'incarnation': return `own incarnation ${effect.incarnation}`;
  }
}

function view(m: Membership): string {
  const others = m.members.map((peer) => `${peer} ${livenessOf(m, peer)} ${m.peers.get(peer)?.incarnation}`);
  const own = `own incarnation ${m.incarnation}, health ${m.health}, live ${liveMembers(m).join(',')}`;
  return [...others, own].join('\n');
}

transcripts(test, new URL('../data/gossip', import.meta.url).pathname, membershipHandler);

// ── many peers ───────────────────────────────────────────────────────────────────────────────────────────

interface Detection { readonly first: number; readonly all: number[] }

/** Kills one peer; how long until somebody suspects it, and until each other holds it for dead. */
function detect(size: number, seed: number, lossPercent: number): Detection {
  const net = createNet({ size, seed, lossPercent });
  net.run(10_000 + (seed * 137) % 4_000);
  const victim = net.ids[seed % size]!;
  const at = net.now(), before = net.changes.length;
  net.kill(victim);
  net.run(30_000);
  const after = net.changes.slice(before).filter((change) => change.of === victim);
  const all = net.ids.filter((id) => id !== victim).map((by) => {
    const death = after.find((change) => change.by === by && change.to === 'dead');
    return death === undefined ? Infinity : death.at - at;
  });
  return { first: Math.min(...after.filter((c) => c.to === 'suspect').map((c) => c.at - at)), all };
}

const quantile = (values: number[], q: number): number =>
  values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Infinity;

test('a killed peer is dead in every view within the time that suspicion.ts computes', () => {
  const bounds: readonly (readonly [number, number, number, number])[] = [
    // members, runs, median at most, 95 % at most (ms)
    [3, 60, 3_700, 4_600], [5, 60, 4_300, 5_800], [20, 8, 6_500, 8_500], [100, 1, 9_000, 10_500],
  ];
  for (const [size, runs, median, most] of bounds) {
    const deaths: number[] = [];
    for (let seed = 1; seed <= runs; seed++) deaths.push(...detect(size, seed, 0).all);
    const [p50, p95, worst] = [quantile(deaths, 0.5), quantile(deaths, 0.95), quantile(deaths, 1)];
    assert.ok(p50 <= median && p95 <= most, `${size} members: median ${p50}, 95 % ${p95}`);
    assert.ok(worst < 15_000, `${size} members: worst ${worst}`);
  }
});

test('without loss nobody is ever suspected; with 5 % loss rarely, and nobody is declared dead', () => {
  for (const [size, seeds] of [[3, 20], [5, 20], [20, 2]] as const) {
    let suspicions = 0, peerMinutes = 0;
    for (let seed = 1; seed <= seeds; seed++) {
      const calm = createNet({ size, seed });
      calm.run(60_000);
      assert.equal(calm.changes, []);
      const lossy = createNet({ size, seed, lossPercent: 5 });
      lossy.run(120_000);
      suspicions += lossy.changes.filter((change) => change.to === 'suspect').length;
      peerMinutes += 2 * size;
      assert.equal(lossy.changes.filter((change) => change.to === 'dead'), [], `size ${size} seed ${seed}`);
    }
    assert.ok(suspicions / peerMinutes < 0.6, `${size}: ${suspicions} suspicions in ${peerMinutes} min`);
  }
});

test('a partition is seen as deaths on both sides, and healed without a restart', () => {
  for (const [size, cut] of [[3, 1], [5, 2], [20, 7]] as const) {
    for (let seed = 1; seed <= 8; seed++) {
      const net = createNet({ size, seed });
      net.run(5_000);
      const groups = [net.ids.slice(0, cut), net.ids.slice(cut)];
      net.partition(groups);
      net.run(40_000);
      for (const [one, other] of [groups, [...groups].reverse()]) {
        for (const by of one!) for (const of of other!) assert.is(net.view(by, of), 'dead', `${by} of ${of}`);
        for (const by of one!) for (const of of one!) assert.is(net.view(by, of), 'alive', `${by} of ${of}`);
      }
      const before = new Map(net.ids.map((id) => [id, net.incarnation(id)]));
      net.partition(null);
      net.run(40_000);
      for (const by of net.ids) {
        for (const of of net.ids) assert.is(net.view(by, of), 'alive', `${by} of ${of}`);
      }
      const raised = net.ids.filter((id) => net.incarnation(id) > before.get(id)!);
      assert.ok(raised.length >= Math.min(cut, size - cut), 'whoever was dead had to refute');
    }
  }
});

test('news reach everybody within c × log2 N rounds', () => {
  const rounds = [5, 20, 100].map((size) => {
    const times: number[] = [];
    for (let seed = 1; seed <= (size === 100 ? 2 : 8); seed++) times.push(spreadMs(size, seed));
    return quantile(times, 1) / 1_000 / Math.log2(size + 1);
  });
  for (const each of rounds) assert.ok(each <= 1.5, `rounds over log2 N: ${rounds.join(', ')}`);
});

/** How long until all members know the incarnation of a peer that was started again. */
function spreadMs(size: number, seed: number): number {
  const net = createNet({ size, seed });
  net.run(8_000);
  const [first] = net.ids;
  net.restart(first!);
  const from = net.now();
  const knows = (id: typeof first): boolean =>
    id === first || net.membership(id!).peers.get(first!)?.incarnation === 2;
  const known = (): boolean => net.ids.every(knows);
  while (!known() && net.now() - from < 60_000) net.run(100);
  return net.now() - from;
}

test('a peer that died is alive again only under a higher incarnation', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const net = createNet({ size: 5, seed, lossPercent: 5 });
    net.run(5_000);
    const victim = net.ids[seed % 5]!;
    net.kill(victim);
    net.run(20_000);
    const died = deathIncarnations(net, victim);
    const before = net.changes.length;
    net.run(30_000);
    assert.equal(net.changes.slice(before).filter((c) => c.of === victim), [], 'the dead stay dead');
    net.restart(victim);
    net.run(10_000);
    for (const id of net.ids) {
      if (id === victim) continue;
      assert.is(net.view(id, victim), 'alive', `${id} sees it again (seed ${seed})`);
      assert.ok(net.membership(id).peers.get(victim)!.incarnation > died.get(id)!);
    }
  }
});

function deathIncarnations(net: GossipNet, victim: (typeof net.ids)[number]): Map<string, number> {
  return new Map(net.ids.filter((id) => id !== victim).map((id) => {
    const view = net.membership(id).peers.get(victim)!;
    assert.is(view.status, 'dead');
    return [id, view.incarnation];
  }));
}

test('a peer that slept holds nobody for dead when it wakes', () => {
  const m = createMembership({ self: peerId('a'), incarnation: 1 }, createRandom(3));
  step(m, { type: 'members', members: list('a,b,c') }, 0);
  step(m, { type: 'timer', timer: 'probe' }, 100);
  step(m, { type: 'timer', timer: 'probe-timeout' }, 60_000);
  step(m, { type: 'timer', timer: 'probe-end' }, 60_001);
  assert.equal(liveMembers(m), list('a,b,c'));
  const suspect: Rumour = { peer: peerId('b'), status: 'suspect', incarnation: 0, from: peerId('c') };
  const message: GossipMessage = { type: 'ack', sequence: 0, rumours: [suspect], beats: [] };
  step(m, { type: 'message', from: peerId('c'), message }, 60_002);
  step(m, { type: 'timer', timer: 'suspicion' }, 120_000);
  assert.is(livenessOf(m, peerId('b')), 'suspect');
});

test('beats reach everybody, and stay fresh as the cluster grows', () => {
  for (const [size, ageMsMax] of [[5, 6_000], [20, 12_000], [60, 25_000]] as const) {
    const net = createNet({ size, seed: 4, beats: true });
    net.run(40_000);
    const seen = new Map<string, number>();
    for (const { at, by, beat } of net.beats) seen.set(`${by} ${beat.peer}`, at);
    assert.is(seen.size, size * (size - 1), 'everybody has a beat of everybody');
    const ages = [...seen.values()].map((at) => net.now() - at);
    assert.ok(quantile(ages, 0.95) <= ageMsMax, `${size} members: a beat is ${quantile(ages, 0.95)} ms old`);
    for (const { beat } of net.beats) assert.is(beat.applied, index(5));
  }
});

test('the same seed gives the same run', () => {
  const run = (): unknown => {
    const net = createNet({ size: 5, seed: 9, lossPercent: 20, beats: true });
    net.run(30_000);
    net.kill(net.ids[2]!);
    net.run(30_000);
    return [net.changes, net.messages, net.bytes];
  };
  assert.equal(run(), run());
});

test.run();
