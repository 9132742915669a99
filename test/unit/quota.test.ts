// Quotas, below the API: what a pod, a service or a claim uses, which pods a scope is about, how a ReplicaSet
// fares; and random commands, after each of which every quota says what a count of everything says.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import { index, objectKey, peerId, resourceName, splitKey, term } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { resources } from '../../cluster/api/objects.ts';
import { listOf } from '../../cluster/api/quota/amounts.ts';
import { fits, scopesOf } from '../../cluster/api/quota/ledger.ts';
import type { ResourceQuota } from '../../cluster/api/quota/ledger.ts';
import { unsaid } from '../../cluster/api/quota/pods.ts';
import { claims, countedBy, usageOf } from '../../cluster/api/quota/usage.ts';
import type { KubeEvent, KubeObject, Pod, ReplicaSet } from '../../cluster/api/types.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { digestOf, fullDigest } from '../../cluster/state/digest.ts';
import { get, list } from '../../cluster/state/query.ts';
import { decodeState, encodeState } from '../../cluster/state/snapshot.ts';
import { createState } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Applied, Op } from '../../cluster/state/types.ts';
import { encodeCommand } from '../../cluster/wire.ts';
import { countQuota, quotaController } from '../../actors/controllers/quota.ts';
import { addNode, create, createWorld, kubelet, patch } from './leader-world.ts';

const object = (text: string): KubeObject => {
  const { metadata = {}, ...rest } = parse(text) as { metadata?: object };
  const made = { name: 'x', namespace: 'default', uid: 'u', resourceVersion: '1', creationTimestamp: '' };
  return { apiVersion: 'v1', kind: 'Pod', metadata: { ...made, ...metadata }, ...rest };
};
const used = (resource: string, text: string): unknown =>
  listOf(usageOf(resourceName(resource), object(text)).amounts);

test('pods: init containers, sidecars, overhead, what the pod says as a whole, other resources', () => {
  const container = (name: string, cpu: string, more = ''): string =>
    `{name: ${name}, resources: {requests: {cpu: ${cpu}}}${more}}`;
  const cpuOf = (text: string): unknown => (used('core/pods', text) as { cpu?: string }).cpu;
  assert.is(cpuOf(`spec: {containers: [${container('a', '100m')}, ${container('b', '150m')}]}`), '250m');
  assert.is(cpuOf(`spec: {containers: [${container('a', '100m')}], initContainers: [
    ${container('i', '300m')}, ${container('j', '200m')}]}`), '300m');
  // The sidecar runs beside j (500m) and beside a (300m); i had ended when it began.
  assert.is(cpuOf(`spec: {containers: [${container('a', '100m')}], initContainers: [
    ${container('i', '400m')}, ${container('s', '200m', ', restartPolicy: Always')}, ${container('j', '300m')}
  ]}`), '500m');
  assert.is(cpuOf(`spec: {containers: [${container('a', '1')}], initContainers: [
    ${container('s', '200m', ', restartPolicy: Always')}]}`), '1200m');
  assert.is(cpuOf(`spec: {overhead: {cpu: 50m}, containers: [${container('a', '100m')}]}`), '150m');
  assert.is(cpuOf(`spec: {resources: {requests: {cpu: 2}}, containers: [${container('a', '1')}]}`), '2');
  assert.equal(used('core/pods', `spec: {overhead: {cpu: 1, memory: 1Mi}, containers: [{name: a, resources: {
    requests: {memory: 1Mi, hugepages-2Mi: 2Mi, example.com/a: 1, ephemeral-storage: 1Gi},
    limits: {memory: 2Mi, hugepages-2Mi: 2Mi, example.com/a: 1, ephemeral-storage: 2Gi}}}]}`), {
    'count/pods': '1', 'ephemeral-storage': '1Gi', 'hugepages-2Mi': '2Mi', 'limits.ephemeral-storage': '2Gi',
    'limits.memory': '3Mi', 'memory': '2Mi', 'pods': '1', 'cpu': '1', 'requests.cpu': '1',
    'requests.ephemeral-storage': '1Gi', 'requests.example.com/a': '1', 'requests.hugepages-2Mi': '2Mi',
    'requests.memory': '2Mi',
  });
  assert.equal(used('core/pods', `{spec: {containers: [${container('a', '1')}]}, status: {phase: Failed}}`),
    { 'count/pods': '1' });
});

