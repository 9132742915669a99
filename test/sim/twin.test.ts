// A run's end and that of its twin without faults: equal where only names differ, and told apart by a pod
// that is missing, by another image, and by a Service that nobody stands behind.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import type { EndpointSlice, KubeObject, Pod } from '../../cluster/api/types.ts';
import { list } from '../../cluster/state/query.ts';
import { place } from '../../cluster/state/indexes.ts';
import { mutable } from '../../cluster/state/state.ts';
import { objectKey } from '../../cluster/ids.ts';
import { judgeTwin } from '../../sim/check/twin.ts';
import { drawPlan } from '../../sim/faults.ts';
import { awaitDesired, runPlan } from '../../sim/run.ts';
import { calmPlan, createScene, deployment, deploymentsPath } from '../scenario/world.ts';
import type { Scene } from '../scenario/world.ts';

function scene(): Scene {
  const one = createScene(calmPlan(31, 3));
  one.form();
  one.call(1, 'POST', deploymentsPath, deployment('web', 2));
  one.call(2, 'POST', '/api/v1/namespaces/default/services', {
    apiVersion: 'v1', kind: 'Service', metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  one.settle();
  return one;
}

/** Changes the committed state behind everybody's back. */
function judgedAfter(change: (one: Scene) => readonly [KubeObject, KubeObject | null] | null): string | null {
  const one = scene(), { world } = one, changed = change(one);
  if (changed !== null) {
    const [{ kind, metadata: { namespace = '', name } }, next] = changed;
    const resource = kind === 'Pod' ? resources.pods : resources.endpointSlices;
    place(mutable(world.checker.history.state), objectKey(resource, namespace, name), next);
  }
  judgeTwin(world, awaitDesired);
  return world.violation()?.oracle ?? null;
}

const firstPod = ({ world }: Scene): Pod => list<Pod>(world.checker.history.state, resources.pods)[0] as Pod;

test('same-end-state: names aside, the ends are equal', () => {
  assert.is(judgedAfter(() => null), null);
});

test('same-end-state: a pod is missing, another has another image', () => {
  assert.is(judgedAfter((one) => [firstPod(one), null]), 'same-end-state');
  assert.is(judgedAfter((one) => {
    const pod = firstPod(one), containers = [{ name: 'app', image: 'shoal/app:old' }];
    return [pod, { ...pod, spec: { ...pod.spec, containers } } as Pod];
  }), 'same-end-state');
});

test('same-end-state: nobody stands behind a Service', () => {
  assert.is(judgedAfter(({ world }) => {
    const slices = list<EndpointSlice>(world.checker.history.state, resources.endpointSlices);
    const slice = slices.find(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'web');
    if (slice === undefined) throw new Error('no slice');
    return [slice, { ...slice, endpoints: [] } as EndpointSlice];
  }), 'same-end-state');
});

test('a run with faults has the end of its twin', () => {
  const { violation } = runPlan(drawPlan(5, { peers: 3, minutes: 1 }), { twin: true });
  assert.is(violation, null, JSON.stringify(violation));
});

test.run();
