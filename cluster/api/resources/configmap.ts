// ConfigMap: settings as text or bytes, by key. Source: Kubernetes, ValidateConfigMap.

import { limits } from '../../limits.ts';
import type { Resource } from '../resource.ts';
import type { ConfigMap, KubeObject, StatusCause } from '../types.ts';
import { decodeBase64 } from './base64.ts';
import { ageColumn, count, nameColumn } from './columns.ts';
import { validateFrozen, validateKeys } from './datamap.ts';
import { kind } from './kind.ts';
import { invalid, sortedEntries, tooLong } from './validate.ts';
import type { Errors } from './validate.ts';

export const configMap: Resource = kind({
  group: '', version: 'v1', resource: 'configmaps', singular: 'configmap', kind: 'ConfigMap',
  shortNames: ['cm'],
  columns: [
    nameColumn,
    count('Data', 'Number of keys.', (object) => {
      const { data, binaryData } = object as ConfigMap;
      return Object.keys(data ?? {}).length + Object.keys(binaryData ?? {}).length;
    }),
    ageColumn,
  ],
  validate,
});

function validate(object: KubeObject, old: KubeObject | null): readonly StatusCause[] {
  const errors: Errors = [];
  const { data, binaryData } = object as ConfigMap;
  if (old !== null) validateFrozen(errors, object, old, ['data', 'binaryData']);
  let bytes = 0;
  validateKeys(errors, 'data', data);
  validateKeys(errors, 'binaryData', binaryData);
  const encoder = new TextEncoder();
  for (const [key, value] of sortedEntries(data)) {
    if (binaryData !== undefined && Object.hasOwn(binaryData, key)) {
      invalid(errors, `data[${key}]`, key, 'duplicate of key present in binaryData');
    }
    bytes += encoder.encode(value).length;
  }
  for (const [key, value] of sortedEntries(binaryData)) {
    const decoded = decodeBase64(value);
    if (decoded === null) invalid(errors, `binaryData[${key}]`, value, 'must be base64');
    bytes += decoded?.length ?? 0;
  }
  // Kubernetes puts this on the object itself, whose path prints as `[]`.
  if (bytes > limits.configDataBytesMax) tooLong(errors, '[]', limits.configDataBytesMax);
  return errors;
}