test('pods: each container must say what is limited, unless the pod does', () => {
  const pod = (text: string): Pod => object(text) as Pod;
  assert.is(unsaid(pod('spec: {containers: [{name: b}, {name: a}]}'), ['cpu', 'limits.memory', 'pods']),
    'must specify cpu for: a,b; limits.memory for: a,b');
  assert.is(unsaid(pod('spec: {containers: [{name: a, resources: {requests: {cpu: 1}}}]}'), ['cpu']), null);
  assert.is(unsaid(pod('spec: {resources: {limits: {cpu: 1}}, containers: [{name: a}]}'), ['cpu']), null);
});

test('services, claims and device claims', () => {
  const lb = 'type: LoadBalancer, ports: [{port: 1}, {port: 2, nodePort: 30000}]';
  assert.equal(used('core/services', `spec: {${lb}, allocateLoadBalancerNodePorts: false}`), {
    'count/services': '1', 'services': '1', 'services.loadbalancers': '1', 'services.nodeports': '1',
  });
  assert.equal(used('core/services', `spec: {${lb}}`), {
    'count/services': '1', 'services': '1', 'services.loadbalancers': '1', 'services.nodeports': '2',
  });
  const suffix = 'storageclass.storage.k8s.io';
  assert.equal(used('core/persistentvolumeclaims', `
    spec: {storageClassName: gold, resources: {requests: {storage: 1.5}}}
    status: {allocatedResources: {storage: 3Gi}}`), {
    'count/persistentvolumeclaims': '1', [`gold.${suffix}/persistentvolumeclaims`]: '1',
    [`gold.${suffix}/requests.storage`]: '3Gi', 'persistentvolumeclaims': '1', 'requests.storage': '3Gi',
  });
  assert.equal((used('core/persistentvolumeclaims', 'spec: {resources: {requests: {storage: 1.5}}}') as
    Record<string, string>)['requests.storage'], '2');
  assert.equal(used('resource.k8s.io/resourceclaims', `spec: {devices: {requests: [
    {name: a, exactly: {deviceClassName: gpu, count: 2}},
    {name: b, firstAvailable: [{deviceClassName: gpu}, {deviceClassName: gpu, count: 3}]},
    {name: c, exactly: {deviceClassName: nic, allocationMode: All}}]}}`), {
    'count/resourceclaims.resource.k8s.io': '1', 'gpu.deviceclass.resource.k8s.io/devices': '5',
    'nic.deviceclass.resource.k8s.io/devices': '32',
  });
});

test('names: who counts what', () => {
  const counted = Object.fromEntries([
    'pods', 'requests.example.com/a', 'example.com/a', 'count/x.y.z', 'count/pods', 'count/events', 'secrets',
    'a.storageclass.storage.k8s.io/requests.storage', 'requests.kubernetes.io/a', 'constructor', '__proto__',
  ].map((name) => [name, countedBy(name)]));
  assert.equal(counted, Object.fromEntries([
    ['pods', 'core/pods'], ['requests.example.com/a', 'core/pods'], ['example.com/a', null],
    ['count/x.y.z', 'y.z/x'], ['count/pods', 'core/pods'], ['count/events', null],
    ['secrets', 'core/secrets'], ['a.storageclass.storage.k8s.io/requests.storage', claims],
    ['requests.kubernetes.io/a', null], ['constructor', null], ['__proto__', null],
  ]));
});

test('scopes: priority classes by name, affinity to other namespaces, classes of volumes', () => {
  const about = (resource: string, scope: string, text: string): boolean =>
    fits(scopesOf(object(`spec: {scopeSelector: {matchExpressions: [{${scope}}]}}`)),
      usageOf(resourceName(resource), object(text)));
  const high = 'spec: {priorityClassName: high, containers: []}', plain = 'spec: {containers: []}';
  const by = (operator: string, values = ''): readonly boolean[] => [high, plain].map((pod) =>
    about('core/pods', `scopeName: PriorityClass, operator: ${operator}, values: [${values}]`, pod));
  assert.equal(by('Exists'), [true, false]);
  assert.equal(by('DoesNotExist'), [false, true]);
  assert.equal(by('In', 'high, low'), [true, false]);
  assert.equal(by('In', 'low'), [false, false]);
  assert.equal(by('NotIn', 'high'), [false, true]);
  assert.equal(by('NotIn', 'low'), [true, true]);
  const near = (affinity: string): boolean => about('core/pods',
    'scopeName: CrossNamespacePodAffinity, operator: Exists', `spec: {affinity: {podAffinity: {
      preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {${affinity}}}]}},
      containers: []}`);
  assert.equal(['namespaceSelector: {}', 'namespaces: [a]', 'topologyKey: a'].map(near), [true, true, false]);
  const volume = (operator: string, values: string): boolean => about('core/persistentvolumeclaims',
    `scopeName: VolumeAttributesClass, operator: ${operator}, values: [${values}]`, `
    spec: {volumeAttributesClassName: new}
    status: {currentVolumeAttributesClassName: old}`);
  assert.equal([volume('In', 'old'), volume('In', 'none'), volume('Exists', '')], [true, false, true]);
  assert.not(about('core/persistentvolumeclaims', 'scopeName: Terminating, operator: Exists', plain));
});

