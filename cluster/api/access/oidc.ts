// What others need to verify the cluster's tokens by themselves: OpenID Connect's discovery document and the
// public keys.
// Source: OpenID Connect Discovery 1.0; Kubernetes, pkg/serviceaccount/openidmetadata.go.

import type { State } from '../../state/state.ts';
import type { ApiContext, ApiRequest, ApiResponse } from '../request.ts';
import { methodNotAllowed } from '../status.ts';
import type { Problem } from '../status.ts';
import { issuer } from './authenticate.ts';
import { keySet } from './keys.ts';

export const openidPaths = ['/.well-known/openid-configuration', '/openid/v1/jwks'] as const;

/** Null where the path is neither of these. */
export function openidPage(
  parts: readonly string[], { method }: ApiRequest, state: State, context: ApiContext,
): ApiResponse | Problem | null {
  const path = openidPaths.find((each) => each === `/${parts.join('/')}`);
  if (path === undefined) return null;
  if (method !== 'GET' && method !== 'HEAD') return methodNotAllowed();
  switch (path) {
    case '/.well-known/openid-configuration':
      return page('application/json', {
        issuer, jwks_uri: `https://${context.peer.serverAddress}/openid/v1/jwks`,
        response_types_supported: ['id_token'], subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256'],
      });
    case '/openid/v1/jwks': return page('application/jwk-set+json', keySet(state));
  }
}

function page(type: string, value: object): ApiResponse {
  const headers = { 'content-type': type, 'cache-control': 'public, max-age=3600' };
  return { status: 200, headers, body: JSON.stringify(value) };
}
