// The paths of an OpenAPI document: which requests there are for the kinds of a group and version.
//
// What always holds: a path is there exactly if the kind has the verb, or the subresource, that it is for.
// Source: Kubernetes, "OpenAPI V3"; operation ids are those of its API server, for client generators name
// methods by them.

import type { GroupVersion } from '../registry.ts';
import type { Resource } from '../resource.ts';
import { isLocal, reviews } from '../route.ts';
import type { Document, Generation } from './definitions.ts';

export const pathOf = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? `/api/${version}` : `/apis/${group}/${version}`;

const core = 'io.k8s.api.core.v1', meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
/** What every document speaks of, whatever its kinds are. */
export const everywhere = ['APIResourceList', 'DeleteOptions', 'Patch', 'Status', 'WatchEvent']
  .map((name) => `${meta}.${name}`);

interface Shown {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Of its definition. */
  readonly name: string;
}

const own = (kind: string): Shown => ({ group: '', version: 'v1', kind, name: `${core}.${kind}` });

/** Subresources that take and give something else than the object itself. */
const subresourceKinds: Readonly<Record<string, Shown>> = {
  attach: own('PodAttachOptions'), binding: own('Binding'), exec: own('PodExecOptions'),
  eviction: { group: 'policy', version: 'v1', kind: 'Eviction', name: 'io.k8s.api.policy.v1.Eviction' },
  portforward: own('PodPortForwardOptions'),
  scale: { group: 'autoscaling', version: 'v1', kind: 'Scale', name: 'io.k8s.api.autoscaling.v1.Scale' },
  token: {
    group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest',
    name: 'io.k8s.api.authentication.v1.TokenRequest',
  },
};

const connects: readonly string[] = ['attach', 'exec', 'portforward', 'proxy'];

/** The definitions that the paths speak of: kinds, their lists, what subresources take. */
export function namesOfPaths(each: GroupVersion): readonly string[] {
  const named = each.kinds.flatMap((resource) => {
    const name = nameOf(resource);
    const subresources = resource.subresources.filter((sub) => !connects.includes(sub));
    return [
      ...name === null ? [] : [name, ...resource.verbs.includes('list') ? [`${name}List`] : []],
      ...subresources.flatMap((sub) => subresourceKinds[sub]?.name ?? []),
    ];
  });
  // Definitions of custom kinds refer to it by hand.
  return [...everywhere, `${meta}.ObjectMeta`, ...named, ...reviewsOf(each).map(({ name }) => name)];
}

const nameOf = ({ published, schema }: Resource): string | null =>
  published?.name ?? (schema.type === 'object' ? schema.name ?? null : null);

interface Review extends Shown { readonly resource: string; readonly namespaced: boolean }

const reviewsOf = ({ group, version }: GroupVersion): readonly Review[] =>
  reviews.filter((review) => review.group === group && version === 'v1').map(({ kind, resource }) => ({
    group, version, kind, resource, namespaced: isLocal(kind),
    name: `io.k8s.api.${group.split('.')[0] ?? ''}.v1.${kind}`,
  }));

interface Operation {
  /** `x-kubernetes-action`. */
  readonly action: string;
  readonly method: string;
  /** How its operation id begins, and its description. */
  readonly does: string;
  readonly query: readonly string[];
  readonly takes: 'object' | 'patch' | 'options' | 'nothing';
  readonly gives: 'object' | 'list' | 'status' | 'text';
  readonly codes: readonly number[];
}

const listQuery = [
  'allowWatchBookmarks', 'continue', 'fieldSelector', 'labelSelector', 'limit', 'resourceVersion',
  'resourceVersionMatch', 'sendInitialEvents', 'timeoutSeconds', 'watch',
];
const writeQuery = ['dryRun', 'fieldManager', 'fieldValidation'];
const deleteQuery = ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy'];

const list: Operation = {
  action: 'list', method: 'get', does: 'list', query: listQuery, takes: 'nothing', gives: 'list',
  codes: [200],
};
const create: Operation = {
  action: 'post', method: 'post', does: 'create', query: writeQuery, takes: 'object', gives: 'object',
  codes: [200, 201, 202],
};
const deleteCollection: Operation = {
  action: 'deletecollection', method: 'delete', does: 'deleteCollection',
  query: [...listQuery.filter((name) => name !== 'watch' && name !== 'allowWatchBookmarks'), ...deleteQuery],
  takes: 'options', gives: 'status', codes: [200],
};
const read: Operation = {
  action: 'get', method: 'get', does: 'read', query: [], takes: 'nothing', gives: 'object', codes: [200],
};
const replace: Operation = {
  action: 'put', method: 'put', does: 'replace', query: writeQuery, takes: 'object', gives: 'object',
  codes: [200, 201],
};
const patch: Operation = {
  action: 'patch', method: 'patch', does: 'patch', query: [...writeQuery, 'force'], takes: 'patch',
  gives: 'object', codes: [200, 201],
};
const remove: Operation = {
  action: 'delete', method: 'delete', does: 'delete', query: deleteQuery, takes: 'options', gives: 'status',
  codes: [200, 202],
};
const connectBy = (method: 'get' | 'post', query: readonly string[]): Operation => ({
  action: 'connect', method, does: method === 'get' ? 'connectGet' : 'connectPost', query, takes: 'nothing',
  gives: 'text', codes: [200],
});

