// Whether a policy or a binding is about a write: rules of resources, selectors of namespaces and objects.
//
// Source of facts: k8s.io/apiserver pkg/admission/plugin/policy/matching, plugin/webhook/predicates (rules,
// namespace, object): subresources are named by `pods/status`, all of them by `*/*`; a Namespace is judged by
// its own labels, other objects without a namespace match every namespace selector.

import { objectKey } from '../../ids.ts';
import { get } from '../../state/query.ts';
import { resources } from '../objects.ts';
import { registryOf } from '../registry.ts';
import { matchesSelector } from '../selector.ts';
import { notFound } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject, LabelSelector, Namespace } from '../types.ts';
import type { Admission } from './attributes.ts';

export interface ResourceRule {
  readonly operations?: readonly string[];
  readonly apiGroups?: readonly string[];
  readonly apiVersions?: readonly string[];
  readonly resources?: readonly string[];
  readonly scope?: string;
  readonly resourceNames?: readonly string[];
}

export interface MatchResources {
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
  readonly resourceRules?: readonly ResourceRule[];
  readonly excludeResourceRules?: readonly ResourceRule[];
  readonly matchPolicy?: string;
}

/** Nothing said: everything matches. A namespace that there is not is a problem of a write into it. */
export function matches(write: Admission, wanted: MatchResources | undefined): boolean | Problem {
  if (wanted === undefined) return true;
  const { resourceRules = [], excludeResourceRules = [], matchPolicy } = wanted;
  const inNamespace = namespaceMatches(write, wanted.namespaceSelector);
  if (inNamespace === false) return false;
  if (!objectMatches(write, wanted.objectSelector)) return false;
  const alike = matchPolicy !== 'Exact';
  if (excludeResourceRules.some((rule) => ruleMatches(write, rule, alike))) return false;
  if (resourceRules.length > 0
    && !resourceRules.some((rule) => ruleMatches(write, rule, alike))) return false;
  return inNamespace;
}

const isEmpty = ({ matchLabels, matchExpressions }: LabelSelector): boolean =>
  Object.keys(matchLabels ?? {}).length === 0 && (matchExpressions ?? []).length === 0;

export function namespaceMatches(write: Admission, selector: LabelSelector | undefined): boolean | Problem {
  if (selector === undefined || isEmpty(selector)) return true;
  const { writing: { route, state }, object, old } = write;
  const isNamespace = route.resource.kind === 'Namespace' && route.resource.group === '';
  if (isNamespace) return matchesSelector(selector, (object ?? old)?.metadata.labels);
  if (route.namespace === '') return true;
  const found = get<Namespace>(state, objectKey(resources.namespaces, '', route.namespace));
  return found === null ? notFound({ group: '', resource: 'namespaces' }, route.namespace)
    : matchesSelector(selector, found.metadata.labels);
}

export function objectMatches({ object, old }: Admission, selector: LabelSelector | undefined): boolean {
  if (selector === undefined || isEmpty(selector)) return true;
  const fits = (one: KubeObject | null): boolean =>
    one !== null && matchesSelector(selector, one.metadata.labels);
  return fits(object) || fits(old);
}

function ruleMatches(write: Admission, rule: ResourceRule, alike: boolean): boolean {
  return versionsOf(write, alike).some((version) => ruleFits(write, rule, version));
}

/** Whether the rule is about this write, if it is made in this version. */
export function ruleFits(write: Admission, rule: ResourceRule, version: string): boolean {
  const { writing: { route }, operation, name } = write, { group } = route.resource;
  const has = (list: readonly string[] | undefined, value: string): boolean =>
    list?.some((each) => each === '*' || each === value) ?? false;
  const namespaced = route.namespace !== '' && route.resource.namespaced;
  if (rule.scope === 'Namespaced' && !namespaced) return false;
  if (rule.scope === 'Cluster' && namespaced) return false;
  return has(rule.operations, operation) && has(rule.apiGroups, group)
    && has(rule.apiVersions, version)
    && (rule.resources ?? []).some((pattern) => resourceMatches(write, pattern))
    && ((rule.resourceNames ?? []).length === 0 || rule.resourceNames?.includes(name) === true);
}

/** The version of the request, and, unless it must match exactly, those in which the same kind is served. */
function versionsOf({ writing: { route, state } }: Admission, alike: boolean): readonly string[] {
  const { group, version, resource } = route.resource;
  if (!alike) return [version];
  return registryOf(state).all()
    .filter((each) => each.group === group && each.resource === resource).map((each) => each.version);
}

function resourceMatches({ writing: { route } }: Admission, pattern: string): boolean {
  const { resource } = route.resource, { subresource } = route, cut = pattern.indexOf('/');
  const [main, sub] = cut < 0 ? [pattern, ''] : [pattern.slice(0, cut), pattern.slice(cut + 1)];
  return (main === '*' || main === resource) && (sub === subresource || sub === '*');
}
