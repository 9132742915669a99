// What a rule of a role allows, and whether one set of rules holds all that another does.
//
// Source: Kubernetes, rbac/v1 evaluation helpers and component-helpers/auth/rbac/validation (Covers).
// What always holds: `*` is the only wildcard, and `*/sub` the only one for subresources; an empty list of
// resourceNames names all.

import { limits } from '../../limits.ts';
import type { PolicyRule } from '../types.ts';
import { isOfResource } from './attributes.ts';
import type { Attributes } from './attributes.ts';

const nobody: readonly string[] = [];

export function ruleAllows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!holds(rule.verbs, attributes.verb)) return false;
  if (!isOfResource(attributes)) {
    return (rule.nonResourceURLs ?? nobody).some((url) => pathCovers(url, attributes.path));
  }
  const { group, resource, subresource, name } = attributes;
  if (!holds(rule.apiGroups ?? nobody, group)) return false;
  const combined = subresource === '' ? resource : `${resource}/${subresource}`;
  const resources = rule.resources ?? nobody;
  if (!holds(resources, combined) && (subresource === '' || !resources.includes(`*/${subresource}`))) {
    return false;
  }
  const names = rule.resourceNames ?? nobody;
  return names.length === 0 || names.includes(name);
}

const holds = (list: readonly string[], wanted: string): boolean =>
  list.includes(wanted) || list.includes('*');

/** `/healthz/*` covers all below `/healthz/`. */
export function pathCovers(pattern: string, path: string): boolean {
  if (pattern === path || pattern === '*') return true;
  return pattern.endsWith('*') && path.startsWith(pattern.replace(/\*+$/, ''));
}

/**
 * What of `wanted` is not in `held`, as rules of one group, one resource and all verbs that are missing. Null
 * where `wanted` says more than anybody will look through: lists multiply.
 */
export function missingRules(
  held: readonly PolicyRule[], wanted: readonly PolicyRule[],
): readonly PolicyRule[] | null {
  const simple = new Map<string, { rule: PolicyRule; verbs: string[] }>(), paths: PolicyRule[] = [];
  let count = 0;
  for (const each of wanted) {
    for (const atom of atomsOf(each)) {
      if ((count += 1) > limits.ruleAtomsMax) return null;
      if (held.some((rule) => covers(rule, atom))) continue;
      if (atom.nonResourceURLs !== undefined) {
        paths.push(atom);
        continue;
      }
      const key = JSON.stringify([atom.apiGroups, atom.resources, atom.resourceNames]);
      const known = simple.get(key);
      if (known === undefined) simple.set(key, { rule: atom, verbs: [...atom.verbs] });
      else known.verbs.push(...atom.verbs);
    }
  }
  return [...paths, ...[...simple.values()].map(({ rule, verbs }) => ({ ...rule, verbs }))];
}

/** One verb on one resource (of one name) or path at a time. */
function* atomsOf(rule: PolicyRule): Generator<PolicyRule> {
  const { verbs, apiGroups = nobody, resources = nobody, resourceNames = nobody } = rule;
  for (const group of apiGroups) {
    for (const resource of resources) {
      for (const verb of verbs) {
        const atom = { apiGroups: [group], resources: [resource], verbs: [verb] };
        if (resourceNames.length === 0) yield atom;
        for (const name of resourceNames) yield { ...atom, resourceNames: [name] };
      }
    }
  }
  for (const url of rule.nonResourceURLs ?? nobody) {
    for (const verb of verbs) yield { nonResourceURLs: [url], verbs: [verb] };
  }
}

function covers(rule: PolicyRule, atom: PolicyRule): boolean {
  const [verb = ''] = atom.verbs;
  if (!holds(rule.verbs, verb)) return false;
  const [url] = atom.nonResourceURLs ?? nobody;
  if (url !== undefined) return (rule.nonResourceURLs ?? nobody).some((own) => pathCovers(own, url));
  const [group = ''] = atom.apiGroups ?? nobody, [resource = ''] = atom.resources ?? nobody;
  if (!holds(rule.apiGroups ?? nobody, group)) return false;
  const own = rule.resources ?? nobody, cut = resource.indexOf('/');
  if (!holds(own, resource) && (cut < 0 || !own.includes(`*${resource.slice(cut)}`))) return false;
  const names = rule.resourceNames ?? nobody, [name] = atom.resourceNames ?? nobody;
  return names.length === 0 || (name !== undefined && names.includes(name));
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`. */
export function ruleText(rule: PolicyRule): string {
  const parts: [string, readonly string[]][] = [
    ['APIGroups', rule.apiGroups ?? nobody], ['Resources', rule.resources ?? nobody],
    ['NonResourceURLs', rule.nonResourceURLs ?? nobody], ['ResourceNames', rule.resourceNames ?? nobody],
    ['Verbs', rule.verbs],
  ];
  return `{${parts.filter(([, list]) => list.length > 0)
    .map(([name, list]) => `${name}:${listText(list)}`).join(', ')}}`;
}

/** As Go prints a list of strings, quoted. */
export const listText = (list: readonly string[]): string =>
  `[${list.map((each) => JSON.stringify(each)).join(' ')}]`;
