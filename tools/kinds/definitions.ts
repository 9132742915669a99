// From Go's types to definitions: what every field is called, what it holds, how it is numbered, merged and
// defaulted. A definition is made for every kind that is registered and for all that kinds are made of.

import type { GoField, GoNamed, GoPackage, GoStruct, Imports, Markers } from './gosource.ts';
import { metaKinds, scalars } from './packages.ts';
import type { TableSource } from './packages.ts';

/** One field as the words of its row; `cluster/api/kinds/table.ts` says what they mean. */
export interface FieldRow {
  readonly name: string;
  readonly type: string;
  /** Null where there is no protobuf encoding. */
  readonly number: number | null;
  readonly words: readonly string[];
  /** Its name in protobuf, where the tag gives one. */
  readonly protobufName: string | null;
}

export interface DefinitionRow {
  /** True where the type carries apiVersion and kind, and is registered as a kind. */
  readonly kind: boolean;
  /** JSON shows something else than the fields: `any`, or `object`. */
  readonly as: string | null;
  readonly atomic: boolean;
  /** Of a union: its discriminator (or `-`), then `field=Name` for each of the others. */
  readonly union: string | null;
  readonly fields: readonly FieldRow[];
}

export type Tables = ReadonlyMap<string, ReadonlyMap<string, DefinitionRow>>;

export interface GoSources {
  readonly sources: readonly TableSource[];
  readonly packages: ReadonlyMap<string, GoPackage>;
  /** What was expected and isn't there. */
  readonly missing: string[];
}

/** Definitions by table and by type, of all that the kinds reach. */
export function makeTables(go: GoSources): Tables {
  const tables = new Map<string, Map<string, DefinitionRow>>(go.sources.map(({ name }) => [name, new Map()]));
  const waiting: { table: string; type: string }[] = go.sources.flatMap((source) =>
    kindsOf(source, go).map((type) => ({ table: source.name, type })));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { table, type } = next, rows = tables.get(table);
    if (rows === undefined || rows.has(type)) continue;
    const source = go.sources.find(({ name }) => name === table);
    const struct = source === undefined ? undefined : go.packages.get(source.path)?.structs.get(type);
    if (source === undefined || struct === undefined) {
      go.missing.push(`${table}/${type}: no such struct`);
      continue;
    }
    const row = definitionOf(source, type, struct, go);
    rows.set(type, row);
    for (const field of row.fields) {
      const reached = /[\w.]+\/\w+|\b[A-Z]\w*/.exec(field.type)?.[0];
      if (reached === undefined) continue;
      const [first = '', second] = reached.split('/');
      waiting.push(second === undefined ? { table, type: first } : { table: first, type: second });
    }
  }
  return new Map([...tables].map(([name, rows]) =>
    [name, new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)))]));
}

function kindsOf(source: TableSource, go: GoSources): readonly string[] {
  const known = go.packages.get(source.path);
  if (known === undefined || source.group === null) return [];
  const kinds = source.name === 'meta.v1' ? metaKinds : known.kinds;
  return kinds.filter((kind) => !known.named.has(kind));
}

function definitionOf(source: TableSource, type: string, struct: GoStruct & { imports: Imports },
  go: GoSources): DefinitionRow {
  const own = go.packages.get(source.path);
  const isKind = struct.fields.some((field) => /(^|\.)TypeMeta$/.test(field.type));
  const said = own?.schemaTypes.get(type);
  const isRaw = struct.fields.some(({ tags }) => tags.get('json') === '-');
  return {
    kind: isKind || (source.name === 'meta.v1' && metaKinds.includes(type)),
    as: said === undefined ? (isRaw ? 'object' : null) : said === '' ? 'any' : said,
    atomic: has(struct.markers, 'structType', 'atomic') || has(struct.markers, 'mapType', 'atomic'),
    union: struct.markers.some(([name]) => name === 'union') ? unionOf(struct) : null,
    fields: struct.fields.flatMap((field) => {
      const row = fieldOf(source, field, struct.imports, go, `${source.name}/${type}`);
      return row === null ? [] : [row];
    }),
  };
}

function unionOf({ fields }: GoStruct): string {
  const named = fields.map(({ name, tags, markers }) => ({
    name, json: tags.get('json')?.split(',')[0] ?? '',
    decides: markers.some(([marker]) => marker === 'unionDiscriminator'),
  }));
  const others = named.filter(({ decides }) => !decides).map(({ name, json }) => `${json}=${name}`);
  return [named.find(({ decides }) => decides)?.json ?? '-', ...others].join(' ');
}

const has = (markers: Markers, name: string, value: string): boolean =>
  markers.some(([marker, of]) => marker === name && of === value);

function fieldOf(source: TableSource, field: GoField, imports: Imports, go: GoSources,
  owner: string): FieldRow | null {
  const [jsonName = '', ...jsonWords] = (field.tags.get('json') ?? '').split(',');
  const protobuf = field.tags.get('protobuf')?.split(',') ?? [];
  const number = protobuf[1] === undefined ? null : Number(protobuf[1]);
  const protobufName = protobuf.find((word) => word.startsWith('name='))?.slice(5) ?? null;
  if (/(^|\.)TypeMeta$/.test(field.type)) return null;
  const resolved = resolve(field.type, source, imports, go);
  if (resolved === null) {
    // A Go interface beside the bytes that stand for it.
    if (number !== null || (jsonName !== '-' && jsonName !== '')) {
      go.missing.push(`${owner}.${field.name}: type ${field.type} is not known`);
    }
    return null;
  }
  const inline = jsonWords.includes('inline');
  const name = inline ? '...' : jsonName === '-' || jsonName === '' ? protobufName : jsonName;
  if (name === null) return null;
  return { name, type: resolved.type, number, protobufName, words: wordsOf(field, resolved, jsonWords, go) };
}

