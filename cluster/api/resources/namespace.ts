// Namespace: a room for names. Deleting one empties it first, which the finalizer `kubernetes` waits for.
// Source: Kubernetes, pkg/registry/core/namespace and core/v1 SetDefaults_Namespace.

import type { Resource } from '../resource.ts';
import type { KubeObject, Namespace, StatusCause } from '../types.ts';
import { ageColumn, nameColumn, text } from './columns.ts';
import { allVerbs, kind, statusStrategy, withStatus } from './kind.ts';
import { labelKeyErrors } from './names.ts';
import { invalidEach } from './validate.ts';
import type { Errors } from './validate.ts';

const phaseOf = (one: KubeObject): string => (one as Namespace).status?.phase ?? '';
const finalizersOf = (one: KubeObject): readonly string[] => (one as Namespace).spec?.finalizers ?? [];

export const namespace: Resource = kind({
  group: '', version: 'v1', resource: 'namespaces', singular: 'namespace', kind: 'Namespace',
  shortNames: ['ns'], namespaced: false, nameRule: 'label',
  verbs: allVerbs.filter((verb) => verb !== 'deletecollection'), subresources: ['status', 'finalize'],
  columns: [nameColumn, text('Status', 'Active, or Terminating while it is emptied.', phaseOf), ageColumn],
  fields: { 'status.phase': phaseOf },
  defaults: labelled,
  prepareCreate: (one) => {
    const finalizers = finalizersOf(one);
    const kept = finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'];
    // The name may have been generated after the defaults were filled in.
    return withStatus(withFinalizers(labelled(one), kept), { phase: 'Active' });
  },
  prepareUpdate: (one, old) =>
    statusStrategy.prepareUpdate(withFinalizers(one, finalizersOf(old)), old),
  prepareStatus: statusStrategy.prepareStatus,
  validate,
});

/** Every namespace bears its own name as a label, so that selectors can name it. */
function labelled(one: KubeObject): KubeObject {
  const { name } = one.metadata;
  if (!name) return one;
  const labels = { ...one.metadata.labels, 'kubernetes.io/metadata.name': name };
  return { ...one, metadata: { ...one.metadata, labels } };
}

function withFinalizers(one: KubeObject, finalizers: readonly string[]): KubeObject {
  const changed: Namespace = { ...one, spec: { ...(one as Namespace).spec, finalizers } };
  return changed;
}

function validate(one: KubeObject): readonly StatusCause[] {
  const errors: Errors = [];
  for (const [i, finalizer] of finalizersOf(one).entries()) {
    invalidEach(errors, `spec.finalizers[${i}]`, finalizer, labelKeyErrors(finalizer));
  }
  return errors;
}
