// Hostile requests: bodies, patches, paths, queries and headers made of what breaks parsers, around samples
// of the kinds. Drawn from a seeded generator, so that a run can be had again. The unit test asks the API
// function with them, the campaign a peer.

import type { Random } from '../cluster/random.ts';

/** A request as both take it. */
export interface Hostile {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | null;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const pick = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)] as T;
export const chance = (random: Random, percent: number): boolean => random.below(100) < percent;

// ── what there is ────────────────────────────────────────────────────────────────────────────────────────

export interface Sample { readonly metadata: { readonly name: string }; readonly [field: string]: unknown }

const metadata = { name: 'a' }, app = { app: 'web' };
const env = [{ name: 'A', value: '1' }], ports = [{ containerPort: 80 }];
const container = { name: 'c', image: 'web', env, ports };
const podSpec = { containers: [container] };
const workload = { selector: { matchLabels: app }, template: { metadata: { labels: app }, spec: podSpec } };
const slice = { addressType: 'IPv4', endpoints: [{ addresses: ['10.0.0.1'] }] };
export const definitions = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const text = { type: 'string' }, labels = { type: 'object', additionalProperties: text };
const customSpec = {
  type: 'object', required: ['name'],
  properties: {
    name: { ...text, pattern: '^[a-z]+$', maxLength: 9 }, labels,
    replicas: { type: 'integer', default: 1, minimum: 0 },
    port: { 'x-kubernetes-int-or-string': true },
    raw: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
    template: {
      type: 'object', 'x-kubernetes-embedded-resource': true, 'x-kubernetes-preserve-unknown-fields': true,
    },
    ports: {
      type: 'array', 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'],
      items: { type: 'object', required: ['name'], properties: { name: text, number: { type: 'number' } } },
    },
    either: {
      type: 'object', properties: { a: text, b: text }, oneOf: [{ required: ['a'] }, { required: ['b'] }],
    },
  },
  'x-kubernetes-validations': [{ rule: '!has(self.replicas) || self.replicas < 100' }],
};
const definition = {
  group: 'example.com', scope: 'Namespaced', names: { plural: 'customs', kind: 'Custom' },
  versions: [{
    name: 'v1', served: true, storage: true,
    subresources: {
      status: {}, scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
    },
    additionalPrinterColumns: [
      { name: 'Name', type: 'string', jsonPath: '.spec.ports[?(@.name=="a")].number' },
    ],
    selectableFields: [{ jsonPath: '.spec.name' }],
    schema: { openAPIV3Schema: { type: 'object', properties: { spec: customSpec, status: labels } } },
  }],
};
const custom = {
  name: 'a', labels: app, port: 'http', raw: { a: [{ b: null }] }, ports: [{ name: 'a', number: 1.5 }],
  template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' }, spec: podSpec }, either: { a: 'x' },
};
export const samples: readonly (readonly [collection: string, object: Sample])[] = [
  ['/api/v1/namespaces', { metadata: { name: 'default' } }],
  ['/api/v1/nodes', { metadata: { name: 'peer-1' } }],
  ['/api/v1/namespaces/default/configmaps', { metadata, data: { k: 'v' } }],
  ['/api/v1/namespaces/default/secrets', { metadata, stringData: { k: 'v' } }],
  ['/api/v1/namespaces/default/pods', { metadata, spec: { ...podSpec, nodeName: 'peer-1' } }],
  ['/api/v1/namespaces/default/services', { metadata, spec: { ports: [{ port: 80 }] } }],
  ['/api/v1/namespaces/default/serviceaccounts', { metadata }],
  ['/api/v1/namespaces/default/events', { metadata, involvedObject: { namespace: 'default' } }],
  ['/apis/apps/v1/namespaces/default/deployments', { metadata, spec: workload }],
  ['/apis/apps/v1/namespaces/default/replicasets', { metadata, spec: workload }],
  ['/apis/coordination.k8s.io/v1/namespaces/default/leases', { metadata, spec: {} }],
  ['/apis/discovery.k8s.io/v1/namespaces/default/endpointslices', { metadata, ...slice }],
  [definitions, { metadata: { name: 'customs.example.com' }, spec: definition }],
  ['/apis/example.com/v1/namespaces/default/customs', { metadata, spec: custom }],
];

// ── what is sent ─────────────────────────────────────────────────────────────────────────────────────────

const words = [
  '', 'a', 'default', '__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'null',
  '-1', '0', 'NaN', '9007199254740993', '1e999', '..', '.', '%', '%00', '%2e%2e', '%ff', '\u0000', '\ud800',
  '😀', 'a'.repeat(300), '$patch', '$retainKeys', '$setElementOrder/containers',
  '$deleteFromPrimitiveList/finalizers', 'name', 'metadata', 'spec', 'status', 'containers', 'labels',
  'finalizers', 'resourceVersion', 'uid', 'replicas', '~1', 'a/b', '-', ' ', '\n',
];
const scalars: readonly unknown[] = [
  null, true, false, 0, -1, 0.1, 1e308, 2 ** 53, -(2 ** 63), '', 'x', '250m', '1e400', '∞',
  '2026-11-24T08:00:00Z', 'replace', 'delete', 'merge', [], {}, [[]], [null], 'a'.repeat(1_000),
  '\u0000', '\ud800', { toString: 0 }, { $patch: { toString: 1 } },
];

