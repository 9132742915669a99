// Secrets of type kubernetes.io/service-account-token get what they ask for: a token of the account that
// their annotation names, without an end, and the CA. They go with the account.
// Source: Kubernetes, pkg/controller/serviceaccount/tokens_controller.go (syncSecret).
// What always holds: a token that is there stays as it is, as long as its key is one of the cluster's.

import { legacyClaims, legacyIssuer, accountUserName } from '../../cluster/api/access/authenticate.ts';
import { authorityIn, authorityKey } from '../../cluster/api/access/authority.ts';
import { parseToken, signToken } from '../../cluster/api/access/jwt.ts';
import { keyRingOf, tokenKeysKey } from '../../cluster/api/access/keys.ts';
import type { KeyRing } from '../../cluster/api/access/keys.ts';
import { deletion } from '../../cluster/api/deletion.ts';
import { keyOf, resources, updateOp } from '../../cluster/api/objects.ts';
import { decodeBase64Text, encodeBase64 } from '../../cluster/api/resources/base64.ts';
import type { KubeObject, Secret } from '../../cluster/api/types.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

const tokenType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';

export const tokenSecretsController: ControllerDefinition = {
  name: 'token-secrets',
  component: 'tokens-controller',
  keysOf: (state, { key, object }) => {
    const { resource, namespace, name } = splitKey(key);
    if (key === tokenKeysKey || key === authorityKey) return keysIn(state, () => true);
    if (resource === resources.secrets) return isToken(object) ? [key] : [];
    if (resource !== resources.serviceAccounts) return [];
    return keysIn(state, ({ metadata }) => metadata.annotations?.[nameAnnotation] === name, namespace);
  },
  allKeys: (state) => keysIn(state, () => true),
  reconcile: fill,
};

const isToken = (object: KubeObject): boolean => (object as Secret).type === tokenType;

function keysIn(state: State, picked: (secret: Secret) => boolean, namespace?: string): readonly string[] {
  return list<Secret>(state, resources.secrets, namespace)
    .filter((secret) => isToken(secret) && picked(secret)).map((secret) => keyOf(resources.secrets, secret));
}

export function fill(state: State, key: string, { nowWallMs }: ReconcileContext): Reconciliation {
  const secret = get<Secret>(state, key as ObjectKey);
  if (secret === null || !isToken(secret) || secret.metadata.deletionTimestamp !== undefined) return nothing;
  const { namespace = '', annotations = {} } = secret.metadata;
  const wanted = annotations[nameAnnotation] ?? '', known = annotations[uidAnnotation] ?? '';
  const account = get(state, objectKey(resources.serviceAccounts, namespace, wanted));
  if (account === null || (known !== '' && known !== account.metadata.uid)) {
    const op = deletion(resources.secrets, secret, { nowWallMs });
    return op === null ? nothing : { steps: [{ ops: [op] }] };
  }
  const ring = keyRingOf(state), authority = authorityIn(state);
  if (ring === null) return nothing;
  const data: Record<string, string> = { ...secret.data };
  if (authority !== null) data['ca.crt'] = encodeBase64(authority.cert);
  data['namespace'] ||= encodeBase64(namespace);
  if (!isSigned(data['token'], ring)) data['token'] = encodeBase64(tokenFor(secret, account, ring));
  const { name, uid } = account.metadata;
  const metadata = {
    ...secret.metadata, annotations: { ...annotations, [nameAnnotation]: name, [uidAnnotation]: uid },
  };
  if (sameContent({ metadata, data }, { metadata: secret.metadata, data: secret.data ?? {} })) return nothing;
  return { steps: [{ ops: [updateOp(resources.secrets, secret, { ...secret, metadata, data })] }] };
}

/** By a key of the cluster, as its header says; what else is there was put there by somebody, and stays. */
function isSigned(data: string | undefined, { publicKeys }: KeyRing<unknown>): boolean {
  if (data === undefined || data === '') return false;
  const parsed = parseToken(decodeBase64Text(data) ?? '');
  return parsed === null || parsed.kid === '' || publicKeys.has(parsed.kid);
}

function tokenFor({ metadata: secret }: Secret, { metadata }: KubeObject, ring: KeyRing<unknown>): string {
  const { namespace = '', name, uid } = metadata;
  return signToken({
    iss: legacyIssuer, [legacyClaims.namespace]: namespace, [legacyClaims.secret]: secret.name,
    [legacyClaims.account]: name, [legacyClaims.uid]: uid, sub: accountUserName(namespace, name),
  }, ring.signing);
}
