// kubectl as it comes, against each of three peers at once, in a namespace of its own through each. What one
// peer was told, another is asked.

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify } from 'yaml';
import { clusterTests, figure, until } from './cluster.ts';
import type { Cluster, TestPeer } from './cluster.ts';
import { deployment, service } from './workloads.ts';

const found = spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' });
if (found.status === 0) console.log(found.stdout.split('\n')[0]);
else console.log('SKIP kubectl is not installed');
const on = clusterTests(test, { peers: 3, runtime: 'process' },
  found.status === 0 ? test : (name) => test.skip(name));

/** One user's terminal: kubectl through one peer in one namespace, and a view through the next peer. */
interface Terminal {
  readonly peer: TestPeer;
  readonly namespace: string;
  /** What kubectl prints; a failure throws. */
  run(...args: string[]): Promise<string>;
  /** The same through another peer. */
  elsewhere(...args: string[]): Promise<string>;
  /** What it says when it fails. */
  refused(...args: string[]): Promise<string>;
  /** Writes a manifest and gives its path. */
  file(name: string, ...objects: object[]): string;
}

/** A test of one thing that users do, tried through all peers at once. */
function users(what: string, body: (terminal: Terminal) => Promise<void>): void {
  on(what, async (cluster) => { await Promise.all(terminals(cluster).map(body)); });
}

function terminals(cluster: Cluster): Terminal[] {
  return cluster.peers.map((peer, at): Terminal => {
    const next = cluster.peer((at + 1) % cluster.peers.length + 1), namespace = `through-${peer.name}`;
    const inside = (args: readonly string[]): string[] => ['--namespace', namespace, ...args];
    return {
      peer, namespace,
      run: (...args) => peer.kubectlOk(...inside(args)),
      elsewhere: (...args) => next.kubectlOk(...inside(args)),
      async refused(...args) {
        const { code, stdout, stderr } = await peer.kubectl(...inside(args));
        assert.is.not(code, 0, `kubectl ${args.join(' ')} was expected to fail, and said ${stdout}`);
        return stderr;
      },
      file(name, ...objects) {
        const dir = join(cluster.dir, 'manifests', namespace), path = join(dir, `${name}.yaml`);
        mkdirSync(dir, { recursive: true });
        writeFileSync(path, objects.map((object) => stringify(object)).join('---\n'));
        return path;
      },
    };
  });
}

/** Rows of a table, by their first column. */
function rows(table: string): Map<string, string[]> {
  const lines = table.trimEnd().split('\n').slice(1).map((line) => line.split(/\s{2,}/));
  return new Map(lines.map((cells) => [cells[0] ?? '', cells]));
}

function matches(text: string, ...patterns: readonly RegExp[]): void {
  for (const pattern of patterns) assert.match(text, pattern);
}

const header = (table: string): string => (table.split('\n')[0] ?? '').split(/\s{2,}/).join(' ').trim();

users('what the server is and has', async ({ run, namespace }) => {
  // Told as a warning, not as an error, where kubectl's own version is another.
  assert.match(await run('version'), /Server Version: v1\.36\.0\+shoal/);
  matches(await run('get', 'nodes'), /^peer-1 .* v1\.36\.0\+shoal$/m, /^peer-3 .* v1\.36\.0\+shoal$/m);
  assert.is(await run('get', '--raw', '/readyz'), 'ok');
  const resources = await run('api-resources');
  assert.match(resources, /^deployments +deploy +apps\/v1 +true +Deployment$/m);
  assert.match(resources, /^nodes +no +v1 +false +Node$/m);
  const names = await run('api-resources', '--verbs=list', '--namespaced', '-o', 'name');
  assert.match(names, /^endpointslices\.discovery\.k8s\.io$/m);
  assert.match(names, /^leases\.coordination\.k8s\.io$/m);
  assert.match(await run('api-versions'), /^apps\/v1$/m);
  assert.match(await run('explain', 'deployment.spec.replicas'), /FIELD: replicas <integer>/);
  assert.match(await run('explain', 'pods'), /KIND: +Pod\nVERSION: +v1/);
  const containers = await run('explain', 'pod.spec.containers');
  assert.match(containers, /FIELD: containers <\[\]Container>\s+DESCRIPTION:\s+List of containers belonging/);
  assert.match(containers, /imagePullPolicy\t<string>\n +enum: Always, IfNotPresent, Never\n +Image pull/);
  assert.match(await run('explain', 'deployment', '--recursive'), /template\t<PodTemplateSpec> -required-/);
  assert.match(await run('cluster-info'), /control plane.* is running at/);
  assert.match(await run('create', 'namespace', namespace), /namespace\/through-peer-\d created/);
});

