// LimitRange and ResourceQuota: what a namespace may ask for. They are held to in admission.
// Source: Kubernetes, ValidateLimitRange, ValidateResourceQuotaSpec, SetDefaults_LimitRangeItem, and
// printResourceQuota.

import { canonicalQuantity, compareQuantities, parseQuantity, quantityValue } from '../quantity.ts';
import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, createdAtColumn, nameColumn, text } from './columns.ts';
import { at, fieldsOf, listAt, textAt, textsAt, withAt } from './fields.ts';
import type { Fields } from './fields.ts';
import { served, statusful } from './kind.ts';
import { labelKeyErrors } from './names.ts';
import { canonicalList } from './podspec.ts';
import { each, judge, onUpdate, validateAmount } from './rules.ts';
import {
  duplicate, forbidden, immutableMessage, invalid, invalidEach, required, sameJson, sortedEntries,
} from './validate.ts';
import type { Errors } from './validate.ts';

type Amounts = Readonly<Record<string, string>>;

const amountsAt = (value: unknown, path: string): Amounts => fieldsOf(at(value, path)) as Amounts;
const less = (a: string, b: string): boolean => (compareQuantities(a, b) ?? 0) < 0;

// ── LimitRange ───────────────────────────────────────────────────────────────────────────────────────────

const limitTypes = ['Container', 'PersistentVolumeClaim', 'Pod'];
const lists = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

export const limitRange: Resource = served({
  group: '', kind: 'LimitRange', shortNames: ['limits'],
  columns: [nameColumn, createdAtColumn],
  defaults: (one) => (at(one, 'spec.limits') === undefined ? one
    : withAt(one, 'spec.limits', listAt(one, 'spec.limits').map(defaultLimit))),
  validate: judge((errors, one) => {
    const seen = new Set<string>();
    for (const [i, limit] of listAt(one, 'spec.limits').entries()) {
      const path = `spec.limits[${i}]`, type = textAt(limit, 'type');
      validateLimitType(errors, type, `${path}.type`);
      if (seen.has(type)) duplicate(errors, `${path}.type`, type);
      seen.add(type);
      validateLimit(errors, fieldsOf(limit), type, path);
    }
  }),
});

/** For containers: what is missing of default and defaultRequest is taken from max, default and min. */
function defaultLimit(limit: unknown): unknown {
  const given = fieldsOf(limit);
  const own: Readonly<Record<string, Amounts>> = Object.fromEntries(
    lists.filter((name) => given[name] !== undefined)
      .map((name) => [name, canonicalList(amountsAt(limit, name))] as const));
  if (given['type'] !== 'Container') return { ...given, ...own };
  const limits = { ...own['max'], ...own['default'] };
  const requests = { ...limits, ...own['min'], ...own['defaultRequest'] };
  return {
    ...given, ...own, ...Object.keys(limits).length === 0 ? {} : { default: limits },
    ...Object.keys(requests).length === 0 ? {} : { defaultRequest: requests },
  };
}

function validateLimitType(errors: Errors, type: string, path: string): void {
  const wrong = labelKeyErrors(type);
  invalidEach(errors, path, type, wrong);
  if (wrong.length > 0 || type.includes('/') || limitTypes.includes(type)) return;
  invalid(errors, path, type, 'must be a standard limit type or fully qualified');
}

function validateLimit(errors: Errors, limit: Fields, type: string, path: string): void {
  const ofPod = type === 'Pod';
  for (const name of ['default', 'defaultRequest']) {
    if (ofPod && limit[name] !== undefined) {
      forbidden(errors, `${path}.${name}`, "may not be specified when `type` is 'Pod'");
    }
  }
  const keys = new Set<string>();
  for (const name of ofPod ? ['max', 'min', 'maxLimitRequestRatio'] : lists) {
    for (const [key, amount] of sortedEntries(amountsAt(limit, name))) {
      invalidEach(errors, `${path}.${name}[${key}]`, key, labelKeyErrors(key));
      validateAmount(errors, amount, `${path}.${name}[${key}]`, false);
      keys.add(key);
    }
  }
  const storage = (name: string): boolean => Object.hasOwn(amountsAt(limit, name), 'storage');
  if (type === 'PersistentVolumeClaim' && !storage('min') && !storage('max')) {
    required(errors, `${path}.limits`,
      'either minimum or maximum storage value is required, but neither was provided');
  }
  for (const key of [...keys].sort()) compareLimits(errors, limit, key, path);
}

