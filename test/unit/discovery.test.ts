// Discovery as clients go through it: from the groups to their versions to a resource in each, as a client
// that knows nothing but the root does.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createApiWorld } from './api-world.ts';

interface Group {
  readonly name: string;
  readonly preferredVersion: { readonly groupVersion: string; readonly version: string };
  readonly versions: readonly { readonly groupVersion: string; readonly version: string }[];
}

const world = createApiWorld();

function get<T>(path: string): T {
  const answer = world.ask({ method: 'GET', path, headers: { accept: 'application/json' } });
  assert.is(answer.type, 'response');
  const { response } = answer as Extract<typeof answer, { type: 'response' }>;
  assert.is(response.status, 200, path);
  return JSON.parse(response.body as string) as T;
}

/** One resource of each group; apiregistration.k8s.io is not served yet. */
const expected: readonly (readonly [string, string, string])[] = [
  ['admissionregistration.k8s.io', 'v1', 'validatingwebhookconfigurations'],
  ['apiextensions.k8s.io', 'v1', 'customresourcedefinitions'],
  ['apps', 'v1', 'deployments'],
  ['authentication.k8s.io', 'v1', 'tokenreviews'],
  ['authorization.k8s.io', 'v1', 'selfsubjectaccessreviews'],
  ['autoscaling', 'v2', 'horizontalpodautoscalers'],
  ['batch', 'v1', 'jobs'],
  ['certificates.k8s.io', 'v1', 'certificatesigningrequests'],
  ['coordination.k8s.io', 'v1', 'leases'],
  ['discovery.k8s.io', 'v1', 'endpointslices'],
  ['events.k8s.io', 'v1', 'events'],
  ['networking.k8s.io', 'v1', 'ingresses'],
  ['node.k8s.io', 'v1', 'runtimeclasses'],
  ['policy', 'v1', 'poddisruptionbudgets'],
  ['scheduling.k8s.io', 'v1', 'priorityclasses'],
  ['storage.k8s.io', 'v1', 'csinodes'],
];

for (const [name, version, resource] of expected) {
  test(`${name} is found, its version ${version}, and ${resource} in it`, () => {
    const groupVersion = `${name}/${version}`;
    const listed = get<{ groups: readonly Group[] }>('/apis').groups.find((group) => group.name === name);
    assert.is(listed?.preferredVersion.groupVersion, groupVersion);
    const own = get<Group & { kind: string }>(`/apis/${name}`);
    assert.is(own.kind, 'APIGroup');
    assert.equal(own.versions, listed?.versions);
    assert.equal(own.preferredVersion, listed?.preferredVersion);
    const { resources, ...list } = get<{
      kind: string; groupVersion: string; resources: readonly { name: string; verbs: readonly string[] }[];
    }>(`/apis/${groupVersion}`);
    assert.is(list.groupVersion, groupVersion);
    const served = resources.find((each) => each.name === resource);
    assert.ok((served?.verbs.length ?? 0) > 0, `${resource} is served`);
  });
}

test('every group says which of its versions is preferred, and that version is one of them', () => {
  const { groups } = get<{ groups: readonly Group[] }>('/apis');
  for (const { name, preferredVersion, versions } of groups) {
    assert.ok(versions.some(({ groupVersion }) => groupVersion === preferredVersion.groupVersion), name);
  }
});

test.run();
