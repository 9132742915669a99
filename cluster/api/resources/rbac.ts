// Role, ClusterRole, RoleBinding and ClusterRoleBinding: who may do what.
//
// What always holds: the role that a binding names never changes; a namespaced role speaks of no path.
// Source: Kubernetes, pkg/apis/rbac/validation and rbac/v1 defaults; the columns of
// pkg/printers/internalversion.

import { schemaOf } from '../kinds/schema.ts';
import type { Column, Resource } from '../resource.ts';
import type { KubeObject, PolicyRule, Role, RoleBinding, RoleRef, StatusCause, Subject } from '../types.ts';
import { ageColumn, nameColumn, text, wide } from './columns.ts';
import { kind } from './kind.ts';
import { nameErrors } from './names.ts';
import { invalid, invalidEach, notSupported, required, sameJson } from './validate.ts';
import type { Errors } from './validate.ts';
import { validateLabelSelector } from './workload.ts';

export const rbacGroup = 'rbac.authorization.k8s.io';

// ── kinds ────────────────────────────────────────────────────────────────────────────────────────────────

const createdColumn: Column = {
  name: 'Created At', type: 'date', format: '', description: 'When the object was created.', priority: 0,
  value: ({ metadata }) => metadata.creationTimestamp,
};

const of = (object: KubeObject, kinds: string): string =>
  ((object as RoleBinding).subjects ?? []).filter((one) => one.kind === kinds)
    .map(({ name, namespace = '' }) => kinds === 'ServiceAccount' ? `${namespace}/${name}` : name).join(', ');

const bindingColumns: readonly Column[] = [
  nameColumn,
  text('Role', 'The role that is given.', (object) => {
    const { kind: of, name } = (object as RoleBinding).roleRef;
    return `${of}/${name}`;
  }),
  ageColumn,
  wide(text('Users', 'Users that the role is given to.', (object) => of(object, 'User'))),
  wide(text('Groups', 'Groups that the role is given to.', (object) => of(object, 'Group'))),
  wide(text('ServiceAccounts', 'ServiceAccounts that the role is given to.',
    (object) => of(object, 'ServiceAccount'))),
];

const named = (kind: string): string => `io.k8s.api.rbac.v1.${kind}`;
const common = { group: rbacGroup, version: 'v1', nameRule: 'path-segment' } as const;

export const role: Resource = kind({
  ...common, resource: 'roles', singular: 'role', kind: 'Role',
  schema: schemaOf(named('Role')), columns: [nameColumn, createdColumn],
  validate: (one) => roleErrors(one as Role, true),
});

export const clusterRole: Resource = kind({
  ...common, resource: 'clusterroles', singular: 'clusterrole', kind: 'ClusterRole', namespaced: false,
  schema: schemaOf(named('ClusterRole')), columns: [nameColumn, createdColumn],
  validate: (one) => roleErrors(one as Role, false),
});

export const roleBinding: Resource = kind({
  ...common, resource: 'rolebindings', singular: 'rolebinding', kind: 'RoleBinding',
  schema: schemaOf(named('RoleBinding')), columns: bindingColumns,
  defaults: withGroups,
  validate: (one, old) => bindingErrors(one as RoleBinding, old as RoleBinding | null, true),
});

export const clusterRoleBinding: Resource = kind({
  ...common, resource: 'clusterrolebindings', singular: 'clusterrolebinding', kind: 'ClusterRoleBinding',
  namespaced: false, schema: schemaOf(named('ClusterRoleBinding')),
  columns: bindingColumns, defaults: withGroups,
  validate: (one, old) => bindingErrors(one as RoleBinding, old as RoleBinding | null, false),
});

// ── defaults and rules ───────────────────────────────────────────────────────────────────────────────────

