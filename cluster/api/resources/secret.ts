// Secret: bytes by key, in base64 on the wire. Some types promise keys.
// Source: Kubernetes, core/v1 SetDefaults_Secret and ValidateSecret.

import { limits } from '../../limits.ts';
import type { Resource } from '../resource.ts';
import type { KubeObject, Secret, StatusCause } from '../types.ts';
import { decodeBase64, decodeBase64Text, encodeBase64 } from './base64.ts';
import { ageColumn, count, nameColumn, text } from './columns.ts';
import { validateFrozen, validateKeys } from './datamap.ts';
import { kind } from './kind.ts';
import { immutable, invalid, required, sortedEntries, tooLong } from './validate.ts';
import type { Errors } from './validate.ts';

type WithStringData = Secret & { readonly stringData?: Readonly<Record<string, string>> };

export const secret: Resource = kind({
  group: '', version: 'v1', resource: 'secrets', singular: 'secret', kind: 'Secret',
  columns: [
    nameColumn,
    text('Type', 'What the secret is for.', (object) => (object as Secret).type ?? ''),
    count('Data', 'Number of keys.', (object) => Object.keys((object as Secret).data ?? {}).length),
    ageColumn,
  ],
  fields: { type: (object) => (object as Secret).type ?? '' },
  defaults: (object) => {
    const { stringData, ...rest } = object as WithStringData;
    const type = rest.type || 'Opaque';
    if (stringData === undefined) return { ...rest, type };
    const data: Record<string, string> = { ...rest.data };
    for (const [key, value] of Object.entries(stringData)) data[key] = encodeBase64(value);
    return { ...rest, type, data };
  },
  validate,
});

function validate(object: KubeObject, old: KubeObject | null): readonly StatusCause[] {
  const errors: Errors = [];
  const { data, type } = object as Secret;
  if (old !== null) {
    immutable(errors, 'type', type, (old as Secret).type);
    validateFrozen(errors, object, old, ['data']);
  }
  validateKeys(errors, 'data', data);
  let bytes = 0;
  for (const [key, value] of sortedEntries(data)) {
    const decoded = decodeBase64(value);
    if (decoded === null) invalid(errors, `data[${key}]`, redacted, 'must be base64');
    bytes += decoded?.length ?? 0;
  }
  if (bytes > limits.configDataBytesMax) tooLong(errors, 'data', limits.configDataBytesMax);
  validateType(errors, type ?? '', data ?? {});
  const account = object.metadata.annotations?.[accountAnnotation] ?? '';
  if (type === 'kubernetes.io/service-account-token' && account === '') {
    required(errors, `metadata.annotations[${accountAnnotation}]`);
  }
  return errors;
}

/** Whose token a Secret of that type gets. */
const accountAnnotation = 'kubernetes.io/service-account.name';

/** A secret's value is never shown, not even in an error. */
const redacted = '<secret contents redacted>';

function validateType(errors: Errors, type: string, data: Readonly<Record<string, string>>): void {
  const mustHave = (key: string): void => {
    if (data[key] === undefined) required(errors, `data[${key}]`);
  };
  switch (type) {
    case 'kubernetes.io/dockercfg': return validateJson(errors, '.dockercfg', data);
    case 'kubernetes.io/dockerconfigjson': return validateJson(errors, '.dockerconfigjson', data);
    case 'kubernetes.io/basic-auth':
      if (data['username'] !== undefined || data['password'] !== undefined) return undefined;
      mustHave('username');
      return mustHave('password');
    case 'kubernetes.io/ssh-auth': return mustHave('ssh-privatekey');
    case 'kubernetes.io/tls':
      mustHave('tls.crt');
      return mustHave('tls.key');
    default: return undefined;
  }
}

function validateJson(errors: Errors, key: string, data: Readonly<Record<string, string>>): void {
  const value = data[key];
  if (value === undefined) return required(errors, `data[${key}]`);
  try {
    JSON.parse(decodeBase64Text(value) ?? '');
  } catch {
    invalid(errors, `data[${key}]`, redacted, 'must be JSON');
  }
  return undefined;
}
