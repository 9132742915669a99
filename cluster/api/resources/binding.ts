// Binding: a scheduler's word that a pod goes to a node. It is only ever created, and changes the pod.
// Source: Kubernetes, ValidatePodBinding.

import type { Resource } from '../resource.ts';
import type { KubeObject, ObjectReference, StatusCause } from '../types.ts';
import { nameColumn } from './columns.ts';
import { kind } from './kind.ts';
import { nameErrors } from './names.ts';
import { invalidEach, notSupported, required } from './validate.ts';
import type { Errors } from './validate.ts';

export const binding: Resource = kind({
  group: '', version: 'v1', resource: 'bindings', singular: 'binding', kind: 'Binding', verbs: ['create'],
  columns: [nameColumn],
  validate: (object: KubeObject): readonly StatusCause[] => {
    const errors: Errors = [];
    const { target = {} } = object as { target?: ObjectReference };
    if (target.kind && target.kind !== 'Node') {
      notSupported(errors, 'target.kind', target.kind, ['Node', '<empty>']);
    }
    if (!target.name) required(errors, 'target.name');
    else invalidEach(errors, 'target.name', target.name, nameErrors(target.name, 'subdomain'));
    return errors;
  },
});
