// What most kinds have in common, so that each file says only what is particular to its own.

import { assert } from '../../assert.ts';
import { schemaOfKind } from '../kinds/schema.ts';
import { definitionName, definitionOf } from '../kinds/table.ts';
import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { sameJson } from './validate.ts';

/** In the order in which Kubernetes' discovery lists them. */
export const allVerbs = [
  'create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch',
] as const;

type Given = 'group' | 'version' | 'resource' | 'singular' | 'kind' | 'columns';

/**
 * A namespaced kind without subresources, defaults, rules or generation, unless `given` says otherwise. Its
 * schema is the one that the tables have for the group, version and kind.
 */
export function kind(given: Pick<Resource, Given> & Partial<Resource>): Resource {
  const { defaults = (object: KubeObject): KubeObject => object } = given;
  return {
    schema: given.schema ?? schemaOfKind(given.group, given.version, given.kind),
    shortNames: [], categories: [], namespaced: true, verbs: allVerbs, subresources: [],
    fields: {}, hasGeneration: false,
    prepareCreate: (object) => object,
    prepareUpdate: (object) => object,
    prepareStatus: (_, old) => old,
    validate: () => [],
    ...given,
    defaults: (object) => defaults(withoutNulls(object) as KubeObject),
  };
}

/**
 * A kind of which the table of definitions knows the schema, the plural and whether it is namespaced; of
 * version v1, if `given` says nothing else.
 */
export function served(
  given: Pick<Resource, 'group' | 'kind' | 'columns'> & Partial<Resource>,
): Resource {
  const { group, version = 'v1', kind: name } = given, definition = definitionName(group, version, name);
  const place = definition === null ? null : definitionOf(definition)?.place ?? null;
  assert(place !== null, `the tables of the kinds have the place of ${name} in ${group} ${version}`);
  return kind({
    resource: place.plural, singular: name.toLowerCase(), namespaced: place.namespaced, ...given, version,
  });
}

/** In Kubernetes a field that is null is one that is not there. The value itself, if it holds no null. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    const kept = items.map(withoutNulls).filter((item) => item !== null && item !== undefined);
    return kept.length < items.length || kept.some((item, i) => item !== items[i]) ? kept : value;
  }
  let changed = false;
  const kept: [string, unknown][] = [];
  for (const [key, field] of Object.entries(value)) {
    const next = withoutNulls(field);
    if (next !== null && next !== undefined) kept.push([key, next]);
    if (next !== field || next === null || next === undefined) changed = true;
  }
  return changed ? Object.fromEntries(kept) : value;
}

/** The object with this status and nothing else changed; without status, if it is undefined. */
export function withStatus(object: KubeObject, status: unknown): KubeObject {
  const { status: _, ...rest } = object as KubeObject & { status?: unknown };
  return (status === undefined ? rest : { ...rest, status }) as KubeObject;
}

export const statusOf = (object: KubeObject): unknown => (object as { status?: unknown }).status;

/** An update through the main resource keeps the stored status, one of the status all but it and metadata. */
export const statusStrategy = {
  prepareUpdate: (object: KubeObject, old: KubeObject): KubeObject =>
    (sameJson(statusOf(object), statusOf(old)) ? object : withStatus(object, statusOf(old))),
  prepareStatus: (object: KubeObject, old: KubeObject): KubeObject =>
    withStatus({ ...old, metadata: object.metadata }, statusOf(object)),
};

/** The same for kinds whose status can be written with nothing else: labels and the like stay as they are. */
export const sealedStatus = {
  ...statusStrategy,
  prepareStatus: (object: KubeObject, old: KubeObject): KubeObject => withStatus(old, statusOf(object)),
};

/** What a kind with a status has: the subresource, its strategies, and a status to begin with. */
export const statusful = (fresh: object = {}, strategy = statusStrategy) => ({
  subresources: ['status'] as const, ...strategy,
  prepareCreate: (object: KubeObject): KubeObject => withStatus(object, fresh),
});
