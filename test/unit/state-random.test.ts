// Random commands to the replicated state. After every entry each index must be what a walk over all objects
// gives; a follower that only hears of changes, and members that start from a snapshot on the way, must stay
// equal to the member that applied everything; what is refused must leave no trace.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { index, objectKey, peerId, resourceName, revision, splitKey, term, uid } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import type { KubeObject, Pod, Service, ServicePort } from '../../cluster/api/types.ts';
import type { Entry } from '../../cluster/log/types.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { digestOf, fullDigest } from '../../cluster/state/digest.ts';
import {
  dependents, everything, get, list, objectsInNamespace, ownerUids, podsOnNode,
} from '../../cluster/state/query.ts';
import { decodeState, difference, encodeState } from '../../cluster/state/snapshot.ts';
import { createState, mutable } from '../../cluster/state/state.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Applied, Change, Op } from '../../cluster/state/types.ts';
import { changesSince } from '../../cluster/state/watch.ts';
import { encodeCommand } from '../../cluster/wire.ts';

const seeds = 20, entriesPerSeed = 250;
// Few and close to each other, so that everything collides.
const namespaces = ['a', 'a-b', 'b'], nodes = ['', 'n1', 'n2', 'n3'], names = ['p', 'q', 'r', 'r-1'];

test('members agree, indexes are true, followers keep up, refusals leave no trace', () => {
  const seen = new Map<string, number>();
  for (let seed = 1; seed <= seeds; seed++) {
    const random = createRandom(seed), whole = createState({ serviceCidr: '10.0.0.0/28' });
    let restored: State | null = null, keyCount = 0;
    const heard = new Map<ObjectKey, KubeObject>();
    const past: Entry[] = [];
    for (let at = 1; at <= entriesPerSeed; at++) {
      const entry = nextEntry(random, at, whole, past);
      past.push(entry);
      const before = fullDigest(whole), applied = applyEntry(whole, entry);
      count(seen, applied);
      if (!applied.outcome.ok) assert.is(fullDigest(whole), before, 'a refusal changes nothing');
      for (const change of applied.changes) hear(heard, change);
      if (restored !== null) {
        assert.equal(applyEntry(restored, entry), applied);
        assert.is(digestOf(restored), digestOf(whole));
      }
      if (random.chance(1, 25)) restored = reread(restored ?? whole);
      checkIndexes(whole);
      assert.equal(sorted(heard), sorted(contentOf(whole)));
      keyCount = Math.max(keyCount, heard.size);
    }
    if (restored === null) restored = reread(whole);
    assert.is(fullDigest(restored), fullDigest(whole));
    assert.equal(encodeState(restored), encodeState(whole));
    checkIndexes(restored);
    assert.ok(keyCount > 10, 'the run had something in it');
  }
  // The run has met all that it is about; else it would prove little.
  for (const what of [
    'ADDED', 'MODIFIED', 'DELETED', 'duplicate', 'unchanged', 'AlreadyExists', 'NotFound', 'Conflict',
    'Invalid', 'Forbidden', 'Fenced',
  ]) assert.ok((seen.get(what) ?? 0) > 5, `${what}: ${seen.get(what) ?? 0}`);
});

test('whoever watches from a revision, or follows over a snapshot, arrives at the same', () => {
  for (let seed = 1; seed <= seeds; seed++) {
    const random = createRandom(seed + 1000), state = createState({ serviceCidr: '10.0.0.0/28' });
    const past: Entry[] = [];
    let from = revision(0), before: State | null = null;
    const watcher = new Map<ObjectKey, KubeObject>(), installed = new Map<ObjectKey, KubeObject>();
    for (let at = 1; at <= entriesPerSeed; at++) {
      const entry = nextEntry(random, at, state, past);
      past.push(entry);
      applyEntry(state, entry);
      if (random.chance(1, 10)) {
        const changes = changesSince(state, from, 'core/pods/');
        assert.is.not(changes, 'expired');
        for (const change of changes as readonly Change[]) hear(watcher, change);
        from = state.revision;
        const pods = [...contentOf(state)].filter(([key]) => key.startsWith('core/pods/'));
        assert.equal(sorted(watcher), sorted(new Map(pods)));
      }
      if (random.chance(1, 40)) {
        const after = reread(state);
        for (const change of difference(before ?? createState(), after)) hear(installed, change);
        assert.equal(sorted(installed), sorted(contentOf(after)));
        before = after;
      }
    }
  }
});

function reread(state: State): State {
  const back = decodeState(encodeState(state));
  if ('refusal' in back) throw new Error(back.refusal);
  return back;
}

