// A leader dies within the very event in which it commits a write and tells its client so. What the client
// was told is true: a quorum has it. The simulator looked only at events that a peer survived, so it held the
// word for a lie. Found by `acknowledged-is-committed`, seed 233 of 5 peers × 10 minutes.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import { objectKey } from '../../cluster/ids.ts';
import { accepted, calmPlan, configMap, configMapsPath, createScene } from './world.ts';

for (const seed of [1, 2, 3, 4]) {
  test(`seed ${seed}: a client that was told by a leader that died over it was told the truth`, () => {
    const scene = createScene(calmPlan(seed, 3));
    const { world } = scene, { clients } = world.checker;
    scene.form();
    const leader = scene.leader();
    if (leader === null) throw new Error('nobody leads');
    // Somebody else is to be told too, so that telling the writer is not the last thing it does.
    const watch = { method: 'GET', path: configMapsPath, query: 'watch=true', headers: {}, body: null };
    world.request(leader.number, watch, { answer() {}, broken() {} });
    scene.pass(100);
    leader.fuse.set('clients', 1);
    const begun = clients.begin(objectKey(resources.configMaps, 'default', 'told'));
    const answer = scene.call(leader.number, 'POST', configMapsPath, configMap('told'));
    accepted(answer, 201);
    if (answer !== null) clients.wrote(begun, answer.object, null, 'the writer');
    assert.is(leader.life, null, 'it died over it');
    scene.until('another leads', () => scene.leader() !== null, 10_000);
    accepted(scene.call(scene.leader()?.number ?? 0, 'GET', `${configMapsPath}/told`), 200);
    world.start(leader.number);
    scene.settle();
  });
}

test.run();
