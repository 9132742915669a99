// What each kind is: defaults, validation, columns, selectable fields, as transcripts with YAML input; and
// that the schemas name the fields that Kubernetes' own API has, by comparison with its generated client.

import * as k8s from '@kubernetes/client-node';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments, stringify } from 'yaml';
import { findResource, resourceByKind, resourceTable } from '../../cluster/api/resources/index.ts';
import type { Resource, Schema } from '../../cluster/api/resource.ts';
import type { KubeObject, StatusCause } from '../../cluster/api/types.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';

const now = Date.parse('2026-11-24T08:00:00Z');

interface Read { readonly resource: Resource; readonly object: KubeObject }
interface Written { readonly object: KubeObject; readonly errors: readonly StatusCause[] }

/** The YAML documents of a command's input, each with its kind. */
function read(input: string): Read[] {
  return parseAllDocuments(input).map((document) => {
    const object = { metadata: {}, ...document.toJS() as object } as unknown as KubeObject;
    const resource = resourceByKind(object.apiVersion, object.kind);
    if (resource === null) throw new Error(`no resource for ${object.apiVersion} ${object.kind}`);
    return { resource, object };
  });
}

/** The way of a create: defaults, strategy, validation; never changing what came in. */
function create({ resource, object }: Read): Written {
  const before = JSON.stringify(object);
  const defaulted = resource.defaults(object);
  assert.equal(resource.defaults(defaulted), defaulted, 'defaulting twice changes nothing');
  const prepared = resource.prepareCreate(defaulted);
  assert.equal(JSON.parse(JSON.stringify(prepared)), prepared, 'what is stored is what JSON can hold');
  const errors = resource.validate(prepared, null);
  assert.is(JSON.stringify(object), before, 'the argument is not changed');
  return { object: prepared, errors };
}

function update({ resource, object }: Read, old: KubeObject): Written {
  const prepared = resource.prepareUpdate(resource.defaults(object), old);
  return { object: prepared, errors: resource.validate(prepared, old) };
}

const show = (errors: readonly StatusCause[]): string =>
  (errors.length === 0 ? 'valid' : errors.map((e) => `${e.reason}  ${e.field}: ${e.message}`).join('\n'));

const yaml = (value: unknown): string => stringify(value, { lineWidth: 0 });

/** Two documents: the stored object and what a client sends. */
function pair(input: string): [Read, KubeObject] {
  const [first, second] = read(input);
  assert.ok(first !== undefined && second !== undefined, 'two documents');
  return [second as Read, create(first as Read).object];
}

function table({ input, words }: TranscriptCommand): string {
  const objects = read(input);
  const { resource } = objects[0] as Read;
  const columns = resource.columns.filter(({ priority }) => priority === 0 || words.includes('wide'));
  const rows = [columns.map(({ name }) => name.toUpperCase())];
  for (const { object } of objects) rows.push(columns.map(({ value }) => String(value(object, now))));
  const widths = columns.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('   ').trimEnd();
  return rows.map(line).join('\n');
}

const each = (input: string, body: (one: Read) => string): string => read(input).map(body).join('\n');
const eachYaml = (input: string, body: (one: Read) => KubeObject): string =>
  read(input).map((one) => yaml(body(one))).join('---\n');

function fields({ resource, object }: Read): string {
  const names = Object.keys(resource.fields).sort();
  return names.map((name) => `${name}=${resource.fields[name]?.(object)}`).join('\n');
}

function scaled({ resource: { scale }, object }: Read, replicas: number): string {
  if (scale === undefined) return 'no scale';
  const before = `spec ${scale.specReplicas(object)} status ${scale.statusReplicas(object)}`;
  const after = scale.specReplicas(scale.withReplicas(object, replicas));
  return `${before} selector ${scale.selector(object)}\nto ${replicas}: spec ${after}`;
}

function run(command: TranscriptCommand): string {
  const { name, words, input } = command;
  switch (name) {
    case 'default': return eachYaml(input, ({ resource, object }) => resource.defaults(object));
    case 'create': return eachYaml(input, (one) => create(one).object);
    case 'validate': return each(input, (one) => show(create(one).errors));
    case 'update': {
      const result = update(...pair(input));
      return words.includes('errors') ? show(result.errors) : yaml(result.object) + show(result.errors);
    }
    case 'status': {
      const [next, old] = pair(input);
      return yaml(next.resource.prepareStatus(next.object, old));
    }
    case 'columns': return table(command);
    case 'fields': return each(input, fields);
    case 'scale': return each(input, (one) => scaled(one, Number(words[0])));
    case 'grace': return each(input, ({ resource, object }) => String(resource.graceSeconds?.(object) ?? 0));
    default: throw new Error(`unknown command ${name}`);
  }
}

transcripts(test, 'test/data/resources', () => run);

// ── schemas against the generated client ─────────────────────────────────────────────────────────────────

type ObjectSchema = Extract<Schema, { type: 'object' }>;
interface Attribute { readonly baseName: string; readonly type: string; readonly format: string }

