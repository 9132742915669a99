// Acting as somebody else: who a request with Impersonate headers is by, if its sender may say so.
//
// What always holds: everything that is claimed (the user, each group, the uid, each extra) is allowed to the
// sender by itself, or the request is refused. A header that came several times holds its values on lines
// of their own. Source: Kubernetes, "User impersonation"; apiserver endpoints/filters/impersonation.go.

import type { State } from '../../state/state.ts';
import { nameError } from '../names.ts';
import type { ApiRequest, UserInfo } from '../request.ts';
import { badRequest } from '../status.ts';
import type { Problem } from '../status.ts';
import type { ResourceAttributes } from './attributes.ts';
import { authorize } from './authorize.ts';
import { forbid } from './forbid.ts';

const anonymous = 'system:anonymous';
export const authenticated = 'system:authenticated', unauthenticated = 'system:unauthenticated';
const extraPrefix = 'impersonate-extra-';

type Kind = 'ServiceAccount' | 'User' | 'Group' | 'UserExtra' | 'UID';

/** One thing that is claimed. `key`: of an extra. */
interface Claim {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
}

/** Who the sender acts as; null where it acts as itself. */
export function impersonated({ headers, user }: ApiRequest, state: State): UserInfo | Problem | null {
  const claims = claimsOf(headers);
  if (claims.length === 0) return null;
  if (claims[0]?.kind !== 'User' && claims[0]?.kind !== 'ServiceAccount') {
    return badRequest(`requested [${claims.map(claimText).join(' ')}] without impersonating a user`);
  }
  for (const claim of claims) {
    const attributes = attributesOf(claim), { allowed, reason } = authorize(attributes, user, state);
    if (!allowed) return forbid(attributes, user, reason);
  }
  return userOf(claims);
}

function claimsOf(headers: ApiRequest['headers']): readonly Claim[] {
  const claims: Claim[] = [];
  const claim = (kind: Kind, name: string, key = '', namespace = ''): void =>
    void claims.push({ kind, name, key, namespace });
  const [name = ''] = valuesOf(headers['impersonate-user']), account = accountOf(name);
  if (account !== null) claim('ServiceAccount', account.name, '', account.namespace);
  else if (name !== '') claim('User', name);
  for (const group of valuesOf(headers['impersonate-group'])) claim('Group', group);
  for (const header of Object.keys(headers).filter((each) => each.startsWith(extraPrefix)).sort()) {
    for (const value of valuesOf(headers[header])) claim('UserExtra', value, extraKey(header));
  }
  const [uid = ''] = valuesOf(headers['impersonate-uid']);
  if (uid !== '') claim('UID', uid);
  return claims;
}

const valuesOf = (header: string | undefined): readonly string[] =>
  header === undefined ? [] : header.split('\n');

function extraKey(header: string): string {
  const key = header.slice(extraPrefix.length);
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** `system:serviceaccount:NAMESPACE:NAME`. */
function accountOf(username: string): { readonly namespace: string; readonly name: string } | null {
  const [system, word, namespace, name, ...more] = username.split(':');
  if (system !== 'system' || word !== 'serviceaccount' || namespace === undefined || name === undefined) {
    return null;
  }
  return more.length > 0 || nameError(namespace, 'label') !== null || nameError(name, 'subdomain') !== null
    ? null : { namespace, name };
}

const authenticationGroup = 'authentication.k8s.io';

function attributesOf({ kind, name, namespace, key }: Claim): ResourceAttributes {
  const of = { verb: 'impersonate', group: '', version: '', subresource: '', namespace, name };
  switch (kind) {
    case 'ServiceAccount': return { ...of, resource: 'serviceaccounts' };
    case 'User': return { ...of, resource: 'users' };
    case 'Group': return { ...of, resource: 'groups' };
    case 'UID': return { ...of, group: authenticationGroup, version: 'v1', resource: 'uids' };
    case 'UserExtra':
      return { ...of, group: authenticationGroup, version: 'v1', resource: 'userextras', subresource: key };
  }
}

function userOf(claims: readonly Claim[]): UserInfo {
  const [first] = claims, groups = claims.filter(({ kind }) => kind === 'Group').map(({ name }) => name);
  const uid = claims.find(({ kind }) => kind === 'UID')?.name;
  const extra = new Map<string, string[]>();
  for (const { kind, key, name } of claims) {
    if (kind === 'UserExtra') extra.set(key, [...extra.get(key) ?? [], name]);
  }
  const account = first?.kind === 'ServiceAccount';
  const name = account ? `system:serviceaccount:${first.namespace}:${first.name}` : first?.name ?? '';
  if (account && groups.length === 0) {
    groups.push('system:serviceaccounts', `system:serviceaccounts:${first.namespace}`);
  }
  if (name === anonymous) {
    if (!groups.includes(unauthenticated)) groups.push(unauthenticated);
  } else if (!groups.includes(authenticated) && !groups.includes(unauthenticated)) groups.push(authenticated);
  return {
    name, groups, ...uid === undefined ? {} : { uid },
    // Its keys come from headers: no prototype that one of them could mean.
    ...extra.size === 0 ? {} : { extra: Object.fromEntries(extra) },
  };
}

/** As Go prints an ObjectReference, which is what Kubernetes keeps a claim in. */
function claimText({ kind, namespace, name, key }: Claim): string {
  const version = kind === 'UserExtra' || kind === 'UID' ? `${authenticationGroup}/v1` : '';
  return `{${[kind, namespace, name, '', version, '', key].join(' ')}}`;
}