function compareLimits(errors: Errors, limit: Fields, key: string, path: string): void {
  const of = (name: string): string | null => {
    const found = amountsAt(limit, name)[key];
    return found === undefined || parseQuantity(String(found)) === null ? null : String(found);
  };
  const [max, min, preset, request, ratio] = lists.map(of);
  const ordered = (
    low: string | null | undefined, lowName: string, high: string | null | undefined, highName: string,
    field: string, shown: string | null | undefined,
  ): void => {
    if (!low || !high || !less(high, low)) return;
    invalid(errors, `${path}.${field}[${key}]`, shown,
      `${lowName} value ${low} is greater than ${highName} value ${high}`);
  };
  ordered(min, 'min', max, 'max', 'min', min);
  ordered(min, 'min', request, 'default request', 'defaultRequest', request);
  ordered(request, 'default request', max, 'max', 'defaultRequest', request);
  ordered(request, 'default request', preset, 'default limit', 'defaultRequest', request);
  ordered(min, 'min', preset, 'default', 'default', min);
  ordered(preset, 'default', max, 'max', 'default', max);
  if (ratio && less(ratio, '1')) {
    invalid(errors, `${path}.maxLimitRequestRatio[${key}]`, ratio, `ratio ${ratio} is less than 1`);
  }
  if (ratio && min && max) validateRatio(errors, ratio, min, max, `${path}.maxLimitRequestRatio[${key}]`);
}

function validateRatio(errors: Errors, ratio: string, min: string, max: string, path: string): void {
  const nano = (text: string): number => Number(parseQuantity(text)?.nano ?? 0n) / 1e9;
  const limit = nano(max) / nano(min);
  if (nano(ratio) <= limit) return;
  invalid(errors, path, ratio, `ratio ${ratio} is greater than max/min = ${limit.toFixed(6)}`);
}

// ── ResourceQuota ────────────────────────────────────────────────────────────────────────────────────────

const computeNames = [
  'cpu', 'memory', 'ephemeral-storage', 'requests.cpu', 'requests.memory', 'requests.storage',
  'requests.ephemeral-storage', 'limits.cpu', 'limits.memory', 'limits.ephemeral-storage',
];
const countNames = [
  'pods', 'resourcequotas', 'services', 'replicationcontrollers', 'secrets', 'persistentvolumeclaims',
  'configmaps', 'services.nodeports', 'services.loadbalancers',
];
const scopes = [
  'BestEffort', 'CrossNamespacePodAffinity', 'NotBestEffort', 'NotTerminating', 'PriorityClass',
  'Terminating', 'VolumeAttributesClass',
];

export const resourceQuota: Resource = served({
  group: '', kind: 'ResourceQuota', shortNames: ['quota'], ...statusful(),
  columns: [
    nameColumn, text('Request', 'What is used of what may be requested.', (one) => usage(one, false)),
    text('Limit', 'What is used of what may be the limit.', (one) => usage(one, true)), ageColumn,
  ],
  defaults: (one) => ['spec.hard', 'status.hard', 'status.used'].reduce((out, path) => {
    const given = at(out, path);
    return given === undefined ? out : withAt(out, path, canonicalList(fieldsOf(given) as Amounts));
  }, one),
  validate: judge(
    ...['spec.hard', 'status.hard', 'status.used'].map((list) => each(list, validateHard)),
    each('spec', validateScopes), each('spec.scopeSelector?', validateScopeSelector),
    onUpdate((errors, one, old) => {
      const set = (object: KubeObject): readonly string[] =>
        [...new Set(textsAt(object, 'spec.scopes'))].sort();
      if (sameJson(set(one), set(old))) return;
      invalid(errors, 'spec.scopes', textsAt(one, 'spec.scopes'), immutableMessage);
    }),
  ),
});