const logQuery = [
  'container', 'follow', 'insecureSkipTLSVerifyBackend', 'limitBytes', 'pretty', 'previous', 'sinceSeconds',
  'stream', 'tailLines', 'timestamps',
];
const streamQuery = ['container', 'stderr', 'stdin', 'stdout', 'tty'];

function subresourceOperations(name: string): readonly Operation[] {
  switch (name) {
    case 'log': return [{ ...read, query: logQuery, gives: 'text' }];
    case 'binding': case 'eviction': case 'token': return [create];
    case 'finalize': return [replace];
    case 'exec': return execOperations(['command', ...streamQuery]);
    case 'attach': return execOperations(streamQuery);
    case 'portforward': return execOperations(['ports']);
    case 'proxy': return execOperations(['path']);
    default: return [read, replace, patch];
  }
}

const execOperations = (query: readonly string[]): readonly Operation[] =>
  [connectBy('get', query), connectBy('post', query)];

const byVerb: Readonly<Record<string, Operation>> = {
  list, create, deletecollection: deleteCollection, get: read, update: replace, patch, delete: remove,
};
const ofCollection = ['list', 'create', 'deletecollection'], ofObject = ['get', 'update', 'patch', 'delete'];

interface Place {
  readonly path: string;
  /** As it follows the action in an operation id: `NamespacedPodStatus`. */
  readonly subject: string;
  readonly operations: readonly Operation[];
  readonly takes: Shown;
  /** What the object's own kind is; lists are of it. */
  readonly kind: string;
  /** Of a kind that a CustomResourceDefinition defines. */
  readonly isCustom: boolean;
}

/** By path, sorted. */
export function pathsOf(
  each: GroupVersion, generation: Generation,
): readonly (readonly [string, Document])[] {
  const places = [...each.kinds.flatMap(placesOf), ...reviewsOf(each).map(reviewPlace)];
  const items = places.filter(({ operations }) => operations.length > 0).map((place) =>
    [place.path, pathItem(place, each, generation)] as const);
  return [...items].sort(([a], [b]) => (a < b ? -1 : 1));
}

function placesOf(resource: Resource): readonly Place[] {
  const { group, version, kind, verbs, namespaced, resource: plural } = resource;
  const base = pathOf(resource), scope = namespaced ? 'Namespaced' : '';
  const path = namespaced ? `${base}/namespaces/{namespace}/${plural}` : `${base}/${plural}`;
  const takes: Shown = { group, version, kind, name: nameOf(resource) ?? '' };
  const operations = (among: readonly string[]): readonly Operation[] =>
    among.flatMap((verb) => (verbs.includes(verb) ? byVerb[verb] ?? [] : []));
  const place = (at: string, subject: string, found: readonly Operation[]): Place =>
    ({ path: at, subject, operations: found, takes, kind, isCustom: resource.custom === true });
  return [
    ...namespaced ? [place(`${base}/${plural}`, `${kind}ForAllNamespaces`, operations(['list']))] : [],
    place(path, `${scope}${kind}`, operations(ofCollection)),
    place(`${path}/{name}`, `${scope}${kind}`, operations(ofObject)),
    ...resource.subresources.map((sub) => ({
      ...place(`${path}/{name}/${sub}`, `${scope}${kind}${capital(sub)}`, subresourceOperations(sub)),
      takes: subresourceKinds[sub] ?? takes,
    })),
  ];
}

const reviewPlace = (review: Review): Place => ({
  path: `${pathOf(review)}/${review.namespaced ? 'namespaces/{namespace}/' : ''}${review.resource}`,
  subject: `${review.namespaced ? 'Namespaced' : ''}${review.kind}`, operations: [create], takes: review,
  kind: review.kind, isCustom: false,
});

const capital = (word: string): string => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;

/** `CoreV1`, `RbacAuthorizationV1`, `StableExampleComV1`. */
function titleOf({ group, version }: GroupVersion): string {
  const words = (group === '' ? 'core' : group.replace(/\.k8s\.io$/, '')).split(/[.-]/);
  return [...words, version].map(capital).join('');
}

