// Who may do what: nodes by what they are, everybody by RBAC over the roles and bindings of the state.
//
// A decision looks only at the bindings that name the user or one of its groups. They are found by an index
// of each list of bindings, made when the list is first asked for: the state gives the same list until a
// binding changes, so other writes cost nothing.
// What always holds: nothing is allowed that no rule allows, but to `system:masters`, and to ask for health.
// Source: Kubernetes, "Using RBAC Authorization"; plugin/pkg/auth/authorizer/rbac; the order of authorizers
// and `--authorization-always-allow-paths` of kube-apiserver.

import { objectKey } from '../../ids.ts';
import { get, list } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import { resources } from '../objects.ts';
import type { UserInfo } from '../request.ts';
import type { PolicyRule, Role, RoleBinding, RoleRef, Subject } from '../types.ts';
import { isOfResource } from './attributes.ts';
import type { Attributes } from './attributes.ts';
import { nodeDecision } from './nodes.ts';
import { ruleAllows } from './rules.ts';

export interface Decision { readonly allowed: boolean; readonly reason: string }

export const mastersGroup = 'system:masters';

/** Asked by load balancers, which have no certificate; nothing in them is a secret. */
const openPaths = new Set(['/healthz', '/livez', '/readyz']);

export function authorize(attributes: Attributes, user: UserInfo, state: State): Decision {
  if (user.groups.includes(mastersGroup)) return { allowed: true, reason: '' };
  if (!isOfResource(attributes) && openPaths.has(attributes.path)) return { allowed: true, reason: '' };
  const node = nodeDecision(attributes, user, state);
  if (node?.allowed === true) return node;
  const namespace = isOfResource(attributes) ? attributes.namespace : '', errors: string[] = [];
  for (const granted of grantsOf(user, namespace, state)) {
    if (typeof granted === 'string') {
      errors.push(granted);
      continue;
    }
    for (const rule of granted.rules) {
      if (ruleAllows(rule, attributes)) {
        return { allowed: true, reason: `RBAC: allowed by ${describe(granted)}` };
      }
    }
  }
  const reasons = [node?.reason ?? '', errors.length === 0 ? '' : `RBAC: ${together(errors)}`];
  return { allowed: false, reason: reasons.filter((each) => each !== '').join(', ') };
}

/** All rules that apply to the user in a namespace (empty: cluster-wide), and what of them was not found. */
export function rulesFor(user: UserInfo, namespace: string, state: State): {
  readonly rules: readonly PolicyRule[]; readonly error: string;
} {
  const rules: PolicyRule[] = [], errors: string[] = [];
  for (const granted of grantsOf(user, namespace, state)) {
    if (typeof granted === 'string') errors.push(granted);
    else rules.push(...granted.rules);
  }
  return { rules, error: errors.length === 0 ? '' : together(errors) };
}

/** As apimachinery's Aggregate prints errors: each once, in brackets where there are several. */
function together(errors: readonly string[]): string {
  const each = [...new Set(errors)];
  return each.length === 1 ? each[0] ?? '' : `[${each.join(', ')}]`;
}

// ── what is granted to whom ──────────────────────────────────────────────────────────────────────────────

interface Grant {
  readonly binding: RoleBinding;
  readonly subject: Subject;
  readonly rules: readonly PolicyRule[];
}

/** What the bindings give to the user, those of the cluster first; a text for a role that is not there. */
function* grantsOf(user: UserInfo, namespace: string, state: State): Generator<Grant | string> {
  const named = [`u:${user.name}`, ...user.groups.map((group) => `g:${group}`)];
  yield* granted(clusterIndexes, list<RoleBinding>(state, resources.clusterRoleBindings), named, '', state);
  if (namespace === '') return;
  const bindings = list<RoleBinding>(state, resources.roleBindings, namespace);
  yield* granted(namespaceIndexes, bindings, named, namespace, state);
}

function* granted(
  indexes: Indexes, bindings: readonly RoleBinding[], named: readonly string[], namespace: string,
  state: State,
): Generator<Grant | string> {
  const index = indexOf(indexes, bindings, namespace);
  let found: readonly Entry[] = [];
  for (const each of named) {
    const more = index.get(each);
    if (more !== undefined) found = found.length === 0 ? more : [...found, ...more];
  }
  // In the order of bindings, and each once, by the first of its subjects that is meant.
  const sorted = found.length < 2 ? found
    : [...found].sort((a, b) => a.position - b.position || a.at - b.at);
  let last = -1;
  for (const { binding, subject, position } of sorted) {
    if (position === last) continue;
    last = position;
    const rules = rulesOf(binding.roleRef, namespace, state);
    yield typeof rules === 'string' ? rules : { binding, subject, rules };
  }
}

/** The rules of the role that is referred to, or that there is no such role. */
export function rulesOf(
  { kind, name }: RoleRef, namespace: string, state: State,
): readonly PolicyRule[] | string {
  const namespaced = kind === 'Role';
  if (!namespaced && kind !== 'ClusterRole') {
    return `unsupported role reference kind: ${JSON.stringify(kind)}`;
  }
  const role = get<Role>(state, namespaced ? objectKey(resources.roles, namespace, name)
    : objectKey(resources.clusterRoles, '', name));
  if (role !== null) return role.rules ?? [];
  return `${namespaced ? 'role' : 'clusterrole'}.rbac.authorization.k8s.io ${JSON.stringify(name)} not found`;
}

// ── the index ────────────────────────────────────────────────────────────────────────────────────────────

/** `position`: that of the binding in its list; `at`: that of the subject in the binding. */
interface Entry {
  readonly binding: RoleBinding;
  readonly subject: Subject;
  readonly position: number;
  readonly at: number;
}

/** By `u:` and a user's name or `g:` and a group's. */
type Index = ReadonlyMap<string, readonly Entry[]>;
type Indexes = WeakMap<readonly RoleBinding[], Index>;

// Apart, for an empty list may be the same for both.
const clusterIndexes: Indexes = new WeakMap(), namespaceIndexes: Indexes = new WeakMap();

function indexOf(indexes: Indexes, bindings: readonly RoleBinding[], namespace: string): Index {
  const known = indexes.get(bindings);
  if (known !== undefined) return known;
  const index = new Map<string, Entry[]>();
  for (const [position, binding] of bindings.entries()) {
    for (const [at, subject] of (binding.subjects ?? []).entries()) {
      const name = indexName(subject, namespace);
      if (name === null) continue;
      const entries = index.get(name), entry = { binding, subject, position, at };
      if (entries === undefined) index.set(name, [entry]);
      else entries.push(entry);
    }
  }
  indexes.set(bindings, index);
  return index;
}

function indexName({ kind, name, namespace = '' }: Subject, own: string): string | null {
  switch (kind) {
    case 'User': return `u:${name}`;
    case 'Group': return `g:${name}`;
    case 'ServiceAccount': {
      const home = namespace === '' ? own : namespace;
      return home === '' ? null : `u:system:serviceaccount:${home}:${name}`;
    }
    default: return null;
  }
}

function describe({ binding, subject }: Grant): string {
  const { metadata: { name, namespace }, kind, roleRef } = binding;
  const own = namespace === undefined ? name : `${name}/${namespace}`;
  const home = subject.namespace ?? namespace ?? '';
  const whom = subject.kind === 'ServiceAccount' ? `${subject.name}/${home}` : subject.name;
  return `${kind} ${JSON.stringify(own)} of ${roleRef.kind} ${JSON.stringify(roleRef.name)} to `
    + `${subject.kind} ${JSON.stringify(whom)}`;
}