export function junk(random: Random, depth: number): unknown {
  if (depth <= 0 || chance(random, 40)) return pick<unknown>(random, chance(random, 60) ? scalars : words);
  const deeper = (): unknown => junk(random, depth - 1);
  if (chance(random, 40)) return Array.from({ length: random.below(4) }, deeper);
  return record(Array.from({ length: random.below(5) }, () => [pick(random, words), deeper()] as const));
}

/** `__proto__` as an own key, as JSON.parse makes it. */
function record(fields: readonly (readonly [string, unknown])[]): object {
  const text = fields.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',');
  return JSON.parse(`{${text}}`) as object;
}

/** The value with something in it exchanged, added or taken away. */
function mutated(random: Random, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || chance(random, 10)) return junk(random, 3);
  if (Array.isArray(value)) {
    if (value.length === 0 || chance(random, 30)) return [...value as unknown[], junk(random, 2)];
    const at = random.below(value.length);
    return value.map((item, n) => n === at ? mutated(random, item) : item as unknown);
  }
  const fields = Object.entries(value);
  if (fields.length === 0 || chance(random, 30)) {
    return record([...fields, [pick(random, words), junk(random, 3)]]);
  }
  const at = random.below(fields.length);
  return record(fields
    .map(([name, field], n) => [name, n === at ? mutated(random, field) : field as unknown] as const)
    .filter((_, n) => n !== at || !chance(random, 10)));
}

const nested = (open: string, close: string, depth: number): string =>
  open.repeat(depth) + close.repeat(depth);

/** A billion laughs, near enough. */
const laughs = ['a: &a [x,x,x,x,x,x,x,x,x]', ...['ab', 'bc', 'cd', 'de', 'ef'].map(([from = '', to = '']) =>
  `${to}: &${to} [${Array.from({ length: 9 }, () => `*${from}`).join(',')}]`)].join('\n');

export const poisons: readonly string[] = [
  nested('[', ']', 100_000), nested('{"a":', '}', 5_000), '{"a":'.repeat(5_000),
  nested('{"a":[', ']}', 200), laughs,
  '{"metadata":{"name":"z"},"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}',
  '{"metadata":{"name":"z","labels":{"__proto__":"x","constructor":"y"}}}',
  'a: &a\n  b: *a', '<<: {metadata: {name: z}}', 'metadata: !!js/function "function(){}"', '? {a: b}\n: c',
  '- - - - a', 'metadata: {name: 1e999, creationTimestamp: .nan}', '%YAML 9.9\n---\na: b',
  '---\na: b\n---\nc: d', '\ufeff{"metadata":{}}', '{"metadata":{"name":"z"},"spec":{"replicas":1e999}}',
  '{"metadata":{"name":"z"},"spec":{"replicas":-0}}', `{"data":{${'"a":"b",'.repeat(2_000)}"c":"d"}}`,
  `{"metadata":{"name":"z","annotations":{"a":"${'x'.repeat(300_000)}"}}}`,
  `[${'{"op":"copy","from":"/metadata","path":"/metadata/labels"},'.repeat(40)}{"op":"test","path":""}]`,
  `[${'{"op":"add","path":"/metadata/labels/x","value":"y"},'.repeat(12_000)}{}]`,
  '[{"op":"add","path":"/__proto__/polluted","value":true}]',
  '[{"op":"add","path":"/constructor/prototype/polluted","value":1}]',
  'k8s\u0000', `k8s\u0000${'\u0008'.repeat(2_000)}`, `k8s\u0000${'\u000a\u0004'.repeat(500)}`,
  '', ' ', '\u0000', '"', '{', '[1', 'nul', '{"a":1}}',
];

