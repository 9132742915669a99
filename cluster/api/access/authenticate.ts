// Whom a bearer token stands for: a ServiceAccount, as long as the account and what the token is bound to are
// there, under the uid that they had when it was made.
//
// What always holds: nobody is let in before the token's signature is verified; whether it still stands for
// anybody is looked up in the state each time, so that a deletion counts at once, and first, for that is
// cheap: who does not know the uid of an account makes nobody compute.
// Source: Kubernetes, pkg/serviceaccount (jwt.go, claims.go, legacy.go) and apiserver's
// authentication/serviceaccount.

import { objectKey } from '../../ids.ts';
import { get } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import { isObject } from '../body.ts';
import type { Json } from '../body.ts';
import { resources } from '../objects.ts';
import type { UserInfo } from '../request.ts';
import { problem } from '../status.ts';
import type { Problem } from '../status.ts';
import { parseTime } from '../time.ts';
import type { KubeObject, Secret } from '../types.ts';
import { encodeBase64 } from '../resources/base64.ts';
import { parseToken, recall, verifyToken } from './jwt.ts';
import type { Claims, UnverifiedToken } from './jwt.ts';
import { keyRingOf } from './keys.ts';
import type { KeyRing } from './keys.ts';

/** Who says so in a token, and whom it is for unless it says otherwise. */
export const issuer = 'https://kubernetes.default.svc.cluster.local';
export const legacyIssuer = 'kubernetes/serviceaccount';
export const apiAudiences: readonly string[] = [issuer];

export interface Accepted { readonly user: UserInfo; readonly audiences: readonly string[] }

/** A class, so that no claim can pass for one. */
export class TokenRefusal {
  readonly message: string;
  /** A newer state than this one may take it: what it names may not have come here yet. */
  readonly unsure: boolean;

  constructor(why: string, unsure = false) {
    this.message = why === '' ? 'invalid bearer token' : `[invalid bearer token, ${why}]`;
    this.unsure = unsure;
  }
}

export const isTokenRefusal = (value: unknown): value is TokenRefusal => value instanceof TokenRefusal;

export const unauthorized = (): Problem => problem(401, 'Unauthorized', 'Unauthorized');

/** For a request to the API itself. */
export function authenticate(token: string, state: State, nowWallMs: number): UserInfo | Problem {
  const found = examine(token, state, nowWallMs, apiAudiences);
  return isTokenRefusal(found) ? unauthorized() : found.user;
}

/**
 * `audiences`: the token must be meant for one of them. A signature takes milliseconds to check: that of a
 * token which would stand for nobody is looked at only where somebody is to be told why (`thoroughly`).
 */
export function examine(
  token: string, state: State, nowWallMs: number, audiences: readonly string[], thoroughly = false,
): Accepted | TokenRefusal {
  const ring = keyRingOf<Claims>(state);
  if (ring === null) return new TokenRefusal('', true);
  const known = recall(token, ring);
  if (known !== null) return standing(token, known, state, nowWallMs, audiences);
  const parsed = parseToken(token), by = parsed?.claims['iss'];
  if (parsed === null || (by !== issuer && by !== legacyIssuer)) return new TokenRefusal('');
  const found = standing(token, parsed.claims, state, nowWallMs, audiences);
  if (isTokenRefusal(found) && !thoroughly) return found;
  return signatureProblem(parsed, ring) ?? found;
}

/** Whom the claims stand for by now, if they are what they seem to be. */
function standing(
  token: string, claims: Claims, state: State, nowWallMs: number, audiences: readonly string[],
): Accepted | TokenRefusal {
  const meant = audiencesOf(claims), common = meant.filter((each) => audiences.includes(each));
  if (common.length === 0) {
    return new TokenRefusal(`token audiences ${quoted(meant)} is invalid for the target audiences `
      + quoted(audiences));
  }
  const user = claims['iss'] === issuer ? boundUser(claims, state, nowWallMs)
    : legacyUser(token, claims, state);
  return isTokenRefusal(user) ? user : { user, audiences: common };
}

const quoted = (texts: readonly string[]): string =>
  `[${texts.map((text) => JSON.stringify(text)).join(' ')}]`;

function signatureProblem(parsed: UnverifiedToken, ring: KeyRing<Claims>): TokenRefusal | null {
  switch (verifyToken(parsed, ring)) {
    case 'no-key': return new TokenRefusal('invalid signature, no keys found', true);
    case 'forged': return new TokenRefusal('go-jose/go-jose: error in cryptographic primitive');
    case 'verified': return null;
  }
}

function audiencesOf({ aud }: Claims): readonly string[] {
  if (typeof aud === 'string') return [aud];
  const texts = Array.isArray(aud) ? (aud as readonly Json[]).filter((each) => typeof each === 'string') : [];
  return texts.length === 0 ? apiAudiences : texts;
}

// ── bound tokens ─────────────────────────────────────────────────────────────────────────────────────────

/** How far clocks may differ. Source: go-jose's DefaultLeeway. */
const leewayMs = 60_000;

interface Reference { readonly name: string; readonly uid: string }

