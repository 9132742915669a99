// OpenAPI documents, made from the schemas of the kinds: what kubectl explains, validates and merges by,
// and what clients are generated from. One document per group and version (v3), and one for all (v2).
//
// What always holds: a document says no more than the schemas do; it is made once for the kinds that it
// speaks of, and made anew with them.
// Source: Kubernetes, "OpenAPI V3", and the x-kubernetes-* extensions in "Kubernetes API Concepts".

import { hashText } from '../random.ts';
import { unreachable } from '../assert.ts';
import { coversJson, plainJson, ranked, respond } from './output.ts';
import type { ApiRequest, ApiResponse } from './request.ts';
import type { GroupVersion, Registry } from './registry.ts';
import type { Resource, Schema } from './resource.ts';
import { reviews } from './route.ts';
import { methodNotAllowed, notAcceptable } from './status.ts';
import type { Problem } from './status.ts';
import { versionInfo } from './version.ts';

/** The page of this path; null where there is none here. */
export function openapiPage(
  parts: readonly string[], request: ApiRequest, registry: Registry,
): ApiResponse | Problem | null {
  const [root, generation, ...rest] = parts;
  if (root !== 'openapi') return null;
  const text = generation === 'v2' && rest.length === 0 ? secondGeneration(registry)
    : generation === 'v3' && rest.length === 0 ? index(registry)
      : generation === 'v3' ? document(registry, rest.join('/')) : null;
  if (text === null) return null;
  if (request.method !== 'GET' && request.method !== 'HEAD') return methodNotAllowed();
  const accepted = ranked(request.headers['accept']);
  if (generation === 'v2' && accepted.some(({ type }) => protobufAsked.includes(type))) return headAlone();
  if (!accepted.some(({ type }) => coversJson(type))) return notAcceptable('application/json');
  const answer = respond(200, text, plainJson);
  return { ...answer, headers: { ...answer.headers, etag: `"${digest(text)}"` } };
}

function digest(text: string): string {
  const words = [0x811c9dc5, 0x9e3779b9, 0x85ebca6b, 0xc2b2ae35].map((seed) => hashText(text, seed));
  return words.map((word) => word.toString(16).padStart(8, '0')).join('').toUpperCase();
}

// ── the documents, made at first use ─────────────────────────────────────────────────────────────────────

interface Document { readonly text: string; readonly hash: string }

const documentsMade = new WeakMap<GroupVersion, Document>();
const indexesMade = new WeakMap<Registry, string>(), secondsMade = new WeakMap<Registry, string>();

/** What of `key` was made before, or is made and kept now. */
function once<K extends object, V>(kept: WeakMap<K, V>, key: K, make: () => V): V {
  let value = kept.get(key);
  if (value === undefined) kept.set(key, value = make());
  return value;
}

const documentText = (each: GroupVersion): Document => once(documentsMade, each, () => {
  const text = JSON.stringify(documentOf(each));
  return { text, hash: digest(text) };
});

function document(registry: Registry, path: string): string | null {
  const found = registry.groupVersions().find((each) => pathOf(each).slice(1) === path);
  return found === undefined ? null : documentText(found).text;
}

