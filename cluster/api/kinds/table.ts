// Every definition of Kubernetes' stable API groups as data: what a field is called, what it holds, how it
// merges, who owns it, which number protobuf knows it by. Schemas, OpenAPI and protobuf are made of it.
//
// The `.json` files beside this one are written by `npm run kinds` (see `tools/kinds/main.ts` for the
// sources) and never by hand. One definition is one line, one field one string:
//
//     name type number word…
//
// `type` is a scalar, a definition (`Container`, or `core.v1/PodSpec` of another table), `*T` where Go has a
// pointer (absent differs from zero), `[T]` a list, `{T}` a map with text for keys, `<T>` a list that
// protobuf puts into a message of its own. `number` is `-` without protobuf. A field named `...` is a message
// whose fields JSON shows as if they were the outer one's. Words: `required`; `always` (Go writes it even
// when it is zero); `default=JSON`; `patch=` and `merge=` (strategic merge); `atomic`, `granular`, `set`,
// `map=KEYS` (server-side apply); `enum=VALUES`, always last.
//
// What always holds: rows are read when they are first asked for, and never change.

import { assert } from '../../assert.ts';
import type { Json } from '../body.ts';
import { files } from './files.ts';

export type Scalar = 'string' | 'bool' | 'int32' | 'int64' | 'double' | 'bytes' | 'time' | 'micro-time'
  | 'quantity' | 'int-or-string' | 'any';

export type FieldType =
  | { readonly is: 'scalar'; readonly scalar: Scalar; readonly pointer: boolean }
  /** `name`: the OpenAPI name. */
  | { readonly is: 'definition'; readonly name: string; readonly pointer: boolean }
  | { readonly is: 'list' | 'map' | 'wrapped'; readonly of: FieldType };

export interface Field {
  /** As in JSON; `...` for an embedded message. */
  readonly name: string;
  readonly type: FieldType;
  readonly number: number | null;
  readonly required: boolean;
  readonly always: boolean;
  readonly default: Json | undefined;
  readonly enum: readonly string[];
  readonly patch: readonly string[];
  readonly mergeKey: string | null;
  readonly owned: 'atomic' | 'granular' | 'set' | 'map' | null;
  readonly keys: readonly string[];
}

export interface Definition {
  /** OpenAPI name, e.g. `io.k8s.api.apps.v1.Deployment`. */
  readonly name: string;
  /** Go type, and protobuf message. */
  readonly type: string;
  readonly group: string;
  readonly version: string;
  /** True where it has apiVersion and kind. */
  readonly isKind: boolean;
  /** Where objects of the kind are found; null for kinds without a place, and for parts. */
  readonly place: Place | null;
  /** JSON shows it as this instead of as its fields. */
  readonly as: 'any' | 'object' | null;
  readonly atomic: boolean;
  readonly union: Union | null;
  readonly fields: readonly Field[];
}

/** A structure of which one field at most is set; Go names of the fields by their own. */
export interface Union {
  readonly discriminator: string | null;
  readonly fields: Readonly<Record<string, string>>;
}

export interface Place {
  readonly plural: string;
  readonly namespaced: boolean;
  readonly subresources: readonly string[];
}

/** The definition of this OpenAPI name. */
export function definitionOf(name: string): Definition | null {
  const known = read.get(name);
  if (known !== undefined) return known;
  const cut = name.lastIndexOf('.'), file = byPrefix.get(name.slice(0, cut)), type = name.slice(cut + 1);
  const rows = file?.definitions ?? {}, row = Object.hasOwn(rows, type) ? rows[type] : undefined;
  if (file === undefined || row === undefined) return null;
  const { group, version, prefix } = file.head;
  const definition: Definition = {
    name, type, group: group ?? '', version, isKind: row.kind !== undefined, place: placeOf(row.kind ?? ''),
    as: row.as ?? null, atomic: row.atomic === true,
    union: unionOf(row.union), fields: row.fields.map((text) => fieldOf(text, prefix)),
  };
  read.set(name, definition);
  return definition;
}

/** The OpenAPI name of a kind; null for one that no table has. */
export function definitionName(group: string, version: string, kind: string): string | null {
  const file = files.find(({ head, definitions }) =>
    head.group === group && head.version === version && Object.hasOwn(definitions, kind)
    && definitions[kind]?.kind !== undefined);
  return file === undefined ? null : `${file.head.prefix}.${kind}`;
}

