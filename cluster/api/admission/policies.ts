// What both kinds of admission policies have in common: which of them are there, with which bindings and
// parameters, and whether their conditions let them have a say.
//
// Source of facts: k8s.io/apiserver pkg/admission/plugin/policy/generic (dispatch, parameters, messages),
// plugin/webhook/matchconditions.
// What always holds: policies and bindings come in the order of their names; the policies' own kinds are
// never judged by them, or nobody could mend a wrong one.

import { limits } from '../../limits.ts';
import { objectKey, resourceName } from '../../ids.ts';
import type { ResourceName } from '../../ids.ts';
import { get, list } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import { isFault } from '../cel/values.ts';
import type { Bindings } from '../cel/plan.ts';
import { resources } from '../objects.ts';
import { registryOf } from '../registry.ts';
import { matchesSelector } from '../selector.ts';
import { notFound } from '../status.ts';
import { isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject, LabelSelector, Namespace } from '../types.ts';
import type { Admission } from './attributes.ts';
import { evaluated, outOfBudget } from './expressions.ts';
import type { Compiled } from './expressions.ts';
import { matches } from './match.ts';
import type { MatchResources } from './match.ts';

export interface NamedExpression { readonly name: string; readonly expression: string }

interface ParamKind { readonly apiVersion?: string; readonly kind?: string }

export interface PolicySpec {
  readonly paramKind?: ParamKind;
  readonly matchConstraints?: MatchResources;
  readonly matchConditions?: readonly NamedExpression[];
  readonly variables?: readonly NamedExpression[];
  readonly failurePolicy?: string;
}

export interface Policy<Spec extends PolicySpec> extends KubeObject { readonly spec: Spec }

interface ParamRef {
  readonly name?: string; readonly namespace?: string; readonly selector?: LabelSelector;
  readonly parameterNotFoundAction?: string;
}

export interface Binding extends KubeObject {
  readonly spec: {
    readonly policyName?: string;
    readonly paramRef?: ParamRef;
    readonly matchResources?: MatchResources;
    readonly validationActions?: readonly string[];
  };
}

const group = 'admissionregistration.k8s.io';

export const policyResources = {
  validating: resourceName(`${group}/validatingadmissionpolicies`),
  validatingBindings: resourceName(`${group}/validatingadmissionpolicybindings`),
  mutating: resourceName(`${group}/mutatingadmissionpolicies`),
  mutatingBindings: resourceName(`${group}/mutatingadmissionpolicybindings`),
} as const;

const unjudged: readonly string[] = Object.values(policyResources);

// ── which apply ──────────────────────────────────────────────────────────────────────────────────────────

/** A policy that matches the write. */
export interface Matched<Spec extends PolicySpec> {
  readonly policy: Policy<Spec>;
  readonly bindings: readonly Binding[];
}

/**
 * The policies that have a binding and match; a problem where the namespace to be written to is not
 * there.
 */
export function* matchingPolicies<Spec extends PolicySpec>(
  write: Admission, of: ResourceName, bindingsOf: ResourceName,
): Generator<Matched<Spec> | Problem> {
  const { writing: { state, route } } = write;
  if (unjudged.includes(route.resourceName)) return;
  const policies = list<Policy<Spec>>(state, of);
  if (policies.length === 0) return;
  const bound = boundBy(list<Binding>(state, bindingsOf));
  for (const policy of policies) {
    const bindings = bound.get(policy.metadata.name);
    if (bindings === undefined) continue;
    const fits = matches(write, policy.spec.matchConstraints);
    if (isProblem(fits)) yield fits;
    else if (fits) yield { policy, bindings };
  }
}

/** By the list, which is the same until a binding changes. */
const indexes = new WeakMap<readonly Binding[], ReadonlyMap<string, readonly Binding[]>>();

function boundBy(bindings: readonly Binding[]): ReadonlyMap<string, readonly Binding[]> {
  const known = indexes.get(bindings);
  if (known !== undefined) return known;
  const index = new Map<string, Binding[]>();
  for (const binding of bindings) {
    const { policyName = '' } = binding.spec, others = index.get(policyName);
    if (others === undefined) index.set(policyName, [binding]);
    else others.push(binding);
  }
  indexes.set(bindings, index);
  return index;
}

/** The namespace that is written to, for `namespaceObject`; null without one, and for a Namespace itself. */
export function namespaceWritten({ writing: { state, route } }: Admission): Namespace | null | Problem {
  if (route.namespace === ''
    || (route.resource.kind === 'Namespace' && route.resource.group === '')) return null;
  const found = get<Namespace>(state, objectKey(resources.namespaces, '', route.namespace));
  return found ?? notFound({ group: '', resource: 'namespaces' }, route.namespace);
}

// ── parameters ───────────────────────────────────────────────────────────────────────────────────────────

/** What a policy is evaluated with, once each: null where it has no parameter. A text: it can't be told. */
export function paramsOf(
  write: Admission, paramKind: ParamKind | undefined, paramRef: ParamRef | undefined,
): readonly (KubeObject | null)[] | string {
  if (paramKind === undefined) return [null];
  const { writing: { state, route } } = write, { apiVersion = '', kind = '' } = paramKind;
  const resource = registryOf(state).byKind(apiVersion, kind);
  if (resource === null) {
    return `failed to find resource referenced by paramKind: '${apiVersion}, Kind=${kind}'`;
  }
  if (paramRef === undefined) return [null];
  const wanted = paramRef.namespace ?? '';
  if (!resource.namespaced && wanted !== '') {
    return 'paramRef.namespace must not be provided for a cluster-scoped `paramKind`';
  }
  const namespace = resource.namespaced ? (wanted === '' ? route.namespace : wanted) : '';
  if (resource.namespaced && namespace === '') {
    return 'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources';
  }
  const found = foundParams(state, nameOf(resource.group, resource.resource), namespace, paramRef);
  return found.length === 0 && paramRef.parameterNotFoundAction === 'Deny'
    ? 'no params found for policy binding with `Deny` parameterNotFoundAction' : found;
}

const nameOf = (of: string, plural: string): ResourceName =>
  resourceName(`${of === '' ? 'core' : of}/${plural}`);

function foundParams(
  state: State, of: ResourceName, namespace: string, { name = '', selector }: ParamRef,
): readonly KubeObject[] {
  if (name !== '') {
    const found = get(state, objectKey(of, namespace, name));
    return found === null ? [] : [found];
  }
  return list(state, of, namespace).filter(({ metadata }) => matchesSelector(selector, metadata.labels))
    .slice(0, limits.policyParamsMax);
}

// ── conditions ───────────────────────────────────────────────────────────────────────────────────────────

export interface Condition extends NamedExpression { readonly compiled: Compiled }

/** Whether all hold; one that does not ends it, even after one that fails. A text: that of the failure. */
export function conditionsHold(conditions: readonly Condition[], bindings: Bindings): boolean | string {
  const budget = { left: limits.celConditionsCostMax }, errors: string[] = [];
  for (const { expression, compiled } of conditions) {
    const value = evaluated(expression, compiled, bindings, budget);
    if (value === 'out of budget') return outOfBudget;
    if (value === false) return false;
    if (isFault(value)) errors.push(value.message);
  }
  if (errors.length === 0) return true;
  return errors.length === 1 ? errors[0] ?? '' : `[${errors.join(', ')}]`;
}
