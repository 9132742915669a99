// The oracles of clean-up and of status writers: silent where all is well, and speaking for the smallest
// thing that is wrong.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import { objectKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import type { RuntimeCall } from '../../cluster/ports.ts';
import { createRandom } from '../../cluster/random.ts';
import { applyEntry } from '../../cluster/state/apply.ts';
import { createState } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { createCleanupOracle } from '../../sim/check/cleanup.ts';
import type { History } from '../../sim/check/history.ts';
import type { OracleName } from '../../sim/check/oracle.ts';
import { startBalancer } from '../../sim/users/balancer.ts';
import type { Call, UserClient } from '../../sim/users/client.ts';
import { create, entryOf, namespace, pod, podKey } from './stage.ts';

const mapKey = (name: string): ObjectKey => objectKey(resources.configMaps, 'default', name);
const homeKey = objectKey(resources.namespaces, '', 'default');

function withState() {
  const said: OracleName[] = [], state = createState();
  const oracle = createCleanupOracle((name) => said.push(name));
  let at = 0;
  const apply = (...ops: Op[]): void => {
    oracle.applied(state, applyEntry(state, entryOf((at += 1), ops)).changes);
  };
  const map = (name: string, metadata: Partial<KubeObject['metadata']> = {}): Op => {
    const op = create(mapKey(name), { apiVersion: 'v1', kind: 'ConfigMap' });
    if (op.op !== 'create') throw new Error('unreachable');
    return { ...op, object: { ...op.object, metadata: { ...op.object.metadata, ...metadata } } };
  };
  return { said, state, oracle, apply, map };
}

test('clean-up-first: a namespace goes empty', () => {
  const { said, apply, map } = withState();
  apply(namespace);
  apply(map('a'));
  apply({ op: 'delete', key: mapKey('a') }, { op: 'delete', key: homeKey });
  apply(namespace);
  apply(map('b'));
  assert.equal(said, []);
  apply({ op: 'delete', key: homeKey });
  assert.equal(said, ['clean-up-first']);
});

test('clean-up-first: an owner in the foreground goes after what blocks it', () => {
  const { said, apply, map } = withState();
  const owned = (blockOwnerDeletion: boolean): Partial<KubeObject['metadata']> => ({
    ownerReferences: [{
      apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid: String(mapKey('a')), blockOwnerDeletion,
    }],
  });
  apply(namespace);
  apply(map('a', { finalizers: ['foregroundDeletion'] }), map('b', owned(false)));
  apply({ op: 'delete', key: mapKey('a') });
  assert.equal(said, []);
  apply(map('a', { finalizers: ['foregroundDeletion'] }), map('c', owned(true)));
  apply({ op: 'delete', key: mapKey('a') });
  assert.equal(said, ['clean-up-first']);
});

test('ended-stays-ended: no container is made for a pod that has ended', () => {
  const { said, state, oracle, apply } = withState();
  apply(namespace);
  apply(pod('p', 'peer-1'));
  const call = { call: 'create-container', container: {
    name: 'app', pod: { namespace: 'default', name: 'p', uid: String(podKey('p')) },
  } } as unknown as RuntimeCall;
  oracle.called('peer-1', call, state);
  const stored = state.objects.get(podKey('p')) as KubeObject;
  apply({ op: 'update', key: podKey('p'), object: { ...stored, status: { phase: 'Failed' } } as KubeObject });
  oracle.called('peer-1', { call: 'list' }, state);
  assert.equal(said, []);
  oracle.called('peer-1', call, state);
  assert.equal(said, ['ended-stays-ended']);
});

test('status-keeps-spec: whose status is written keeps its spec', () => {
  const heard = (specAfter: object): readonly OracleName[] => {
    const said: OracleName[] = [], pending: (() => void)[] = [], calls: Call[] = [];
    const service = (spec: object): KubeObject =>
      ({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'app', resourceVersion: '4' }, spec } as never);
    const before = service({ ports: [{ port: 80 }] });
    const change = { previous: before, object: service(specAfter) } as Change;
    const client: UserClient = {
      name: 'balancer', random: createRandom(1), mark() { /* Nothing rare. */ },
      later: (_, work) => pending.push(work),
      call(call, done) {
        calls.push(call);
        done({ status: 200, object: before, warning: null, peer: 'peer-1' });
      },
      watch: () => ({ close() { /* Not of a balancer. */ } }), stream() { /* Nor this. */ },
    };
    startBalancer(client, {
      names: ['app'], history: { changeAt: () => change } as unknown as History, untilMs: 1, nowMs: () => 0,
      report: (oracle) => said.push(oracle),
    });
    pending.shift()?.();
    pending.shift()?.();
    const asked = calls.map(({ method, path }) => `${method} ${path.split('/').at(-1)}`);
    assert.equal(asked, ['GET app', 'PUT status']);
    return said;
  };
  assert.equal(heard({ ports: [{ port: 80 }] }), []);
  assert.equal(heard({ ports: [{ port: 81 }] }), ['status-keeps-spec']);
});

test.run();
