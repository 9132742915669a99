// The roles and bindings that a cluster begins with, and the ClusterRoles that gather those of others.
//
// As a Kubernetes API server does when it starts, each new leader sees that the defaults are there and hold
// at least what they should; what somebody added stays, and what is annotated with `autoupdate: "false"` is
// left alone altogether. Source: Kubernetes, "Auto-reconciliation" and "Aggregated ClusterRoles";
// component-helpers/auth/rbac/reconciliation, pkg/controller/clusterroleaggregation.
// What always holds: no permission of a default role or binding is taken away; a role that gathers holds the
// rules of those it picks, in the order of its selectors and of their names, each once.

import { missingRules } from '../../cluster/api/access/rules.ts';
import {
  autoUpdate, defaultClusterRoleBindings, defaultClusterRoles, defaultRoleBindings, defaultRoles,
} from '../../cluster/api/access/roles.ts';
import type { DefaultBinding, DefaultRole } from '../../cluster/api/access/roles.ts';
import { createOp, deleteOp, keyOf, newborn, resources, updateOp } from '../../cluster/api/objects.ts';
import type { Birth } from '../../cluster/api/objects.ts';
import { sameJson } from '../../cluster/api/resources/validate.ts';
import { matchesSelector } from '../../cluster/api/selector.ts';
import type { KubeObject, PolicyRule, Role, RoleBinding } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey, ResourceName } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Op } from '../../cluster/state/types.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

const theKey = 'roles/defaults';
const home = objectKey(resources.namespaces, '', 'kube-system');

export const defaultRolesController: ControllerDefinition = {
  name: 'default-roles',
  component: 'rbac-defaults',
  // Some of them live in kube-system, which may come later than the leader.
  keysOf: (_, { type, key }) => type === 'ADDED' && key === home ? [theKey] : [],
  allKeys: () => [theKey],
  reconcile: reconcileDefaults,
};

export function reconcileDefaults(state: State, _: string, context: ReconcileContext): Reconciliation {
  const birth = (): Birth => ({ uid: context.newUid(), nowWallMs: context.nowWallMs });
  const ops: Op[] = [];
  const roles = (resource: ResourceName, defaults: readonly DefaultRole[]): void => {
    for (const each of defaults) ops.push(...roleOps(state, resource, each, birth));
  };
  const bindings = (resource: ResourceName, defaults: readonly DefaultBinding[]): void => {
    for (const each of defaults) ops.push(...bindingOps(state, resource, each, birth));
  };
  roles(resources.clusterRoles, defaultClusterRoles);
  bindings(resources.clusterRoleBindings, defaultClusterRoleBindings);
  const namespace = get(state, home);
  if (namespace !== null && namespace.metadata.deletionTimestamp === undefined) {
    roles(resources.roles, defaultRoles);
    bindings(resources.roleBindings, defaultRoleBindings);
  }
  return ops.length === 0 ? nothing : { steps: [{ ops }] };
}

function roleOps(
  state: State, resource: ResourceName, wanted: DefaultRole, birth: () => Birth,
): readonly Op[] {
  const stored = get<Role>(state, keyOf(resource, wanted));
  if (stored === null) return [createOp(resource, newborn(wanted, birth()))];
  if (stored.metadata.annotations?.[autoUpdate] === 'false') return [];
  const { rules = [], aggregationRule } = stored;
  const missing = wanted.rules === undefined ? [] : missingRules(rules, wanted.rules) ?? [];
  const selectors = aggregationRule?.clusterRoleSelectors ?? [];
  const lacking = (wanted.aggregationRule?.clusterRoleSelectors ?? [])
    .filter((each) => !selectors.some((own) => sameJson(own, each)));
  const filled: Role = {
    ...stored, metadata: withMarks(stored, wanted),
    ...missing.length === 0 ? {} : { rules: [...rules, ...missing] },
    ...lacking.length === 0 ? {} : { aggregationRule: { clusterRoleSelectors: [...selectors, ...lacking] } },
  };
  return sameJson(filled, stored) ? [] : [updateOp(resource, stored, filled)];
}

function bindingOps(
  state: State, resource: ResourceName, wanted: DefaultBinding, birth: () => Birth,
): readonly Op[] {
  const stored = get<RoleBinding>(state, keyOf(resource, wanted));
  if (stored === null) return [createOp(resource, newborn(wanted, birth()))];
  if (stored.metadata.annotations?.[autoUpdate] === 'false') return [];
  // The role of a binding can't be changed.
  if (!sameJson(stored.roleRef, wanted.roleRef)) {
    return [deleteOp(resource, stored), createOp(resource, newborn(wanted, birth()))];
  }
  const { subjects = [] } = stored;
  const lacking = (wanted.subjects ?? []).filter((each) => !subjects.some((own) => sameJson(own, each)));
  const filled: RoleBinding = {
    ...stored, metadata: withMarks(stored, wanted),
    ...lacking.length === 0 ? {} : { subjects: [...subjects, ...lacking] },
  };
  return sameJson(filled, stored) ? [] : [updateOp(resource, stored, filled)];
}

/** The labels and annotations of the default, where the stored object says nothing else. */
function withMarks({ metadata }: KubeObject, wanted: DefaultRole | DefaultBinding): KubeObject['metadata'] {
  return {
    ...metadata,
    annotations: { ...wanted.metadata.annotations, ...metadata.annotations },
    labels: { ...wanted.metadata.labels, ...metadata.labels },
  };
}

// ── aggregation ──────────────────────────────────────────────────────────────────────────────────────────

const gathers = (role: Role): boolean => role.aggregationRule !== undefined;

function gatherers(state: State): readonly string[] {
  return list<Role>(state, resources.clusterRoles).filter(gathers)
    .map((role) => keyOf(resources.clusterRoles, role));
}

export const aggregationController: ControllerDefinition = {
  name: 'clusterrole-aggregation',
  component: 'clusterrole-aggregation-controller',
  keysOf: (state, { key }) => splitKey(key).resource === resources.clusterRoles ? gatherers(state) : [],
  allKeys: gatherers,
  reconcile: aggregate,
};

export function aggregate(state: State, key: string): Reconciliation {
  const role = get<Role>(state, key as ObjectKey);
  if (role?.aggregationRule === undefined || role.metadata.deletionTimestamp !== undefined) return nothing;
  const rules: PolicyRule[] = [], known = new Set<string>();
  const others = list<Role>(state, resources.clusterRoles)
    .filter(({ metadata }) => metadata.name !== role.metadata.name);
  let chars = 0;
  for (const selector of role.aggregationRule.clusterRoleSelectors ?? []) {
    for (const other of others) {
      if (!matchesSelector(selector, other.metadata.labels)) continue;
      for (const rule of other.rules ?? []) {
        const text = ruleText(rule);
        if (known.has(text)) continue;
        known.add(text);
        rules.push(rule);
        chars += text.length;
      }
    }
  }
  // What no object can hold can't be gathered; the rules stay as they were.
  if (chars > limits.objectBytesMax / 2 || sameJson(rules, role.rules ?? [])) return nothing;
  return { steps: [{ ops: [updateOp(resources.clusterRoles, role, { ...role, rules })] }] };
}

/** The same for the same rule, in whatever order its fields came. */
const ruleText = ({ verbs, apiGroups, resources: of, resourceNames, nonResourceURLs }: PolicyRule): string =>
  JSON.stringify([verbs, apiGroups ?? [], of ?? [], resourceNames ?? [], nonResourceURLs ?? []]);
