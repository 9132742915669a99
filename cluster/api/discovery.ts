// The API server's own pages: which groups, versions and kinds there are (in the legacy form and in the
// aggregated one), which version this is, and how this peer feels.
//
// What always holds: everything is derived from the registry of kinds; a kind that is not in it is not
// announced.
// Source: Kubernetes, "API discovery" and "API health endpoints"; the types of apidiscovery.k8s.io/v2.

import { limits } from '../limits.ts';
import { openidPaths } from './access/oidc.ts';
import { coversJson, plainJson, ranked, respond } from './output.ts';
import type { Query } from './query.ts';
import type { ApiContext, ApiRequest, ApiResponse } from './request.ts';
import type { GroupVersion, Registry } from './registry.ts';
import type { Resource } from './resource.ts';
import { isLocal, reviews } from './route.ts';
import { methodNotAllowed, notAcceptable } from './status.ts';
import type { Problem } from './status.ts';
import { versionInfo } from './version.ts';

/** The page of this path; null where there is none here. */
export function discoveryPage(
  parts: readonly string[], request: ApiRequest, query: Query, context: ApiContext, registry: Registry,
): ApiResponse | Problem | null {
  const page = pageOf(parts, request, query, context, registry);
  return page !== null && request.method !== 'GET' && request.method !== 'HEAD' ? methodNotAllowed() : page;
}

function pageOf(
  parts: readonly string[], request: ApiRequest, query: Query, context: ApiContext, registry: Registry,
): ApiResponse | Problem | null {
  const [root, group, version] = parts;
  switch (root) {
    case undefined: return json({ paths: allPaths(registry) });
    case 'healthz': case 'livez': case 'readyz': return health(root, parts.slice(1), query, context);
    case 'version': return parts.length === 1 ? versionPage() : null;
    case 'api':
      if (parts.length === 1) return aggregated(request, true, registry) ?? json(legacyVersions(context));
      return parts.length === 2 && group === 'v1' ? resourceList('', 'v1', registry) : null;
    case 'apis':
      if (parts.length === 1) return aggregated(request, false, registry) ?? json(groupList(registry));
      if (parts.length === 2) return groupPage(group ?? '', registry);
      return parts.length === 3 ? resourceList(group ?? '', version ?? '', registry) : null;
    default: return null;
  }
}

/** Laid out for people, as Kubernetes has this one. */
const versionPage = (): ApiResponse => respond(200, JSON.stringify(versionInfo, null, 2), plainJson);

const json = (value: unknown): ApiResponse => respond(200, JSON.stringify(value), plainJson);

const plain = (status: number, body: string): ApiResponse => ({
  status, body, headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
});

function allPaths(registry: Registry): string[] {
  const versions = registry.groupVersions().flatMap(({ group, version }) =>
    group === '' ? ['/api', `/api/${version}`] : [`/apis/${group}`, `/apis/${group}/${version}`]);
  const own = [...openidPaths, '/apis', '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz',
    '/version'];
  return [...new Set([...versions, ...own])].sort();
}

// ── groups and kinds, legacy ─────────────────────────────────────────────────────────────────────────────

function legacyVersions(context: ApiContext): unknown {
  const addresses = [{ clientCIDR: '0.0.0.0/0', serverAddress: context.peer.serverAddress }];
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: addresses };
}

interface GroupPage {
  readonly name: string; readonly versions: readonly unknown[]; readonly preferredVersion: unknown;
}

function groupObject(group: string, registry: Registry): GroupPage | null {
  const versions = registry.groupVersions().filter((each) => each.group === group)
    .map(({ version }) => ({ groupVersion: `${group}/${version}`, version }));
  return versions.length === 0 ? null : { name: group, versions, preferredVersion: versions[0] };
}

function groupList(registry: Registry): unknown {
  const names = [...new Set(registry.groupVersions().map(({ group }) => group))]
    .filter((group) => group !== '');
  const groups = names.map((name) => groupObject(name, registry));
  return { kind: 'APIGroupList', apiVersion: 'v1', groups };
}

function groupPage(name: string, registry: Registry): ApiResponse | null {
  const group = name === '' ? null : groupObject(name, registry);
  return group === null ? null : json({ kind: 'APIGroup', apiVersion: 'v1', ...group });
}

function resourceList(group: string, version: string, registry: Registry): ApiResponse | null {
  const found = registry.groupVersions().find((each) =>
    each.group === group && each.version === version);
  if (found === undefined) return null;
  const groupVersion = group === '' ? version : `${group}/${version}`;
  return json({
    kind: 'APIResourceList', apiVersion: 'v1', groupVersion,
    resources: [...found.kinds.flatMap(legacyEntries), ...reviewsOf(found).map(legacyReview)],
  });
}

interface Announced {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly namespaced?: boolean;
}

const reviewsOf = ({ group, version }: GroupVersion): readonly Announced[] =>
  reviews.filter((review) => review.group === group && version === 'v1')
    .map(({ resource, kind }) =>
      ({ name: resource, group, version, kind, verbs: ['create'], namespaced: isLocal(kind) }));

const authentication = { group: 'authentication.k8s.io', version: 'v1' } as const;
const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' } as const;

