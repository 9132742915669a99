// What machines use: rates from readings, when they are taken, and how peers tell each other.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createUsageMeter, usageBetween } from '../../actors/kubelet/usage.ts';
import type { Reading } from '../../actors/kubelet/usage.ts';
import type { Core } from '../../actors/peer/core.ts';
import { createUsages } from '../../actors/peer/usage.ts';
import type { UsageMessage } from '../../actors/peer/usage.ts';
import type { PodContext } from '../../actors/pod/context.ts';
import type { PeerServices, RuntimeResult } from '../../actors/services.ts';
import { goDuration } from '../../cluster/api/time.ts';
import { nodeName, peerId } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import type { NodeUsage, RuntimeUsage, UsageFound } from '../../cluster/usage.ts';
import { decodeMessage, encodeMessage, isRefusal } from '../../cluster/wire.ts';
import { createApiWorld } from './api-world.ts';

const mib = 1024 * 1024, wallMs = 1_000_000_000;

function reading(atMs: number, machineUs: number, containers: Readonly<Record<string, number>>): Reading {
  const counted = Object.entries(containers).map(([id, cpuUs]) => ({ id, cpuUs, memoryBytes: 8 * mib }));
  const usage = { machine: { cpuUs: machineUs, memoryBytes: 64 * mib }, containers: counted };
  return { nowMs: atMs, wallMs: wallMs + atMs, usage };
}

/** A pod with running containers by id, each with the time of its start. */
function pod(name: string, containers: Readonly<Record<string, number>>): PodContext {
  const facts = Object.entries(containers).map(([id, atMs]) =>
    ({ fact: { id, name: id, state: 'running', startedAtMs: wallMs + atMs } }));
  const object = { metadata: { name, namespace: 'default', uid: `uid-${name}` } };
  return { pod: object, containers: facts } as unknown as PodContext;
}

test('rates are of the time between two readings', () => {
  const before = reading(0, 1_000_000, { a: 500_000 }), last = reading(10_000, 3_000_000, { a: 1_500_000 });
  const usage = usageBetween(before, last, [pod('web', { a: -60_000 })]);
  assert.equal(usage, {
    takenAtMs: wallMs + 10_000, windowMs: 10_000, node: { cpuNano: 200_000_000, memoryBytes: 64 * mib },
    pods: [{
      namespace: 'default', name: 'web', uid: 'uid-web',
      containers: [{ name: 'a', cpuNano: 100_000_000, memoryBytes: 8 * mib }],
    }],
  });
});

test('a container that has started since is measured from its start, one that hardly has is not', () => {
  const before = reading(0, 0, {}), last = reading(10_000, 0, { old: 1, fresh: 1_000_000, new: 5 });
  const found = (context: PodContext): number | undefined =>
    usageBetween(before, last, [context]).pods[0]?.containers[0]?.cpuNano;
  assert.is(found(pod('fresh', { fresh: 5_000 })), 200_000_000);
  assert.is(found(pod('new', { new: 9_500 })), undefined);
  // It ran before the first reading, which knows nothing of it.
  assert.is(found(pod('old', { old: -5_000 })), undefined);
});

test('of a pod, all running containers are told of or none; a counter that began anew tells nothing', () => {
  const before = reading(0, 9_000_000, { a: 700 }), last = reading(10_000, 10, { a: 500 });
  const usage = usageBetween(before, last, [
    pod('half', { a: -1, missing: -1 }), pod('none', {}), pod('whole', { a: -1 }),
  ]);
  assert.equal(usage.pods.map(({ name, containers }) => [name, containers[0]?.cpuNano]), [['whole', 0]]);
  assert.is(usage.node.cpuNano, 0);
});