users('nodes', async ({ run }) => {
  const wide = await run('get', 'nodes', '-o', 'wide');
  assert.is(header(wide), 'NAME STATUS ROLES AGE VERSION INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION '
    + 'CONTAINER-RUNTIME');
  assert.equal([...rows(wide)].map(([name, cells]) => `${name} ${cells[1]} ${cells.at(-1)}`),
    ['peer-1 Ready process://1', 'peer-2 Ready process://1', 'peer-3 Ready process://1']);
  matches(await run('describe', 'node', 'peer-2'),
    /^Name: +peer-2$/m, /^Taints: +<none>$/m, /^ +Ready +True/m, /^Allocated resources:$/m);
});

users('apply, and apply again', async ({ run, elsewhere, file }) => {
  const manifest = file('web', deployment('web', 2), service('web'));
  assert.is(await run('apply', '-f', manifest), 'deployment.apps/web created\nservice/web created\n');
  const again = await elsewhere('apply', '-f', manifest);
  assert.is(again, 'deployment.apps/web unchanged\nservice/web unchanged\n');
  const start = performance.now();
  assert.match(await run('rollout', 'status', 'deployment/web', '--timeout=30s'), /successfully rolled out/);
  figure('kubectl: rollout status after apply', performance.now() - start);
  await run('wait', '--for=condition=Available', 'deployment/web', '--timeout=30s');
  await run('wait', '--for=condition=Ready', 'pod', '-l', 'app=web', '--timeout=30s');
  assert.match(await run('apply', '-f', file('web', deployment('web', 3), service('web'))),
    /deployment.apps\/web configured\nservice\/web unchanged/);
  await elsewhere('wait', '--for=jsonpath={.status.readyReplicas}=3', 'deployment/web', '--timeout=30s');
});

users('apply on the server: owners, conflicts, removal', async ({ run, elsewhere, refused, file }) => {
  const config = (data: object): object =>
    ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'owned' }, data });
  const server = ['apply', '--server-side'], mine = file('mine', config({ a: '1', b: '2' }));
  assert.is(await run(...server, '-f', mine), 'configmap/owned serverside-applied\n');
  const version = ['get', 'configmap', 'owned', '-o', 'jsonpath={.metadata.resourceVersion}'];
  const before = await run(...version);
  await elsewhere(...server, '-f', mine);
  assert.is(await run(...version), before);
  const theirs = file('theirs', config({ a: '7', c: '3' }));
  assert.match(await refused(...server, '--field-manager=ci', '-f', theirs),
    /^error: Apply failed with 1 conflict: conflict with "kubectl": \.data\.a$/m);
  await elsewhere(...server, '--field-manager=ci', '--force-conflicts', '-f', theirs);
  const diff = ['diff', '--server-side', '--force-conflicts', '-f', mine];
  assert.match(await run(...diff, '--field-manager=ci').catch(String), /-  a: "7"\n\+  a: "1"/);
  await run(...server, '-f', file('less', config({})));
  const data = ['get', 'configmap', 'owned', '-o', 'jsonpath={.data}'];
  assert.is(await elsewhere(...data), '{"a":"7","c":"3"}');
  const yaml = ['get', 'configmap', 'owned', '-o', 'yaml'];
  assert.not.match(await run(...yaml), /managedFields/);
  matches(await run(...yaml, '--show-managed-fields'), /^    manager: ci$/m, /^    operation: Apply$/m);
  await run('delete', 'configmap', 'owned');
});

