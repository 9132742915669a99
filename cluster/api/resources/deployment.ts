// Deployment: a ReplicaSet that can be rolled from one template to the next.
// Source: Kubernetes, apps/v1 SetDefaults_Deployment and ValidateDeployment.

import type { Resource } from '../resource.ts';
import type { Deployment, KubeObject, StatusCause } from '../types.ts';
import { ageColumn, count, nameColumn, text, workloadColumns } from './columns.ts';
import { kind, statusStrategy, withStatus } from './kind.ts';
import { forbidden, invalid, nonNegative, nonNegativeMessage, oneOf } from './validate.ts';
import type { Errors, Loose } from './validate.ts';
import { defaultWorkload, validateCounts, validateWorkload, workloadScale } from './workload.ts';

type LooseSpec = NonNullable<Loose<Deployment>['spec']>;
type Amount = number | string;

const loose = (one: KubeObject): Loose<Deployment> => one as Loose<Deployment>;

export const deployment: Resource = kind({
  group: 'apps', version: 'v1', resource: 'deployments', singular: 'deployment', kind: 'Deployment',
  shortNames: ['deploy'], categories: ['all'], subresources: ['status', 'scale'], hasGeneration: true,
  columns: [
    nameColumn,
    text('Ready', 'Ready pods of the pods that are wanted.', (one) =>
      `${loose(one).status?.readyReplicas ?? 0}/${loose(one).spec?.replicas ?? 0}`),
    count('Up-to-date', 'Pods of the newest template.', (one) => loose(one).status?.updatedReplicas ?? 0),
    count('Available', 'Pods that have been ready for long enough.',
      (one) => loose(one).status?.availableReplicas ?? 0),
    ageColumn,
    ...workloadColumns,
  ],
  defaults: (one) => ({ ...one, spec: defaultDeployment(loose(one).spec ?? {}) }),
  prepareCreate: (one) => withStatus(one, {}),
  ...statusStrategy,
  prepareStatus: (one, old) => {
    // Of all that is not status, its labels alone are kept from a write of it.
    const { labels: _, ...metadata } = one.metadata, { labels } = old.metadata;
    const kept = labels === undefined ? metadata : { ...metadata, labels };
    return statusStrategy.prepareStatus({ ...one, metadata: kept }, old);
  },
  validate,
  scale: workloadScale,
});

function defaultDeployment(spec: LooseSpec): LooseSpec {
  const type = spec.strategy?.type || 'RollingUpdate';
  const { maxSurge, maxUnavailable } = spec.strategy?.rollingUpdate ?? {};
  const rolling = { maxSurge: maxSurge ?? '25%', maxUnavailable: maxUnavailable ?? '25%' };
  return {
    ...defaultWorkload(spec),
    strategy: { ...spec.strategy, type, ...(type === 'RollingUpdate' ? { rollingUpdate: rolling } : {}) },
    revisionHistoryLimit: spec.revisionHistoryLimit ?? 10,
    progressDeadlineSeconds: spec.progressDeadlineSeconds ?? 600,
  };
}

const counts = [
  'observedGeneration', 'replicas', 'updatedReplicas', 'readyReplicas', 'availableReplicas',
  'unavailableReplicas', 'collisionCount',
];

function validate(one: KubeObject, old: KubeObject | null): readonly StatusCause[] {
  const errors: Errors = [];
  const spec = loose(one).spec ?? {};
  validateWorkload(errors, one, old);
  validateStrategy(errors, spec);
  nonNegative(errors, 'spec.revisionHistoryLimit', spec.revisionHistoryLimit);
  const deadline = spec.progressDeadlineSeconds;
  nonNegative(errors, 'spec.progressDeadlineSeconds', deadline);
  if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
    invalid(errors, 'spec.progressDeadlineSeconds', deadline, 'must be greater than minReadySeconds');
  }
  validateCounts(errors, one, counts);
  return errors;
}

function validateStrategy(errors: Errors, spec: LooseSpec): void {
  const { type, rollingUpdate } = spec.strategy ?? {};
  oneOf(errors, 'spec.strategy.type', type, ['Recreate', 'RollingUpdate']);
  const path = 'spec.strategy.rollingUpdate';
  if (type === 'Recreate' && rollingUpdate !== undefined) {
    forbidden(errors, path, "may not be specified when strategy `type` is 'Recreate'");
  }
  if (type !== 'RollingUpdate' || rollingUpdate === undefined) return;
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const isAmount = validateAmount(errors, `${path}.maxUnavailable`, maxUnavailable);
  validateAmount(errors, `${path}.maxSurge`, maxSurge);
  if (amountOf(maxUnavailable) === 0 && amountOf(maxSurge) === 0) {
    invalid(errors, `${path}.maxUnavailable`, maxUnavailable, 'may not be 0 when `maxSurge` is 0');
  }
  if (isAmount && typeof maxUnavailable === 'string' && amountOf(maxUnavailable) > 100) {
    invalid(errors, `${path}.maxUnavailable`, maxUnavailable, 'must not be greater than 100%');
  }
}

function validateAmount(errors: Errors, path: string, amount: Amount): boolean {
  if (typeof amount === 'number') {
    if (amount < 0) invalid(errors, path, amount, nonNegativeMessage);
    return amount >= 0;
  }
  if (/^[0-9]+%$/.test(amount)) return true;
  invalid(errors, path, amount, "a valid percent string must be a numeric string followed by an ending '%' "
    + "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
  return false;
}

/** The number of pods, or the percentage. */
function amountOf(amount: Amount): number {
  return typeof amount === 'number' ? amount : Number.parseInt(amount, 10) || 0;
}