const index = (registry: Registry): string => once(indexesMade, registry, () => {
  const paths = registry.groupVersions().map((each) => {
    const path = pathOf(each).slice(1);
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${documentText(each).hash}` }] as const;
  });
  return JSON.stringify({ paths: Object.fromEntries(paths) });
});

const secondGeneration = (registry: Registry): string => once(secondsMade, registry, () => {
  const together = (of: (each: GroupVersion) => Record<string, unknown>): unknown =>
    Object.fromEntries(registry.groupVersions().flatMap((each) => Object.entries(of(each))));
  return JSON.stringify({
    swagger: '2.0', info, paths: together((each) => pathsOf(each, 2)),
    definitions: together((each) => definitionsOf(each, 2)),
  });
});

const protobufGiven = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const protobufAsked = [protobufGiven, 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'];

/**
 * Version 2 as protobuf: a document of its head alone, without paths and definitions. kubectl falls back on
 * it for a kind that no document of version 3 has, finds nothing here either, and then names that kind to its
 * user; were it refused the document, it would complain of media types instead.
 */
function headAlone(): ApiResponse {
  const texts: readonly string[] = [info.title, info.version];
  // Lengths below 128 and ASCII: the bytes are the characters.
  const field = (number: number, text: string): string =>
    `${String.fromCharCode(number * 8 + 2, text.length)}${text}`;
  const body = field(1, '2.0') + field(2, texts.map((text, at) => field(at + 1, text)).join(''));
  const headers = { 'content-type': protobufGiven, 'cache-control': 'no-cache, private' };
  return { status: 200, headers, body };
}

const info = { title: 'Kubernetes', version: versionInfo.gitVersion };

const documentOf = (each: GroupVersion): unknown =>
  ({ openapi: '3.0.0', info, paths: pathsOf(each, 3), components: { schemas: definitionsOf(each, 3) } });

const pathOf = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? `/api/${version}` : `/apis/${group}/${version}`;

// ── definitions ──────────────────────────────────────────────────────────────────────────────────────────

type Generation = 2 | 3;
type Definition = Readonly<Record<string, unknown>>;

const statusName = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';

function definitionsOf(
  { group, version, kinds }: GroupVersion, generation: Generation,
): Record<string, Definition> {
  const found = new Map<string, Definition>();
  for (const resource of kinds) {
    collect(resource.schema, found, generation);
    const own = nameOf(resource.schema), list = own === null ? null : `${own}List`;
    if (own === null || list === null) continue;
    const kind = { 'x-kubernetes-group-version-kind': [gvk(group, version, resource.kind)] };
    found.set(own, { ...found.get(own), ...kind });
    if (resource.verbs.includes('list')) found.set(list, listDefinition(resource, own, generation));
  }
  for (const review of reviews.filter((each) => each.group === group)) {
    found.set(reviewName(review), reviewDefinition(review));
  }
  found.set(listMetaName, listMeta);
  found.set(statusName, statusDefinition);
  return Object.fromEntries([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

const gvk = (group: string, version: string, kind: string): Definition => ({ group, version, kind });
const nameOf = (schema: Schema): string | null => schema.type === 'object' ? schema.name ?? null : null;

/** Every named object that is reached from the schema. */
function collect(schema: Schema, found: Map<string, Definition>, generation: Generation): void {
  if (schema.type === 'list' || schema.type === 'map') return collect(schema.of, found, generation);
  if (schema.type === 'quantity') found.set(quantityName, eitherType('number', generation));
  if (schema.type === 'int-or-string') {
    found.set(intOrStringName, { format: 'int-or-string', ...eitherType('integer', generation) });
  }
  if (schema.type !== 'object') return;
  if (schema.name !== undefined) {
    if (found.has(schema.name)) return;
    found.set(schema.name, objectDefinition(schema, generation));
  }
  for (const field of Object.values(schema.fields)) collect(field, found, generation);
}

function objectDefinition(schema: Extract<Schema, { type: 'object' }>, generation: Generation): Definition {
  const properties = Object.entries(schema.fields).map(([name, field]) =>
    [name, fieldDefinition(field, generation)] as const);
  return {
    type: 'object', properties: Object.fromEntries(properties),
    ...schema.required === undefined || schema.required.length === 0 ? {} : { required: schema.required },
  };
}

function fieldDefinition(schema: Schema, generation: Generation): Definition {
  switch (schema.type) {
    case 'string': case 'boolean': return { type: schema.type };
    case 'integer': return { type: 'integer', format: 'int64' };
    case 'number': return { type: 'number', format: 'double' };
    case 'time': return { type: 'string', format: 'date-time' };
    case 'bytes': return { type: 'string', format: 'byte' };
    // kubectl explains nothing that has no type at all.
    case 'any': return { type: 'object' };
    case 'quantity': return plainReference(quantityName, generation);
    case 'int-or-string': return plainReference(intOrStringName, generation);
    case 'map': return { type: 'object', additionalProperties: fieldDefinition(schema.of, generation) };
    case 'list':
      return { type: 'array', items: fieldDefinition(schema.of, generation), ...listExtensions(schema) };
    case 'object': {
      const strategy = schema.patch === undefined ? {} : { 'x-kubernetes-patch-strategy': schema.patch };
      return schema.name === undefined ? { ...objectDefinition(schema, generation), ...strategy }
        : { ...reference(schema.name, generation), ...strategy };
    }
    default: return unreachable(schema);
  }
}

const quantityName = 'io.k8s.apimachinery.pkg.api.resource.Quantity';
const intOrStringName = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';

/** A string or a number; version 2 can't say so. */
function eitherType(number: 'number' | 'integer', generation: Generation): Definition {
  return generation === 3 ? { oneOf: [{ type: number }, { type: 'string' }] } : { type: 'string' };
}

const plainReference = (name: string, generation: Generation): Definition =>
  ({ $ref: `#/${generation === 2 ? 'definitions' : 'components/schemas'}/${name}` });

/** Version 3.0 ignores what stands beside a `$ref`, so the reference is wrapped, as Kubernetes does. */
function reference(name: string, generation: Generation): Definition {
  const plain = plainReference(name, generation);
  return generation === 2 ? plain : { default: {}, allOf: [plain] };
}

function listExtensions({ mergeKey, set }: Extract<Schema, { type: 'list' }>): Definition {
  if (mergeKey !== undefined) {
    return {
      'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [mergeKey],
      'x-kubernetes-patch-merge-key': mergeKey, 'x-kubernetes-patch-strategy': 'merge',
    };
  }
  return set === true ? { 'x-kubernetes-list-type': 'set', 'x-kubernetes-patch-strategy': 'merge' }
    : { 'x-kubernetes-list-type': 'atomic' };
}

const listMetaName = 'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta';
const text: Definition = { type: 'string' };
const listMeta: Definition = {
  type: 'object',
  properties: {
    continue: text, remainingItemCount: { type: 'integer', format: 'int64' }, resourceVersion: text,
    selfLink: text,
  },
};
const statusDefinition: Definition = {
  type: 'object',
  properties: {
    apiVersion: text, kind: text, status: text, message: text, reason: text, metadata: { type: 'object' },
    details: { type: 'object' }, code: { type: 'integer', format: 'int32' },
  },
  'x-kubernetes-group-version-kind': [gvk('', 'v1', 'Status')],
};

function listDefinition(
  { group, version, kind }: Resource, item: string, generation: Generation,
): Definition {
  return {
    type: 'object', required: ['items'],
    properties: {
      apiVersion: text, kind: text, metadata: reference(listMetaName, generation),
      items: { type: 'array', items: reference(item, generation) },
    },
    'x-kubernetes-group-version-kind': [gvk(group, version, `${kind}List`)],
  };
}

type Review = (typeof reviews)[number];
const reviewName = ({ group, kind }: Review): string => `io.k8s.api.${group.split('.')[0] ?? ''}.v1.${kind}`;
const reviewDefinition = ({ group, kind }: Review): Definition => ({
  type: 'object',
  properties: {
    apiVersion: text, kind: text, metadata: { type: 'object' }, spec: { type: 'object' },
    status: { type: 'object' },
  },
  'x-kubernetes-group-version-kind': [gvk(group, 'v1', kind)],
});

// ── paths ────────────────────────────────────────────────────────────────────────────────────────────────

interface Operation { readonly action: string; readonly method: string; readonly query: readonly string[] }

const listQuery = [
  'allowWatchBookmarks', 'continue', 'fieldSelector', 'labelSelector', 'limit', 'resourceVersion',
  'resourceVersionMatch', 'sendInitialEvents', 'timeoutSeconds', 'watch',
];
const writeQuery = ['dryRun', 'fieldManager', 'fieldValidation'];
const deleteQuery = ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'];

const onCollection: readonly (Operation & { verb: string })[] = [
  { verb: 'list', action: 'list', method: 'get', query: listQuery },
  { verb: 'create', action: 'post', method: 'post', query: writeQuery },
  {
    verb: 'deletecollection', action: 'deletecollection', method: 'delete',
    query: [...listQuery, ...deleteQuery],
  },
];
const onObject: readonly (Operation & { verb: string })[] = [
  { verb: 'get', action: 'get', method: 'get', query: [] },
  { verb: 'update', action: 'put', method: 'put', query: writeQuery },
  { verb: 'patch', action: 'patch', method: 'patch', query: writeQuery },
  { verb: 'delete', action: 'delete', method: 'delete', query: deleteQuery },
];

function pathsOf(each: GroupVersion, generation: Generation): Record<string, unknown> {
  const paths: [string, unknown][] = [];
  const add = (path: string, resource: Resource, operations: readonly Operation[]): void => {
    if (operations.length > 0) paths.push([path, pathItem(path, resource, operations, generation)]);
  };
  for (const resource of each.kinds) {
    const { verbs, namespaced, resource: plural } = resource, base = pathOf(each);
    const place = namespaced ? `${base}/namespaces/{namespace}/${plural}` : `${base}/${plural}`;
    const can = ({ verb }: { verb: string }): boolean => verbs.includes(verb);
    const everywhere = onCollection.filter((one) => one.verb === 'list' && can(one));
    if (namespaced) add(`${base}/${plural}`, resource, everywhere);
    add(place, resource, onCollection.filter(can));
    add(`${place}/{name}`, resource, onObject.filter(can));
    for (const sub of resource.subresources) {
      add(`${place}/{name}/${sub}`, resource, subresourceOperations(sub));
    }
  }
  return Object.fromEntries(paths);
}

function subresourceOperations(name: Resource['subresources'][number]): readonly Operation[] {
  switch (name) {
    case 'status': case 'scale': return onObject.filter(({ verb }) => verb !== 'delete');
    case 'log': return onObject.filter(({ verb }) => verb === 'get');
    case 'binding': case 'token': return [{ action: 'post', method: 'post', query: writeQuery }];
    case 'finalize': return onObject.filter(({ verb }) => verb === 'update');
    default: return unreachable(name);
  }
}

const wholeNumbers = ['limit', 'timeoutSeconds', 'gracePeriodSeconds'];
const flags = ['allowWatchBookmarks', 'sendInitialEvents', 'watch', 'orphanDependents'];

function pathItem(
  path: string, resource: Resource, operations: readonly Operation[], generation: Generation,
): unknown {
  const { group, version, kind } = resource, sub = path.split('/{name}/')[1];
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) =>
    ({ name, in: 'path', required: true, ...typed(text, generation) }));
  const shown = sub === 'scale' ? gvk('autoscaling', 'v1', 'Scale')
    : sub === 'binding' ? gvk('', 'v1', 'Binding')
      : sub === 'token' ? gvk('authentication.k8s.io', 'v1', 'TokenRequest') : gvk(group, version, kind);
  const items = operations.map(({ action, method, query }) => [method, {
    operationId: `${action}${path.replace(/[^A-Za-z0-9]+(.?)/g, (_, next: string) => next.toUpperCase())}`,
    parameters: query.map((name) => ({ name, in: 'query', ...typed(queryType(name), generation) })),
    responses: { 200: { description: 'OK' } },
    'x-kubernetes-action': action, 'x-kubernetes-group-version-kind': shown,
    ...method === 'patch' && generation === 3 ? { requestBody: { content: patchContent } } : {},
  }] as const);
  return { ...Object.fromEntries(items), parameters: inPath };
}

const patchContent: Definition = Object.fromEntries([
  'application/json-patch+json', 'application/merge-patch+json', 'application/strategic-merge-patch+json',
].map((type) => [type, { schema: { type: 'object' } }]));

const queryType = (name: string): Definition =>
  ({ type: flags.includes(name) ? 'boolean' : wholeNumbers.includes(name) ? 'integer' : 'string' });

/** Version 2 puts a parameter's type beside it, version 3 into a schema. */
const typed = (type: Definition, generation: Generation): Definition =>
  generation === 3 ? { schema: type } : type;