function boundUser(claims: Claims, state: State, nowWallMs: number): UserInfo | TokenRefusal {
  const late = timeProblem(claims, nowWallMs);
  if (late !== null) return late;
  const own = claims['kubernetes.io'];
  const account = isObject(own) ? referenceIn(own, 'serviceaccount') : null;
  const namespace = isObject(own) ? own['namespace'] : null;
  if (!isObject(own) || account === null || typeof namespace !== 'string') {
    return new TokenRefusal('service account token claims could not be validated');
  }
  const secret = referenceIn(own, 'secret'), pod = referenceIn(own, 'pod'), node = referenceIn(own, 'node');
  const wrong = accountProblem(state, namespace, account, nowWallMs)
    ?? boundProblem(state, 'secret', namespace, secret, nowWallMs)
    ?? boundProblem(state, 'pod', namespace, pod, nowWallMs)
    // A pod's token tells of the node for information only.
    ?? (pod === null ? boundProblem(state, 'node', '', node, nowWallMs) : null);
  if (wrong !== null) return wrong;
  const { jti } = claims, extra: Record<string, readonly string[]> = {};
  const add = (name: string, value: string): void => {
    if (value !== '') extra[`authentication.kubernetes.io/${name}`] = [value];
  };
  add('credential-id', typeof jti === 'string' && jti !== '' ? `JTI=${jti}` : '');
  add('node-name', node?.name ?? '');
  add('node-uid', node?.uid ?? '');
  add('pod-name', pod?.name ?? '');
  add('pod-uid', pod?.uid ?? '');
  const user = accountUser(namespace, account);
  return Object.keys(extra).length === 0 ? user : { ...user, extra };
}

export const accountUserName = (namespace: string, name: string): string =>
  `system:serviceaccount:${namespace}:${name}`;

const accountUser = (namespace: string, { name, uid }: Reference): UserInfo => ({
  name: accountUserName(namespace, name), uid,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
});

function timeProblem({ nbf, exp, iat }: Claims, nowWallMs: number): TokenRefusal | null {
  const ms = (date: Json | undefined): number | null => typeof date === 'number' ? date * 1000 : null;
  if (nowWallMs + leewayMs < (ms(nbf) ?? 0)) {
    return new TokenRefusal('service account token is not valid yet');
  }
  if (nowWallMs - leewayMs > (ms(exp) ?? Infinity)) {
    return new TokenRefusal('service account token has expired');
  }
  return nowWallMs + leewayMs < (ms(iat) ?? 0)
    ? new TokenRefusal('service account token is issued in the future') : null;
}

function referenceIn(claims: Claims, what: string): Reference | null {
  const found = Object.hasOwn(claims, what) ? claims[what] : null;
  if (!isObject(found)) return null;
  const { name = '', uid = '' } = found;
  return typeof name === 'string' && typeof uid === 'string' ? { name, uid } : null;
}

function accountProblem(
  state: State, namespace: string, { name, uid }: Reference, nowWallMs: number,
): TokenRefusal | null {
  const account = get(state, objectKey(resources.serviceAccounts, namespace, name));
  if (account === null) return new TokenRefusal(`serviceaccounts ${JSON.stringify(name)} not found`, true);
  if (wasDeleted(account, nowWallMs)) {
    return new TokenRefusal(`service account ${namespace}/${name} has been deleted`);
  }
  return account.metadata.uid === uid ? null
    : new TokenRefusal(`service account UID (${account.metadata.uid}) does not match claim (${uid})`, true);
}

const boundResources = { secret: resources.secrets, pod: resources.pods, node: resources.nodes } as const;

function boundProblem(
  state: State, what: keyof typeof boundResources, namespace: string, reference: Reference | null,
  nowWallMs: number,
): TokenRefusal | null {
  if (reference === null) return null;
  const { name, uid } = reference, found = get(state, objectKey(boundResources[what], namespace, name));
  if (found === null || wasDeleted(found, nowWallMs)) {
    return new TokenRefusal('service account token has been invalidated', found === null);
  }
  return found.metadata.uid === uid ? null
    : new TokenRefusal(`${what} UID (${found.metadata.uid}) does not match service account ${what} ref claim `
      + `(${uid})`, true);
}

function wasDeleted({ metadata }: KubeObject, nowWallMs: number): boolean {
  const atMs = parseTime(metadata.deletionTimestamp);
  return atMs !== null && atMs < nowWallMs - leewayMs;
}

// ── tokens in Secrets ────────────────────────────────────────────────────────────────────────────────────

export const legacyClaims = {
  namespace: 'kubernetes.io/serviceaccount/namespace',
  secret: 'kubernetes.io/serviceaccount/secret.name',
  account: 'kubernetes.io/serviceaccount/service-account.name',
  uid: 'kubernetes.io/serviceaccount/service-account.uid',
} as const;

function legacyUser(token: string, claims: Claims, state: State): UserInfo | TokenRefusal {
  const text = (name: string): string => {
    const value = claims[name];
    return typeof value === 'string' ? value : '';
  };
  const [namespace, secretName] = [text(legacyClaims.namespace), text(legacyClaims.secret)];
  const account: Reference = { name: text(legacyClaims.account), uid: text(legacyClaims.uid) };
  if (text('sub') !== accountUserName(namespace, account.name)) {
    return new TokenRefusal('sub claim is invalid');
  }
  const secret = get<Secret>(state, objectKey(resources.secrets, namespace, secretName));
  if (secret === null || secret.metadata.deletionTimestamp !== undefined) {
    return new TokenRefusal('service account token has been invalidated', secret === null);
  }
  if (secret.data?.['token'] !== encodeBase64(token)) {
    return new TokenRefusal("service account token does not match server's copy", true);
  }
  // As soon as its deletion was asked for.
  return accountProblem(state, namespace, account, Infinity) ?? accountUser(namespace, account);
}