function count(seen: Map<string, number>, { outcome, changes, duplicate }: Applied): void {
  const whats: string[] = duplicate ? ['duplicate']
    : outcome.ok ? changes.map(({ type }) => type) : [outcome.refusal.reason];
  if (outcome.ok && changes.length === 0 && outcome.objects.length > 0) whats.push('unchanged');
  for (const what of whats) seen.set(what, (seen.get(what) ?? 0) + 1);
}

/** As an informer does: strict about what it knows. */
function hear(known: Map<ObjectKey, KubeObject>, { type, key, object, previous }: Change): void {
  const old = known.get(key);
  switch (type) {
    case 'ADDED': assert.is(old, undefined, `${key} was there`); break;
    case 'MODIFIED': assert.is(old?.metadata.uid, object.metadata.uid); break;
    case 'DELETED': assert.is(old?.metadata.uid, object.metadata.uid); break;
  }
  if (old !== undefined) assert.is(previous?.metadata.resourceVersion, old.metadata.resourceVersion);
  if (type === 'DELETED') known.delete(key);
  else known.set(key, object);
}

function checkIndexes(state: State): void {
  const all = everything(state);
  assert.is(all.length, state.objects.size);
  for (const { key, object } of all) assert.is(get(state, key), object);
  const keys = all.map(({ key }) => key);
  assert.equal(keys, [...keys].sort());
  for (const namespace of namespaces) {
    const inside = all.filter(({ key }) => splitKey(key).namespace === namespace);
    assert.equal(objectsInNamespace(state, namespace), inside);
    assert.equal(list(state, resourceName('core/pods'), namespace),
      inside.filter(({ key }) => key.startsWith('core/pods/')).map(({ object }) => object));
  }
  const pods = list<Pod>(state, resourceName('core/pods'));
  for (const node of nodes.slice(1)) {
    assert.equal(podsOnNode(state, node), pods.filter(({ spec }) => spec.nodeName === node));
  }
  const ownersOf = ({ metadata }: KubeObject): string[] =>
    (metadata.ownerReferences ?? []).map((each) => each.uid);
  const owners = new Set(all.flatMap(({ object }) => ownersOf(object)));
  assert.equal(ownerUids(state), [...owners].sort());
  for (const owner of owners) {
    assert.equal(dependents(state, owner), all.filter(({ object }) => ownersOf(object).includes(owner)));
  }
  checkAllocations(state);
}

/** Nothing is held twice, nothing that no Service has, nothing that one has is free. */
function checkAllocations(state: State): void {
  const { addresses, ports } = mutable(state).allocations, held: string[] = [];
  const services = list<Service>(state, resourceName('core/services'));
  for (const { spec, metadata } of services) {
    const key = `core/services/${metadata.namespace}/${metadata.name}`;
    if (spec.clusterIP !== undefined && spec.clusterIP !== 'None') held.push(`${spec.clusterIP} ${key}`);
    for (const port of new Set((spec.ports ?? []).map(({ nodePort }) => nodePort))) {
      if (port !== undefined) held.push(`${port} ${key}`);
    }
  }
  const text = (ip: number): string => [24, 16, 8, 0].map((shift) => (ip >>> shift) & 255).join('.');
  const given = [
    ...[...addresses].map(([ip, key]) => `${text(ip)} ${key}`),
    ...[...ports].map(([port, key]) => `${port} ${key}`),
  ];
  assert.equal(given.sort(), held.sort());
}

// ── commands ─────────────────────────────────────────────────────────────────────────────────────────────

function nextEntry(random: Random, at: number, state: State, past: readonly Entry[]): Entry {
  const base = { index: index(at), term: term(1 + Math.floor(at / 50)) };
  if (at === 1) return { ...base, kind: 'command', data: opened() };
  if (random.chance(1, 30)) return { ...base, kind: 'noop', data: new Uint8Array() };
  const again = past[past.length - random.between(1, 40)];
  if (random.chance(1, 12) && again?.kind === 'command') return { ...again, ...base };
  const length = random.chance(1, 3) ? random.between(2, 4) : 1;
  const ops = Array.from({ length }, () => nextOp(random, at, state));
  const id = { origin: peerId(`peer-${at % 3}`), incarnation: 1 + Math.floor(at / 100), sequence: at };
  const fence = random.chance(1, 5) ? { fence: term(random.chance(1, 2) ? base.term : base.term - 1) } : {};
  return { ...base, kind: 'command', data: encodeCommand({ id, ...fence, ops }) };
}

