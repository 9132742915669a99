// Sets of fields: what a manager owns of an object. A set is the very value that fieldsV1 holds: a trie whose
// steps are path elements (`elements.ts`). A node without steps is in the set; one with steps is in the set
// if it has the step `.`.
//
// What always holds: sets are never changed, and share what they have in common; their steps stand in the
// one order of `compareElements`, so equal sets are equal texts; no operation takes more than the time of
// walking its arguments.
// Source: structured-merge-diff, fieldpath, by what it does.

import type { Json } from '../body.ts';
import { compareElements, normalElement } from './elements.ts';

export interface Fields { readonly [element: string]: Fields }
type Building = Record<string, Fields>;

export const noFields: Fields = Object.freeze({});
/** A node that is in the set, and nothing below it. One for all, as there are many. */
export const leaf: Fields = noFields;
const self = '.';

export function isEmpty(set: Fields): boolean {
  for (const _ in set) return false;
  return true;
}

/** Whether the field that the node stands for is itself in the set. */
const isMember = (node: Fields): boolean => Object.hasOwn(node, self) || isEmpty(node);

/** The steps in order, without `.`. */
function stepsOf(node: Fields): string[] {
  const steps = Object.keys(node);
  return steps[0] === self ? steps.slice(1) : steps;
}

/** A node of these steps, which stand in order; null where there is nothing in it. */
export function nodeOf(member: boolean, steps: readonly (readonly [string, Fields])[]): Fields | null {
  if (steps.length === 0) return member ? leaf : null;
  const node: Building = {};
  if (member) node[self] = leaf;
  for (const [element, below] of steps) node[element] = below;
  return node;
}

// ── algebra ──────────────────────────────────────────────────────────────────────────────────────────────

interface Rule {
  /** What becomes of a step that only one of the two has. */
  readonly left: boolean;
  readonly right: boolean;
  readonly member: (a: boolean, b: boolean) => boolean;
  /** With a field all that is below it goes. */
  readonly deep: boolean;
}

const rules = {
  union: { left: true, right: true, member: (a, b) => a || b, deep: false },
  intersection: { left: false, right: false, member: (a, b) => a && b, deep: false },
  difference: { left: true, right: false, member: (a, b) => a && !b, deep: false },
  without: { left: true, right: false, member: (a, b) => a && !b, deep: true },
} as const satisfies Readonly<Record<string, Rule>>;

export const union = (a: Fields, b: Fields): Fields =>
  a === b || isEmpty(b) ? a : isEmpty(a) ? b : combine(a, b, rules.union);

export const intersection = (a: Fields, b: Fields): Fields =>
  isEmpty(a) || isEmpty(b) ? noFields : combine(a, b, rules.intersection);

/** The fields of `a` that are not in `b`; what is below a field of `b` stays. */
export const difference = (a: Fields, b: Fields): Fields =>
  isEmpty(a) || isEmpty(b) ? a : combine(a, b, rules.difference);

/** The fields of `a` that are neither in `b` nor below a field of it. */
export const without = (a: Fields, b: Fields): Fields =>
  isEmpty(a) || isEmpty(b) ? a : combine(a, b, rules.without);

/** Two sets, which are roots: there is no `.` in them. `a` itself where nothing of it changes. */
function combine(a: Fields, b: Fields, rule: Rule): Fields {
  const lefts = stepsOf(a), rights = stepsOf(b), kept: [string, Fields][] = [];
  let l = 0, r = 0, same = true;
  while (l < lefts.length || r < rights.length) {
    const left = lefts[l], right = rights[r];
    const order = left === undefined ? 1 : right === undefined ? -1 : compareElements(left, right);
    if (order <= 0) l += 1;
    if (order >= 0) r += 1;
    if (order < 0 && left !== undefined) {
      if (rule.left) kept.push([left, a[left] ?? leaf]);
      else same = false;
    } else if (order > 0 && right !== undefined) {
      if (rule.right) kept.push([right, b[right] ?? leaf]);
      if (rule.right) same = false;
    } else if (left !== undefined) {
      const before = a[left] ?? leaf, node = combineNodes(before, b[left] ?? leaf, rule);
      if (node !== null) kept.push([left, node]);
      if (node !== before) same = false;
    }
  }
  return same ? a : nodeOf(false, kept) ?? noFields;
}

