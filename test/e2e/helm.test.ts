// What Helm asks of a cluster, step by step, with the JavaScript client, each step through the next of three
// peers: definitions first, a record of each revision as a Secret, hooks that must end well, objects in its
// order, `--wait`, an upgrade by three-way patches that leave alone what others have set, a rollback, an end.
// Source: Helm, pkg/kube and pkg/action; its records, pkg/storage/driver/secrets.go.

import { gunzipSync, gzipSync } from 'node:zlib';
import {
  AppsV1Api, CoreV1Api, KubeConfig, KubernetesObjectApi, PatchStrategy, setHeaderOptions,
} from '@kubernetes/client-node';
import type { KubernetesObject, V1Deployment, V1Pod, V1Secret } from '@kubernetes/client-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { clusterTests, until } from './cluster.ts';
import type { Cluster } from './cluster.ts';
import { deployment, service } from './workloads.ts';

const on = clusterTests(test, { peers: 3, runtime: 'process' });
const release = 'app', namespace = 'charts', waitMs = 60_000;

type Thing = KubernetesObject & { readonly metadata: { name: string; namespace?: string } };

let turn = 0;
const next = (cluster: Cluster): KubeConfig => {
  const config = new KubeConfig();
  config.loadFromFile(cluster.peer((turn++) % cluster.peers.length + 1).kubeconfig);
  return config;
};
const objects = (cluster: Cluster): KubernetesObjectApi => KubernetesObjectApi.makeApiClient(next(cluster));
const core = (cluster: Cluster): CoreV1Api => next(cluster).makeApiClient(CoreV1Api);

// ── the chart ────────────────────────────────────────────────────────────────────────────────────────────

const owned = (thing: object, more: Record<string, string> = {}): Thing => {
  const { metadata, ...rest } = thing as Thing;
  const labels = { ...metadata.labels, 'app.kubernetes.io/managed-by': 'Helm' };
  const annotations = {
    'meta.helm.sh/release-name': release, 'meta.helm.sh/release-namespace': namespace, ...more,
  };
  return { ...rest, metadata: { ...metadata, namespace, labels, annotations } } as Thing;
};

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition',
  metadata: { name: 'backups.charts.example.com' },
  spec: {
    group: 'charts.example.com', scope: 'Namespaced', names: { plural: 'backups', kind: 'Backup' },
    versions: [{
      name: 'v1', served: true, storage: true,
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: { spec: { type: 'object', properties: { every: { type: 'string' } } } },
        },
      },
    }],
  },
};

const hook = (name: string, when: string, script: string): Thing => owned({
  apiVersion: 'v1', kind: 'Pod', metadata: { name },
  spec: {
    restartPolicy: 'Never', terminationGracePeriodSeconds: 0,
    containers: [{ name: 'hook', image: 'shoal.dev/host', command: ['sh', '-c', script] }],
  },
}, { 'helm.sh/hook': when, 'helm.sh/hook-delete-policy': 'hook-succeeded' });

/** As a template renders it, in Helm's order of kinds. */
function manifest(colour: string | null, every: string): readonly Thing[] {
  const web = owned(deployment('web', 2)) as Thing & V1Deployment;
  const [container] = web.spec?.template.spec?.containers ?? [];
  if (container !== undefined && colour !== null) container.env = [{ name: 'COLOUR', value: colour }];
  const settings = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'settings' }, data: { every } };
  const backup = {
    apiVersion: 'charts.example.com/v1', kind: 'Backup', metadata: { name: 'nightly' }, spec: { every },
  };
  return [owned(settings), owned(service('web')), web, owned(backup)];
}

// ── records ──────────────────────────────────────────────────────────────────────────────────────────────

type Standing = 'pending-install' | 'pending-upgrade' | 'pending-rollback' | 'deployed' | 'superseded'
  | 'uninstalling';

const labelsOf = (version: number, status: Standing): Record<string, string> =>
  ({ name: release, owner: 'helm', status, version: String(version) });

/** Base64 of gzip of JSON, and base64 once more, as a Secret holds it. */
const packed = (value: object): string => Buffer.from(
  gzipSync(JSON.stringify(value)).toString('base64')).toString('base64');