function wordsOf(field: GoField, resolved: Resolved, jsonWords: readonly string[], go: GoSources): string[] {
  const { markers, tags } = field, words: string[] = [];
  const of = (name: string): string | undefined => markers.find(([marker]) => marker === name)?.[1];
  const omitted = jsonWords.includes('omitempty') || jsonWords.includes('omitzero');
  const hidden = !tags.has('json') || tags.get('json') === '-' || jsonWords.includes('inline');
  const required = of('required') !== undefined || (of('optional') === undefined && !omitted);
  if (!hidden && required) words.push('required');
  if (!hidden && !omitted) words.push('always');
  const value = of('default');
  if (value !== undefined) words.push(`default=${defaultOf(value, go)}`);
  const strategy = tags.get('patchStrategy'), key = tags.get('patchMergeKey');
  if (strategy !== undefined) words.push(`patch=${strategy}`);
  if (key !== undefined) words.push(`merge=${key}`);
  const keys = markers.filter(([marker]) => marker === 'listMapKey').map(([, each]) => each);
  const listType = of('listType');
  if (listType !== undefined) words.push(listType === 'map' ? `map=${keys.join(',')}` : listType);
  else words.push(...[of('mapType') ?? of('structType') ?? []].flat());
  // Last, for its values may hold spaces.
  if (resolved.enum.length > 0) words.push(`enum=${resolved.enum.join(',')}`);
  return words;
}

/** `ref(Name)` stands for the value of a constant. */
function defaultOf(value: string, go: GoSources): string {
  const name = /^ref\((?:.*\.)?(\w+)\)$/.exec(value)?.[1];
  return name === undefined ? value : JSON.stringify(constant(name, go));
}

function constant(name: string, go: GoSources): string {
  const found = [...go.packages.values()].flatMap(({ constants }) => constants.get(name) ?? []);
  if (found[0] === undefined) go.missing.push(`constant ${name}: no value`);
  return found[0] ?? '';
}

interface Resolved { readonly type: string; readonly enum: readonly string[] }

const builtins: Readonly<Record<string, string>> = {
  string: 'string', bool: 'bool', int: 'int64', int32: 'int32', int64: 'int64', uint32: 'int64',
  float64: 'double', '[]byte': 'bytes', 'interface{}': 'any', any: 'any',
};

function resolve(type: string, source: TableSource, imports: Imports, go: GoSources): Resolved | null {
  const inside = (of: string, wrap: (inner: string) => string): Resolved | null => {
    const inner = resolve(of, source, imports, go);
    return inner === null ? null : { type: wrap(inner.type), enum: inner.enum };
  };
  const builtin = Object.hasOwn(builtins, type) ? builtins[type] : undefined;
  if (builtin !== undefined) return { type: builtin, enum: [] };
  if (type.startsWith('*')) return inside(type.slice(1), (inner) => `*${inner}`);
  if (type.startsWith('[]')) return inside(type.slice(2), (inner) => `[${inner}]`);
  const map = /^map\[[\w.]+\](.*)$/.exec(type)?.[1];
  if (map !== undefined) return inside(map, (inner) => `{${inner}}`);
  const [before = '', after] = type.split('.');
  return after === undefined ? local(before, source, source, go)
    : foreign(after, imports.get(before) ?? before, source, go);
}

function foreign(name: string, path: string, from: TableSource, go: GoSources): Resolved | null {
  const full = `${path}.${name}`, scalar = Object.hasOwn(scalars, full) ? scalars[full] : undefined;
  if (scalar !== undefined) return { type: scalar, enum: [] };
  const source = go.sources.find((each) => each.path === path);
  return source === undefined ? null : local(name, source, from, go);
}

function local(name: string, source: TableSource, from: TableSource, go: GoSources): Resolved | null {
  const own = go.packages.get(source.path), full = `${source.path}.${name}`;
  const scalar = Object.hasOwn(scalars, full) ? scalars[full] : undefined;
  if (scalar !== undefined) return { type: scalar, enum: [] };
  const named = own?.named.get(name);
  if (named !== undefined) return ofNamed(name, named, source, go);
  if (own?.structs.has(name) !== true) return null;
  return { type: source === from ? name : `${source.name}/${name}`, enum: [] };
}

function ofNamed(name: string, named: GoNamed, source: TableSource, go: GoSources): Resolved | null {
  const under = resolve(named.type, source, named.imports, go);
  if (under === null) return null;
  const isEnum = named.markers.some(([marker]) => marker === 'enum');
  const own = go.packages.get(source.path)?.constantsOf.get(name) ?? [];
  const values = !isEnum ? under.enum
    : own.map((value) => value.startsWith('=') ? constant(value.slice(1), go) : value);
  // Protobuf can't tell a missing list from an empty one, so some lists travel in a message of their own.
  const wrapped = named.markers.some(([marker, value]) => marker === 'protobuf.nullable' && value === 'true');
  const type = wrapped && under.type.startsWith('[') ? `<${under.type.slice(1, -1)}>` : under.type;
  return { type, enum: [...new Set(values)].sort() };
}