/** `requests.cpu: 1/2, …`; resource names that begin with `limits.` stand in a column of their own. */
function usage(one: KubeObject, limits: boolean): string {
  const hard = amountsAt(one, 'status.hard'), used = amountsAt(one, 'status.used');
  return Object.keys(hard).sort().filter((name) => name.startsWith('limits.') === limits)
    .map((name) => `${name}: ${used[name] ?? '0'}/${hard[name] ?? '0'}`).join(', ');
}

function validateHard(errors: Errors, value: unknown, path: string): void {
  for (const [name, amount] of sortedEntries(fieldsOf(value))) {
    const here = `${path}[${name}]`, wrong = labelKeyErrors(name);
    invalidEach(errors, here, name, wrong);
    const standard = computeNames.includes(name) || countNames.includes(name) || name.startsWith('hugepages-')
      || name.startsWith('requests.hugepages-');
    if (wrong.length === 0 && !name.includes('/') && !standard) {
      invalid(errors, here, name, 'must be a standard resource for quota');
    }
    validateAmount(errors, amount, here, false);
    const counted = countNames.includes(name) || name.startsWith('count/');
    const text = canonicalQuantity(String(amount));
    if (counted && (parseQuantity(text)?.nano ?? 0n) !== BigInt(quantityValue(text) ?? 0) * 10n ** 9n) {
      invalid(errors, here, amount, 'must be an integer');
    }
  }
}

const podOnly = ['BestEffort', 'NotBestEffort', 'NotTerminating', 'Terminating', 'PriorityClass',
  'CrossNamespacePodAffinity'];

function scopeFits(scope: string, name: string): boolean {
  const standard = computeNames.includes(name) || countNames.includes(name);
  if (!standard) return true;
  if (scope === 'VolumeAttributesClass') {
    return name === 'persistentvolumeclaims' || name === 'requests.storage';
  }
  if (scope === 'BestEffort') return name === 'pods';
  return !podOnly.includes(scope) || name === 'pods'
    || (computeNames.includes(name) && name !== 'requests.storage');
}

const conflicting = [['BestEffort', 'NotBestEffort'], ['NotTerminating', 'Terminating']] as const;

function validateScopes(errors: Errors, value: unknown, path: string): void {
  const given = textsAt(value, 'scopes'), names = Object.keys(amountsAt(value, 'hard')).sort();
  const wrong = (why: string): void => invalid(errors, `${path}.scopes`, given, why);
  for (const scope of given) {
    if (!scopes.includes(scope)) wrong('unsupported scope');
    for (const name of names) if (!scopeFits(scope, name)) wrong('unsupported scope applied to resource');
  }
  for (const pair of conflicting) if (pair.every((each) => given.includes(each))) wrong('conflicting scopes');
}

function validateScopeSelector(errors: Errors, value: unknown, path: string, object: KubeObject): void {
  const here = `${path}.matchExpressions`, names = Object.keys(amountsAt(object, 'spec.hard')).sort();
  const found: string[] = [];
  for (const expression of listAt(value, 'matchExpressions')) {
    const scope = textAt(expression, 'scopeName'), operator = textAt(expression, 'operator');
    const values = listAt(expression, 'values');
    if (!scopes.includes(scope)) invalid(errors, `${here}.scopeName`, scope, 'unsupported scope');
    for (const name of names) {
      if (!scopeFits(scope, name)) invalid(errors, here, value, 'unsupported scope applied to resource');
    }
    if (podOnly.slice(0, 4).includes(scope) && operator !== 'Exists') {
      invalid(errors, `${here}.operator`, operator, "must be 'Exist' only operator when scope is any of "
        + 'ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, '
        + 'ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity');
    }
    validateOperator(errors, operator, values, here);
    found.push(scope);
  }
  for (const pair of conflicting) {
    if (pair.every((each) => found.includes(each))) invalid(errors, here, found, 'conflicting scopes');
  }
}

function validateOperator(errors: Errors, operator: string, values: readonly unknown[], path: string): void {
  switch (operator) {
    case 'In': case 'NotIn':
      if (values.length > 0) return;
      return required(errors, `${path}.values`,
        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    case 'Exists': case 'DoesNotExist':
      if (values.length === 0) return;
      return invalid(errors, `${path}.values`, values,
        "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
    default: return invalid(errors, `${path}.operator`, operator, 'not a valid selector operator');
  }
}
