// ServiceAccount: a name for what runs in pods. Tokens are not handed to pods yet, so that it is a name only.

import type { Resource } from '../resource.ts';
import type { KubeObject, StatusCause } from '../types.ts';
import { ageColumn, count, nameColumn } from './columns.ts';
import { kind } from './kind.ts';
import { refuse, refusedInServiceAccount } from './unsupported.ts';
import type { Errors } from './validate.ts';

export const serviceAccount: Resource = kind({
  group: '', version: 'v1', resource: 'serviceaccounts', singular: 'serviceaccount', kind: 'ServiceAccount',
  shortNames: ['sa'], subresources: ['token'],
  columns: [
    nameColumn,
    count('Secrets', 'Secrets that pods of the account may use.',
      (object) => (object as { secrets?: readonly unknown[] }).secrets?.length ?? 0),
    ageColumn,
  ],
  validate: (object: KubeObject): readonly StatusCause[] => {
    const errors: Errors = [];
    refuse(errors, refusedInServiceAccount, object, '');
    return errors;
  },
});
