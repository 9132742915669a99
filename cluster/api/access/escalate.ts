// Nobody gives what they don't have: whoever writes a role must hold all that it allows, or may `escalate`;
// whoever writes a binding must hold all that its role allows, or may `bind` that role.
//
// Source: Kubernetes, "Privilege escalation prevention and bootstrapping"; pkg/registry/rbac policybased
// storages, escalation_check.go, validation/rule.go.

import type { State } from '../../state/state.ts';
import type { UserInfo } from '../request.ts';
import type { Resource } from '../resource.ts';
import { rbacGroup } from '../resources/rbac.ts';
import { sameJson } from '../resources/validate.ts';
import type { ResourceRoute } from '../route.ts';
import { badRequest, forbidden, isProblem, notFound } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject, PolicyRule, Role, RoleBinding } from '../types.ts';
import { authorize, mastersGroup, rulesFor, rulesOf } from './authorize.ts';
import { listText, missingRules, ruleText } from './rules.ts';

/** Who writes what, and where. */
interface Granting { readonly route: ResourceRoute; readonly user: UserInfo; readonly state: State }

/** Why this object may not be written; null where it may. `old` null: it is new. */
export function escalation(granting: Granting, object: KubeObject, old: KubeObject | null): Problem | null {
  const { route: { resource, name }, user } = granting;
  if (resource.group !== rbacGroup || user.groups.includes(mastersGroup)) return null;
  if (old !== null && sameButForItsEnd(object, old)) return null;
  const why = isRole(resource) ? ofRole(granting, object as Role, old as Role | null)
    : ofBinding(granting, object as RoleBinding);
  if (why === null || isProblem(why)) return why;
  return forbidden(resource, name === '' ? object.metadata.name : name, why);
}

const isRole = ({ kind }: Resource): boolean => kind === 'Role' || kind === 'ClusterRole';

/** Whether all that changes is what garbage collection needs to let it go. */
function sameButForItsEnd(object: KubeObject, old: KubeObject): boolean {
  const rest = ({ metadata, ...others }: KubeObject): unknown => {
    const { ownerReferences: _o, finalizers: _f, managedFields: _m, resourceVersion: _r, ...kept } = metadata;
    return { ...others, metadata: kept };
  };
  return sameJson(rest(object), rest(old));
}

const everything: readonly PolicyRule[] = [
  { apiGroups: ['*'], resources: ['*'], verbs: ['*'] }, { nonResourceURLs: ['*'], verbs: ['*'] },
];

function ofRole(granting: Granting, role: Role, old: Role | null): string | Problem | null {
  const { route: { resource, namespace, name }, user, state } = granting;
  const may = authorize({
    verb: 'escalate', group: rbacGroup, version: '*', resource: resource.resource, subresource: '', namespace,
    name,
  }, user, state);
  if (may.allowed) return null;
  const lacking = lackingOf(granting, role.rules ?? []);
  if (lacking !== null) return lacking;
  const gathers = [role, old].some((one) => (one?.aggregationRule?.clusterRoleSelectors ?? []).length > 0);
  return gathers && lackingOf(granting, everything) !== null
    ? 'must have cluster-admin privileges to use the aggregationRule' : null;
}

function ofBinding(granting: Granting, { roleRef }: RoleBinding): string | Problem | null {
  const { route: { namespace }, user, state } = granting, { kind, name, apiGroup } = roleRef;
  // No other kind is let through by the validation that follows.
  if (kind !== 'Role' && kind !== 'ClusterRole') return null;
  const resource = kind === 'Role' ? 'roles' : 'clusterroles';
  const may = authorize(
    { verb: 'bind', group: apiGroup, version: '*', resource, subresource: '', namespace, name }, user, state);
  if (may.allowed) return null;
  const rules = rulesOf(roleRef, namespace, state);
  return typeof rules === 'string' ? notFound({ group: rbacGroup, resource }, name)
    : lackingOf(granting, rules);
}

/** What of `wanted` the user does not hold itself, as it is told; null: it holds all. */
function lackingOf(
  { route: { namespace }, user, state }: Granting, wanted: readonly PolicyRule[],
): string | Problem | null {
  const { rules, error } = rulesFor(user, namespace, state), missing = missingRules(rules, wanted);
  if (missing === null) return badRequest('the rules come to more permissions than can be compared');
  if (missing.length === 0) return null;
  const lines = [...new Set(missing.map(ruleText))].sort();
  return `user ${JSON.stringify(user.name)} (groups=${listText(user.groups)}) is attempting to grant RBAC `
    + `permissions not currently held:\n${lines.join('\n')}`
    + (error === '' ? '' : `; resolution errors: ${error}`);
}
