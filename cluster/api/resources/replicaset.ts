// ReplicaSet: so many pods of one template. Deployments make them; people seldom do.

import type { Resource } from '../resource.ts';
import type { KubeObject, ReplicaSet, StatusCause } from '../types.ts';
import { ageColumn, count, nameColumn, workloadColumns } from './columns.ts';
import { kind, statusStrategy, withStatus } from './kind.ts';
import { invalid } from './validate.ts';
import type { Errors, Loose } from './validate.ts';
import { defaultWorkload, validateCounts, validateWorkload, workloadScale } from './workload.ts';

const loose = (one: KubeObject): Loose<ReplicaSet> => one as Loose<ReplicaSet>;

export const replicaSet: Resource = kind({
  group: 'apps', version: 'v1', resource: 'replicasets', singular: 'replicaset', kind: 'ReplicaSet',
  shortNames: ['rs'], categories: ['all'], subresources: ['status', 'scale'], hasGeneration: true,
  columns: [
    nameColumn,
    count('Desired', 'Pods that are wanted.', (one) => loose(one).spec?.replicas ?? 0),
    count('Current', 'Pods that there are.', (one) => loose(one).status?.replicas ?? 0),
    count('Ready', 'Pods that are ready.', (one) => loose(one).status?.readyReplicas ?? 0),
    ageColumn,
    ...workloadColumns,
  ],
  fields: { 'status.replicas': (one) => String(loose(one).status?.replicas ?? 0) },
  defaults: (one) => ({ ...one, spec: defaultWorkload(loose(one).spec ?? {}) }),
  prepareCreate: (one) => withStatus(one, { replicas: 0 }),
  ...statusStrategy,
  validate,
  scale: workloadScale,
});

const counts = [
  'replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration',
];

function validate(one: KubeObject, old: KubeObject | null): readonly StatusCause[] {
  const errors: Errors = [];
  validateWorkload(errors, one, old);
  validateCounts(errors, one, counts);
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0 } = loose(one).status ?? {};
  if (readyReplicas > replicas) {
    invalid(errors, 'status.readyReplicas', readyReplicas, 'cannot be greater than status.replicas');
  }
  if (availableReplicas > readyReplicas) {
    const wrong = 'cannot be greater than readyReplicas';
    invalid(errors, 'status.availableReplicas', availableReplicas, wrong);
  }
  return errors;
}
