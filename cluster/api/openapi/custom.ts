// What OpenAPI publishes of kinds that no table has: a definition that their registry brings along, and the
// list that goes with it.

import type { Resource } from '../resource.ts';
import type { Document, Generation } from './definitions.ts';

/** Definitions by name; none for a kind of the tables. */
export function customDefinitions(
  { published, verbs, group, version, kind, listKind = `${kind}List` }: Resource, generation: Generation,
): readonly (readonly [string, Document])[] {
  if (published === undefined) return [];
  const { name, definition } = published, own = [name, definition(generation)] as const;
  if (!verbs.includes('list')) return [own];
  const refer = (to: string): string => `#/${generation === 2 ? 'definitions' : 'components/schemas'}/${to}`;
  const text = { type: 'string' };
  return [own, [`${name}List`, {
    type: 'object', required: ['items'],
    properties: {
      apiVersion: text, items: { type: 'array', items: { $ref: refer(name) } }, kind: text,
      metadata: { $ref: refer('io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta') },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: listKind }],
  }]];
}
