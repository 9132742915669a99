// Who owns what after a write, and what an apply makes of an object.
//
// What always holds: an update takes what it changes from everyone; an apply takes what it changes only by
// force, else it is refused and names who owns it; what an applier applied before and now leaves out goes, if
// nobody else owns it. What Shoal's own controllers and kubelets write goes by no API and has no owner: they
// leave managedFields as they are. So a client that applies to a field that one of them set meets no conflict
// and owns the field from then on; a field that a client owns stays the client's when one of them changes it,
// and its next apply sets it back without a word, where Kubernetes would have named a conflict with its
// controller; and an apply removes nothing that they alone have set. An object that such an actor made has no
// managedFields: as in Kubernetes, updates leave it without, and its first apply gives all that there is to
// `before-first-apply`.
// Source: structured-merge-diff, merge (Update, Apply, prune), and apimachinery util/managedfields (strip,
// skip, last-applied), by what they do.

import type { Json } from '../body.ts';
import type { Schema } from '../resource.ts';
import { rfc3339 } from '../time.ts';
import { compare, fieldsOf } from './compare.ts';
import type { Comparison } from './compare.ts';
import { compareText, pathText } from './elements.ts';
import { difference, intersection, isEmpty, noFields, pathsOf, union } from './fields.ts';
import type { Fields } from './fields.ts';
import { capped, identityOf, managedOf, withFields } from './managers.ts';
import type { Managed, Managers } from './managers.ts';
import { merge, remove, withNamedFields } from './merge.ts';

export interface Writer {
  readonly manager: string;
  readonly apiVersion: string;
  /** Empty: the object itself. */
  readonly subresource: string;
  readonly nowWallMs: number;
}

// ── update ───────────────────────────────────────────────────────────────────────────────────────────────

/** The managers after create, update or patch. `part`: the schema of what the writer may own. */
export function afterUpdate(
  before: Json | undefined, after: Json, managers: Managers, writer: Writer, part: Schema,
): Managers {
  const changes = compare(before ?? {}, after, part, true);
  const result = new Map(yielding(managers, changes, ''));
  if (!isEmpty(changes.written)) {
    const { manager, apiVersion, subresource, nowWallMs } = writer;
    const entry = managedOf(manager, 'Update', apiVersion, subresource, changes.written, rfc3339(nowWallMs));
    const identity = identityOf(entry), previous = result.get(identity);
    result.set(identity, previous === undefined ? entry
      : withFields(entry, union(changes.written, previous.fieldsV1)));
  }
  return capped(result);
}

/** The managers without what was changed or went, but for one of them. */
function yielding(managers: Managers, { written, removed }: Comparison, except: string): Managers {
  if (isEmpty(written) && isEmpty(removed)) return managers;
  const result = new Map<string, Managed>();
  for (const [identity, entry] of managers) {
    const kept = identity === except ? entry.fieldsV1
      : difference(difference(entry.fieldsV1, written), removed);
    if (kept === entry.fieldsV1) result.set(identity, entry);
    else if (!isEmpty(kept)) result.set(identity, withFields(entry, kept));
  }
  return result;
}

// ── apply ────────────────────────────────────────────────────────────────────────────────────────────────

export interface Conflict { readonly entry: Managed; readonly path: readonly string[] }

export type Applied =
  | { readonly ok: true; readonly value: Json; readonly managers: Managers }
  | { readonly ok: false; readonly conflicts: readonly Conflict[] }

export interface Application {
  /** Without managedFields; undefined where there is no such object yet. */
  readonly live: Json | undefined;
  readonly applied: Json;
  readonly managers: Managers;
  readonly writer: Writer;
  readonly force: boolean;
  /** The schema of the whole object, and of what the writer may own. */
  readonly schema: Schema;
  readonly part: Schema;
}

export function apply(application: Application): Applied {
  const { live, applied, writer, force, schema, part } = application;
  const managers = tracked(application);
  const { manager, apiVersion, subresource, nowWallMs } = writer;
  const fields = fieldsOf(applied, part);
  const entry = managedOf(manager, 'Apply', apiVersion, subresource, fields, rfc3339(nowWallMs));
  const identity = identityOf(entry), last = managers.get(identity);
  const now = new Map(managers).set(identity, entry);
  const merged = merge(live, applied, schema), owned = union(ownedOf(now), fieldsOf(applied, schema));
  const value = prune(merged, last?.fieldsV1 ?? noFields, owned, schema);
  const changes = compare(live ?? {}, value, part, false);
  const conflicts = force ? [] : conflictsWith(now, changes.written, identity);
  if (conflicts.length > 0) return { ok: false, conflicts };
  const after = yielding(now, changes, identity);
  return { ok: true, value, managers: isEmpty(fields) ? without(after, identity) : after };
}

function without(managers: Managers, identity: string): Managers {
  const rest = new Map(managers);
  rest.delete(identity);
  return rest;
}

/** All that an object without managers has belongs to a manager of its own before the first apply. */
function tracked({ live, managers, writer, part }: Application): Managers {
  if (managers.size > 0 || live === undefined) return managers;
  return afterUpdate(undefined, live, managers, { ...writer, manager: 'before-first-apply' }, part);
}

function conflictsWith(managers: Managers, written: Fields, except: string): readonly Conflict[] {
  return [...managers].filter(([identity]) => identity !== except)
    .sort(([a], [b]) => compareText(a, b))
    .flatMap(([, entry]) =>
      pathsOf(intersection(entry.fieldsV1, written)).map((path): Conflict => ({ entry, path })));
}

const ownedOf = (managers: Managers): Fields =>
  [...managers.values()].reduce((set, { fieldsV1 }) => union(set, fieldsV1), noFields);

/** Without what this applier owned before and nobody owns now. */
function prune(merged: Json, last: Fields, ownedNow: Fields, schema: Schema): Json {
  if (isEmpty(difference(last, ownedNow))) return merged;
  const owned = withNamedFields(ownedNow, schema);
  const lost = withNamedFields(last, schema);
  if (isEmpty(difference(lost, owned))) return merged;
  const all = withNamedFields(fieldsOf(merged, schema), schema);
  const rest = (value: Json): Fields => withNamedFields(fieldsOf(value, schema), schema);
  // What went with a field of this applier but is another's comes back, and so does what was nobody's.
  const kept = remove(merged, difference(all, union(rest(remove(merged, lost, schema)), owned)), schema);
  return remove(merged, intersection(difference(all, rest(kept)), lost), schema);
}

// ── conflicts in words ───────────────────────────────────────────────────────────────────────────────────

export function conflictMessage(conflicts: readonly Conflict[]): string {
  const [first] = conflicts;
  if (first !== undefined && conflicts.length === 1) {
    return `Apply failed with 1 conflict: conflict with ${managerText(first.entry)}: ${pathText(first.path)}`;
  }
  const lines: string[] = [];
  let before: Managed | null = null;
  for (const { entry, path } of conflicts) {
    if (entry !== before) lines.push(`conflicts with ${managerText(entry)}:`);
    before = entry;
    lines.push(`- ${pathText(path)}`);
  }
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}

export function managerText({ manager = '', operation, apiVersion, subresource = '' }: Managed): string {
  const through = subresource === '' ? '' : ` with subresource ${JSON.stringify(subresource)}`;
  return `${JSON.stringify(manager)}${through}${operation === 'Update' ? ` using ${apiVersion}` : ''}`;
}
