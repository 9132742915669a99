// metadata.managedFields: who wrote or applied which fields last, by which operation, in which version,
// through which subresource, and when.
//
// What always holds: what is stored is in one order (applies first, then by time, name, version,
// subresource), has at most `updateManagersMax` entries of updates, and none that owns nothing.
// Source: apimachinery util/managedfields, by what it does.

import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json } from '../body.ts';
import { parseTime } from '../time.ts';
import { compareText } from './elements.ts';
import { isEmpty, readFields, sameFields, union } from './fields.ts';
import type { Fields } from './fields.ts';

/** One entry, its fields in the order in which Kubernetes shows them. */
export interface Managed {
  readonly manager?: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  /** RFC 3339; without one: before all that have one. */
  readonly time?: string;
  readonly fieldsType: 'FieldsV1';
  readonly fieldsV1: Fields;
  readonly subresource?: string;
}

/** By identity: an object has one entry of each. */
export type Managers = ReadonlyMap<string, Managed>;

export const noManagers: Managers = new Map();

/** What an entry goes by; an applier stays the same when it comes in another version. */
export function identityOf(
  { manager, operation, apiVersion, subresource }: Omit<Managed, 'fieldsV1' | 'fieldsType'>,
): string {
  return JSON.stringify({
    ...manager === undefined || manager === '' ? {} : { manager }, operation,
    ...operation === 'Apply' ? {} : { apiVersion },
    ...subresource === undefined || subresource === '' ? {} : { subresource },
  });
}

export function managedOf(
  manager: string, operation: Managed['operation'], apiVersion: string, subresource: string, fieldsV1: Fields,
  time: string | undefined,
): Managed {
  return {
    manager: manager === '' ? 'unknown' : manager, operation, apiVersion,
    ...time === undefined ? {} : { time }, fieldsType: 'FieldsV1', fieldsV1,
    ...subresource === '' ? {} : { subresource },
  };
}

export const withFields = ({ subresource, ...entry }: Managed, fieldsV1: Fields): Managed =>
  ({ ...entry, fieldsV1, ...subresource === undefined ? {} : { subresource } });

// ── from and to an object ────────────────────────────────────────────────────────────────────────────────

/** The entries; null where they are not as they must be. */
export function readManagers(value: readonly unknown[] | undefined): Managers | null {
  if (value === undefined) return noManagers;
  // One write asks for those of one object several times.
  if (lastRead.value === value) return lastRead.managers;
  const managers = read(value);
  lastRead = { value, managers };
  return managers;
}

let lastRead: { readonly value: readonly unknown[] | null; readonly managers: Managers | null } =
  { value: null, managers: null };

function read(value: readonly unknown[]): Managers | null {
  const managers = new Map<string, Managed>();
  for (const each of value) {
    const entry = readEntry(each as Json);
    if (entry === null) return null;
    managers.set(identityOf(entry), entry);
  }
  return managers;
}

function readEntry(value: Json): Managed | null {
  if (!isObject(value)) return null;
  const { manager, operation, apiVersion, time, fieldsType, fieldsV1, subresource } = value;
  if (operation !== 'Apply' && operation !== 'Update') return null;
  if (typeof apiVersion !== 'string' || apiVersion === '' || fieldsType !== 'FieldsV1') return null;
  const fields = readFields(fieldsV1);
  if (fields === null) return null;
  return {
    ...typeof manager === 'string' && manager !== '' ? { manager } : {}, operation, apiVersion,
    ...typeof time === 'string' ? { time } : {}, fieldsType, fieldsV1: fields,
    ...typeof subresource === 'string' && subresource !== '' ? { subresource } : {},
  };
}

/** Whether the client wants to start again: an empty list, or one entry that says nothing. */
export function isReset(value: Json | undefined): boolean {
  if (!Array.isArray(value)) return false;
  const [first, ...rest] = value as readonly Json[];
  return first === undefined || (rest.length === 0 && isObject(first) && Object.keys(first).length === 0);
}

/** In the order in which they are stored. */
export function writeManagers(managers: Managers): readonly Managed[] {
  const kept = [...managers.values()].filter(({ fieldsV1 }) => !isEmpty(fieldsV1));
  return kept.length < 2 ? kept : kept.sort((a, b) => compareText(a.operation, b.operation)
    || secondsOf(a) - secondsOf(b) || compareText(a.manager ?? '', b.manager ?? '')
    || compareText(a.apiVersion, b.apiVersion) || compareText(a.subresource ?? '', b.subresource ?? ''));
}

const secondsOf = ({ time }: Managed): number => Math.floor((parseTime(time) ?? 0) / 1000);

/** Whether the entries say the same but for their times. */
export function sameManagers(a: Managers, b: Managers): boolean {
  if (a.size !== b.size) return false;
  for (const [identity, entry] of a) {
    const other = b.get(identity);
    if (other === undefined || other.apiVersion !== entry.apiVersion) return false;
    if (!sameFields(other.fieldsV1, entry.fieldsV1)) return false;
  }
  return true;
}

// ── not too many ─────────────────────────────────────────────────────────────────────────────────────────

/** Of too many updates the oldest become one entry for each version, `ancient-changes`. */
export function capped(managers: Managers): Managers {
  const updates = [...managers].filter(([, { operation }]) => operation === 'Update');
  let left = updates.length;
  if (left <= limits.updateManagersMax) return managers;
  updates.sort(([a, one], [b, other]) => secondsOf(one) - secondsOf(other) || compareText(a, b));
  const result = new Map(managers), firsts = new Map<string, string>();
  for (const [identity, entry] of updates) {
    if (left <= limits.updateManagersMax) break;
    const { apiVersion, time } = entry, first = firsts.get(apiVersion);
    if (first === undefined) {
      firsts.set(apiVersion, identity);
      continue;
    }
    const bucket = identityOf({ manager: 'ancient-changes', operation: 'Update', apiVersion });
    const before = result.get(bucket) ?? result.get(first);
    if (!result.has(bucket)) result.delete(first);
    const fields = before === undefined ? entry.fieldsV1 : union(entry.fieldsV1, before.fieldsV1);
    result.delete(identity);
    result.set(bucket, managedOf('ancient-changes', 'Update', apiVersion, '', fields, time));
    left -= 1;
  }
  return result;
}
