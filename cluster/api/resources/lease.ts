// Lease: who holds something, and until when. Source: Kubernetes, coordination/v1 ValidateLeaseSpec.

import type { Resource } from '../resource.ts';
import type { KubeObject, Lease, StatusCause } from '../types.ts';
import { ageColumn, nameColumn, text } from './columns.ts';
import { kind } from './kind.ts';
import { refuse, refusedInLeaseSpec } from './unsupported.ts';
import { invalid, nonNegative } from './validate.ts';
import type { Errors } from './validate.ts';

export const lease: Resource = kind({
  group: 'coordination.k8s.io', version: 'v1', resource: 'leases', singular: 'lease', kind: 'Lease',
  columns: [
    nameColumn,
    text('Holder', 'Who holds the lease.', (one) => (one as Lease).spec?.holderIdentity ?? ''),
    ageColumn,
  ],
  validate: (one: KubeObject): readonly StatusCause[] => {
    const errors: Errors = [];
    const { spec = {} } = one as Lease;
    if (spec.leaseDurationSeconds !== undefined && spec.leaseDurationSeconds <= 0) {
      invalid(errors, 'spec.leaseDurationSeconds', spec.leaseDurationSeconds, 'must be greater than 0');
    }
    nonNegative(errors, 'spec.leaseTransitions', spec.leaseTransitions);
    refuse(errors, refusedInLeaseSpec, spec, 'spec');
    return errors;
  },
});