users('get, in every form', async ({ run, elsewhere }) => {
  matches(await elsewhere('get', 'deployments,replicasets,pods,services,endpointslices'),
    /^deployment\.apps\/web +3\/3 +3 +3 +\d+s$/m, /^replicaset\.apps\/web-\w+ +3 +3 +3 +\d+s$/m,
    /^pod\/web-\w+-\w+ +1\/1 +Running +0 +\d+s$/m,
    /^service\/web +NodePort +10\.\d+\.\d+\.\d+ +<none> +80:\d+\/TCP/m,
    /^endpointslice\.discovery\.k8s\.io\/web-\w+ +IPv4 +8080/m);
  const wide = await run('get', 'pods', '-o', 'wide');
  assert.is(header(wide), 'NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES');
  const nodes = [...rows(wide).values()].map((cells) => cells[6]);
  assert.equal([...nodes].sort(), ['peer-1', 'peer-2', 'peer-3']);
  const names = (await run('get', 'pods', '-o', 'name')).trim().split('\n');
  assert.is(names.length, 3);
  const json = JSON.parse(await run('get', 'deployment', 'web', '-o', 'json')) as {
    kind: string; spec: { replicas: number }; status: { readyReplicas: number };
  };
  assert.equal([json.kind, json.spec.replicas, json.status.readyReplicas], ['Deployment', 3, 3]);
  assert.match(await run('get', 'service', 'web', '-o', 'yaml'), /^kind: Service\nmetadata:\n/m);
  const columns = await run('get', 'pods', '-o', 'custom-columns=N:.metadata.name,P:.status.phase');
  assert.is(header(columns), 'N P');
  assert.is(await run('get', 'pods', '-o', 'jsonpath={.items[*].status.phase}'), 'Running Running Running');
  const labels = ['--show-labels', '-l', 'app=web,app!=other'];
  assert.match(await run('get', 'pods', ...labels), /app=web,pod-template-hash=/);
  const one = names[0]?.replace('pod/', '') ?? '';
  const named = ['--field-selector', `metadata.name=${one}`, '-o', 'name'];
  assert.is(await run('get', 'pods', ...named), `pod/${one}\n`);
  assert.match(await run('get', 'pods', '--sort-by=.metadata.creationTimestamp', '--no-headers'), /Running/);
  assert.match(await run('get', 'pods', '-A'), /^through-peer-1 +web-/m);
  assert.match(await run('get', 'pods', '-l', 'app=none'), /^$/);
});

users('get -w sees what is done elsewhere', async ({ peer, namespace, elsewhere, run }) => {
  await run('create', 'configmap', 'first');
  const watch = peer.kubectlStream('-n', namespace, 'get', 'configmaps', '-w', '--output-watch-events');
  try {
    await until('what is there', () => /^ADDED +first +0/m.test(watch.text()), 20_000);
    await elsewhere('create', 'configmap', 'seen', '--from-literal=a=1');
    await until('ADDED', () => /^ADDED +seen +1/m.test(watch.text()), 20_000);
    await elsewhere('patch', 'configmap', 'seen', '--type=merge', '-p', '{"data":{"b":"2"}}');
    await until('MODIFIED', () => /^MODIFIED +seen +2/m.test(watch.text()), 20_000);
    await run('delete', 'configmap', 'seen');
    await until('DELETED', () => /^DELETED +seen/m.test(watch.text()), 20_000);
  } finally {
    await watch.end();
  }
});

