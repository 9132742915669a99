// OpenAPI definitions, made from the tables of all kinds: what kubectl explains and merges by, and what
// clients are generated from.
//
// What always holds: a definition that another one refers to is in the same document; properties are sorted,
// as Kubernetes publishes them; words for people come from outside (`Descriptions`), or are left out.
// Source: Kubernetes, "OpenAPI V3"; kube-openapi's rules for defaults, list types, unions and enums.

import { assert, unreachable } from '../../assert.ts';
import { flat } from '../kinds/schema.ts';
import { definitionNames, definitionOf, groupVersionsOfTables } from '../kinds/table.ts';
import type { Definition, Field, FieldType, Scalar } from '../kinds/table.ts';
import type { Descriptions } from '../request.ts';

export type Generation = 2 | 3;
export type Document = Readonly<Record<string, unknown>>;

interface Making {
  readonly generation: Generation;
  readonly descriptions: Descriptions | null;
  /** Names that the definition refers to. */
  readonly refers: string[];
}

/** A definition as JSON, and the names of those that it refers to. */
interface Piece { readonly text: string; readonly refers: readonly string[] }

/** The JSON of the named definitions and of all that they are made of, by name, sorted. */
export function definitionsOf(
  names: readonly string[], generation: Generation, descriptions: Descriptions | null,
): readonly (readonly [string, string])[] {
  const found = new Map<string, string>(), waiting = [...names];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    const { text: json, refers } = pieceOf(name, generation, descriptions);
    found.set(name, json);
    waiting.push(...refers);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Makes all definitions, one a step, ahead of the first who asks: a document of all the core kinds made at
 * once would hold up everything else for longer than a heartbeat may wait.
 */
export function* makeAhead(descriptions: Descriptions): Generator<void> {
  for (const generation of [3, 2] as const) {
    for (const name of definitionNames()) {
      pieceOf(name, generation, descriptions);
      yield;
    }
  }
}

/** Of one edition of the descriptions, by generation and name. */
const pieces = new Map<string, Piece>();
let edition = '';

function pieceOf(name: string, generation: Generation, descriptions: Descriptions | null): Piece {
  if ((descriptions?.edition ?? '') !== edition) pieces.clear();
  edition = descriptions?.edition ?? '';
  const key = `${generation} ${name}`, known = pieces.get(key);
  if (known !== undefined) return known;
  const making: Making = { generation, descriptions, refers: [] };
  const definition = scalarDefinition(name, generation) ?? whole(name, making);
  const piece = { text: JSON.stringify(definition), refers: [...new Set(making.refers)] };
  pieces.set(key, piece);
  return piece;
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const scalarNames = {
  time: `${meta}.Time`, 'micro-time': `${meta}.MicroTime`,
  quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  'int-or-string': 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
} as const;

/** Scalars that have a name of their own. */
function scalarDefinition(name: string, generation: Generation): Document | null {
  switch (name) {
    case scalarNames.time: case scalarNames['micro-time']: return { type: 'string', format: 'date-time' };
    case scalarNames.quantity:
      return generation === 2 ? { type: 'string' } : { oneOf: [{ type: 'string' }, { type: 'number' }] };
    case scalarNames['int-or-string']:
      return generation === 2 ? { type: 'string', format: 'int-or-string' }
        : { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] };
    default: return null;
  }
}

function whole(name: string, making: Making): Document {
  const definition = definitionOf(name);
  assert(definition !== null, 'what OpenAPI speaks of is in the tables');
  const words = making.descriptions?.of(name) ?? null;
  const described = words === null || words.text === '' ? {} : { description: words.text };
  const atomic = mapType(definition.atomic ? 'atomic' : null);
  const extensions = { ...kindsOf(definition), ...unionsOf(definition), ...atomic };
  switch (definition.as) {
    case 'any': return { ...described, ...extensions };
    case 'object': return { ...described, type: 'object', ...extensions };
    case null: break;
    default: return unreachable(definition.as);
  }
  const typeMeta = definition.isKind ? [['apiVersion', text], ['kind', text]] as const : [];
  const fields = flat(definition);
  const own = fields.map((field) => [field.name, property(field, making)] as const);
  const properties = [...typeMeta, ...own].sort(([a], [b]) => (a < b ? -1 : 1)).map(([field, shape]) =>
    [field, withWords(shape, words?.fields[field], making.generation)] as const);
  const required = fields.filter((field) => field.required).map((field) => field.name);
  return {
    ...described, type: 'object', ...required.length === 0 ? {} : { required },
    ...properties.length === 0 ? {} : { properties: Object.fromEntries(properties) }, ...extensions,
  };
}

const text: Document = { type: 'string' };

/** Version 3.0 ignores what stands beside a `$ref`, so that the reference is wrapped, as Kubernetes does. */
export function beside(shape: Document, more: Document, generation: Generation): Document {
  if (Object.keys(more).length === 0) return shape;
  const { $ref: reference, ...rest } = shape;
  if (reference === undefined || generation === 2) return { ...shape, ...more };
  return { allOf: [{ $ref: reference }], ...rest, ...more };
}

function withWords(shape: Document, description: string | undefined, generation: Generation): Document {
  return description === undefined || description === '' ? shape : beside(shape, { description }, generation);
}

const gvk = (group: string, version: string, kind: string): Document => ({ group, version, kind });

/** Which group, version and kind it is. Every group and version has these two: */
const inEveryGroup = [`${meta}.DeleteOptions`, `${meta}.WatchEvent`];

function kindsOf({ name, type, group, version, isKind }: Definition): Document {
  const kinds = inEveryGroup.includes(name)
    ? groupVersionsOfTables().map((each) => gvk(each.group, each.version, type))
    : isKind && name !== `${meta}.Patch` ? [gvk(group, version, type)] : [];
  return kinds.length === 0 ? {} : { 'x-kubernetes-group-version-kind': kinds };
}

function unionsOf({ union }: Definition): Document {
  if (union === null) return {};
  const { discriminator, fields } = union;
  const one = { ...discriminator === null ? {} : { discriminator }, 'fields-to-discriminateBy': fields };
  return { 'x-kubernetes-unions': [one] };
}

const mapType = (type: string | null): Document => type === null ? {} : { 'x-kubernetes-map-type': type };

// ── fields ───────────────────────────────────────────────────────────────────────────────────────────────

function property(field: Field, making: Making): Document {
  const { type, always, enum: values } = field, { generation } = making;
  const isList = type.is === 'list' || type.is === 'wrapped';
  const value = field.default !== undefined ? field.default : defaultOf(type, always);
  const shape = shapeOf(type, values, making);
  return beside(shape, {
    // Version 2 has none, as in Kubernetes: old clients took them for their own.
    ...value === undefined || generation === 2 ? {} : { default: value },
    ...isList ? listExtensions(field) : mapType(field.owned),
    ...field.patch.length === 0 ? {} : { 'x-kubernetes-patch-strategy': field.patch.join(',') },
    ...field.mergeKey === null ? {} : { 'x-kubernetes-patch-merge-key': field.mergeKey },
  }, generation);
}

function listExtensions({ owned, keys }: Field): Document {
  return {
    ...owned === null ? {} : { 'x-kubernetes-list-type': owned },
    ...owned === 'map' ? { 'x-kubernetes-list-map-keys': keys } : {},
  };
}

/** What Go makes of a field that isn't there, where that is no absence: `always` says that it is shown. */
function defaultOf(type: FieldType, always: boolean): unknown {
  switch (type.is) {
    case 'list': case 'wrapped': case 'map': return undefined;
    case 'definition': return type.pointer || definitionOf(type.name)?.as !== null ? undefined : {};
    case 'scalar': return type.pointer || !always ? undefined : zeros[type.scalar];
    default: return unreachable(type);
  }
}

const zeros: Readonly<Partial<Record<Scalar, unknown>>> = {
  string: '', bool: false, int32: 0, int64: 0, double: 0,
};

function shapeOf(type: FieldType, values: readonly string[], making: Making): Document {
  switch (type.is) {
    case 'list': case 'wrapped': return { type: 'array', items: inner(type.of, values, making) };
    case 'map': return { type: 'object', additionalProperties: inner(type.of, values, making) };
    case 'definition': return reference(type.name, making);
    case 'scalar': {
      const named = type.scalar in scalarNames ? scalarNames[type.scalar as keyof typeof scalarNames] : null;
      if (named !== null) return reference(named, making);
      return { ...plainShapes[type.scalar], ...values.length === 0 ? {} : { enum: values } };
    }
    default: return unreachable(type);
  }
}

function inner(of: FieldType, values: readonly string[], making: Making): Document {
  const { generation } = making, value = generation === 2 ? undefined : defaultOf(of, true);
  return beside(shapeOf(of, values, making), value === undefined ? {} : { default: value }, generation);
}

function reference(name: string, { generation, refers }: Making): Document {
  refers.push(name);
  return { $ref: `#/${generation === 2 ? 'definitions' : 'components/schemas'}/${name}` };
}

const plainShapes: Readonly<Record<Scalar, Document>> = {
  string: text, bool: { type: 'boolean' },
  int32: { type: 'integer', format: 'int32' }, int64: { type: 'integer', format: 'int64' },
  double: { type: 'number', format: 'double' }, bytes: { type: 'string', format: 'byte' }, any: {},
  time: text, 'micro-time': text, quantity: text, 'int-or-string': text,
};