function combineNodes(a: Fields, b: Fields, rule: Rule): Fields | null {
  const inA = isMember(a), inB = isMember(b), member = rule.member(inA, inB);
  if (rule.deep && inB) return null;
  const below = combine(a, b, rule);
  if (below === a && member === inA) return a;
  const steps = stepsOf(below).map((step) => [step, below[step] ?? leaf] as const);
  return nodeOf(member, steps);
}

export function sameFields(a: Fields, b: Fields): boolean {
  if (a === b) return true;
  const steps = Object.keys(a), others = Object.keys(b);
  return steps.length === others.length && steps.every((step, at) =>
    step === others[at] && sameFields(a[step] ?? leaf, b[step] ?? leaf));
}

/** Whether the very field is in the set. */
export function has(set: Fields, path: readonly string[]): boolean {
  let node = set;
  for (const step of path) {
    const next = Object.hasOwn(node, step) ? node[step] : undefined;
    if (next === undefined) return false;
    node = next;
  }
  return path.length > 0 && isMember(node);
}

/** All paths of the set: at each level first the fields themselves, then what is below them. */
export function pathsOf(set: Fields): string[][] {
  const paths: string[][] = [];
  collect(set, [], paths);
  return paths;
}

function collect(node: Fields, prefix: readonly string[], paths: string[][]): void {
  for (const step of stepsOf(node)) if (isMember(node[step] ?? leaf)) paths.push([...prefix, step]);
  for (const step of stepsOf(node)) collect(node[step] ?? leaf, [...prefix, step], paths);
}

/** The set of these paths. */
export function setOfPaths(paths: readonly (readonly string[])[]): Fields {
  return paths.reduce<Fields>((set, path) => union(set, pathSet(path)), noFields);
}

function pathSet(path: readonly string[]): Fields {
  return path.reduceRight<Fields>((below, step) => ({ [step]: below }), leaf);
}

/** The node at this step; the empty set where there is none. */
export const below = (set: Fields, step: string): Fields =>
  (Object.hasOwn(set, step) ? set[step] : undefined) ?? noFields;

export const isIn = (set: Fields, step: string): boolean =>
  Object.hasOwn(set, step) && isMember(set[step] ?? leaf);

export { stepsOf };

// ── from a client ────────────────────────────────────────────────────────────────────────────────────────

/** The set that `value` means, in its one form; null for what is none. Steps of unknown kinds are dropped. */
export function readFields(value: Json | undefined): Fields | null {
  const node = readNode(value ?? {});
  if (node === null) return null;
  if (!Object.hasOwn(node, self)) return node;
  const { [self]: _, ...root } = node;
  return root;
}

function readNode(value: Json): Fields | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const given = value as Readonly<Record<string, Json>>;
  const steps: [string, Fields][] = [];
  let same = true, member = false, before = '';
  for (const name in given) {
    if (!Object.hasOwn(given, name)) continue;
    if (name === self) {
      member = true;
      if (steps.length > 0 || !isEmptyObject(given[name])) same = false;
      continue;
    }
    const element = normalElement(name);
    if (element === undefined) return null;
    const node = element === null ? null : readNode(given[name] ?? null);
    if (element !== null && node === null) return null;
    if (element !== null && node !== null) steps.push([element, node]);
    if (element !== name || node !== given[name]) same = false;
    else if (before !== '' && compareElements(before, name) >= 0) same = false;
    before = name;
  }
  // What a client wrote in order, and all that Shoal wrote itself, is taken as it is.
  if (same && steps.length > 0) return given as unknown as Fields;
  if (steps.length === 0) return leaf;
  return nodeOf(member, inOrder(steps));
}

function isEmptyObject(value: Json | undefined): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** In order; of two nodes of one step the union. */
export function inOrder(steps: readonly (readonly [string, Fields])[]): (readonly [string, Fields])[] {
  if (steps.length < 2) return [...steps];
  const sorted = [...steps].sort(([a], [b]) => compareElements(a, b));
  const merged: (readonly [string, Fields])[] = [];
  for (const [element, node] of sorted) {
    const last = merged.at(-1);
    if (last === undefined || last[0] !== element) merged.push([element, node]);
    else merged[merged.length - 1] = [element, combineNodes(last[1], node, rules.union) ?? leaf];
  }
  return merged;
}
