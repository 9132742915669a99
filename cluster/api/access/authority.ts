// The cluster's certificate authority as the state holds it: a Secret that every member has, so that any of
// them can lead, serve and sign.

import { objectKey } from '../../ids.ts';
import { get } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import { resources } from '../objects.ts';
import { decodeBase64Text } from '../resources/base64.ts';
import type { Secret } from '../types.ts';

export const authoritySecret = { namespace: 'kube-system', name: 'shoal-ca' } as const;
export const authorityKey = objectKey(resources.secrets, authoritySecret.namespace, authoritySecret.name);

/** PEM texts. */
export interface Authority { readonly cert: string; readonly key: string }

/** Null while the state does not hold it (yet). */
export function authorityIn(state: State): Authority | null {
  const { data } = get<Secret>(state, authorityKey) ?? {};
  const cert = decodeBase64Text(data?.['tls.crt'] ?? ''), key = decodeBase64Text(data?.['tls.key'] ?? '');
  return cert && key ? { cert, key } : null;
}
