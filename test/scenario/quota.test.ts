// Three peers give out the last of what a quota leaves while their leader dies: creates race through all of
// them, and there are never more pods and Secrets than the quota allows, nor fewer than it has room for.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import type { ResourceQuota } from '../../cluster/api/quota/ledger.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import { list } from '../../cluster/state/query.ts';
import { accepted, calmPlan, createScene, deployment, deploymentsPath } from './world.ts';
import type { Scene } from './world.ts';

const seeds = 6, podsMax = 7, secretsMax = 5, asksPerPeer = 12;
const quotasPath = '/api/v1/namespaces/default/resourcequotas';
const secretsPath = '/api/v1/namespaces/default/secrets';

for (let seed = 1; seed <= seeds; seed += 1) {
  test(`seed ${seed}: no quota is exceeded while creates race through three peers over a leader's death`,
    () => run(seed));
}

function run(seed: number): void {
  const scene = createScene(calmPlan(seed, 3));
  scene.form();
  const hard = { 'pods': String(podsMax), 'secrets': String(secretsMax), 'count/deployments.apps': '3' };
  accepted(scene.call(1, 'POST', quotasPath,
    { apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q' }, spec: { hard } }), 201);
  scene.until('the limits are in force', () => quotaOf(scene)?.status?.hard !== undefined, 10_000);
  const free = secretsMax - list(stateOf(scene), resources.secrets, 'default').length;

  const answers: number[] = [], messages = new Set<string>();
  for (let at = 0; at < asksPerPeer; at += 1) {
    for (const peer of [1, 2, 3]) ask(scene, peer, at, answers, messages);
    if (at === asksPerPeer / 2) {
      scene.strike({ kind: 'crash', peers: [scene.leader()?.number ?? 1], forMs: 20_000 });
    }
    scene.pass(1 + seed);
    within(scene);
  }
  // Deployments that want twice as many pods as there may be, through whoever is left.
  for (const [name, peer] of [['one', 1], ['two', 2], ['three', 3]] as const) {
    scene.call(peer, 'POST', deploymentsPath, deployment(name, 5));
    within(scene);
  }
  const ended = (): boolean => podsOf(scene).length === podsMax;
  for (let waitedMs = 0; waitedMs < 60_000 && !ended(); waitedMs += 50) {
    scene.pass(50);
    within(scene);
  }
  assert.is(podsOf(scene).length, podsMax, 'there is room for all of these');
  assert.is(quotaOf(scene)?.status?.used?.['pods'], String(podsMax));
  assert.ok(answers.filter((status) => status === 201).length <= free);
  assert.is(list(stateOf(scene), resources.secrets, 'default').length, secretsMax);
  const refused = 'exceeded quota: q, requested: secrets=1, used: secrets=5, limited: secrets=5';
  assert.ok([...messages].some((text) => text.includes(refused)), [...messages].join('; '));
}

/** A Secret through this peer; nobody waits for the answer. */
function ask(scene: Scene, peer: number, at: number, answers: number[], messages: Set<string>): void {
  const body = { apiVersion: 'v1', kind: 'Secret', metadata: { name: `s-${peer}-${at}` } };
  scene.world.request(peer, {
    method: 'POST', path: secretsPath, query: '', headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(JSON.stringify(body)),
  }, {
    answer({ status, body: text }) {
      answers.push(status);
      messages.add((JSON.parse(text) as { message?: string }).message ?? '');
    },
    broken: () => { answers.push(0); },
  });
}

const stateOf = ({ world }: Scene) => world.checker.history.state;
const quotaOf = (scene: Scene): ResourceQuota | undefined =>
  list<ResourceQuota>(stateOf(scene), resources.resourceQuotas, 'default')[0];
const podsOf = (scene: Scene): readonly KubeObject[] => list(stateOf(scene), resources.pods, 'default');

/** What there is, what the quota says of it, and what it allows. */
function within(scene: Scene): void {
  const secrets = list(stateOf(scene), resources.secrets, 'default').length, pods = podsOf(scene).length;
  const { used = {} } = quotaOf(scene)?.status ?? {};
  assert.ok(pods <= podsMax && secrets <= secretsMax, `${pods} pods, ${secrets} Secrets`);
  assert.ok(Number(used['pods']) >= pods && Number(used['secrets']) >= secrets, 'what is there is counted');
}

test.run();