const unpacked = (text: string): { manifest: string } => JSON.parse(gunzipSync(
  Buffer.from(Buffer.from(text, 'base64').toString(), 'base64')).toString()) as { manifest: string };

const record = (version: number, status: Standing, things: readonly Thing[]): V1Secret => ({
  apiVersion: 'v1', kind: 'Secret', type: 'helm.sh/release.v1',
  metadata: {
    name: `sh.helm.release.v1.${release}.v${version}`, namespace, labels: labelsOf(version, status),
  },
  data: { release: packed({ name: release, version, manifest: JSON.stringify(things) }) },
});

async function history(cluster: Cluster): Promise<readonly V1Secret[]> {
  const { items } = await core(cluster).listNamespacedSecret(
    { namespace, labelSelector: `name=${release},owner=helm` });
  const version = ({ metadata }: V1Secret): number => Number(metadata?.labels?.['version']);
  return items.sort((a, b) => version(a) - version(b));
}

const standings = async (cluster: Cluster): Promise<string[]> =>
  (await history(cluster)).map(({ metadata }) =>
    `${metadata?.labels?.['version']} ${metadata?.labels?.['status']}`);

async function mark(cluster: Cluster, version: number, status: Standing): Promise<void> {
  const name = `sh.helm.release.v1.${release}.v${version}`;
  const stored = await core(cluster).readNamespacedSecret({ name, namespace });
  const metadata = { ...stored.metadata, labels: labelsOf(version, status) };
  await core(cluster).replaceNamespacedSecret({ name, namespace, body: { ...stored, metadata } });
}

// ── what Helm does ───────────────────────────────────────────────────────────────────────────────────────

async function runHook(cluster: Cluster, thing: Thing): Promise<void> {
  await objects(cluster).create(thing);
  const { name } = thing.metadata;
  await until(`hook ${name}`, async () => {
    const { status } = await core(cluster).readNamespacedPod({ name, namespace }) as V1Pod;
    if (status?.phase === 'Failed') throw new Error('the hook failed');
    return status?.phase === 'Succeeded';
  }, waitMs);
  await objects(cluster).delete(thing, undefined, undefined, 0, undefined, 'Background');
}

/** `--wait`: as Helm judges a Deployment to be ready. */
async function ready(cluster: Cluster, replicas: number): Promise<void> {
  await until('the Deployment', async () => {
    const { spec, status, metadata } = await objects(cluster).read(
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace } }) as V1Deployment;
    const counts = [spec?.replicas, status?.updatedReplicas, status?.readyReplicas, status?.replicas];
    return status?.observedGeneration === metadata?.generation && counts.every((n) => n === replicas);
  }, waitMs);
}

/** Helm's patch of each kind: strategic merge where the kind is built in, merge where it is not. */
async function patch(cluster: Cluster, thing: Thing, change: object): Promise<void> {
  const { apiVersion, kind, metadata } = thing, { name } = metadata;
  const strategy = apiVersion === 'charts.example.com/v1' ? PatchStrategy.MergePatch
    : PatchStrategy.StrategicMergePatch;
  await objects(cluster).patch({ apiVersion, kind, metadata: { name, namespace }, ...change } as Thing,
    undefined, undefined, 'helm', undefined, strategy);
}

/** With directives, which the client would leave out of a typed object. */
async function patchAsItIs(cluster: Cluster, body: object): Promise<void> {
  const strategic = setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch);
  await next(cluster).makeApiClient(AppsV1Api)
    .patchNamespacedDeployment({ name: 'web', namespace, body }, strategic);
}

const envOf = async (cluster: Cluster): Promise<unknown> => {
  const { spec } = await objects(cluster).read(
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace } }) as V1Deployment;
  return spec?.template.spec?.containers[0]?.env?.map(({ name, value }) => `${name}=${value}`);
};

const container = (env: object[]): object =>
  ({ spec: { template: { spec: { containers: [{ name: 'page', env }] } } } });

