// Disks that are damaged, emptied or gone with their machines, and who looks after them: a peer whose disk is
// damaged refuses to start, is emptied where it can be spared and restored where it can't, and comes back;
// another machine takes the place of one that is gone; a process dies within an event.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { canSpare, isSound, wipe } from '../../sim/losing.ts';
import type { Machine } from '../../sim/machine.ts';
import type { Note } from '../../sim/ports/trace.ts';
import {
  accepted, calmPlan, configMap, configMapsPath, createScene, deployment, deploymentsPath,
} from './world.ts';
import type { Scene } from './world.ts';

interface Noted { readonly scene: Scene; readonly notes: Note[]; whats(): string }

/** A cluster of three that holds some entries and a snapshot, and what is said of its machines. */
function formed(seed: number, peers = 3): Noted {
  const notes: Note[] = [];
  const logBounds = { logEntriesBeforeSnapshot: 40, logEntriesKept: 10 };
  const scene = createScene(calmPlan(seed, peers, { logBounds }), {
    onNote: (note) => { if (note.area === 'machine') notes.push(note); },
  });
  scene.form();
  for (let n = 1; n <= 30; n += 1) {
    accepted(scene.call(1 + n % peers, 'POST', configMapsPath, configMap(`before-${n}`)), 201);
  }
  scene.settle();
  return { scene, notes, whats: () => notes.map(({ what }) => what).join(', ') };
}

const follower = ({ world, leader }: Scene): Machine =>
  world.machines.find((each) => each !== leader() && each.number !== 1) ?? world.machine(1);

function holdsAll(scene: Scene): void {
  scene.settle();
  for (const { number } of scene.world.machines) {
    for (const n of [1, 15, 30]) {
      accepted(scene.call(number, 'GET', `${configMapsPath}/before-${n}`), 200);
    }
    accepted(scene.call(number, 'POST', configMapsPath, configMap(`after-${number}`)), 201);
  }
  assert.ok(scene.world.machines.every(isSound), 'all are sound again');
}

for (const where of ['entry', 'snapshot'] as const) {
  test(`a disk gone bad (${where}) is found at the start; the peer is emptied and joins again`, () => {
    const { scene, notes, whats } = formed(3), { number, disk } = follower(scene);
    scene.strike({ kind: 'rot', peer: number, where, atPpm: 500_000, forMs: 500 });
    assert.is(disk.damages().length, 1);
    assert.is(disk.damages()[0]?.what, where);
    scene.until('it is sound again', () => isSound(scene.world.machine(number)), 30_000);
    assert.is(whats(), 'rots, refuses to start, refuses to start, refuses to start, emptied');
    assert.match(String(notes[1]?.fields['message']), /is damaged at byte .* Nothing was changed\./);
    holdsAll(scene);
  });
}

test('the first peer, which founded the cluster, founds no other when its disk is empty', () => {
  const { scene } = formed(4), { world } = scene;
  assert.ok(wipe(world, 1, true));
  world.start(1);
  scene.until('it is sound again', () => isSound(world.machine(1)), 30_000);
  holdsAll(scene);
});

test('what was read wrong once is read right the next time', () => {
  const { scene, whats } = formed(5), { number } = follower(scene);
  scene.strike({ kind: 'rot', peer: number, where: 'read', atPpm: 0, forMs: 500 });
  scene.pass(5_000);
  assert.is(whats(), 'refuses to start');
  holdsAll(scene);
});

for (const kind of ['rot', 'misdirect'] as const) {
  test(`${kind} of what is being written is found when the peer starts again`, () => {
    const { scene, whats } = formed(6), { number, disk } = follower(scene);
    if (kind === 'rot') scene.strike({ kind, peer: number, where: 'write', atPpm: 0, forMs: 3_000 });
    else scene.strike({ kind, peer: number, atPpm: 0, forMs: 3_000 });
    for (const name of ['one', 'two']) {
      accepted(scene.call(1, 'POST', configMapsPath, configMap(name)), 201);
    }
    scene.pass(500);
    assert.is(disk.damages().length, kind === 'rot' ? 1 : 2);
    assert.is(scene.world.machine(number).life === null, false, 'it does not know yet');
    scene.pass(3_000);
    scene.until('it is sound again', () => isSound(scene.world.machine(number)), 30_000);
    assert.is(whats(), 'refuses to start, refuses to start, refuses to start, emptied');
    holdsAll(scene);
  });
}

