// Owners through `scale`: the one field that Scale shares with the object that it scales has one owner, be it
// written here or there.
//
// What always holds: an entry that came through scale owns the replicas alone, and has no time, as in
// Kubernetes. Source: apimachinery util/managedfields (ScaleHandler), by what it does; where Kubernetes gives
// an owner two entries when it scales to what there is, the owner keeps its one.

import { isObject } from '../body.ts';
import type { Json } from '../body.ts';
import { apiVersionOf } from '../output.ts';
import type { Resource, Schema } from '../resource.ts';
import { isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject } from '../types.ts';
import type { WriteOptions, Writing } from '../write.ts';
import { compare } from './compare.ts';
import { difference, has, pathsOf, setOfPaths } from './fields.ts';
import type { Fields } from './fields.ts';
import { identityOf, withFields } from './managers.ts';
import type { Managed, Managers } from './managers.ts';
import { managersOf, ownersAfter, valueOf, withOwners, writerOf } from './owners.ts';
import { applied, readConfiguration } from './request.ts';
import type { Configuration } from './request.ts';
import { ownedPart } from './shape.ts';

const scaleKind = { group: 'autoscaling', version: 'v1', kind: 'Scale' } as const;
const replicasPath = ['f:spec', 'f:replicas'];
const scaleFields = setOfPaths([replicasPath]);

/** The scaled object, owned by who scaled it. */
export function scaledBy(
  writing: Writing, old: KubeObject, scaled: KubeObject, asked: WriteOptions,
): KubeObject {
  const owners = ownersAfter(writing, old, scaled, { by: 'change', asked, sent: undefined });
  const known = managersOf(writing, old);
  const entries = [...owners].map(([identity, entry]) => {
    const stays = known.get(identity) === entry || entry.subresource !== 'scale';
    return [identity, stays ? entry : withoutTime(entry)] as const;
  });
  return withOwners(scaled, old, new Map(entries));
}

function withoutTime({ time: _, ...entry }: Managed): Managed { return entry; }

export interface ScaleApplied extends Configuration {
  readonly replicas: Json;
  readonly owned: (scaled: KubeObject) => KubeObject;
}

/** What an apply to `scale` makes of it. `live`: the Scale that there is. */
export function applyScale(
  writing: Writing, old: KubeObject, live: Json, schema: Schema, asked: WriteOptions,
): ScaleApplied | Problem {
  const config = readConfiguration(writing, { ...scaleKind, schema }, asked);
  if (isProblem(config)) return config;
  const parents = managersOf(writing, old), path = pathOf(writing.route.resource, old);
  const managers = ofScale(parents, path);
  const part = ownedPart({ schema, subresources: [] }, 'finalize');
  const found = applied(writing, asked, { live, applied: config.value, managers, schema, part },
    { ...writerOf(writing, asked.manager), apiVersion: apiVersionOf(scaleKind) });
  if (isProblem(found)) return found;
  const spec = isObject(found.value) ? found.value['spec'] : null;
  const own = apiVersionOf(writing.route.resource);
  return {
    ...config, replicas: isObject(spec) ? spec['replicas'] ?? null : null,
    owned: (scaled) => withOwners(scaled, old, ofParent(parents, found.managers, path, own)),
  };
}

/** Where the object keeps its replicas. */
function pathOf(resource: Resource, old: KubeObject): Fields {
  const { scale } = resource;
  if (scale === undefined) return scaleFields;
  const other = scale.withReplicas(old, scale.specReplicas(old) + 1);
  return compare(valueOf(old), valueOf(other), ownedPart(resource, 'scale'), true).written;
}

const owns = ({ fieldsV1 }: Managed, path: Fields): boolean =>
  pathsOf(path).some((each) => has(fieldsV1, each));

function ofScale(parents: Managers, path: Fields): Managers {
  const owners = [...parents.values()].filter((entry) => owns(entry, path));
  return new Map(owners.map((entry) => {
    const there = { ...withFields(entry, scaleFields), apiVersion: apiVersionOf(scaleKind) };
    return [identityOf(there), there] as const;
  }));
}

function ofParent(parents: Managers, scales: Managers, path: Fields, apiVersion: string): Managers {
  const left = new Map([...scales.values()].filter((entry) => has(entry.fieldsV1, replicasPath))
    .map((entry) => [identityOf({ ...entry, apiVersion }), entry] as const));
  const result = new Map<string, Managed>();
  for (const [identity, entry] of parents) {
    const stays = !owns(entry, path) || left.delete(identityOf({ ...entry, apiVersion }));
    result.set(identity, stays ? entry : withFields(entry, difference(entry.fieldsV1, path)));
  }
  for (const [identity, entry] of left) {
    result.set(identity, withoutTime({ ...withFields(entry, path), apiVersion }));
  }
  return result;
}