/** `core_v1`, `rbacAuthorization_v1`. */
function tagOf(each: GroupVersion): string {
  const title = titleOf({ ...each, version: '' });
  return `${title.charAt(0).toLowerCase()}${title.slice(1)}_${each.version}`;
}

function pathItem(place: Place, each: GroupVersion, generation: Generation): Document {
  const names = [...place.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name).sort();
  const parameters = names.map((name) =>
    ({ name, in: 'path', required: true, ...typed({ type: 'string', uniqueItems: true }, generation) }));
  const operations = place.operations.map((operation) =>
    [operation.method, operationOf(operation, place, each, generation)] as const);
  return { ...Object.fromEntries(operations), parameters };
}

function operationOf(
  { action, does, query, takes, gives, codes }: Operation, place: Place, each: GroupVersion,
  generation: Generation,
): Document {
  const { group, version, kind, name } = place.takes, title = titleOf(each);
  const id = does === 'deleteCollection' ? `delete${title}Collection` : `${does}${title}`;
  const given = gives === 'list' ? `${name}List` : gives === 'status' ? `${meta}.Status` : name;
  const content = gives === 'text' ? null : referenceTo(given, generation);
  const responses = [
    ...codes.map((code) => [code, answered(reasons[code] ?? '', content, generation)] as const),
    [401, { description: 'Unauthorized' }] as const,
  ];
  return {
    operationId: `${id}${place.subject}`, tags: [tagOf(each)],
    parameters: [
      ...query.map((one) => ({ name: one, in: 'query', ...typed(queryType(one), generation) })),
      ...generation === 2 && takes !== 'nothing' ? [bodyParameter(takes, name)] : [],
    ],
    ...generation === 3 && takes !== 'nothing'
      ? { requestBody: requestBody(takes, name, place.isCustom) } : {},
    ...generation === 2 ? { produces: gives === 'text' ? ['text/plain'] : produced } : {},
    ...generation === 2 && takes === 'patch' ? { consumes: patchTypesOf(place.isCustom) } : {},
    responses: Object.fromEntries(responses),
    'x-kubernetes-action': action, 'x-kubernetes-group-version-kind': { group, version, kind },
  };
}

const reasons: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' };
const produced = ['application/json', 'application/yaml'];
const patchTypes = [
  'application/apply-patch+yaml', 'application/json-patch+json', 'application/merge-patch+json',
  'application/strategic-merge-patch+json',
];

/** kubectl looks here for how it may patch: lists of custom kinds have no strategy for merges. */
const patchTypesOf = (isCustom: boolean): readonly string[] =>
  isCustom ? patchTypes.filter((type) => !type.includes('strategic')) : patchTypes;

/** Null for a kind without a definition: anything. */
function referenceTo(name: string, generation: Generation): Document {
  if (name === '' || name === 'List') return { type: 'object' };
  return { $ref: `#/${generation === 2 ? 'definitions' : 'components/schemas'}/${name}` };
}

function answered(description: string, schema: Document | null, generation: Generation): Document {
  if (schema === null) return { description };
  return generation === 2 ? { description, schema }
    : { description, content: Object.fromEntries(produced.map((type) => [type, { schema }])) };
}

function takenName(takes: Operation['takes'], name: string): string {
  return takes === 'patch' ? `${meta}.Patch` : takes === 'options' ? `${meta}.DeleteOptions` : name;
}

function requestBody(takes: Operation['takes'], name: string, isCustom: boolean): Document {
  const schema = referenceTo(takenName(takes, name), 3);
  const types = takes === 'patch' ? patchTypesOf(isCustom) : ['*/*'];
  const content = types.map((type) => [type, { schema }] as const);
  return { content: Object.fromEntries(content), ...takes === 'options' ? {} : { required: true } };
}

const bodyParameter = (takes: Operation['takes'], name: string): Document => ({
  name: 'body', in: 'body', schema: referenceTo(takenName(takes, name), 2),
  ...takes === 'options' ? {} : { required: true },
});

const wholeNumbers = [
  'gracePeriodSeconds', 'limit', 'limitBytes', 'sinceSeconds', 'tailLines', 'timeoutSeconds',
];
const flags = [
  'allowWatchBookmarks', 'follow', 'force', 'insecureSkipTLSVerifyBackend', 'orphanDependents', 'previous',
  'sendInitialEvents', 'stderr', 'stdin', 'stdout', 'timestamps', 'tty', 'watch',
];

const queryType = (name: string): Document => ({
  type: flags.includes(name) ? 'boolean' : wholeNumbers.includes(name) ? 'integer' : 'string',
  uniqueItems: true,
});

/** Version 2 puts a parameter's type beside it, version 3 into a schema. */
const typed = (type: Document, generation: Generation): Document =>
  generation === 3 ? { schema: type } : type;
