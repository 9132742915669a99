// Admission of what Shoal's own controllers make: changed as a client's objects are, refused as they are.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { admitOwn, controllerUser } from '../../cluster/api/admission/own.ts';
import { newborn } from '../../cluster/api/objects.ts';
import { pod as podResource } from '../../cluster/api/resources/pod.ts';
import { isProblem } from '../../cluster/api/status.ts';
import type { Pod } from '../../cluster/api/types.ts';
import { createApiWorld, startWallMs } from './api-world.ts';
import type { ApiWorld } from './api-world.ts';

const user = controllerUser('replicaset-controller');
const policies = '/apis/admissionregistration.k8s.io/v1';

function post(world: ApiWorld, path: string, object: unknown): void {
  const body = new TextEncoder().encode(JSON.stringify(object));
  const answer = world.ask({ method: 'POST', path, body, headers: { 'content-type': 'application/json' } });
  assert.ok(answer.type === 'response' && answer.response.status === 201, JSON.stringify(answer));
}

function worldWith(objects: readonly (readonly [string, unknown])[]): ApiWorld {
  const world = createApiWorld();
  post(world, '/api/v1/namespaces', { metadata: { name: 'default' } });
  for (const [path, object] of objects) post(world, path, object);
  return world;
}

const podSpec = { containers: [{ name: 'c', image: 'web:1' }] };

function made(world: ApiWorld, spec: unknown = podSpec) {
  const metadata = { name: 'web-abcde', generateName: 'web-', namespace: 'default', generation: 1 };
  const raw = newborn({ apiVersion: 'v1', kind: 'Pod', metadata, spec },
    { uid: 'uid-1', nowWallMs: startWallMs });
  const pod = podResource.prepareCreate(podResource.defaults(raw)) as Pod;
  return { pod, admitted: admitOwn(world.state(), podResource, pod, user, startWallMs) };
}

test('where nobody has a say the object stays the very same', () => {
  const { pod, admitted } = made(worldWith([]));
  assert.is(admitted, pod);
});

test('a LimitRange fills in what containers do not ask for, and the class follows', () => {
  const { admitted } = made(worldWith([['/api/v1/namespaces/default/limitranges', {
    metadata: { name: 'few' },
    spec: { limits: [{ type: 'Container', default: { cpu: '200m' }, defaultRequest: { cpu: '100m' } }] },
  }]]));
  if (isProblem(admitted)) throw new Error(admitted.problem.message);
  assert.equal(admitted.spec.containers[0]?.resources,
    { limits: { cpu: '200m' }, requests: { cpu: '100m' } });
  assert.is(admitted.status?.qosClass, 'Burstable');
  assert.match(admitted.metadata.annotations?.['kubernetes.io/limit-ranger'] ?? '', /cpu request/);
});

test('what a policy makes of it is validated again', () => {
  const { admitted } = made(worldWith([
    [`${policies}/mutatingadmissionpolicies`, {
      metadata: { name: 'm' },
      spec: {
        matchConstraints: { resourceRules: [
          { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'] }] },
        reinvocationPolicy: 'Never',
        mutations: [{ patchType: 'JSONPatch', jsonPatch: {
          expression: '[JSONPatch{op: "add", path: "/spec/restartPolicy", value: "Sometimes"}]' } }],
      },
    }],
    [`${policies}/mutatingadmissionpolicybindings`, { metadata: { name: 'm' }, spec: { policyName: 'm' } }],
  ]));
  assert.ok(isProblem(admitted));
  assert.match(isProblem(admitted) ? admitted.problem.message ?? '' : '',
    /^Pod "web-abcde" is invalid: spec\.restartPolicy: Unsupported value: "Sometimes"/);
});

test('a refusal tells the name that was drawn', () => {
  const world = worldWith([]);
  world.ask({
    method: 'PATCH', path: '/api/v1/namespaces/default',
    headers: { 'content-type': 'application/merge-patch+json' },
    body: new TextEncoder().encode(
      '{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"baseline"}}}'),
  });
  assert.not(isProblem(made(world).admitted));
  const { admitted } = made(world, { ...podSpec, hostNetwork: true });
  assert.is(isProblem(admitted) ? admitted.problem.message : '',
    'pods "web-abcde" is forbidden: violates PodSecurity "baseline:latest": '
    + 'host namespaces (hostNetwork=true)');
});

test.run();