/** A meter over a clock that is moved by hand, and a runtime that answers when it is told to. */
function meterWorld() {
  const timers: { readonly atMs: number; readonly work: () => void }[] = [];
  let nowMs = 0;
  const world = {
    asked: [] as ((result: RuntimeResult) => void)[],
    answer(machineUs: number | null): void {
      const usage: RuntimeUsage = { machine: { cpuUs: machineUs ?? 0, memoryBytes: mib }, containers: [] };
      const failure = { reason: 'RuntimeUnavailable', message: 'no', retry: true } as const;
      world.asked.shift()?.(machineUs === null ? { ok: false, failure } : { ok: true, value: '', usage });
    },
    pass(ms: number): void {
      nowMs += ms;
      for (const timer of timers.splice(0)) if (timer.atMs <= nowMs) timer.work(); else timers.push(timer);
    },
    timers,
  };
  const services = {
    nowMs: () => nowMs, wallMs: () => wallMs + nowMs,
    runtime: (_: unknown, done: (result: RuntimeResult) => void) => { world.asked.push(done); },
    clock: {
      setTimeout: (work: () => void, ms: number) => {
        const timer = { atMs: nowMs + ms, work };
        timers.push(timer);
        return timer;
      },
      clearTimeout: (timer: (typeof timers)[number]) => { timers.splice(timers.indexOf(timer), 1); },
    },
  } as unknown as PeerServices;
  return { ...world, world, meter: createUsageMeter(services, () => []) };
}

test('nothing is read before somebody asks; the first asking takes two readings a moment apart', () => {
  const { world, meter } = meterWorld(), told: (NodeUsage | null)[] = [];
  assert.is(world.asked.length, 0);
  meter.measure((usage) => told.push(usage));
  meter.measure((usage) => told.push(usage));
  assert.is(world.asked.length, 1);
  world.answer(0);
  assert.equal(told, []);
  world.pass(limits.usageFirstWindowMs);
  world.answer(500_000);
  assert.equal(told.map((usage) => [usage?.windowMs, usage?.node.cpuNano]), [[1_000, 5e8], [1_000, 5e8]]);
  assert.is(world.timers.length, 0);
});

test('what is fresh is told again; later the last reading is the first of the next window', () => {
  const { world, meter } = meterWorld(), told: (number | undefined)[] = [];
  const ask = (): void => meter.measure((usage) => told.push(usage?.windowMs));
  ask();
  world.answer(0);
  world.pass(limits.usageFirstWindowMs);
  world.answer(1);
  world.pass(limits.usageWindowMs - 1);
  ask();
  assert.is(world.asked.length, 0);
  world.pass(5_000);
  ask();
  world.answer(2);
  assert.equal(told, [1_000, 1_000, limits.usageWindowMs + 4_999]);
  // A reading of long ago says nothing of now.
  world.pass(limits.usageWindowMsMax + 1);
  ask();
  world.answer(3);
  world.pass(limits.usageFirstWindowMs);
  world.answer(4);
  assert.is(told.at(-1), 1_000);
});

test('a runtime that does not tell is asked again by the next; a stopped meter reads nothing', () => {
  const { world, meter } = meterWorld(), told: (NodeUsage | null)[] = [];
  meter.measure((usage) => told.push(usage));
  world.answer(null);
  assert.equal(told, [null]);
  meter.measure((usage) => told.push(usage));
  world.answer(1);
  meter.stop();
  world.pass(limits.usageFirstWindowMs);
  assert.is(world.asked.length, 0);
  meter.measure((usage) => told.push(usage));
  assert.equal(told, [null, null]);
});

// ── between peers ────────────────────────────────────────────────────────────────────────────────────────

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const figures = (cpuNano: number): NodeUsage => ({
  takenAtMs: wallMs, windowMs: 15_000, node: { cpuNano, memoryBytes: mib },
  pods: [{
    namespace: 'default', name: 'web', uid: 'u', containers: [{ name: 'c', cpuNano, memoryBytes: 1 }],
  }],
});