/** What a subresource takes and gives: the object itself, or a kind of its own. */
function subresourcesOf(resource: Resource): readonly Announced[] {
  const { group, version, kind } = resource;
  return [...resource.subresources].sort().map((name): Announced => {
    switch (name) {
      case 'status': case 'approval': case 'ephemeralcontainers':
        return { name, group, version, kind, verbs: ['get', 'patch', 'update'] };
      case 'scale':
        return { name, ...scaleKind, verbs: ['get', 'patch', 'update'] };
      case 'log': return { name, group, version, kind, verbs: ['get'] };
      case 'binding': return { name, group, version, kind: 'Binding', verbs: ['create'] };
      case 'token':
        return { name, ...authentication, kind: 'TokenRequest', verbs: ['create'] };
      case 'finalize': return { name, group, version, kind, verbs: ['update'] };
      case 'exec': return { name, group, version, kind: 'PodExecOptions', verbs: ['create', 'get'] };
      case 'attach': return { name, group, version, kind: 'PodAttachOptions', verbs: ['create', 'get'] };
      case 'portforward':
        return { name, group, version, kind: 'PodPortForwardOptions', verbs: ['create', 'get'] };
    }
  });
}

function legacyEntries(resource: Resource): unknown[] {
  const { resource: plural, namespaced, group, version } = resource;
  const own = {
    name: plural, singularName: resource.singular, namespaced, kind: resource.kind, verbs: resource.verbs,
    ...resource.shortNames.length === 0 ? {} : { shortNames: resource.shortNames },
    ...resource.categories.length === 0 ? {} : { categories: resource.categories },
  };
  const below = subresourcesOf(resource).map((sub) => ({
    name: `${plural}/${sub.name}`, singularName: '', namespaced,
    ...sub.group === group && sub.version === version ? {} : { group: sub.group, version: sub.version },
    kind: sub.kind, verbs: sub.verbs,
  }));
  return [own, ...below];
}

const legacyReview = ({ name, kind, verbs, namespaced = false }: Announced): unknown =>
  ({ name, singularName: kind.toLowerCase(), namespaced, kind, verbs });

// ── groups and kinds, aggregated ─────────────────────────────────────────────────────────────────────────

/** The aggregated form where the client prefers it; null where it wants the legacy one. */
function aggregated(request: ApiRequest, core: boolean, registry: Registry): ApiResponse | Problem | null {
  for (const { type, parameters } of ranked(request.headers['accept'])) {
    if (!coversJson(type)) continue;
    const as = parameters.get('as'), version = parameters.get('v') ?? '';
    if (as === undefined) return null;
    const known = parameters.get('g') === 'apidiscovery.k8s.io' && as === 'APIGroupDiscoveryList';
    if (!known || (version !== 'v2' && version !== 'v2beta1')) continue;
    const form = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
    const headers = { 'content-type': form, 'cache-control': 'public', vary: 'Accept' };
    return { status: 200, headers, body: JSON.stringify(discoveryList(core, version, registry)) };
  }
  return notAcceptable('application/json');
}

function discoveryList(core: boolean, version: string, registry: Registry): unknown {
  const all = registry.groupVersions().filter(({ group }) => (group === '') === core);
  const groups = [...new Set(all.map(({ group }) => group))];
  const items = groups.map((name) => ({
    metadata: { ...name === '' ? {} : { name }, creationTimestamp: null },
    versions: all.filter(({ group }) => group === name).map((each) => ({
      version: each.version, freshness: 'Current',
      resources: [...each.kinds.map(aggregatedEntry), ...reviewsOf(each).map(aggregatedReview)],
    })),
  }));
  return { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items };
}

function aggregatedEntry(resource: Resource): unknown {
  const { group, version, kind, shortNames, categories } = resource;
  const subresources = subresourcesOf(resource).map((sub) => ({
    subresource: sub.name, responseKind: { group: sub.group, version: sub.version, kind: sub.kind },
    verbs: sub.verbs,
  }));
  return {
    resource: resource.resource, responseKind: { group, version, kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster', singularResource: resource.singular,
    verbs: resource.verbs, ...shortNames.length === 0 ? {} : { shortNames },
    ...categories.length === 0 ? {} : { categories },
    ...subresources.length === 0 ? {} : { subresources },
  };
}

const aggregatedReview = ({ name, group, version, kind, verbs, namespaced }: Announced): unknown => ({
  resource: name, responseKind: { group, version, kind },
  scope: namespaced === true ? 'Namespaced' : 'Cluster',
  singularResource: kind.toLowerCase(), verbs,
});

// ── health ───────────────────────────────────────────────────────────────────────────────────────────────

/** Which checks each page makes. All but `quorum` hold as long as this answers at all. */
const checks = {
  healthz: ['ping', 'log'], livez: ['ping', 'log'], readyz: ['ping', 'log', 'quorum'],
} as const;

function health(
  page: keyof typeof checks, below: readonly string[], query: Query, context: ApiContext,
): ApiResponse | null {
  const [single, ...more] = below;
  const all: readonly string[] = checks[page];
  if (more.length > 0 || (single !== undefined && !all.includes(single))) return null;
  const excluded = query.get('exclude') ?? '';
  const run = (single === undefined ? all : [single]).filter((name) => name !== excluded);
  const fails = (name: string): boolean => name === 'quorum' && !context.peer.ready;
  const ok = !run.some(fails);
  if (ok && !query.has('verbose')) return plain(200, 'ok');
  const reason = context.peer.notReadyReason.slice(0, limits.healthReasonCharsMax);
  const lines = run.map((name) => fails(name) ? `[-]${name} failed: ${reason}` : `[+]${name} ok`);
  return plain(ok ? 200 : 500, `${[...lines, `${page} check ${ok ? 'passed' : 'failed'}`].join('\n')}\n`);
}