users('describe, events and logs', async ({ run, elsewhere, peer, namespace }) => {
  const [name = ''] = (await run('get', 'pods', '-o', 'name')).trim().split('\n');
  matches(await elsewhere('describe', name),
    /^Status: +Running$/m, /^Controlled By: +ReplicaSet\/web-/m, /^ +Port: +8080\/TCP/m,
    /Scheduled .*Successfully assigned/, /Pulled/, /Started +\d+s/);
  const described = await run('describe', 'deployment', 'web');
  assert.match(described, /^Replicas: +3 desired \| 3 updated \| 3 total \| 3 available \| 0 unavailable$/m);
  assert.match(await run('describe', 'service', 'web'), /^Endpoints: +127\.\d+\.\d+\.\d+:8080/m);
  assert.match(await run('events', '--for', name), /Started/);
  assert.match(await elsewhere('get', 'events'), /SuccessfulCreate .*replicaset\/web-/);
  assert.match(await run('logs', name), /^hello: listening on port 8080$/m);
  assert.match(await elsewhere('logs', name, '--timestamps', '--tail=1'), /^20\d\d-.*Z hello: listening/);
  assert.match(await run('logs', 'deployment/web'), /listening/);
  const follow = peer.kubectlStream('--namespace', namespace, 'logs', '-f', '-l', 'app=web', '--prefix');
  try {
    const lines = () => follow.text().match(/^\[pod\/.*listening/gm) ?? [];
    await until('three logs at once', () => lines().length === 3, 20_000);
  } finally {
    await follow.end();
  }
});

users('scale and roll: restart, set, history, undo', async ({ run, elsewhere }) => {
  assert.is(await run('scale', 'deployment/web', '--replicas=2'), 'deployment.apps/web scaled\n');
  await elsewhere('rollout', 'status', 'deployment/web', '--timeout=30s');
  assert.is(await run('rollout', 'restart', 'deployment/web'), 'deployment.apps/web restarted\n');
  await run('rollout', 'status', 'deployment/web', '--timeout=30s');
  assert.is(await run('set', 'env', 'deployment/web', 'COLOUR=red'), 'deployment.apps/web env updated\n');
  await run('rollout', 'status', 'deployment/web', '--timeout=30s');
  const history = await elsewhere('rollout', 'history', 'deployment/web');
  assert.equal(revisions(history), ['1', '2', '3']);
  assert.match(await run('rollout', 'history', 'deployment/web', '--revision=3'), /COLOUR:\tred/);
  assert.match(await run('rollout', 'undo', 'deployment/web'), /rolled back/);
  await run('rollout', 'status', 'deployment/web', '--timeout=30s');
  const env = await run('get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].env}');
  assert.is(env, '');
  assert.equal(revisions(await run('rollout', 'history', 'deployment/web')), ['1', '3', '4']);
  assert.match(await run('get', 'replicasets'), /^web-\w+ +2 +2 +2/m);
});

/** The first column under the name and the header. */
const revisions = (history: string): string[] => [...rows(history.trimEnd().replace(/^.*\n/, '')).keys()];

users('label, annotate, patch, create and run', async ({ run, elsewhere, refused }) => {
  await run('create', 'configmap', 'notes', '--from-literal=a=1', '--from-literal=b=2');
  assert.match(await run('label', 'configmap', 'notes', 'tier=front'), /labeled/);
  assert.match(await refused('label', 'configmap', 'notes', 'tier=back'), /already has a value/);
  await elsewhere('label', 'configmap', 'notes', 'tier=back', '--overwrite');
  assert.match(await run('annotate', 'configmap', 'notes', 'why=test'), /annotated/);
  await run('patch', 'configmap', 'notes', '--type=json', '-p', '[{"op":"remove","path":"/data/a"}]');
  await run('patch', 'configmap', 'notes', '-p', '{"data":{"c":"3"}}');
  const path = 'jsonpath={.metadata.labels.tier} {.metadata.annotations.why} {.data}';
  assert.is(await elsewhere('get', 'configmap', 'notes', '-o', path), 'back test {"b":"2","c":"3"}');
  await run('label', 'configmap', 'notes', 'tier-');
  assert.match(await run('get', 'configmaps', '-l', '!tier', '-o', 'name'), /configmap\/notes/);
  await run('create', 'secret', 'generic', 'key', '--from-literal=word=open');
  assert.match(await run('describe', 'secret', 'key'), /^word: +4 bytes$/m);
  assert.match(await run('create', 'deployment', 'quick', '--image=shoal.dev/hello:1'), /created/);
  const ports = ['--port=80', '--target-port=8080'];
  assert.match(await run('expose', 'deployment', 'quick', ...ports), /service\/quick exposed/);
  const once = ['--image=shoal.dev/host', '--restart=Never', '--command', '--', 'sh', '-c', 'echo done'];
  assert.match(await run('run', 'once', ...once), /pod\/once created/);
  await run('wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/once', '--timeout=30s');
  assert.is(await elsewhere('logs', 'once'), 'done\n');
});

users('mistakes are told as Kubernetes tells them', async ({ run, refused, file }) => {
  assert.match(await refused('get', 'pod', 'nobody'), /from server \(NotFound\): pods "nobody" not found/);
  assert.match(await refused('create', 'configmap', 'notes'), /configmaps "notes" already exists/);
  const bad = file('bad', deployment('Bad_Name', -1));
  matches(await refused('apply', '-f', bad), /The Deployment "Bad_Name" is invalid:/,
    /metadata\.name: Invalid value: "Bad_Name"/, /spec\.replicas: Invalid value: -1/);
  const unknown = file('unknown', { ...deployment('odd', 1), colour: 'red' });
  assert.match(await refused('apply', '-f', unknown), /unknown field "colour"/);
  assert.match(await refused('get', 'gadgets'), /the server doesn't have a resource type "gadgets"/);
  const never = ['wait', '--for=condition=Available=false', 'deployment/web', '--timeout=1s'];
  assert.match(await refused(...never), /timed out waiting for the condition/);
  assert.is(await run('delete', 'pod', 'nobody', '--ignore-not-found'), '');
});

on('cordon, taint and uncordon', async (cluster) => {
  const [{ run, elsewhere, file }] = terminals(cluster) as [Terminal];
  assert.is(await run('cordon', 'peer-2'), 'node/peer-2 cordoned\n');
  assert.match(await elsewhere('get', 'node', 'peer-2'), /Ready,SchedulingDisabled/);
  assert.is(await run('taint', 'nodes', 'peer-3', 'for=others:NoSchedule'), 'node/peer-3 tainted\n');
  await run('apply', '-f', file('placed', deployment('placed', 3)));
  await run('rollout', 'status', 'deployment/placed', '--timeout=30s');
  const placed = ['get', 'pods', '-l', 'app=placed', '-o', 'jsonpath={.items[*].spec.nodeName}'];
  assert.is(await elsewhere(...placed), 'peer-1 peer-1 peer-1');
  assert.match(await run('describe', 'node', 'peer-3'), /^Taints: +for=others:NoSchedule$/m);
  await run('taint', 'nodes', 'peer-1', 'gone=now:NoExecute');
  const failed = ['get', 'events', '--field-selector=reason=FailedScheduling'];
  await until('a pod that fits nowhere says why', async () =>
    /0\/3 nodes are available/.test(await run(...failed)), 30_000);
  for (const taint of ['peer-1 gone=now:NoExecute-', 'peer-3 for=others:NoSchedule-']) {
    assert.match(await run('taint', 'nodes', ...taint.split(' ')), /untainted/);
  }
  assert.is(await elsewhere('uncordon', 'peer-2'), 'node/peer-2 uncordoned\n');
  await run('rollout', 'status', 'deployment/placed', '--timeout=30s');
});

users('delete', async ({ run, elsewhere, refused, namespace, file }) => {
  assert.match(await run('delete', '-f', file('web', deployment('web', 2), service('web'))),
    /deployment.apps "web" deleted.*\nservice "web" deleted/);
  await elsewhere('wait', '--for=delete', 'pod', '-l', 'app=web', '--timeout=30s');
  assert.match(await run('delete', 'configmaps', '-l', '!tier'), /configmap "notes" deleted/);
  assert.match(await run('delete', 'pod', 'once', '--grace-period=0', '--force'), /pod "once" force deleted/);
  assert.match(await run('delete', 'deployment', 'quick', '--cascade=foreground'), /deleted/);
  assert.match(await run('delete', 'namespace', namespace, '--timeout=60s'), /"through-peer-\d" deleted/);
  assert.match(await refused('get', 'namespace', namespace), /NotFound/);
  assert.match(await elsewhere('get', 'all'), /^$/);
});

test.run();
