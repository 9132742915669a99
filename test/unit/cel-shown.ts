// How values of CEL are written in transcripts: types that look alike in JSON are told apart.

import { doubleText } from '../../cluster/api/cel/standard.ts';
import { timestampText } from '../../cluster/api/cel/time.ts';
import {
  CelMap, Duration, List, Opaque, Optional, Timestamp, typeName, TypeValue, Uint,
} from '../../cluster/api/cel/values.ts';
import type { Value } from '../../cluster/api/cel/values.ts';

export function shown(value: Value): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return `double(${doubleText(value)})`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint) return `${value.value}u`;
  if (value instanceof Uint8Array) return `bytes(${Buffer.from(value).toString('hex')})`;
  if (value instanceof Timestamp) return `timestamp(${timestampText(value)})`;
  if (value instanceof Duration) return `duration(${value.nanos})`;
  if (value instanceof TypeValue) return `type(${value.name})`;
  if (value instanceof Optional) {
    return value.value === undefined ? 'optional.none()' : `optional.of(${shown(value.value)})`;
  }
  if (value instanceof List) return `[${value.all().map(shown).join(', ')}]`;
  if (value instanceof CelMap) {
    return `{${value.keys().map((key) => `${shown(key)}: ${shown(
      value.get(key) ?? null)}`).sort().join(', ')}}`;
  }
  return value instanceof Opaque ? typeName(value) : '?';
}