test('what the cluster can\'t do without is not lost: disks are spared, a damaged one is restored', () => {
  const { scene, whats } = formed(7), { world } = scene;
  const [first, second] = world.machines.filter((each) => each !== scene.leader()) as [Machine, Machine];
  // Damaged while it could be spared; when it is found out, it can't.
  world.crash(second.number);
  second.disk.damage('entry', 0);
  first.blank = true;
  assert.not(canSpare(world, second));
  world.start(second.number);
  scene.until('it runs', () => second.life !== null, 10_000);
  assert.is(whats(), 'refuses to start, refuses to start, refuses to start, restored');
  scene.strike({ kind: 'wipe', peer: second.number, power: false, forMs: 100 });
  scene.strike({ kind: 'replace', peer: second.number, name: 'other', forMs: 100 });
  scene.pass(1_000);
  assert.match(whats(), /restored, spared, spared$/);
  first.blank = false;
  holdsAll(scene);
});

for (const name of ['same', 'other'] as const) {
  for (const who of ['leader', 'follower'] as const) {
    test(`another machine takes the place of the ${who}'s (name: ${name})`, () => {
      const { scene } = formed(8, 4), { world } = scene;
      accepted(scene.call(1, 'POST', deploymentsPath, deployment('web', 6)), 201);
      scene.settle();
      const gone = who === 'leader' ? scene.leader() ?? follower(scene) : follower(scene);
      const { number } = gone;
      scene.strike({ kind: 'replace', peer: number, name, forMs: 3_000 });
      scene.until('the other is there', () => world.machine(number) !== gone, 30_000);
      const next = world.machine(number);
      assert.is(next.name === gone.name, name === 'same');
      assert.is.not(next.id, gone.id);
      assert.is.not(next.address, gone.address);
      holdsAll(scene);
      const members = (scene.leader()?.life?.peer.log().members ?? []).map(({ id }) => id);
      assert.is(members.length, 4);
      assert.not(members.includes(gone.id));
    });
  }
}

test('a machine that is late joins when it is switched on', () => {
  const scene = createScene(calmPlan(9, 3)), { world } = scene;
  scene.strike({ kind: 'late', peer: 3, forMs: 10_000 });
  for (const { number } of world.machines) world.start(number);
  scene.until('the others are there', () => scene.leader()?.life?.peer.log().members.length === 2, 10_000);
  scene.pass(5_000);
  assert.is(world.machine(3).runs, 0);
  scene.pass(5_000);
  scene.settle();
  assert.is(scene.leader()?.life?.peer.log().members.length, 3);
});

for (const [port, calls] of [['disk', 0], ['network', 1], ['any', 1], ['clients', 0]] as const) {
  test(`a leader dies within an event, after ${calls} calls to ${port}, and comes back`, () => {
    const { scene, whats } = formed(10), { world } = scene;
    const leader = scene.leader() ?? world.machine(1);
    scene.strike({ kind: 'crash-within', peer: leader.number, port, calls, forMs: 5_000 });
    scene.call(leader.number, 'POST', configMapsPath, configMap('during'));
    scene.until('it is dead', () => leader.life === null, 2_000);
    assert.is(whats(), 'died within an event');
    scene.pass(4_000);
    assert.is(leader.life, null, 'the fault keeps it down');
    scene.pass(1_500);
    assert.is.not(leader.life, null);
    holdsAll(scene);
  });
}

test('a full disk stops the peer whenever it writes, until there is room', () => {
  const { scene } = formed(11), machine = follower(scene);
  scene.strike({ kind: 'full-disk', peer: machine.number, roomBytes: 500, forMs: 8_000 });
  const { runs } = machine;
  accepted(scene.call(1, 'POST', configMapsPath, configMap('large', { x: 'x'.repeat(2_000) })), 201);
  scene.pass(6_000);
  assert.ok(machine.runs > runs + 2, 'it tries again and again');
  scene.pass(3_000);
  holdsAll(scene);
});

test.run();