on('install: definitions, record, hook, objects, wait', async (cluster) => {
  await objects(cluster).create(definition as Thing);
  await until('the definition', async () => {
    const { status } = await objects(cluster).read(definition as Thing) as
      { status?: { conditions?: { type: string; status: string }[] } };
    return status?.conditions?.some((one) => one.type === 'Established' && one.status === 'True');
  }, waitMs);
  await core(cluster).createNamespace({ body: { metadata: { name: namespace } } });
  const things = manifest('red', '1h');
  await core(cluster).createNamespacedSecret({ namespace, body: record(1, 'pending-install', things) });
  await runHook(cluster, hook('prepare', 'pre-install', 'echo ready'));
  for (const thing of things) await objects(cluster).create(thing, undefined, undefined, 'helm');
  await ready(cluster, 2);
  await mark(cluster, 1, 'deployed');
  assert.equal(await standings(cluster), ['1 deployed']);
  assert.equal(await envOf(cluster), ['COLOUR=red']);
});

on('upgrade: what somebody else has set stays', async (cluster) => {
  const [last] = await history(cluster);
  assert.is(last?.type, 'helm.sh/release.v1');
  const before = unpacked(last?.data?.['release'] ?? '');
  assert.equal(JSON.parse(before.manifest), JSON.parse(JSON.stringify(manifest('red', '1h'))));
  const things = manifest('blue', '2h'), [settings, , web, backup] = things as [Thing, Thing, Thing, Thing];
  const annotations = { 'example.com/by': 'hand' };
  await patch(cluster, web, { metadata: { name: 'web', namespace, annotations } });
  await core(cluster).createNamespacedSecret({ namespace, body: record(2, 'pending-upgrade', things) });
  await patch(cluster, settings, { data: { every: '2h' } });
  await patch(cluster, web, container([{ name: 'COLOUR', value: 'blue' }, { name: 'SIZE', value: 'big' }]));
  await patch(cluster, backup, { spec: { every: '2h' } });
  await ready(cluster, 2);
  await mark(cluster, 1, 'superseded');
  await mark(cluster, 2, 'deployed');
  assert.equal(await standings(cluster), ['1 superseded', '2 deployed']);
  assert.equal(await envOf(cluster), ['COLOUR=blue', 'SIZE=big']);
  const { metadata } = await objects(cluster).read(web) as V1Deployment;
  assert.is(metadata?.annotations?.['example.com/by'], 'hand');
  assert.is(metadata?.annotations?.['meta.helm.sh/release-name'], release);
});

on('rollback, by patches that take away', async (cluster) => {
  const things = manifest('red', '1h'), [settings, , , backup] = things as [Thing, Thing, Thing, Thing];
  await core(cluster).createNamespacedSecret({ namespace, body: record(3, 'pending-rollback', things) });
  await patch(cluster, settings, { data: { every: '1h' } });
  await patchAsItIs(cluster, container([
    { name: 'COLOUR', value: 'red' }, { name: 'SIZE', $patch: 'delete' },
  ]));
  await patch(cluster, backup, { spec: { every: '1h' } });
  await ready(cluster, 2);
  await mark(cluster, 2, 'superseded');
  await mark(cluster, 3, 'deployed');
  assert.equal(await standings(cluster), ['1 superseded', '2 superseded', '3 deployed']);
  assert.equal(await envOf(cluster), ['COLOUR=red']);
});

on('uninstall: all of it goes, and the definitions stay', async (cluster) => {
  await mark(cluster, 3, 'uninstalling');
  for (const thing of [...manifest('red', '1h')].reverse()) {
    await objects(cluster).delete(thing, undefined, undefined, undefined, undefined, 'Background');
  }
  await until('the pods are gone', async () =>
    (await core(cluster).listNamespacedPod({ namespace })).items.length === 0, waitMs);
  for (const { metadata } of await history(cluster)) {
    await core(cluster).deleteNamespacedSecret({ namespace, name: metadata?.name ?? '' });
  }
  assert.equal(await standings(cluster), []);
  const { items } = await core(cluster).listNamespacedService({ namespace });
  assert.equal(items, []);
  await objects(cluster).read(definition as Thing);
});

test.run();
