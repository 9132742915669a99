// Routes: what this machine does with connections to Services, as their endpoints come and go.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { EndpointSlice, Service } from '../../cluster/api/types.ts';
import { keyOf, resources } from '../../cluster/api/objects.ts';
import { get, list } from '../../cluster/state/query.ts';
import { routesFor } from '../../actors/service/routes.ts';
import { createServiceActor } from '../../actors/service/machine.ts';
import { addNode, create, createWorld, kubelet, patch, remove } from './leader-world.ts';
import type { World } from './leader-world.ts';

function told(world: World): readonly string[] {
  return routesFor(world.state).map(
    ({ name, protocol, clusterIP, port, nodePort, backends }) =>
      `${name} ${protocol} ${clusterIP === '' ? 'headless' : 'ip'}:${port}` +
      (nodePort === 0 ? '' : ` node:${nodePort}`) +
      ` → ${backends.map((one) => `${one.ip}:${one.port}`).join(' ') || 'nobody'}`,
  );
}

function web(): World {
  const world = createWorld();
  world.lead();
  addNode(world, 1);
  world.run(500);
  create(
    world,
    `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080, nodePort: 30080}, {name: admin, port: 81}]
---
apiVersion: v1
kind: Service
metadata: {name: quiet}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec: {type: ExternalName, externalName: example.com}
`,
  );
  for (const name of ['a', 'b']) {
    create(
      world,
      `
apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: web}}
spec: {containers: [{name: c, image: x}]}
`,
    );
  }
  world.run(500);
  return world;
}

test('every port of every Service, with its ready endpoints, sorted', () => {
  const world = web();
  assert.equal(told(world), [
    'default/kubernetes:https TCP ip:443 → 10.0.0.1:6443',
    'default/quiet:80 TCP headless:80 → nobody',
    'default/web:http TCP ip:80 node:30080 → nobody',
    `default/web:admin TCP ip:81 node:${adminPort(world)} → nobody`,
  ]);
  kubelet(world, 2);
  world.run(500);
  const ips = list<EndpointSlice>(world.state, resources.endpointSlices)
    .filter(({ metadata }) => metadata.name.startsWith('web-'))
    .flatMap(({ endpoints }) => endpoints.flatMap(({ addresses }) => addresses)).sort();
  assert.is(ips.length, 2);
  assert.equal(told(world), [
    'default/kubernetes:https TCP ip:443 → 10.0.0.1:6443',
    `default/quiet:80 TCP headless:80 → ${ips.map((ip) => `${ip}:8080`).join(' ')}`,
    `default/web:http TCP ip:80 node:30080 → ${ips.map((ip) => `${ip}:8080`).join(' ')}`,
    `default/web:admin TCP ip:81 node:${adminPort(world)} → ${ips.map((ip) => `${ip}:81`).join(' ')}`,
  ]);
});

function adminPort(world: World): number {
  const service = get<Service>(
    world.state,
    keyOf(resources.services, { metadata: { namespace: 'default', name: 'web' } }),
  );
  return service?.spec.ports?.find(({ name }) => name === 'admin')?.nodePort ?? 0;
}

test('with no endpoint ready, those that serve while they end get the connections', () => {
  const world = web();
  kubelet(world, 2);
  world.run(500);
  remove(world, 'pods', 'a');
  world.run(500);
  const backends = (): number =>
    routesFor(world.state).find(({ name }) => name === 'default/web:http')?.backends.length ?? -1;
  assert.is(backends(), 1);
  remove(world, 'pods', 'b');
  world.run(500);
  assert.is(backends(), 2);
  kubelet(world, 0);
  world.run(500);
  assert.is(backends(), 0);
});

test('the actor applies a table once after a burst of changes, and none that is the same', () => {
  const world = createWorld();
  const actor = createServiceActor(world.services);
  world.listen((changes) => actor.changes(changes));
  world.lead();
  addNode(world, 1);
  world.run(1_000);
  assert.equal(world.routes()?.map(({ name }) => name), ['default/kubernetes:https']);
  const first = world.routes();
  create(world, '{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}');
  patch(world, 'services', 'kubernetes', 'metadata: {labels: {a: b}}');
  world.run(1_000);
  assert.is(world.routes(), first, 'a label changes no route');
  create(
    world,
    '{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {selector: {a: b}, ports: [{port: 80}]}}',
  );
  world.run(1_000);
  assert.equal(world.routes(), routesFor(world.state));
  remove(world, 'services', 's');
  world.run(1_000);
  assert.equal(world.routes(), routesFor(world.state));
  actor.reset();
  world.run(1_000);
  assert.equal(world.routes(), routesFor(world.state));
  actor.stop();
});

test.run();
