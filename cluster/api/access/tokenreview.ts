// TokenReview: whom a token stands for, for those who were given one and can't tell.
// Source: Kubernetes, registry/authentication/tokenreview/storage.go; authentication.k8s.io/v1.

import type { State } from '../../state/state.ts';
import { isObject } from '../body.ts';
import type { JsonObject, ParsedBody } from '../body.ts';
import { conform } from '../decode.ts';
import { schemaOf } from '../kinds/schema.ts';
import type { UserInfo } from '../request.ts';
import { badRequest, isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import { apiAudiences, examine, isTokenRefusal } from './authenticate.ts';

const schema = schemaOf('io.k8s.api.authentication.v1.TokenReview');

/** The review with its answer. */
export function reviewToken(body: ParsedBody, state: State, nowWallMs: number): object | Problem {
  const decoded = conform(body, schema, 'TokenReview', 'v1');
  if (isProblem(decoded)) return decoded;
  const { metadata, spec } = decoded.value, asked = isObject(spec) ? spec : {};
  const { token } = asked;
  if (typeof token !== 'string' || token === '') {
    return badRequest('token is required for TokenReview in authentication');
  }
  if (isObject(metadata) && (metadata['namespace'] ?? '') !== '') {
    return badRequest(`namespace is not allowed on this type: ${String(metadata['namespace'])}`);
  }
  const status = statusOf(token, audiencesIn(asked), state, nowWallMs);
  return {
    kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1',
    metadata: isObject(metadata) ? metadata : {}, spec: asked, status,
  };
}

function audiencesIn({ audiences }: JsonObject): readonly string[] {
  const named = Array.isArray(audiences) ? audiences as readonly string[] : [];
  return named.length === 0 ? apiAudiences : named;
}

function statusOf(token: string, audiences: readonly string[], state: State, nowWallMs: number): object {
  const found = examine(token, state, nowWallMs, audiences, true);
  if (isTokenRefusal(found)) return { user: {}, error: found.message };
  return { authenticated: true, user: shownUser(found.user), audiences: found.audiences };
}

/** A user as the reviews of authentication.k8s.io show it. */
export function shownUser({ name, uid = '', groups, extra }: UserInfo): object {
  return {
    username: name, ...uid === '' ? {} : { uid }, groups, ...extra === undefined ? {} : { extra },
  };
}