/** Every object schema that a resource's schema is made of, each once. */
function definitions(schema: Schema, into: Map<string, ObjectSchema>): Map<string, ObjectSchema> {
  if (schema.type === 'list' || schema.type === 'map') return definitions(schema.of, into);
  if (schema.type !== 'object') return into;
  assert.ok(schema.name !== undefined, 'an object schema has a name');
  if (into.has(schema.name ?? '')) return into;
  into.set(schema.name ?? '', schema);
  for (const field of Object.values(schema.fields)) definitions(field, into);
  return into;
}

function attributesOf(definition: string): readonly Attribute[] {
  const parts = definition.split('.');
  const name = parts.pop() ?? '';
  const models = k8s as unknown as Record<string, { getAttributeTypeMap?: () => Attribute[] }>;
  const version = (parts.pop() ?? '').toUpperCase(), group = parts.pop() ?? '';
  const prefixed = `${group.charAt(0).toUpperCase()}${group.slice(1)}${version}${name}`;
  const model = [prefixed, `${version}${name}`].map((one) => models[one])
    .find((one) => one?.getAttributeTypeMap !== undefined);
  assert.ok(model !== undefined, `the client has a model for ${definition}`);
  return model?.getAttributeTypeMap?.() ?? [];
}

/** What the client says a field of this schema is; several where it does not tell. */
function clientTypes(schema: Schema): readonly RegExp[] {
  switch (schema.type) {
    case 'string': return [/^string$/];
    case 'boolean': return [/^boolean$/];
    case 'integer': return [/^number$/];
    case 'number': return [/^number$/];
    case 'quantity': return [/^string$/];
    case 'int-or-string': return [/^IntOrString$/];
    case 'time': return [/^Date$/, /^V1MicroTime$/];
    case 'bytes': return [/^string$/];
    case 'any': return [/.+/];
    // It has no model for what has no fields.
    case 'object': return Object.keys(schema.fields).length === 0 ? [/^any$/] : [/^([A-Z][a-z]+)?V[12]/];
    case 'map': return clientTypes(schema.of).map(({ source }) =>
      new RegExp(`^\\{ \\[key: string\\]: ${source.replace(/[$^]/g, '')}[\\w>]*; \\}$`));
    case 'list': return clientTypes(schema.of).map(({ source }) =>
      new RegExp(`^Array<${source.replace(/[$^]/g, '')}`));
    default: return [];
  }
}

test('schemas have the fields of the generated client, with its types', () => {
  const all = new Map<string, ObjectSchema>();
  for (const resource of resourceTable) definitions(resource.schema, all);
  assert.ok(all.size > 100, `only ${all.size} definitions`);
  for (const [name, schema] of all) {
    if (Object.keys(schema.fields).length === 0) continue;
    const attributes = attributesOf(name);
    assert.equal(Object.keys(schema.fields).sort(), attributes.map((one) => one.baseName).sort(), name);
    for (const { baseName, type } of attributes) {
      const field = schema.fields[baseName];
      const matches = field !== undefined && clientTypes(field).some((pattern) => pattern.test(type));
      assert.ok(matches, `${name}.${baseName} is ${type} and here ${field?.type}`);
    }
  }
});

test('lists that strategic merge joins by key, and those joined as sets', () => {
  const all = new Map<string, ObjectSchema>();
  for (const resource of resourceTable) definitions(resource.schema, all);
  const found: string[] = [];
  for (const [name, schema] of all) {
    for (const [field, of] of Object.entries(schema.fields)) {
      if (of.type !== 'list') continue;
      const short = `${name.split('.').pop()}.${field}`;
      if (of.mergeKey !== undefined) found.push(`${short} ${of.mergeKey}`);
      else if (of.set === true) found.push(`${short} set`);
    }
  }
  assert.equal(found.sort(), [
    'CSINodeSpec.drivers name', 'Container.env name', 'Container.ports containerPort',
    'Container.volumeDevices devicePath', 'Container.volumeMounts mountPath',
    'ContainerStatus.allocatedResourcesStatus name', 'ContainerStatus.volumeMounts mountPath',
    'DaemonSetStatus.conditions type', 'DeploymentStatus.conditions type', 'EphemeralContainer.env name',
    'EphemeralContainer.ports containerPort', 'EphemeralContainer.volumeDevices devicePath',
    'EphemeralContainer.volumeMounts mountPath', 'FlowSchemaStatus.conditions type',
    'HorizontalPodAutoscalerStatus.conditions type', 'JSONSchemaProps.x-kubernetes-validations rule',
    'JobStatus.conditions type',
    'MutatingAdmissionPolicySpec.matchConditions name', 'MutatingWebhook.matchConditions name',
    'MutatingWebhookConfiguration.webhooks name', 'NamespaceStatus.conditions type', 'NodeSpec.podCIDRs set',
    'NodeStatus.addresses type', 'NodeStatus.conditions type', 'ObjectMeta.finalizers set',
    'ObjectMeta.ownerReferences uid', 'PersistentVolumeClaimStatus.conditions type',
    'PodDisruptionBudgetStatus.conditions type', 'PodSpec.containers name',
    'PodSpec.ephemeralContainers name', 'PodSpec.hostAliases ip', 'PodSpec.imagePullSecrets name',
    'PodSpec.initContainers name', 'PodSpec.resourceClaims name', 'PodSpec.schedulingGates name',
    'PodSpec.topologySpreadConstraints topologyKey', 'PodSpec.volumes name', 'PodStatus.conditions type',
    'PodStatus.hostIPs ip', 'PodStatus.podIPs ip', 'PodStatus.resourceClaimStatuses name',
    'PriorityLevelConfigurationStatus.conditions type', 'ReplicaSetStatus.conditions type',
    'ReplicationControllerStatus.conditions type', 'ResourceClaimStatus.reservedFor uid',
    'ServiceAccount.secrets name', 'ServiceCIDRStatus.conditions type', 'ServiceSpec.ports port',
    'ServiceStatus.conditions type', 'StatefulSetStatus.conditions type',
    'ValidatingAdmissionPolicySpec.matchConditions name', 'ValidatingAdmissionPolicySpec.variables name',
    'ValidatingWebhook.matchConditions name', 'ValidatingWebhookConfiguration.webhooks name',
  ]);
});

