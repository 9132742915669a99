// Which kinds a state serves: those that are built in, and those that its CustomResourceDefinitions define.
//
// What always holds: a registry is a function of the CustomResourceDefinitions in the state alone; it is made
// once per list of them, so that asking for it costs one look into a table; what it hands out never changes.

import { resourceName } from '../ids.ts';
import type { ResourceName } from '../ids.ts';
import { list } from '../state/query.ts';
import type { State } from '../state/state.ts';
import type { KubeObject } from './types.ts';
import type { Resource } from './resource.ts';
import { servedKinds } from './custom/served.ts';
import { measuredKinds, resourceTable } from './resources/index.ts';
import { reviews } from './route.ts';

export interface Registry {
  /** The kind of a request path; null where there is no such thing. `plural` is lower case. */
  readonly find: (group: string, version: string, plural: string) => Resource | null;
  /** The kind of an object, by its `apiVersion` (`v1`, `apps/v1`) and `kind`. */
  readonly byKind: (apiVersion: string, kind: string) => Resource | null;
  /** All kinds in all the versions that they are served in, the built-in ones first. */
  readonly all: () => readonly Resource[];
  /** The core group first, then by name, and of a group the newest version first: the order of discovery. */
  readonly groupVersions: () => readonly GroupVersion[];
}

/** The same value as long as its kinds are the same: what is made from it can be kept beside it. */
export interface GroupVersion {
  readonly group: string;
  readonly version: string;
  /** By plural name. */
  readonly kinds: readonly Resource[];
}

export const definitions: ResourceName = resourceName('apiextensions.k8s.io/customresourcedefinitions');

const ours: readonly Resource[] = [...resourceTable, ...measuredKinds];

/** By the list of CustomResourceDefinitions, which is the same array until one of them changes. */
const known = new WeakMap<readonly KubeObject[], Registry>();

export function registryOf(state: State): Registry {
  const defined = list(state, definitions);
  if (defined.length === 0) return builtIn;
  let registry = known.get(defined);
  if (registry === undefined) {
    const custom = defined.flatMap(servedKinds);
    known.set(defined, registry = createRegistry([...ours, ...custom]));
  }
  return registry;
}

const apiVersionOf = ({ group, version }: Resource): string => group === '' ? version : `${group}/${version}`;

export function createRegistry(resources: readonly Resource[]): Registry {
  const byPath = new Map<string, Resource>(), byKind = new Map<string, Resource>();
  // The first of two equal names wins: no definition takes a built-in kind's place.
  for (const resource of resources.toReversed()) {
    const apiVersion = apiVersionOf(resource);
    byPath.set(`${apiVersion}/${resource.resource}`, resource);
    byKind.set(`${apiVersion}/${resource.kind}`, resource);
  }
  let grouped: readonly GroupVersion[] | null = null;
  return {
    find: (group, version, plural) =>
      byPath.get(group === '' ? `${version}/${plural}` : `${group}/${version}/${plural}`) ?? null,
    byKind: (apiVersion, kind) => byKind.get(`${apiVersion}/${kind}`) ?? null,
    all: () => resources,
    groupVersions: () => grouped ??= groupVersionsOf(resources),
  };
}

/**
 * Stable versions first, then beta, then alpha, of each the highest number first; then what is named
 * otherwise, by name. Source: Kubernetes, "Version priority".
 */
function compareVersions(a: string, b: string): number {
  const left = rank(a), right = rank(b);
  for (const [at, own] of left.entries()) {
    const other = right[at] ?? 0;
    if (own !== other) return other - own;
  }
  return a < b ? -1 : a > b ? 1 : 0;
}

function rank(version: string): readonly number[] {
  const [, major, stage, minor] = /^v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?$/.exec(version) ?? [];
  if (major === undefined) return [0, 0, 0];
  return [stage === undefined ? 3 : stage === 'beta' ? 2 : 1, Number(major), Number(minor ?? 0)];
}

/** By the first kind of the group and version. */
const made = new WeakMap<Resource, GroupVersion>();

function groupVersionsOf(resources: readonly Resource[]): readonly GroupVersion[] {
  const kinds = new Map<string, Resource[]>(reviews.map(({ group }) => [`${group}/v1`, []]));
  for (const resource of resources) {
    const name = `${resource.group}/${resource.version}`, found = kinds.get(name);
    if (found === undefined) kinds.set(name, [resource]);
    else found.push(resource);
  }
  const names = [...kinds.keys()].map((name) => {
    const [group = '', version = ''] = name.split('/');
    return { name, group, version };
  });
  names.sort((a, b) => a.group === b.group ? compareVersions(a.version, b.version)
    : a.group < b.group ? -1 : 1);
  return names.map(({ name, group, version }) => {
    const sorted = (kinds.get(name) ?? []).sort((a, b) => (a.resource < b.resource ? -1 : 1));
    return sameOrNew({ group, version, kinds: sorted });
  });
}

function sameOrNew(fresh: GroupVersion): GroupVersion {
  const [first] = fresh.kinds, before = first === undefined ? undefined : made.get(first);
  const same = before !== undefined && before.kinds.length === fresh.kinds.length
    && before.kinds.every((kind, at) => kind === fresh.kinds[at]);
  if (same) return before;
  if (first !== undefined) made.set(first, fresh);
  return fresh;
}

/** The registry of a cluster without custom kinds. */
export const builtIn: Registry = createRegistry(ours);