// ── ReplicaSets ──────────────────────────────────────────────────────────────────────────────────────────

test('a ReplicaSet makes what pods the quota has room for, says so, and goes on when it may', () => {
  const world = createWorld();
  world.lead();
  for (let n = 1; n <= 3; n++) addNode(world, n);
  world.run(1_000);
  const quota = (pods: number): string => JSON.stringify({
    apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q' },
    spec: { hard: { pods: String(pods) } },
  });
  create(world, quota(7));
  world.run(1_000);
  create(world, JSON.stringify({
    apiVersion: 'apps/v1', kind: 'ReplicaSet', metadata: { name: 'web' },
    spec: {
      replicas: 30, selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  }));
  world.run(5_000);
  const pods = (): number => list<Pod>(world.state, resources.pods).length;
  const set = (): ReplicaSet | undefined => list<ReplicaSet>(world.state, resources.replicaSets)[0];
  assert.is(pods(), 7);
  const [failure] = set()?.status?.conditions ?? [];
  assert.is(failure?.type, 'ReplicaFailure');
  assert.is(failure?.reason, 'FailedCreate');
  const refused = new RegExp('pods "web-\\w+" is forbidden: exceeded quota: q, requested: pods=1, '
    + 'used: pods=\\d, limited: pods=7');
  assert.match(failure?.message ?? '', refused);
  const event = list<KubeEvent>(world.state, resources.events)
    .find(({ reason }) => reason === 'FailedCreate');
  assert.match(event?.message ?? '', new RegExp(`^Error creating: ${refused.source}$`));
  patch(world, 'resourcequotas', 'q', 'spec: {hard: {pods: "40"}}');
  world.run(60_000);
  assert.is(pods(), 30);
  assert.equal(set()?.status?.conditions ?? [], []);
  patch(world, 'replicasets', 'web', 'spec: {replicas: 5}');
  world.run(2_000);
  kubelet(world, 3);
  world.run(5_000);
  assert.is(pods(), 5);
  const [left] = list<ResourceQuota>(world.state, resources.resourceQuotas);
  assert.equal(left?.status, { hard: { pods: '40' }, used: { pods: '5' } });
});

// ── random commands ──────────────────────────────────────────────────────────────────────────────────────

const wallMs = Date.parse('2026-11-24T08:00:00Z'), seeds = 12, entriesPerSeed = 220;
const spaces = ['a', 'b'];

test('random commands: no quota is exceeded, all say what a count says, snapshots go on alike', () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const random = createRandom(seed), world = new Member(random);
    for (const name of spaces) world.apply([made(resources.namespaces, '', name, 'Namespace', {})]);
    for (let at = 0; at < entriesPerSeed; at++) {
      const ops = draw(random, world.state), applied = world.apply(ops);
      within(applied, ops);
      const { outcome } = applied;
      const what = outcome.ok ? 'written' : /exceeded|failed quota/.exec(outcome.refusal.message)?.[0] ?? '';
      seen.set(what, (seen.get(what) ?? 0) + 1);
      world.compare();
      check(world.state, seed);
    }
  }
  for (const what of ['written', 'exceeded']) assert.ok((seen.get(what) ?? 0) > 100, what);
});