const methods = [
  'GET', 'GET', 'POST', 'POST', 'POST', 'PUT', 'PUT', 'PUT', 'PATCH', 'PATCH', 'PATCH', 'PATCH',
  'DELETE', 'HEAD', 'OPTIONS', '',
];
const protobuf = 'application/vnd.kubernetes.protobuf';
const contentTypes = [
  'application/json', 'application/yaml', 'application/merge-patch+json', 'application/json-patch+json',
  'application/strategic-merge-patch+json', protobuf, 'application/apply-patch+yaml', '', ';;;', 'text/html',
  'application/json; charset=utf-7',
];
const patchTypes = [
  'application/merge-patch+json', 'application/json-patch+json', 'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];
const applyType = 'application/apply-patch+yaml';
const accepts = [
  'application/json', 'application/yaml', 'application/json;as=Table;v=v1;g=meta.k8s.io', '*/*', ';', ',,,',
  'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io', protobuf, 'application/json;q=NaN',
  'q=x', 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList', 'application/xml',
];
const parameters = [
  'watch', 'limit', 'continue', 'resourceVersion', 'resourceVersionMatch', 'labelSelector', 'fieldSelector',
  'dryRun', 'fieldValidation', 'timeoutSeconds', 'allowWatchBookmarks', 'sendInitialEvents',
  'gracePeriodSeconds',
  'propagationPolicy', 'orphanDependents', 'container', 'tailLines', 'sinceSeconds', 'follow',
  'includeObject', 'verbose', 'exclude', '__proto__', 'fieldManager', 'force',
];
const values = [
  '', '1', '0', 'true', 'false', '-1', '99999999999999999999', '1.5', 'Exact', 'NotOlderThan', 'All',
  'Strict',
  'Foreground', 'a=b', 'a in (b,c)', 'a in (', '!a', ')))', 'metadata.name=a',
  'metadata.name!=a,status.phase=x',
  '=', ',', '\u0000', '%', '%zz', '30', '3630303030', '362f2f', 'a'.repeat(5_000), '(((((((((',
  'constructor=x', '__proto__=x',
];
const subresources = ['status', 'scale', 'binding', 'finalize', 'log', 'nope', '__proto__'];
const pages = [
  '/', '/version', '/api', '/apis', '/apis/apps', '/openapi/v3', '/openapi/v2', '/openapi/v3/api/v1',
  '/readyz', '/livez/ping', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
];

/** Mostly a path where the method has something to do. */
function target(random: Random, method: string, collection: string, name: string): string {
  if (chance(random, 3)) return pick(random, pages);
  if (chance(random, 4)) {
    return `/${Array.from({ length: random.below(8) }, () => pick(random, words)).join('/')}`;
  }
  const base = chance(random, 4) ? collection.replace('/namespaces/default', '') : collection;
  const whole = method === 'POST' ? 92 : method === 'GET' ? 40 : method === 'DELETE' ? 10 : 3;
  if (chance(random, whole)) return base;
  const at = chance(random, 92) ? name : encodeURIComponent(pick(random, words).toWellFormed());
  return `${base}/${at}${chance(random, 20) ? `/${pick(random, subresources)}` : ''}`;
}

function query(random: Random): string {
  return Array.from({ length: random.below(4) }, () => {
    const name = pick(random, parameters), value = pick(random, values);
    if (chance(random, 10)) return name;
    return `${name}=${chance(random, 50) ? encodeURIComponent(value) : value}`;
  }).join(pick(random, ['&', '&', '&&', ';']));
}

function body(random: Random, method: string, sample: Sample): Uint8Array | null {
  const kind = random.below(100);
  if (kind < 3) return null;
  if (kind < 10) return bytes(pick(random, poisons));
  if (kind < 13) return Uint8Array.from({ length: random.below(200) }, () => random.below(256));
  const value = kind < 18 ? junk(random, 5) : method === 'PATCH' && kind < 50 ? operations(random)
    : variant(random, method, sample);
  const text = JSON.stringify(value) ?? 'null';
  if (chance(random, 95)) return bytes(text);
  const raw = bytes(text), at = random.below(raw.length + 1);
  if (chance(random, 50)) return raw.slice(0, at);
  return raw.map((byte, n) => n === at ? random.below(256) : byte);
}

/** The sample with a flaw, as a new object where one is made. */
function variant(random: Random, method: string, sample: Sample): unknown {
  const fresh = method === 'POST' && chance(random, 80);
  const whole = fresh ? { ...sample, metadata: { name: `n${random.below(1e6)}` } } : sample;
  return chance(random, 15) ? whole : mutated(random, chance(random, 20) ? mutated(random, whole) : whole);
}

function operations(random: Random): unknown {
  const steps = (): string[] => Array.from({ length: 1 + random.below(3) }, () => pick(random, words));
  const pointer = (): string => `/${steps().join('/')}`;
  return Array.from({ length: random.below(4) }, () => record([
    ['op', pick(random, ['add', 'replace', 'remove', 'test', 'copy', 'move', '', null])],
    ['path', chance(random, 80) ? pointer() : junk(random, 1)],
    ...chance(random, 60) ? [['from', pointer()] as const] : [],
    ...chance(random, 70) ? [['value', junk(random, 2)] as const] : [],
  ]));
}

export function hostile(random: Random): Hostile {
  const [collection, sample] = pick(random, samples), method = pick(random, methods);
  const types = method === 'PATCH' ? patchTypes : method === 'DELETE' ? ['application/json']
    : ['application/json', 'application/yaml'];
  const headers: Record<string, string> = {};
  const type = headers['content-type'] = pick(random, chance(random, 92) ? types : contentTypes);
  if (chance(random, 20)) headers['accept'] = pick(random, accepts);
  const empty = method === 'GET' || method === 'HEAD' || (method === 'DELETE' && chance(random, 70));
  return {
    method, path: target(random, method, collection, sample.metadata.name), headers,
    query: type === applyType ? `fieldManager=m${random.below(9)}${chance(random, 50) ? '&force=1' : ''}`
      : chance(random, 30) ? query(random) : '', body: empty ? null : body(random, method, sample),
  };
}
