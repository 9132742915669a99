// References from one object to another. Source: Kubernetes API 1.36, core/v1.

import { object, string } from './schema.ts';

export const objectReference = object('core', 'ObjectReference', {
  apiVersion: string, fieldPath: string, kind: string, name: string, namespace: string,
  resourceVersion: string, uid: string,
});

/** In the same namespace, of a kind that the field implies. */
export const localObjectReference = object('core', 'LocalObjectReference', { name: string });