test('the table: every resource can be found by path and by kind, and names are unique', () => {
  for (const resource of resourceTable) {
    const { group, version } = resource;
    assert.is(findResource(group, version, resource.resource), resource);
    assert.is(resourceByKind(group === '' ? version : `${group}/${version}`, resource.kind), resource);
    assert.ok(resource.columns.some((column) => column.format === 'name'), resource.kind);
  }
  // A view of another kind's objects bears the same names.
  const names = resourceTable.filter(({ storage }) => storage === undefined)
    .flatMap((one) => [...new Set([one.resource, one.singular, ...one.shortNames])]);
  assert.is(new Set(names).size, names.length);
  assert.is(findResource('apps', 'v1', 'pods'), null);
  assert.is(resourceByKind('v1', 'Deployment'), null);
});

// ── whatever a decoder lets through ──────────────────────────────────────────────────────────────────────

const texts = [
  '', 'a', 'A_b', '10.0.0.1', '::1', 'None', 'Always', 'NodePort', 'LoadBalancer', '1Gi', 'x'.repeat(300),
];
const numbers = [0, 1, -1, 80, 70_000, 2 ** 40];

/** A random value of the schema's type; the deeper, the more fields are missing. */
function randomValue(schema: Schema, random: Random, depth: number): unknown {
  const pick = <T>(from: readonly T[]): T => from[random.below(from.length)] as T;
  switch (schema.type) {
    case 'string': case 'quantity': return pick(texts);
    case 'boolean': return random.chance(1, 2);
    case 'integer': case 'number': return pick(numbers);
    case 'int-or-string': return random.chance(1, 2) ? pick(numbers) : pick(['25%', '0', 'http']);
    case 'time': return pick(['2026-11-24T07:00:00Z', 'never']);
    case 'bytes': return pick(['', 'AAEC', 'no base64']);
    case 'any': return pick([{}, { a: [1] }, 'a', 0]);
    case 'map': return random.chance(1, 4) ? {}
      : { [pick(texts)]: randomValue(schema.of, random, depth + 1) };
    case 'list': {
      const items = Array.from({ length: random.below(3) });
      return items.map(() => (random.chance(1, 20) ? null : randomValue(schema.of, random, depth + 1)));
    }
    case 'object': {
      const fields = Object.entries(schema.fields).filter(() => random.chance(2, depth + 2));
      return Object.fromEntries(fields.map(([name, field]) =>
        [name, random.chance(1, 20) ? null : randomValue(field, random, depth + 1)]));
    }
    default: return undefined;
  }
}

test('no object of the right types makes a resource throw, and defaults hold still', () => {
  const random = createRandom(2026);
  for (const resource of resourceTable) {
    for (let i = 0; i < 150; i++) {
      const make = (): KubeObject => ({
        ...randomValue(resource.schema, random, 0) as KubeObject, apiVersion: 'v1', kind: resource.kind,
        metadata: { name: 'a', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-11-24T07:00:00Z' },
      });
      const written = create({ resource, object: make() });
      const next = update({ resource, object: make() }, written.object);
      resource.prepareStatus(resource.defaults(make()), written.object);
      for (const { object, errors } of [written, next]) {
        // Only what was found valid is stored, and shown: a selector is taken at its word.
        if (errors.some(({ field }) => /elector/.test(field ?? ''))) continue;
        for (const { name, value } of resource.columns) assert.ok(value(object, now) !== undefined, name);
        for (const field of Object.values(resource.fields)) assert.type(field(object), 'string');
        assert.ok((resource.graceSeconds?.(object) ?? 0) >= 0);
      }
      for (const { field, message } of [...written.errors, ...next.errors]) {
        const slip = message.replace(/must be (undefined|true or undefined)/, '').includes('undefined');
        assert.ok(field !== undefined && !slip, `${field}: ${message}`);
      }
    }
  }
});

test.run();
