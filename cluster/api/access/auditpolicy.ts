// An audit policy: which requests are written down, and how much of them.
//
// Source: Kubernetes, "Auditing"; audit.k8s.io/v1 Policy, apiserver pkg/audit/policy and
// pkg/apis/audit/validation. What always holds: the first rule that fits decides; what no rule fits is not
// written down.

import { nameError } from '../names.ts';
import type { UserInfo } from '../request.ts';
import { invalid, notSupported, required } from '../resources/validate.ts';
import type { Errors } from '../resources/validate.ts';
import { isOfResource } from './attributes.ts';
import type { Attributes, ResourceAttributes } from './attributes.ts';
import { pathCovers } from './rules.ts';

export type AuditLevel = 'None' | 'Metadata' | 'Request' | 'RequestResponse';
export type AuditStage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';

const levels: readonly AuditLevel[] = ['None', 'Metadata', 'Request', 'RequestResponse'];
const stages: readonly AuditStage[] = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'];

export interface AuditPolicy {
  readonly omitStages: readonly AuditStage[];
  readonly omitManagedFields: boolean;
  readonly rules: readonly AuditRule[];
}

interface AuditRule {
  readonly level: AuditLevel;
  readonly users: readonly string[];
  readonly userGroups: readonly string[];
  readonly verbs: readonly string[];
  readonly namespaces: readonly string[];
  readonly resources: readonly GroupResources[];
  readonly nonResourceURLs: readonly string[];
  readonly omitStages: readonly AuditStage[];
  readonly omitManagedFields: boolean;
}

interface GroupResources {
  readonly group: string;
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
}

/** How a request is to be written down. */
export interface AuditScope {
  readonly level: AuditLevel;
  readonly omitStages: readonly AuditStage[];
  readonly omitManagedFields: boolean;
}

export function auditScope(policy: AuditPolicy, attributes: Attributes, user: UserInfo): AuditScope {
  const rule = policy.rules.find((each) => fits(each, attributes, user));
  if (rule === undefined) return { ...policy, level: 'None' };
  const { level, omitStages, omitManagedFields } = rule;
  return { level, omitStages: [...policy.omitStages, ...omitStages], omitManagedFields };
}

function fits(rule: AuditRule, attributes: Attributes, { name, groups }: UserInfo): boolean {
  if (rule.users.length > 0 && !rule.users.includes(name)) return false;
  if (rule.userGroups.length > 0 && !groups.some((group) => rule.userGroups.includes(group))) return false;
  if (rule.verbs.length > 0 && !rule.verbs.includes(attributes.verb)) return false;
  if (rule.namespaces.length > 0 || rule.resources.length > 0) {
    return isOfResource(attributes) && fitsResource(rule, attributes);
  }
  if (rule.nonResourceURLs.length === 0) return true;
  return !isOfResource(attributes) && rule.nonResourceURLs.some((url) => pathCovers(url, attributes.path));
}

function fitsResource({ namespaces, resources }: AuditRule, about: ResourceAttributes): boolean {
  // What has no namespace is in the namespace ''.
  if (namespaces.length > 0 && !namespaces.includes(about.namespace)) return false;
  if (resources.length === 0) return true;
  const { group, resource, subresource, name } = about;
  const combined = subresource === '' ? resource : `${resource}/${subresource}`;
  return resources.some((each) => {
    if (each.group !== group) return false;
    if (each.resources.length === 0) return true;
    if (each.resourceNames.length > 0 && !each.resourceNames.includes(name)) return false;
    return each.resources.some((pattern) => pattern === '*' || pattern === combined
      || (subresource !== '' && (pattern === `*/${subresource}` || pattern === `${resource}/*`)));
  });
}

// ── reading one ──────────────────────────────────────────────────────────────────────────────────────────

/** The policy, or what is wrong with it, each a line for a person. `value`: as a file holds it. */
export function readAuditPolicy(value: unknown): AuditPolicy | readonly string[] {
  if (!isRecord(value)) return ['an audit policy is an object'];
  const { apiVersion, kind } = value;
  if (apiVersion !== 'audit.k8s.io/v1' || kind !== 'Policy') {
    const found = `${show(apiVersion)} and ${show(kind)}`;
    return [`apiVersion must be "audit.k8s.io/v1" and kind "Policy", not ${found}`];
  }
  const errors: Errors = [];
  unknownFields(errors, value, '', policyFields);
  const omitManagedFields = value['omitManagedFields'] === true;
  const rules = listAt(errors, value, 'rules', '').map((each, at) =>
    ruleOf(errors, each, `rules[${at}]`, omitManagedFields));
  const policy = { omitStages: stagesAt(errors, value, ''), omitManagedFields, rules };
  return errors.length === 0 ? policy
    : errors.map(({ field, message }) => `${field ?? ''}: ${message}`);
}

