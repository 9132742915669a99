// Go packages of types, read as far as their tables need it: structs with their fields, tags and markers,
// named types, constants, imports. It is no compiler: what it reads are the `types.go` files of Kubernetes,
// which are formatted by gofmt and declare one thing a line.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** `+name=value` lines of a comment; a marker without a value has ''. In the order of the text. */
export type Markers = readonly (readonly [name: string, value: string])[];

export interface GoField {
  /** Empty for an embedded type. */
  readonly name: string;
  readonly type: string;
  readonly tags: ReadonlyMap<string, string>;
  readonly markers: Markers;
}

export interface GoStruct { readonly fields: readonly GoField[]; readonly markers: Markers }
export interface GoNamed { readonly type: string; readonly markers: Markers; readonly imports: Imports }
/** Import paths by the name that a file gives them. */
export type Imports = ReadonlyMap<string, string>;

export interface GoPackage {
  /** As in an import, e.g. `k8s.io/api/core/v1`. */
  readonly path: string;
  readonly structs: ReadonlyMap<string, GoStruct & { readonly imports: Imports }>;
  readonly named: ReadonlyMap<string, GoNamed>;
  /** Values of the string constants of a type (`=NAME` for another's value), and constants by name. */
  readonly constantsOf: ReadonlyMap<string, readonly string[]>;
  readonly constants: ReadonlyMap<string, string>;
  /** Types with a method of their own that tells OpenAPI what they are, and what it says ('': anything). */
  readonly schemaTypes: ReadonlyMap<string, string>;
  /** OpenAPI name by type. */
  readonly modelNames: ReadonlyMap<string, string>;
  /** What `AddKnownTypes` registers for the group and version of the package. */
  readonly kinds: readonly string[];
}

interface Reading {
  structs: Map<string, GoStruct & { imports: Imports }>; named: Map<string, GoNamed>;
  constantsOf: Map<string, string[]>; constants: Map<string, string>; schemaTypes: Map<string, string>;
  modelNames: Map<string, string>; kinds: string[];
}

export function readGoPackage(folder: string, path: string): GoPackage {
  const reading: Reading = {
    structs: new Map(), named: new Map(), constantsOf: new Map(), constants: new Map(),
    schemaTypes: new Map(), modelNames: new Map(), kinds: [],
  };
  const files = readdirSync(folder).filter((name) => name.endsWith('.go') && !name.endsWith('_test.go'))
    .filter((name) => !/^(generated\.pb|zz_generated\.(?!model_name))/.test(name)).sort();
  for (const name of files) {
    const text = readFileSync(join(folder, name), 'utf8');
    // Of two files for one type, picked by a build tag, the plain one holds what others must know.
    if (/^\/\/go:build (?!ignore|!)/m.test(text.split('\npackage ')[0] ?? '')) continue;
    readFile(text, reading);
  }
  return { path, ...reading };
}

function readFile(text: string, reading: Reading): void {
  const imports = readImports(text), lines = text.split('\n');
  let comment: string[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? '', trimmed = line.trim();
    if (trimmed.startsWith('//')) { comment.push(trimmed); continue; }
    if (trimmed === '') continue;
    const struct = /^type (\w+) struct ?\{\}?$/.exec(line), named = /^type (\w+) =? ?([^{]+)$/.exec(line);
    if (struct?.[1] !== undefined) {
      const end = line.endsWith('}') ? at : lines.indexOf('}', at);
      reading.structs.set(struct[1], {
        fields: readFields(lines.slice(at + 1, end)), markers: markersOf(comment), imports,
      });
      at = end;
    } else if (named?.[1] !== undefined && named[2] !== undefined) {
      const type = named[2].replace(/\s*\/\/.*/, '').trim();
      reading.named.set(named[1], { type, markers: markersOf(comment), imports });
    }
    comment = [];
  }
  readConstants(text, reading);
  readMethods(text, reading);
  for (const [, list = ''] of text.matchAll(/AddKnownTypes\(\w+,([^)]*)\)/g)) {
    for (const [, kind = ''] of list.matchAll(/&(\w+)\{\}/g)) reading.kinds.push(kind);
  }
}

function readImports(text: string): Imports {
  const found = new Map<string, string>();
  const block = /^import \(([\s\S]*?)^\)/m.exec(text)?.[1] ?? '', single = text.matchAll(/^import (.*)$/gm);
  for (const line of [...block.split('\n'), ...[...single].map((match) => match[1] ?? '')]) {
    const [, alias, path] = /^\s*(?:(\w+)\s+)?"([^"]+)"/.exec(line) ?? [];
    if (path !== undefined) found.set(alias ?? path.split('/').at(-1) ?? '', path);
  }
  return found;
}

function readFields(lines: readonly string[]): GoField[] {
  const fields: GoField[] = [];
  let comment: string[] = [];
  for (const line of lines) {
    const trimmed = line.trim();
    if (trimmed.startsWith('//')) { comment.push(trimmed); continue; }
    if (trimmed === '') continue;
    const [, code = '', tags = ''] = /^([^`]*)(?:`([^`]*)`)?/.exec(trimmed) ?? [];
    const words = code.replace(/\s*\/\/.*/, '').trim().split(/\s+/);
    const embedded = words.length === 1, [first = ''] = words;
    fields.push({
      name: embedded ? '' : first, type: embedded ? first : words.slice(1).join(' '),
      tags: new Map([...tags.matchAll(/(\w+):"([^"]*)"/g)].map(([, key = '', value = '']) => [key, value])),
      markers: markersOf(comment),
    });
    comment = [];
  }
  return fields;
}

function markersOf(comment: readonly string[]): Markers {
  return comment.flatMap((line) => {
    const [, name, value = ''] = /^\/\/\s?\+([\w:.()-]+)(?:=(.*))?$/.exec(line.trimEnd()) ?? [];
    return name === undefined ? [] : [[name, value.trim()] as const];
  });
}

function readConstants(text: string, reading: Reading): void {
  const declared = /^(?:const)?[ \t]+(\w+)(?:[ \t]+([\w.]+))?[ \t]*=[ \t]*(?:(\w+)\()?"([^"]*)"\)?/gm;
  for (const [, name = '', type, cast, value = ''] of text.matchAll(declared)) {
    reading.constants.set(name, value);
    const of = type ?? cast;
    if (of !== undefined) reading.constantsOf.set(of, [...reading.constantsOf.get(of) ?? [], value]);
  }
  const converted = /^[ \t]+\w+(?:[ \t]+\w+)?[ \t]*=[ \t]*(\w+)\((?:\w+\.)?([A-Z]\w+)\)$/gm;
  for (const [, of = '', name = ''] of text.matchAll(converted)) {
    reading.constantsOf.set(of, [...reading.constantsOf.get(of) ?? [], `=${name}`]);
  }
}

function readMethods(text: string, reading: Reading): void {
  const method = /^func \((?:\w+ )?\*?(\w+)\) (OpenAPISchemaType|OpenAPIModelName)\(\)[^{]*\{([\s\S]*?)\}$/gm;
  for (const [, type = '', name, body = ''] of text.matchAll(method)) {
    const said = /"([^"]*)"/.exec(body)?.[1] ?? '';
    (name === 'OpenAPIModelName' ? reading.modelNames : reading.schemaTypes).set(type, said);
  }
}
