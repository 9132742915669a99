// Reading and replacing fields of an object by their path, as tables of columns, rules and defaults name
// them: `spec.scaleTargetRef.kind`. Kinds that nothing in Shoal acts on need no types of their own this way.
//
// What always holds: nothing throws, whatever lies at the path; the object itself never changes.

import type { KubeObject } from '../types.ts';

export type Fields = Readonly<Record<string, unknown>>;

const nothing: Fields = {};

/** The fields of a structure; none where it is no structure. */
export function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Fields : nothing;
}

/** The numbers among the fields of a structure. */
export function numbersOf(value: unknown): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(fieldsOf(value)).filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number'));
}

/** What lies at the path; undefined where there is nothing. */
export function at(value: unknown, path: string): unknown {
  let found = value;
  for (const step of path.split('.')) found = fieldsOf(found)[step];
  return found;
}

/** What Kubernetes takes for "not given": nothing, an empty text, an empty list. */
export const isMissing = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0);

export function textAt(value: unknown, path: string): string {
  const found = at(value, path);
  return typeof found === 'string' ? found : '';
}

export function numberAt(value: unknown, path: string): number | undefined {
  const found = at(value, path);
  return typeof found === 'number' ? found : undefined;
}

export function listAt(value: unknown, path: string): readonly unknown[] {
  const found = at(value, path);
  return Array.isArray(found) ? found : [];
}

export const textsAt = (value: unknown, path: string): readonly string[] =>
  listAt(value, path).filter((item) => typeof item === 'string');

/** A copy with this at the path; the structures on the way are made where they are missing. */
export function withAt<T extends object>(object: T, path: string, value: unknown): T {
  const [step = '', ...rest] = path.split('.');
  const inner = rest.length === 0 ? value : withAt(fieldsOf(at(object, step)), rest.join('.'), value);
  return { ...object, [step]: inner };
}

/** A copy without what lies at the path. */
export function withoutAt<T extends object>(object: T, path: string): T {
  if (at(object, path) === undefined) return object;
  const [step = '', ...rest] = path.split('.');
  if (rest.length > 0) return { ...object, [step]: withoutAt(fieldsOf(at(object, step)), rest.join('.')) };
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== step)) as T;
}

/** Where nothing lies at a path, what a table of defaults has for it; paths in the order of the table. */
export function filled(object: KubeObject, defaults: Readonly<Record<string, unknown>>): KubeObject {
  let out = object;
  for (const [path, value] of Object.entries(defaults)) {
    const found = at(out, path);
    if (found === undefined || found === null || found === '') out = withAt(out, path, value);
  }
  return out;
}

/**
 * Every value that the path names, with its own path: `spec.rules[].http?.paths[]` goes into each item of a
 * list, and past `?` only where there is something; what is missing without it counts as an empty structure.
 */
export function eachAt(object: unknown, path: string, visit: (value: unknown, path: string) => void): void {
  walk(object, path === '' ? [] : path.split('.'), '', visit);
}

function walk(
  value: unknown, steps: readonly string[], path: string, visit: (value: unknown, path: string) => void,
): void {
  const [step, ...rest] = steps;
  if (step === undefined) return visit(value, path);
  const many = step.endsWith('[]'), maybe = step.endsWith('?');
  const name = many ? step.slice(0, -2) : maybe ? step.slice(0, -1) : step;
  const found = fieldsOf(value)[name], here = path === '' ? name : `${path}.${name}`;
  if (many) {
    if (!Array.isArray(found)) return undefined;
    return found.forEach((item, i) => walk(item, rest, `${here}[${i}]`, visit));
  }
  if (maybe && (found === undefined || found === null)) return undefined;
  return walk(found, rest, here, visit);
}
