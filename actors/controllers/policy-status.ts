// The controller of ValidatingAdmissionPolicies: it tells of each what its expressions look like against the
// kinds that it is about. A policy works without it.
// Source: Kubernetes, pkg/controller/validatingadmissionpolicystatus.
// What always holds: one write per generation of a policy.

import { expressionWarnings } from '../../cluster/api/admission/typechecking.ts';
import { policyResources } from '../../cluster/api/admission/policies.ts';
import type { ValidatingPolicy } from '../../cluster/api/admission/validating.ts';
import { keyOf, updateOp } from '../../cluster/api/objects.ts';
import { splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { get, list } from '../../cluster/state/query.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition } from './controller.ts';

interface Status { readonly status?: { readonly observedGeneration?: number } }

const policies = policyResources.validating;

export const policyStatusController: ControllerDefinition = {
  name: 'policy-status',
  component: 'validatingadmissionpolicy-status-controller',
  keysOf: (_, { key, type }) => type !== 'DELETED' && splitKey(key).resource === policies ? [key] : [],
  allKeys: (state) => list<ValidatingPolicy>(state, policies).map((one) => keyOf(policies, one)),
  reconcile(state, key) {
    const policy = get<ValidatingPolicy & Status>(state, key as ObjectKey);
    const generation = policy?.metadata.generation ?? 0;
    if (policy === null || generation <= (policy.status?.observedGeneration ?? 0)) return nothing;
    const warnings = expressionWarnings(policy, state);
    const status = {
      ...policy.status, observedGeneration: generation,
      typeChecking: warnings.length === 0 ? {} : { expressionWarnings: warnings },
    };
    return { steps: [{ ops: [updateOp(policies, policy, { ...policy, status })] }] };
  },
};