const show = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const policyFields = ['apiVersion', 'kind', 'metadata', 'rules', 'omitStages', 'omitManagedFields'];
const ruleFields = [
  'level', 'users', 'userGroups', 'verbs', 'resources', 'namespaces', 'nonResourceURLs', 'omitStages',
  'omitManagedFields',
];

function ruleOf(errors: Errors, value: unknown, path: string, omitManagedFields: boolean): AuditRule {
  const rule = isRecord(value) ? value : {};
  unknownFields(errors, rule, `${path}.`, ruleFields);
  const level = levels.find((each) => each === rule['level']);
  if (level === undefined) {
    if ((rule['level'] ?? '') === '') required(errors, `${path}.level`);
    else notSupported(errors, `${path}.level`, rule['level'], levels);
  }
  const texts = (name: string): readonly string[] => textsAt(errors, rule, name, `${path}.`);
  const resources = listAt(errors, rule, 'resources', `${path}.`).map((each, at) =>
    resourcesOf(errors, each, `${path}.resources[${at}]`));
  const nonResourceURLs = texts('nonResourceURLs'), namespaces = texts('namespaces');
  validateUrls(errors, nonResourceURLs, `${path}.nonResourceURLs`);
  if (nonResourceURLs.length > 0 && (resources.length > 0 || namespaces.length > 0)) {
    invalid(errors, `${path}.nonResourceURLs`, nonResourceURLs,
      'rules cannot apply to both regular resources and non-resource URLs');
  }
  return {
    level: level ?? 'None', users: texts('users'), userGroups: texts('userGroups'), verbs: texts('verbs'),
    namespaces, resources, nonResourceURLs, omitStages: stagesAt(errors, rule, `${path}.`),
    omitManagedFields: typeof rule['omitManagedFields'] === 'boolean' ? rule['omitManagedFields']
      : omitManagedFields,
  };
}

function resourcesOf(errors: Errors, value: unknown, path: string): GroupResources {
  const found = isRecord(value) ? value : {};
  unknownFields(errors, found, `${path}.`, ['group', 'resources', 'resourceNames']);
  const group = typeof found['group'] === 'string' ? found['group'] : '';
  const resources = textsAt(errors, found, 'resources', `${path}.`);
  const resourceNames = textsAt(errors, found, 'resourceNames', `${path}.`);
  const wrong = group === '' ? null : nameError(group, 'subdomain');
  if (wrong !== null) invalid(errors, `${path}.group`, group, wrong);
  if (resourceNames.length > 0 && resources.length === 0) {
    invalid(errors, `${path}.resourceNames`, resourceNames,
      'using resourceNames requires at least one resource');
  }
  return { group, resources, resourceNames };
}

function validateUrls(errors: Errors, urls: readonly string[], path: string): void {
  for (const [at, url] of urls.entries()) {
    if (url === '*') continue;
    if (!url.startsWith('/')) {
      invalid(errors, `${path}[${at}]`, url, "non-resource URL rules must begin with a '/' character");
    }
    if (url.slice(0, -1).includes('*')) {
      invalid(errors, `${path}[${at}]`, url,
        "non-resource URL wildcards '*' must be the final character of the rule");
    }
  }
}

function stagesAt(errors: Errors, from: Readonly<Record<string, unknown>>, prefix: string): AuditStage[] {
  const found: AuditStage[] = [];
  for (const [at, name] of textsAt(errors, from, 'omitStages', prefix).entries()) {
    const stage = stages.find((each) => each === name);
    if (stage !== undefined) found.push(stage);
    else invalid(errors, `${prefix}omitStages[${at}]`, name, `allowed stages are ${stages.join(',')}`);
  }
  return found;
}

function listAt(
  errors: Errors, from: Readonly<Record<string, unknown>>, name: string, prefix: string,
): readonly unknown[] {
  const value = from[name] ?? [];
  if (Array.isArray(value)) return value as readonly unknown[];
  invalid(errors, `${prefix}${name}`, value, 'must be a list');
  return [];
}

function textsAt(
  errors: Errors, from: Readonly<Record<string, unknown>>, name: string, prefix: string,
): readonly string[] {
  const list = listAt(errors, from, name, prefix), texts = list.filter((each) => typeof each === 'string');
  if (texts.length < list.length) invalid(errors, `${prefix}${name}`, list, 'must be a list of strings');
  return texts;
}

function unknownFields(
  errors: Errors, from: Readonly<Record<string, unknown>>, prefix: string, known: readonly string[],
): void {
  for (const name of Object.keys(from).filter((each) => !known.includes(each)).sort()) {
    invalid(errors, `${prefix}${name}`, name, 'unknown field');
  }
}