/** Sorted by table, then by name. */
export const definitionNames = (): readonly string[] =>
  files.flatMap(({ head, definitions }) => Object.keys(definitions).map((type) => `${head.prefix}.${type}`));

/** Groups and versions of all tables, sorted. */
export function groupVersionsOfTables(): readonly { readonly group: string; readonly version: string }[] {
  const heads = files.map(({ head }) => head).filter(({ group }) => group !== null);
  const names = [...new Set(heads.map(({ group, version }) => `${group ?? ''}/${version}`))].sort();
  return names.map((name) => {
    const [group = '', version = ''] = name.split('/');
    return { group, version };
  });
}

/** All rows, as one text: what changes when a table does. */
export const rowsText = (): string => JSON.stringify(files);

export interface TableFile {
  readonly head: { readonly group: string | null; readonly version: string; readonly prefix: string };
  readonly definitions: Readonly<Record<string, Row>>;
}

interface Row {
  /** `PLURAL namespaced|cluster SUBRESOURCE…`, or empty for a kind without a place. */
  readonly kind?: string;
  readonly as?: 'any' | 'object';
  readonly atomic?: boolean;
  /** Discriminator (or `-`), then `field=Name` for each of the others. */
  readonly union?: string;
  readonly fields: readonly string[];
}

const byPrefix: ReadonlyMap<string, TableFile> = new Map(files.map((file) => [file.head.prefix, file]));
/** Prefixes by the name that rows of other tables use. */
const prefixes: ReadonlyMap<string, string> = new Map(files.map(({ head: { prefix, version } }) =>
  [`${prefix.split('.').at(version === '' ? -1 : -2) ?? ''}${version === '' ? '' : `.${version}`}`, prefix]));
const read = new Map<string, Definition>();

function placeOf(text: string): Place | null {
  const [plural = '', scope, ...subresources] = text.split(' ');
  return plural === '' ? null : { plural, namespaced: scope === 'namespaced', subresources };
}

function unionOf(text: string | undefined): Union | null {
  if (text === undefined) return null;
  const [first = '-', ...others] = text.split(' ');
  const fields = Object.fromEntries(others.map((each) => each.split('=') as [string, string]));
  return { discriminator: first === '-' ? null : first, fields };
}

function fieldOf(text: string, prefix: string): Field {
  const cut = text.indexOf(' enum='), values = cut < 0 ? [] : text.slice(cut + 6).split(',');
  const [name = '', type = '', number = '', ...words] = (cut < 0 ? text : text.slice(0, cut)).split(' ');
  const of = (key: string): string | undefined =>
    words.find((word) => word.startsWith(`${key}=`))?.slice(key.length + 1);
  const value = of('default'), keys = of('map');
  return {
    name, type: typeOf(type, prefix), number: number === '-' ? null : Number(number),
    required: words.includes('required'), always: words.includes('always'),
    default: value === undefined ? undefined : JSON.parse(value) as Json, enum: values,
    patch: of('patch')?.split(',') ?? [], mergeKey: of('merge') ?? null,
    owned: keys !== undefined ? 'map' : owners.find((owner) => words.includes(owner)) ?? null,
    keys: keys?.split(',') ?? [],
  };
}

const owners = ['atomic', 'granular', 'set'] as const;
const scalars: readonly string[] = [
  'string', 'bool', 'int32', 'int64', 'double', 'bytes', 'time', 'micro-time', 'quantity',
  'int-or-string', 'any',
] satisfies readonly Scalar[];

function typeOf(text: string, prefix: string): FieldType {
  switch (text[0]) {
    case '[': return { is: 'list', of: typeOf(text.slice(1, -1), prefix) };
    case '{': return { is: 'map', of: typeOf(text.slice(1, -1), prefix) };
    case '<': return { is: 'wrapped', of: typeOf(text.slice(1, -1), prefix) };
    default:
  }
  const pointer = text.startsWith('*'), plain = pointer ? text.slice(1) : text;
  if (pointer && /^[[{<]/.test(plain)) return typeOf(plain, prefix);
  if (scalars.includes(plain)) return { is: 'scalar', scalar: plain as Scalar, pointer };
  const [table = '', type] = plain.split('/');
  if (type === undefined) return { is: 'definition', name: `${prefix}.${plain}`, pointer };
  const other = prefixes.get(table);
  assert(other !== undefined, `the kinds know a table ${table}`);
  return { is: 'definition', name: `${other}.${type}`, pointer };
}