class Member {
  state: State = createState();
  twin: State | null = null;
  #sequence = 0;
  readonly #random: Random;
  constructor(random: Random) { this.#random = random; }

  apply(ops: readonly Op[]): Applied {
    const id = { origin: peerId('p'), incarnation: 1, sequence: (this.#sequence += 1) };
    const data = encodeCommand({ id, ops });
    const entry = { index: index(this.state.revision + 1), term: term(1), kind: 'command', data } as const;
    const before = fullDigest(this.state), applied = applyEntry(this.state, entry);
    if (!applied.outcome.ok) assert.is(fullDigest(this.state), before, 'a refusal changes nothing');
    if (this.twin !== null) assert.equal(applyEntry(this.twin, entry), applied);
    return applied;
  }

  compare(): void {
    if (this.twin !== null) assert.is(digestOf(this.twin), digestOf(this.state));
    if (!this.#random.chance(1, 20)) return;
    const back = decodeState(encodeState(this.state));
    if ('refusal' in back) throw new Error(back.refusal);
    this.twin = back;
  }
}

/** Whatever is in force is held to, and is what a count says, but for what only the controller counts. */
function check(state: State, seed: number): void {
  for (const quota of list<ResourceQuota>(state, resources.resourceQuotas)) {
    const { status, metadata: { name, namespace = '' } } = quota;
    if (status?.hard === undefined) continue;
    const { steps } = countQuota(state, objectKey(resources.resourceQuotas, namespace, name), context);
    const [op] = steps[0]?.ops ?? [];
    if (op === undefined || op.op !== 'update') continue;
    const counted = (op.object as ResourceQuota).status?.used ?? {};
    if (JSON.stringify(status.hard) !== JSON.stringify(quota.spec?.hard)) continue;
    for (const [each, amount] of Object.entries(counted)) {
      const said = Number(status.used?.[each]);
      assert.ok(said >= Number(amount), `seed ${seed} @${state.revision}: ${name} says ${each} ${said}`);
      const leaving = each === 'pods' || each === 'cpu' || each === 'count/pods';
      if (!leaving) assert.is(said, Number(amount), `seed ${seed} @${state.revision}: ${name} ${each}`);
    }
  }
}

/** What new objects raise is within the limit; a pod that begins to run again is not refused. */
function within({ changes }: Applied, ops: readonly Op[]): void {
  if (ops.some(({ op }) => op === 'update')) return;
  for (const { object, previous } of changes) {
    if (object.kind !== 'ResourceQuota' || previous === null) continue;
    const now = (object as ResourceQuota).status, old = (previous as ResourceQuota).status;
    for (const [name, amount] of Object.entries(now?.used ?? {})) {
      if (Number(amount) <= Number(old?.used?.[name])) continue;
      assert.ok(Number(amount) <= Number(now?.hard?.[name]), `${name} ${amount} is within its limit`);
    }
  }
}

const context = { nowWallMs: wallMs, newUid: () => 'u', suffix: () => 's', refusal: null };
let uids = 0;

function made(
  resource: string, namespace: string, name: string, kind: string, rest: object,
): Op {
  const metadata = {
    name, ...namespace === '' ? {} : { namespace }, uid: `uid-${(uids += 1)}`, resourceVersion: '',
    creationTimestamp: '2026-11-24T08:00:00Z',
  };
  const key = objectKey(resourceName(resource), namespace, name);
  return { op: 'create', key, object: { apiVersion: 'v1', kind, metadata, ...rest } };
}

function draw(random: Random, state: State): readonly Op[] {
  const namespace = spaces[random.below(spaces.length)] ?? 'a';
  const many = random.chance(1, 4) ? 1 + random.below(3) : 1;
  if (random.chance(1, 6)) {
    const quotas = list<ResourceQuota>(state, resources.resourceQuotas);
    for (const key of quotas.length === 0 ? [] : quotaController.allKeys(state)) {
      const { steps } = countQuota(state, key, context);
      if (steps[0] !== undefined) return steps[0].ops;
    }
  }
  return Array.from({ length: many }, () => drawOne(random, state, namespace));
}

function drawOne(random: Random, state: State, namespace: string): Op {
  const name = `n${random.below(6)}`;
  const podKey = objectKey(resources.pods, namespace, name), pod = get<Pod>(state, podKey);
  switch (random.below(7)) {
    case 0: return drawQuota(random, namespace);
    case 1: return made('core/secrets', namespace, name, 'Secret', {});
    case 2: return { op: 'delete', key: objectKey(resources.secrets, namespace, name) };
    case 3: return { op: 'delete', key: podKey };
    case 4: {
      if (pod === null) break;
      const phase = random.chance(1, 2) ? 'Succeeded' : 'Running';
      return { op: 'update', key: podKey, object: { ...pod, status: { phase } } as Pod };
    }
    case 5: {
      if (pod === null) break;
      const metadata = {
        ...pod.metadata, deletionTimestamp: '2026-11-24T07:00:00Z', deletionGracePeriodSeconds: 30,
      };
      return { op: 'update', key: podKey, object: { ...pod, metadata } };
    }
    default: break;
  }
  return made('core/pods', namespace, name, 'Pod', {
    spec: {
      containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: String(1 + random.below(3)) } } }],
      ...random.chance(1, 3) ? { activeDeadlineSeconds: 5 } : {},
    },
  });
}