function opened(): Uint8Array {
  const ops = namespaces.map((name): Op => ({
    op: 'create', key: objectKey(resourceName('core/namespaces'), '', name),
    object: { apiVersion: 'v1', kind: 'Namespace', metadata: metadataOf(name, `uid-${name}`) },
  }));
  return encodeCommand({ id: { origin: peerId('peer-1'), incarnation: 1, sequence: 1 }, ops });
}

function metadataOf(name: string, id: string): KubeObject['metadata'] {
  return { name, uid: id, resourceVersion: '', creationTimestamp: '2026-01-01T00:00:00Z' };
}

function nextOp(random: Random, at: number, state: State): Op {
  const key = nextKey(random), stored = get(state, key);
  const mood = random.below(20);
  if (stored === null ? mood < 17 : mood === 0) {
    return { op: 'create', key, object: nextObject(random, key, `uid-${at}-${random.below(1000)}`) };
  }
  const old = random.chance(1, 8);
  const expect = stored === null || random.chance(1, 3) ? {}
    : { revision: revision(seenAt(stored) - (old ? 1 : 0)), uid: uid(stored.metadata.uid) };
  if (mood < 8 && !key.startsWith('core/namespaces/')) return { op: 'delete', key, expect };
  if (stored === null) return { op: 'update', key, expect, object: nextObject(random, key, 'uid-none') };
  if (mood === 9) return { op: 'update', key, expect, object: stored };
  const id = random.chance(1, 20) ? 'uid-other' : stored.metadata.uid;
  return { op: 'update', key, expect, object: nextObject(random, key, id) };
}

function nextKey(random: Random): ObjectKey {
  if (random.chance(1, 25)) return objectKey(resourceName('core/namespaces'), '', pick(random, namespaces));
  const resource = pick(random, ['core/pods', 'core/pods', 'core/services', 'apps/replicasets']);
  return objectKey(resourceName(resource), pick(random, namespaces), pick(random, names));
}

function nextObject(random: Random, key: ObjectKey, id: string): KubeObject {
  const { resource, namespace, name } = splitKey(key);
  const owners = random.chance(1, 2) ? [] : Array.from({ length: random.between(1, 2) }, () => ({
    apiVersion: 'v1', kind: 'Owner', name: 'o', uid: `owner-${random.below(3)}`,
  }));
  // A namespace goes and comes back by these: while it goes, creates in it are refused.
  const going = random.chance(1, resource === 'core/namespaces' ? 2 : 6);
  const metadata = {
    ...metadataOf(name, id), ...namespace === '' ? {} : { namespace },
    ...owners.length === 0 ? {} : { ownerReferences: owners },
    ...going ? { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: random.below(2) }
      : {},
    ...resource === 'core/namespaces' || random.chance(1, 3) ? { finalizers: ['example.com/hold'] } : {},
  };
  switch (resource as string) {
    case 'core/pods': {
      const nodeName = pick(random, nodes);
      return thing('Pod', metadata, { containers: [], ...nodeName === '' ? {} : { nodeName } });
    }
    case 'core/services': return thing('Service', metadata, serviceSpec(random));
    case 'core/namespaces': return thing('Namespace', metadata, {});
    default: return thing('ReplicaSet', metadata, { replicas: random.below(3) });
  }
}

function thing(kind: string, metadata: KubeObject['metadata'], spec: object): KubeObject {
  const object = { apiVersion: 'v1', kind, metadata, spec };
  return object;
}

function serviceSpec(random: Random): object {
  const type = pick(random, ['ClusterIP', 'ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']);
  const onNodes = type === 'NodePort' || type === 'LoadBalancer';
  const ip = pick(random, ['', '', '', '10.0.0.3', '10.0.0.4', 'None', '10.0.1.1']);
  const ports = Array.from({ length: random.below(3) }, (_, at): ServicePort => ({
    port: 80 + at, protocol: random.chance(1, 3) ? 'UDP' : 'TCP',
    ...random.chance(1, 3) && onNodes ? { nodePort: 30_000 + random.below(4) } : {},
  }));
  return { type, ...ip === '' || type === 'ExternalName' ? {} : { clusterIP: ip }, ports };
}

function pick<T>(random: Random, from: readonly T[]): T {
  return from[random.below(from.length)] as T;
}

function contentOf(state: State): ReadonlyMap<ObjectKey, KubeObject> {
  return new Map(everything(state).map(({ key, object }) => [key, object] as const));
}

function sorted(content: ReadonlyMap<ObjectKey, KubeObject>): readonly (readonly [ObjectKey, KubeObject])[] {
  return [...content].sort(([a], [b]) => (a < b ? -1 : 1));
}

const seenAt = ({ metadata }: KubeObject): number => Number(metadata.resourceVersion);

test.run();
