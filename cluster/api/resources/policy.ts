// policy/v1 PodDisruptionBudget: how many pods may be missing at a time.
// Source: Kubernetes, pkg/apis/policy/validation and printPodDisruptionBudget.

import type { Resource } from '../resource.ts';
import { ageColumn, countOf, nameColumn, textOf } from './columns.ts';
import { fieldsOf } from './fields.ts';
import { served, statusful } from './kind.ts';
import { validateAmountOrPercent } from './rolling.ts';
import { among, atLeast, each, judge, selector } from './rules.ts';
import { invalid } from './validate.ts';

const counts = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'];

export const podDisruptionBudget: Resource = served({
  group: 'policy', kind: 'PodDisruptionBudget', shortNames: ['pdb'], hasGeneration: true,
  ...statusful({ disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 }),
  columns: [
    nameColumn, textOf('Min Available', 'spec.minAvailable', 'N/A'),
    textOf('Max Unavailable', 'spec.maxUnavailable', 'N/A'),
    countOf('Allowed Disruptions', 'status.disruptionsAllowed'), ageColumn,
  ],
  validate: judge(
    each('spec', (errors, value, path) => {
      const { minAvailable, maxUnavailable } = fieldsOf(value);
      if (minAvailable !== undefined && maxUnavailable !== undefined) {
        invalid(errors, path, value, 'minAvailable and maxUnavailable cannot be both set');
      }
      for (const [name, amount] of Object.entries({ minAvailable, maxUnavailable })) {
        if (amount !== undefined) validateAmountOrPercent(errors, `${path}.${name}`, amount, 100);
      }
    }),
    selector('spec.selector'), among('spec.unhealthyPodEvictionPolicy', ['AlwaysAllow', 'IfHealthyBudget']),
    ...counts.map((name) => atLeast(`status?.${name}`, 0)),
  ),
});