function drawQuota(random: Random, namespace: string): Op {
  const name = `q${random.below(3)}`;
  if (random.chance(1, 4)) return { op: 'delete', key: objectKey(resources.resourceQuotas, namespace, name) };
  const hard = { pods: String(random.below(5)), cpu: String(random.below(8)), 'count/pods': '5' };
  const spec = random.chance(1, 2) ? { hard: { ...hard, secrets: String(random.below(3)) } }
    : { hard, scopes: [random.chance(1, 2) ? 'Terminating' : 'NotTerminating'] };
  return made('core/resourcequotas', namespace, name, 'ResourceQuota', { spec, status: {} });
}

test('a pod that takes its time to go counts until it is gone, or its grace is long over', () => {
  const world = new Member(createRandom(1));
  world.apply([made(resources.namespaces, '', 'a', 'Namespace', {})]);
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  world.apply([made('core/pods', 'a', 'p', 'Pod', { spec }), made('core/resourcequotas', 'a', 'q',
    'ResourceQuota', { spec: { hard: { pods: '1', 'count/pods': '2' } }, status: {} })]);
  const key = objectKey(resources.resourceQuotas, 'a', 'q'), podKey = objectKey(resources.pods, 'a', 'p');
  const count = (afterMs: number): unknown => {
    const { steps } = countQuota(world.state, key, { ...context, nowWallMs: wallMs + afterMs });
    for (const { ops } of steps) world.apply(ops);
    return get<ResourceQuota>(world.state, key)?.status?.used;
  };
  assert.equal(count(0), { 'count/pods': '1', 'pods': '1' });
  const pod = get<Pod>(world.state, podKey) as Pod;
  const metadata = {
    ...pod.metadata, deletionTimestamp: '2026-11-24T08:00:30Z', deletionGracePeriodSeconds: 30,
  };
  world.apply([{ op: 'update', key: podKey, object: { ...pod, metadata } }]);
  assert.equal(count(60_000), { 'count/pods': '1', 'pods': '1' });
  assert.equal(count(60_001), { 'count/pods': '1', 'pods': '0' });
  // Another takes its place; that it goes at last must not be taken off again.
  world.apply([made('core/pods', 'a', 'p-2', 'Pod', { spec })]);
  const { changes } = world.apply([{ op: 'delete', key: podKey }]);
  assert.equal(get<ResourceQuota>(world.state, key)?.status?.used, { 'count/pods': '2', 'pods': '1' });
  const woken = changes.flatMap((change) => quotaController.keysOf(world.state, change));
  assert.equal(woken, [key]);
  assert.equal(count(60_001), { 'count/pods': '1', 'pods': '1' });
  const late = world.apply([made('core/pods', 'a', 'p-3', 'Pod', { spec })]).outcome;
  assert.is(late.ok ? '' : late.refusal.message, 'pods "p-3" is forbidden: exceeded quota: q, '
    + 'requested: pods=1, used: pods=1, limited: pods=1');
});

test('quotas that go with what they count: one command, no conflict with its own charges', () => {
  const world = new Member(createRandom(1));
  world.apply([made(resources.namespaces, '', 'a', 'Namespace', {})]);
  const spec = { hard: { secrets: '5', resourcequotas: '5' } };
  world.apply([made('core/secrets', 'a', 's', 'Secret', {}),
    made('core/resourcequotas', 'a', 'q', 'ResourceQuota', { spec }),
    made('core/resourcequotas', 'a', 'r', 'ResourceQuota', { spec })]);
  for (const key of quotaController.allKeys(world.state)) {
    for (const { ops } of countQuota(world.state, key, context).steps) world.apply(ops);
  }
  const goes = (resource: string, name: string): Op => {
    const key = objectKey(resourceName(resource), 'a', name), stored = get(world.state, key);
    return { op: 'delete', key, expect: { revision: Number(stored?.metadata.resourceVersion) as never } };
  };
  const { outcome, changes } = world.apply([
    goes('core/secrets', 's'), goes('core/resourcequotas', 'q'), goes('core/resourcequotas', 'r'),
  ]);
  assert.ok(outcome.ok);
  assert.equal(changes.map(({ type, key }) => `${type} ${splitKey(key as ObjectKey).name}`),
    ['DELETED s', 'DELETED q', 'DELETED r']);
});

test.run();
