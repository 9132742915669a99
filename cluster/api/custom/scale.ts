// The scale subresource of a custom kind: where its numbers and its selector lie in the object.
// Source: apiextensions-apiserver pkg/registry/customresource (etcd.go, validator.go).

import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { Resource } from '../resource.ts';
import { invalid } from '../resources/validate.ts';
import type { Errors } from '../resources/validate.ts';
import type { KubeObject, StatusCause } from '../types.ts';
import type { ScalePaths } from './definition.ts';

const namesOf = (path: string | undefined): readonly string[] =>
  (path ?? '').split('.').filter((name) => name !== '');

export function scaleOf(paths: ScalePaths): NonNullable<Resource['scale']> {
  const spec = namesOf(paths.specReplicasPath), status = namesOf(paths.statusReplicasPath);
  const selector = namesOf(paths.labelSelectorPath);
  const number = (object: KubeObject, names: readonly string[]): number => {
    const found = at(object as unknown as Json, names);
    return typeof found === 'number' ? found : 0;
  };
  return {
    specReplicas: (object) => number(object, spec),
    statusReplicas: (object) => number(object, status),
    withReplicas: (object, replicas) =>
      put(object as unknown as JsonObject, spec, replicas) as unknown as KubeObject,
    selector: (object) => {
      const found = selector.length === 0 ? undefined : at(object as unknown as Json, selector);
      return typeof found === 'string' ? found : '';
    },
  };
}

function at(value: Json, names: readonly string[]): Json | undefined {
  let found: Json | undefined = value;
  for (const name of names) found = isObject(found) && Object.hasOwn(found, name) ? found[name] : undefined;
  return found;
}

function put(object: JsonObject, [name = '', ...rest]: readonly string[], value: Json): JsonObject {
  const inner = object[name];
  const next = rest.length === 0 ? value : put(isObject(inner) ? inner : {}, rest, value);
  return { ...object, [name]: next };
}

const replicasMax = 2 ** 31 - 1;

/** `withSpec`: a write to the status does not answer for the spec. */
export function scaleErrorsOf(object: Json, paths: ScalePaths, withSpec: boolean): readonly StatusCause[] {
  const errors: Errors = [];
  const check = (path: string): void => {
    const found = at(object, namesOf(path)) ?? 0;
    if (typeof found !== 'number' || !Number.isInteger(found)) {
      const type = typeof found === 'number' ? 'float64' : typeof found === 'boolean' ? 'bool' : typeof found;
      invalid(errors, path, 0, `${path} accessor error: ${JSON.stringify(found)} is of the type ${type}, `
        + 'expected int64');
    } else if (found < 0) invalid(errors, path, found, 'should be a non-negative integer');
    else if (found > replicasMax) {
      invalid(errors, path, found, `should be less than or equal to ${replicasMax}`);
    }
  };
  if (withSpec) check(paths.specReplicasPath ?? '');
  check(paths.statusReplicasPath ?? '');
  const { labelSelectorPath: path = '' } = paths;
  const selector = path === '' ? '' : at(object, namesOf(path)) ?? '';
  if (typeof selector !== 'string') {
    invalid(errors, path, '', `${path} accessor error: `
      + `${JSON.stringify(selector)} is of the type ${typeof selector}, expected string`);
  }
  return errors;
}
