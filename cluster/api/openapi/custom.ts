// What OpenAPI publishes of kinds that no table has: a definition that their registry brings along, and the
// list that goes with it.

import type { Descriptions } from '../request.ts';
import type { Resource } from '../resource.ts';
import { beside } from './definitions.ts';
import type { Document, Generation } from './definitions.ts';

/** Definitions by name; none for a kind of the tables. */
export function customDefinitions(
  { published, verbs, group, version, kind, listKind = `${kind}List` }: Resource, generation: Generation,
  descriptions: Descriptions | null,
): readonly (readonly [string, Document])[] {
  if (published === undefined) return [];
  const { name, definition } = published;
  const own = [name, withWords(definition(generation), generation, descriptions)] as const;
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

type Texts = readonly (readonly [string, string])[];

const texts = new WeakMap<Resource, Map<Generation, { readonly edition: string; readonly texts: Texts }>>();

/** The same as JSON, kept for the kind. */
export function customTexts(
  resource: Resource, generation: Generation, descriptions: Descriptions | null,
): Texts {
  const edition = descriptions?.edition ?? '';
  const kept = texts.get(resource) ?? new Map<Generation, { edition: string; texts: Texts }>();
  const known = kept.get(generation);
  if (known?.edition === edition) return known.texts;
  const made = customDefinitions(resource, generation, descriptions)
    .map(([name, definition]) => [name, JSON.stringify(definition)] as const);
  texts.set(resource, kept.set(generation, { edition, texts: made }));
  return made;
}

/** The fields that every object has are described as those of any other kind. */
function withWords(
  definition: Document, generation: Generation, descriptions: Descriptions | null,
): Document {
  const { properties } = definition, words = descriptions?.of('io.k8s.api.core.v1.ConfigMap')?.fields ?? {};
  if (typeof properties !== 'object' || properties === null) return definition;
  const described = Object.entries(properties as Record<string, Document>).map(([name, shape]) => {
    const isMeta = name === 'apiVersion' || name === 'kind' || name === 'metadata';
    const description = isMeta ? words[name] ?? '' : '';
    return [name, beside(shape, description === '' ? {} : { description }, generation)] as const;
  });
  return { ...definition, properties: Object.fromEntries(described) };
}