/** Peer `a`, which is asked by clients, and `b` and `c`, which it asks. */
function createPeers() {
  const world = createApiWorld(), wire: { from: PeerId; to: PeerId; message: PeerMessage }[] = [];
  for (const name of ['a', 'b', 'c']) {
    const node = { metadata: { name, annotations: { 'shoal.dev/peer-id': name } } };
    world.ask({
      method: 'POST', path: '/api/v1/nodes', headers: { 'content-type': 'application/json' },
      body: bytes(JSON.stringify(node)),
    });
  }
  const timers = new Map<string, () => void>(), dead = new Set<string>(), sent: string[] = [];
  const clock = { nowMs: 0 }, silent = new Set<string>();
  const create = (name: string) => createUsages({
    config: { name: nodeName(name) }, state: world.state(), defer: (work: () => void) => work(),
    arm: (key: string, _ms: number, work: () => void) => { timers.set(`${name} ${key}`, work); },
    disarm: (key: string) => { timers.delete(`${name} ${key}`); }, now: () => clock.nowMs,
  } as unknown as Core, {
    send: (to, message) => { wire.push({ from: peerId(name), to, message }); },
    measure: (done) => done(figures(name.charCodeAt(0))), lives: (peer) => !dead.has(peer),
  });
  const peers = { a: create('a'), b: create('b'), c: create('c') };
  function drain(): void {
    for (let next = wire.shift(); next !== undefined; next = wire.shift()) {
      sent.push(`${next.from} to ${next.to}: ${next.message.kind}`);
      const read = decodeMessage(encodeMessage(next.message));
      if (isRefusal(read)) throw new Error(read.refused);
      if (!silent.has(next.to)) peers[next.to as 'a' | 'b' | 'c'].message(next.from, read as UsageMessage);
    }
  }
  const find = (nodes: readonly string[], pods: boolean): { found: UsageFound | null } => {
    const result: { found: UsageFound | null } = { found: null };
    peers.a.find({ nodes: nodes.map(nodeName), pods }, (found) => { result.found = found; });
    return result;
  };
  return { peers, timers, dead, silent, clock, sent: () => sent.splice(0), drain, find };
}

test('each node is asked for at its own peer, once for all who wait, and kept while it is fresh', () => {
  const { find, drain, sent, clock } = createPeers();
  const first = find(['a', 'b'], true), second = find(['b'], false);
  drain();
  assert.equal([...first.found ?? []].map(([node, { node: { cpuNano } }]) => [node, cpuNano]),
    [['a', 97], ['b', 98]]);
  assert.is(second.found?.get('b')?.node.cpuNano, 98);
  assert.equal(sent(), ['a to b: usage-ask', 'b to a: usage-reply']);
  clock.nowMs = limits.usageWindowMs - 1;
  assert.is(find(['b'], true).found?.get('b')?.pods.length, 1);
  assert.equal(sent(), []);
  clock.nowMs = limits.usageWindowMs;
  find(['b'], true);
  drain();
  assert.equal(sent().length, 2);
});

test('of pods nothing is sent unless they are asked for, and then it is asked again', () => {
  const { find, drain, sent } = createPeers(), bare = find(['b'], false);
  drain();
  assert.equal(bare.found?.get('b')?.pods, []);
  const whole = find(['b'], true);
  drain();
  assert.is(whole.found?.get('b')?.pods.length, 1);
  assert.is(sent().length, 4);
});

test('who does not answer in time, or is dead, or goes away, or is unknown, has no figures', () => {
  const { find, drain, timers, dead, silent, peers } = createPeers();
  dead.add('b');
  assert.is(find(['b', 'nobody'], true).found?.size, 0);
  dead.clear();
  silent.add('b');
  const late = find(['b', 'a'], true);
  drain();
  assert.is(late.found, null);
  timers.get('a usage/b')?.();
  assert.equal([...late.found?.keys() ?? []], ['a']);
  const gone = find(['b'], true);
  peers.a.disconnected(peerId('b'));
  assert.is(gone.found?.size, 0);
  // An answer to a question that was given up is not mistaken for one to the next.
  const next = find(['b'], true);
  peers.a.message(peerId('b'), { kind: 'usage-reply', id: 1, usage: figures(1) });
  peers.a.message(peerId('c'), { kind: 'usage-reply', id: 3, usage: figures(1) });
  assert.is(next.found, null);
});

test('nobody asked for: answered at once', () => {
  const { find, sent } = createPeers();
  assert.is(find([], true).found?.size, 0);
  assert.equal(sent(), []);
});

test('lengths of time as Go writes them', () => {
  const shown = [0, 5, 1_000, 15_020, 20_000, 60_000, 60_500, 3_600_000].map(goDuration);
  assert.equal(shown, ['0s', '5ms', '1s', '15.02s', '20s', '1m0s', '1m0.5s', '1h0m0s']);
});

test.run();
