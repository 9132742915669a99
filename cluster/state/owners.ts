// metadata.managedFields as the state keeps them. What one write owns is what thousands of others like it
// own: the sets are kept once for all, part by part, or they would take more memory than the objects.
//
// What always holds: what comes out says the same as what went in; nothing depends on what was seen before
// but which parts are the same in memory.

import type { KubeObject } from '../api/types.ts';
import { limits } from '../limits.ts';

type Node = Readonly<Record<string, unknown>>;
interface Kept { readonly id: number; readonly node: Node }

/** By the names in a node and the ids of what is below them. */
const kept = new Map<string, Kept>();
const words = new Map<string, string>();
let ids = 0;

const nothing: Kept = { id: 0, node: Object.freeze({}) };

/** The object with sets that it shares with others. */
export function withSharedOwners(object: KubeObject): KubeObject {
  const { managedFields } = object.metadata;
  if (managedFields === undefined || !Array.isArray(managedFields)) return object;
  return { ...object, metadata: { ...object.metadata, managedFields: managedFields.map(sharedEntry) } };
}

function sharedEntry(entry: unknown): unknown {
  if (!isNode(entry)) return entry;
  const fields: [string, unknown][] = [];
  for (const name of Object.keys(entry)) {
    const value = entry[name];
    if (name === 'fieldsV1') fields.push([name, shared(value, 0)?.node ?? value]);
    else fields.push([name, typeof value === 'string' && name !== 'time' ? word(value) : value]);
  }
  return Object.fromEntries(fields);
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The node that stands for all that are like this one; null for what is no set. */
function shared(value: unknown, depth: number): Kept | null {
  if (!isNode(value) || depth > limits.bodyDepthMax) return null;
  const below: [string, Node][] = [];
  let text = '';
  for (const name of Object.keys(value)) {
    const inner = shared(value[name], depth + 1);
    if (inner === null) return null;
    below.push([name, inner.node]);
    text += `${name.length}:${name}${inner.id};`;
  }
  if (below.length === 0) return nothing;
  const known = kept.get(text);
  if (known !== undefined) return known;
  if (kept.size >= limits.ownerNodesKept) kept.clear();
  const made = { id: ids += 1, node: Object.fromEntries(below) };
  kept.set(text, made);
  return made;
}

/** Names of managers and versions are few. */
function word(text: string): string {
  const known = words.get(text);
  if (known !== undefined) return known;
  if (words.size >= limits.ownerWordsKept) words.clear();
  words.set(text, text);
  return text;
}
