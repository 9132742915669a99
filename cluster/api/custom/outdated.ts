// When an open watch of a custom kind is of no more use: its kind is defined anew, and what it would show is
// no longer what clients are served.
//
// Source of facts: apiextensions-apiserver pkg/apiserver/customresource_handler.go: a definition whose spec
// or accepted names change gets a new storage, and the watches of the old one end.
// What always holds: a change of a definition's status alone, as of its conditions, ends nothing.

import { sameContent } from '../../canonical.ts';
import { splitKey } from '../../ids.ts';
import type { Change } from '../../state/types.ts';
import { definitions } from '../registry.ts';
import type { CustomResourceDefinition } from './definition.ts';

/** What the keys begin with whose watches end; null: none do. */
export function outdatedBy({ type, key, object, previous }: Change): string | null {
  if (splitKey(key).resource !== definitions) return null;
  const before = previous as CustomResourceDefinition | null, now = object as CustomResourceDefinition;
  if (before === null) return null;
  const same = type !== 'DELETED' && sameContent(before.spec, now.spec)
    && sameContent(before.status?.acceptedNames ?? {}, now.status?.acceptedNames ?? {});
  return same ? null : `${before.spec.group ?? ''}/${before.spec.names.plural ?? ''}/`;
}
