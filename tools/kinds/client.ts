// What `@kubernetes/client-node` knows of the same API: plurals, scopes and subresources from its paths, and
// names and types of all fields, to compare with what was read from Go.

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { DefinitionRow, FieldRow, Tables } from './definitions.ts';
import type { TableSource } from './packages.ts';

const gen = join(dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node')), 'gen');

/** By kind: `<plural> <namespaced|cluster> <subresource>…`. */
export function clientPaths({ client }: TableSource): ReadonlyMap<string, string> {
  const served = new Map<string, string>();
  if (client === null) return served;
  const text = readFileSync(join(gen, 'apis', `${client}.js`), 'utf8');
  const calls = [...text.matchAll(/async (\w+)\([\s\S]*?const localVarPath = '([^']+)'/g)]
    .map(([, call = '', path = '']) => ({ call, path }));
  const places = new Map<string, { plural: string; scope: string; subresources: Set<string> }>();
  for (const { call, path } of calls) {
    const made = /^(?:create|read|replace|list)(Namespaced)?(\w+)$/.exec(call);
    const [, scope, plural = ''] =
      /^\/apis?(?:\/[^/]+){1,2}?(\/namespaces\/\{namespace\})?\/([a-z]+)$/.exec(path) ?? [];
    if (made?.[2] === undefined || plural === '') continue;
    const kind = made[2].replace(/ForAllNamespaces$/, '');
    const place = places.get(kind) ?? { plural, scope: 'cluster', subresources: new Set<string>() };
    if (scope !== undefined) place.scope = 'namespaced';
    places.set(kind, place);
  }
  for (const { path } of calls) {
    const [, plural, sub] = /\/([a-z]+)\/\{name\}\/([a-z]+)/.exec(path) ?? [];
    if (plural === undefined || sub === undefined) continue;
    for (const place of places.values()) if (place.plural === plural) place.subresources.add(sub);
  }
  for (const [kind, { plural, scope, subresources }] of [...places].sort()) {
    served.set(kind, [plural, scope, ...[...subresources].sort()].join(' '));
  }
  return served;
}

/** Every difference, one a line. */
export function compareWithClient(sources: readonly TableSource[], tables: Tables): string[] {
  return sources.flatMap((source) => [...tables.get(source.name) ?? []].flatMap(([name, row]) => {
    if (source.group === null || row.as !== null) return [];
    const model = modelOf(source, name);
    if (model === null) return [`${source.name}/${name}: not in the client`];
    return compareFields(`${source.name}/${name}`, flat(row, source, tables), model, row.kind);
  }));
}

interface ModelField { readonly type: string; readonly format: string; readonly required: boolean }

/** Where two groups have a type of one name, the client puts the group before the version. */
function modelOf(source: TableSource, name: string): ReadonlyMap<string, ModelField> | null {
  const [folder = ''] = source.name.split('.');
  const version = source.version.toUpperCase();
  const group = folder.charAt(0).toUpperCase() + folder.slice(1);
  const file = [`${group}${version}${name}`, `${version}${name}`]
    .map((each) => join(gen, 'models', each)).find((each) => existsSync(`${each}.js`));
  if (file === undefined) return null;
  const code = readFileSync(`${file}.js`, 'utf8'), types = readFileSync(`${file}.d.ts`, 'utf8');
  const [, list = '[]'] = /attributeTypeMap = (\[[\s\S]*?\n\]);/.exec(code) ?? [];
  const fields = JSON.parse(list) as { name: string; baseName: string; type: string; format: string }[];
  return new Map(fields.map(({ name: own, baseName, type, format }) =>
    [baseName, { type, format, required: types.includes(`'${own}': `) }]));
}

function flat(row: DefinitionRow, source: TableSource, tables: Tables): readonly FieldRow[] {
  return row.fields.flatMap((field) => field.name !== '...' ? [field]
    : flat(tables.get(source.name)?.get(field.type) ?? row, source, tables));
}

function compareFields(owner: string, fields: readonly FieldRow[], model: ReadonlyMap<string, ModelField>,
  isKind: boolean): string[] {
  const wrong: string[] = [], seen = new Set<string>(isKind ? ['apiVersion', 'kind'] : []);
  for (const { name, type, words } of fields) {
    seen.add(name);
    const theirs = model.get(name);
    if (theirs === undefined) {
      wrong.push(`${owner}.${name}: not in the client`);
      continue;
    }
    const expected = clientType(type);
    if (!expected.test(`${theirs.type} ${theirs.format}`)) {
      wrong.push(`${owner}.${name}: ${type}, in the client ${theirs.type} ${theirs.format}`);
    }
    if (words.includes('required') !== theirs.required) {
      wrong.push(`${owner}.${name}: ${theirs.required ? '' : 'not '}required in the client`);
    }
  }
  for (const name of model.keys()) if (!seen.has(name)) wrong.push(`${owner}.${name}: in the client only`);
  return wrong;
}

function clientType(type: string): RegExp {
  const plain = type.replace(/^\*/, '');
  const inner = /^[[{<](.*)[\]}>]$/.exec(plain)?.[1];
  if (inner !== undefined) {
    const of = clientType(inner).source.replace(/^\^|\$$/g, '').replace(/ .*$/, '');
    return plain.startsWith('{') ? new RegExp(`^\\{ \\[key: string\\]: ${of}; \\}`)
      : new RegExp(`^Array<${of}>`);
  }
  switch (plain) {
    case 'string': case 'quantity': return /^string /;
    case 'bool': return /^boolean /;
    case 'int32': return /^number int32$/;
    case 'int64': return /^number int64$/;
    case 'double': return /^number double$/;
    case 'bytes': return /^string byte$/;
    case 'time': return /^Date date-time$/;
    case 'micro-time': return /^V1MicroTime date-time-micro$/;
    case 'int-or-string': return /^IntOrString int-or-string$/;
    case 'any': return /^any /;
    case 'runtime/RawExtension': case 'FieldsV1': return /^any /;
    default: return new RegExp(`^(\\w*${plain.split('/').at(-1)}|any) `);
  }
}