/** The API group of the role and of each subject, where it goes without saying. */
function withGroups(object: KubeObject): KubeObject {
  const { roleRef: ref, subjects, ...rest } = object as Partial<RoleBinding> & KubeObject;
  const filled = { ...rest, roleRef: { ...ref, apiGroup: ref?.apiGroup || rbacGroup } };
  if (subjects === undefined) return filled;
  const grouped = (one: Subject): Subject =>
    (one.kind === 'User' || one.kind === 'Group') && (one.apiGroup ?? '') === ''
      ? { ...one, apiGroup: rbacGroup } : one;
  return { ...filled, subjects: subjects.map(grouped) } as KubeObject;
}

function roleErrors({ rules: all = [], aggregationRule: aggregation }: Role,
  namespaced: boolean): readonly StatusCause[] {
  const errors: Errors = [];
  for (const [at, rule] of all.entries()) ruleErrors(errors, rule, namespaced, `rules[${at}]`);
  if (aggregation === undefined || namespaced) return errors;
  const path = 'aggregationRule.clusterRoleSelectors', { clusterRoleSelectors: selectors = [] } = aggregation;
  if (selectors.length === 0) {
    required(errors, path, 'at least one clusterRoleSelector required if aggregationRule is non-nil');
  }
  for (const [at, each] of selectors.entries()) validateLabelSelector(errors, each, `${path}[${at}]`);
  return errors;
}

function ruleErrors(errors: Errors, rule: Partial<PolicyRule>, namespaced: boolean, path: string): void {
  const { verbs = [], nonResourceURLs: urls = [], apiGroups = [], resources = [], resourceNames = [] } = rule;
  if (verbs.length === 0) required(errors, `${path}.verbs`, 'verbs must contain at least one value');
  if (urls.length > 0) {
    const field = `${path}.nonResourceURLs`;
    if (namespaced) invalid(errors, field, urls, 'namespaced rules cannot apply to non-resource URLs');
    if (apiGroups.length > 0 || resources.length > 0 || resourceNames.length > 0) {
      invalid(errors, field, urls, 'rules cannot apply to both regular resources and non-resource URLs');
    }
    return;
  }
  if (apiGroups.length === 0) {
    required(errors, `${path}.apiGroups`, 'resource rules must supply at least one api group');
  }
  if (resources.length === 0) {
    required(errors, `${path}.resources`, 'resource rules must supply at least one resource');
  }
}

function bindingErrors(
  binding: RoleBinding, old: RoleBinding | null, namespaced: boolean,
): readonly StatusCause[] {
  const errors: Errors = [], ref: Partial<RoleRef> = binding.roleRef;
  const { apiGroup = '', kind: of = '', name = '' } = ref;
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  if (apiGroup !== rbacGroup) notSupported(errors, 'roleRef.apiGroup', apiGroup, [rbacGroup]);
  if (!kinds.includes(of)) notSupported(errors, 'roleRef.kind', of, kinds);
  if (name === '') required(errors, 'roleRef.name');
  else invalidEach(errors, 'roleRef.name', name, nameErrors(name, 'path-segment'));
  for (const [at, one] of (binding.subjects ?? []).entries()) {
    subjectErrors(errors, one, namespaced, `subjects[${at}]`);
  }
  if (old !== null && !sameJson(old.roleRef, binding.roleRef)) {
    invalid(errors, 'roleRef', { APIGroup: apiGroup, Kind: of, Name: name }, 'cannot change roleRef');
  }
  return errors;
}

function subjectErrors(errors: Errors, one: Partial<Subject>, namespaced: boolean, path: string): void {
  const { kind: of = '', name = '', apiGroup = '', namespace = '' } = one;
  if (name === '') required(errors, `${path}.name`);
  switch (of) {
    case 'ServiceAccount':
      if (name !== '') invalidEach(errors, `${path}.name`, name, nameErrors(name, 'subdomain'));
      if (apiGroup !== '') notSupported(errors, `${path}.apiGroup`, apiGroup, ['']);
      if (!namespaced && namespace === '') required(errors, `${path}.namespace`);
      return;
    case 'User': case 'Group':
      if (apiGroup !== rbacGroup) notSupported(errors, `${path}.apiGroup`, apiGroup, [rbacGroup]);
      return;
    default: notSupported(errors, `${path}.kind`, of, ['ServiceAccount', 'User', 'Group']);
  }
}
