// A peer that stops in the middle of catching up finds the cluster again, though everybody that its log names
// so far is gone. It once knew nobody but a founder that had been replaced: it asked that one for ever, and
// nobody else could speak to it. Found by `gossip-converges`, 3 peers: replaced, wiped, a full disk.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { limits } from '../../cluster/limits.ts';
import { decodeMembers, isRefusal } from '../../cluster/wire.ts';
import { wipe } from '../../sim/losing.ts';
import type { Machine } from '../../sim/machine.ts';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';

test('whom its log names is gone: it goes through the door again', () => {
  const scene = createScene(calmPlan(1, 3)), { world } = scene;
  world.start(1);
  world.start(3);
  scene.until('two', () => scene.leader()?.life?.peer.log().members.length === 2, 10_000);
  // More than is pulled at a time lies between this membership and the next.
  const bytes = limits.repairBytesMax / 16;
  for (let n = 1; n <= 20; n += 1) {
    const object = configMap(`m-${n}`, { text: 'x'.repeat(bytes) });
    accepted(scene.call(1, 'POST', configMapsPath, object), 201);
  }
  world.start(2);
  scene.settle();
  const founder = world.machine(1), machine = world.machine(3);
  scene.strike({ kind: 'replace', peer: 1, name: 'other', forMs: 1_000 });
  scene.until('another is there', () => world.machine(1) !== founder, 20_000);
  scene.settle();
  assert.ok(wipe(world, 3));
  world.start(3);
  // It gets so far, stops, and starts again.
  scene.until('so far it knows the founder', () => onDisk(machine) === `${founder.id},${machine.id}`, 10_000);
  world.crash(3);
  assert.is(onDisk(machine), `${founder.id},${machine.id}`);
  world.start(3);
  scene.settle();
});

/** The members by the newest membership in the log on its disk. */
function onDisk({ disk: { synced } }: Machine): string {
  const config = synced.entries.findLast(({ kind }) => kind === 'config');
  const members = config === undefined ? synced.snapshot.members : decodeMembers(config.data);
  return isRefusal(members) ? members.refused : members.map(({ id }) => id).join();
}

test.run();
