// The owners of an object's fields through its writes: what create, update, patch, apply and scale make of
// metadata.managedFields.
//
// What always holds: a write that changes nothing leaves managedFields as they are, times included; what a
// client sends as managedFields is taken only if all of it is well-formed, and never through a subresource.
// Source: apimachinery util/managedfields (FieldManager), apiserver endpoints/handlers (managerOrUserAgent,
// IgnoreManagedFieldsTimestampsTransformer).

import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { withoutOwners } from '../metadata.ts';
import { isPrintable } from '../names.ts';
import { apiVersionOf } from '../output.ts';
import { registryOf } from '../registry.ts';
import { sameJson } from '../resources/validate.ts';
import type { KubeObject } from '../types.ts';
import type { WriteOptions, Writing } from '../write.ts';
import { isReset, noManagers, readManagers, sameManagers, writeManagers } from './managers.ts';
import type { Managers } from './managers.ts';
import { afterUpdate } from './ownership.ts';
import type { Writer } from './ownership.ts';
import { ownedPart } from './shape.ts';

/** How a write comes to its owners: by what it changes, or as the apply has found them. */
export type Owning =
  /** `sent`: the managedFields of the body, before it was decoded; undefined: none. */
  | { readonly by: 'change'; readonly asked: WriteOptions; readonly sent: Json | undefined }
  | { readonly by: 'apply'; readonly managers: Managers };

/** The managedFields that a body holds, be it an empty list. */
export function sentOwners(body: Json): Json | undefined {
  const metadata = isObject(body) ? body['metadata'] : undefined;
  if (!isObject(metadata) || !Object.hasOwn(metadata, 'managedFields')) return undefined;
  return metadata['managedFields'];
}

/** The managers after this write. `object`: with its defaults, before the kind's own preparations. */
export function ownersAfter(
  writing: Writing, old: KubeObject | null, object: KubeObject, owning: Owning,
): Managers {
  if (owning.by === 'apply') return owning.managers;
  const { resource, subresource } = writing.route, known = managersOf(writing, old);
  const managers = subresource === '' ? startingFrom(owning.sent, known) : known;
  // Nobody kept account of it so far: only an apply begins to.
  if (old !== null && managers.size === 0) return noManagers;
  const before = old === null ? undefined : old as unknown as Json;
  const writer = writerOf(writing, owning.asked.manager);
  return afterUpdate(before, object as unknown as Json, managers, writer, ownedPart(resource, subresource));
}

function startingFrom(sent: Json | undefined, known: Managers): Managers {
  if (isReset(sent)) return noManagers;
  const given = Array.isArray(sent) ? readManagers(sent as readonly Json[]) : null;
  return given === null || given.size === 0 ? known : given;
}

/** Who owns fields of the object; managers of versions that are no longer served are forgotten. */
export function managersOf({ state, route }: Writing, old: KubeObject | null): Managers {
  const managers = readManagers(old?.metadata.managedFields) ?? noManagers;
  const own = apiVersionOf(route.resource), { kind } = route.resource;
  const isServed = (version: string): boolean =>
    version === own || registryOf(state).byKind(version, kind) !== null;
  if ([...managers.values()].every(({ apiVersion }) => isServed(apiVersion))) return managers;
  return new Map([...managers].filter(([, { apiVersion }]) => isServed(apiVersion)));
}

export function writerOf({ request, route, context }: Writing, manager: string): Writer {
  const { resource, subresource } = route, { nowWallMs } = context;
  const name = manager === '' ? agentOf(request.headers['user-agent']) : manager;
  return { manager: name, apiVersion: apiVersionOf(resource), subresource, nowWallMs };
}

/** What stands before the first slash of the user-agent, as far as it is printable and not too long. */
function agentOf(userAgent: string | undefined): string {
  let name = '', bytes = 0;
  for (const character of (userAgent ?? '').split('/')[0] ?? '') {
    if (!isPrintable(character)) continue;
    bytes += new TextEncoder().encode(character).length;
    if (bytes > limits.fieldManagerBytesMax) break;
    name += character;
  }
  return name;
}

/** The object with these owners. */
export function ownedBy(object: KubeObject, managers: Managers): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata, managedFields = writeManagers(managers);
  if (managedFields.length > 0) return { ...object, metadata: { ...metadata, managedFields } };
  return withoutOwners(object);
}

/** With the entries that it had, where the write changes nothing but their times. */
export function keepingTimes(object: KubeObject, old: KubeObject): KubeObject {
  const { managedFields: now, ...metadata } = object.metadata;
  const { managedFields: before, ...oldMetadata } = old.metadata;
  if (now === undefined || before === undefined) return object;
  const same = sameManagers(readManagers(now) ?? noManagers, readManagers(before) ?? noManagers)
    && sameJson({ ...object, metadata }, { ...old, metadata: oldMetadata });
  return same ? { ...object, metadata: { ...metadata, managedFields: before } } : object;
}

export const withOwners = (object: KubeObject, old: KubeObject, managers: Managers): KubeObject =>
  keepingTimes(ownedBy(object, managers), old);

/** The object as the sets see it. */
export const valueOf = (object: KubeObject): JsonObject => withoutOwners(object) as unknown as JsonObject;
