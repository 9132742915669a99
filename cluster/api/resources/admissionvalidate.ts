// What webhooks and policies of admission have in common: which requests they are for, and how a webhook is
// reached. Source: Kubernetes, pkg/apis/admissionregistration/validation, apiserver util/webhook.

import { at, eachAt, fieldsOf, isMissing, listAt, numberAt, textAt, textsAt } from './fields.ts';
import { labelKeyErrors, nameErrors } from './names.ts';
import { subdomain } from './rules.ts';
import { duplicate, invalid, invalidEach, notSupported, required } from './validate.ts';
import type { Errors, Loose } from './validate.ts';
import { validateLabelSelector } from './workload.ts';

const conditionsMax = 64;

export function validateWebhook(errors: Errors, value: unknown, path: string): void {
  const name = textAt(value, 'name');
  validateFullName(errors, name, `${path}.name`);
  eachAt(value, 'rules[]', (rule, here) => validateRule(errors, rule, `${path}.${here}`));
  supported(errors, value, path, 'failurePolicy', ['Fail', 'Ignore']);
  supported(errors, value, path, 'matchPolicy', ['Equivalent', 'Exact']);
  const effects = ['None', 'NoneOnDryRun'], given = at(value, 'sideEffects');
  const missing = `must specify one of ${effects.join(', ')}`;
  if (given === undefined) required(errors, `${path}.sideEffects`, missing);
  else supported(errors, value, path, 'sideEffects', effects);
  const seconds = numberAt(value, 'timeoutSeconds');
  if (seconds !== undefined && (seconds > 30 || seconds < 1)) {
    invalid(errors, `${path}.timeoutSeconds`, seconds, 'the timeout value must be between 1 and 30 seconds');
  }
  validateSelectors(errors, value, path);
  validateClient(errors, at(value, 'clientConfig'), `${path}.clientConfig`);
  const conditions = at(value, 'matchConditions');
  if (conditions !== undefined) validateMatchConditions(errors, conditions, `${path}.matchConditions`);
  validateReviewVersions(errors, textsAt(value, 'admissionReviewVersions'),
    `${path}.admissionReviewVersions`);
}

function supported(
  errors: Errors, value: unknown, path: string, field: string, values: readonly string[],
): void {
  const given = at(value, field);
  if (given === undefined || values.includes(String(given))) return;
  notSupported(errors, `${path}.${field}`, given, values);
}

function validateSelectors(errors: Errors, value: unknown, path: string): void {
  for (const field of ['namespaceSelector', 'objectSelector']) {
    const given = at(value, field);
    if (given !== undefined) {
      validateLabelSelector(errors, fieldsOf(given) as Loose<object>, `${path}.${field}`);
    }
  }
}

/** A domain of at least three parts. */
function validateFullName(errors: Errors, name: string, path: string): void {
  if (name === '') return required(errors, path);
  const wrong = subdomain(name);
  if (wrong.length > 0) return invalidEach(errors, path, name, wrong);
  return name.split('.').length >= 3 ? undefined
    : invalid(errors, path, name, 'should be a domain with at least three segments separated by dots');
}

const reviewVersions = ['v1', 'v1beta1'];

export function validateReviewVersions(errors: Errors, versions: readonly string[], path: string): void {
  if (versions.length === 0) {
    return required(errors, path, `must specify one of ${reviewVersions.join(', ')}`);
  }
  for (const [i, version] of versions.entries()) {
    if (versions.indexOf(version) < i) invalid(errors, `${path}[${i}]`, version, 'duplicate version');
    else invalidEach(errors, `${path}[${i}]`, version, nameErrors(version, 'label-1035'));
  }
  return versions.some((version) => reviewVersions.includes(version)) ? undefined
    : invalid(errors, path, versions, `must include at least one of ${reviewVersions.join(', ')}`);
}

export function validateClient(errors: Errors, value: unknown, path: string): void {
  const { url, service } = fieldsOf(value);
  if ((url === undefined) === (service === undefined)) {
    return required(errors, path, 'exactly one of url or service is required');
  }
  if (url !== undefined) return validateUrl(errors, String(url), `${path}.url`);
  const { name, namespace, port } = fieldsOf(service), way = at(service, 'path');
  if (isMissing(name)) required(errors, `${path}.service.name`, 'service name is required');
  if (isMissing(namespace)) required(errors, `${path}.service.namespace`, 'service namespace is required');
  if (typeof port === 'number' && (port < 1 || port > 65_535)) {
    invalid(errors, `${path}.service.port`, port,
      'port is not valid: must be between 1 and 65535, inclusive');
  }
  return typeof way === 'string' ? validatePath(errors, way, `${path}.service.path`) : undefined;
}

function validatePath(errors: Errors, way: string, path: string): void {
  if (way === '') return;
  if (!way.startsWith('/')) return invalid(errors, path, way, "must start with a '/'");
  if (/[?#]/.test(way)) return invalid(errors, path, way, 'must not have a query or a fragment');
  const steps = way.split('/').slice(1);
  for (const [i, step] of steps.entries()) {
    if (i === steps.length - 1 && step === '') return undefined;
    if (step === '') return invalid(errors, path, way, `segment[${i}] may not be empty`);
    const [wrong] = subdomain(step);
    if (wrong !== undefined) invalid(errors, path, way, `segment[${i}]: ${wrong}`);
  }
  return undefined;
}

const urlForm = '; desired format: https://host[/path]';

function validateUrl(errors: Errors, text: string, path: string): void {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return required(errors, path, `url must be a valid URL: ${JSON.stringify(text)}${urlForm}`);
  }
  const wrong = (why: string): void => invalid(errors, path, text, why);
  if (url.protocol !== 'https:') wrong(`'https' is the only allowed URL scheme${urlForm}`);
  if (url.hostname === '') wrong(`host must be specified${urlForm}`);
  if (url.username !== '' || url.password !== '') wrong(`user information is not permitted in the URL`);
  if (url.hash !== '') wrong('fragments are not permitted in the URL');
  return url.search === '' ? undefined : wrong('query parameters are not permitted in the URL');
}

// ── which requests ───────────────────────────────────────────────────────────────────────────────────────

const operations = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

export function validateRule(errors: Errors, value: unknown, path: string): void {
  const given = textsAt(value, 'operations');
  if (given.length === 0) required(errors, `${path}.operations`);
  if (given.length > 1 && given.includes('*')) {
    invalid(errors, `${path}.operations`, given, "if '*' is present, must not specify other operations");
  }
  for (const [i, one] of given.entries()) {
    if (!operations.includes(one)) notSupported(errors, `${path}.operations[${i}]`, one, operations);
  }
  for (const [field, what] of [['apiGroups', 'API groups'], ['apiVersions', 'API versions']] as const) {
    const names = textsAt(value, field);
    if (names.length === 0) required(errors, `${path}.${field}`);
    if (names.length > 1 && names.includes('*')) {
      invalid(errors, `${path}.${field}`, names, `if '*' is present, must not specify other ${what}`);
    }
    for (const [i, name] of names.entries()) {
      if (name === '' && field === 'apiVersions') required(errors, `${path}.${field}[${i}]`);
    }
  }
  validateResources(errors, textsAt(value, 'resources'), `${path}.resources`);
  supported(errors, value, path, 'scope', ['*', 'Cluster', 'Namespaced']);
}

function validateResources(errors: Errors, resources: readonly string[], path: string): void {
  if (resources.length === 0) return required(errors, path);
  const anySub = new Set<string>(), anyResource = new Set<string>();
  for (const [i, each] of resources.entries()) {
    if (each === '') required(errors, `${path}[${i}]`);
    const cut = each.indexOf('/');
    if (cut < 0) continue;
    const resource = each.slice(0, cut), sub = each.slice(cut + 1);
    if (anySub.has(resource)) {
      invalid(errors, `${path}[${i}]`, each, `if '${resource}/*' is present, must not specify ${each}`);
    }
    if (anyResource.has(sub)) {
      invalid(errors, `${path}[${i}]`, each, `if '*/${sub}' is present, must not specify ${each}`);
    }
    if (sub === '*') anySub.add(resource);
    if (resource === '*') anyResource.add(sub);
  }
  if (resources.length > 1 && resources.includes('*/*')) {
    invalid(errors, path, resources, "if '*/*' is present, must not specify other resources");
  }
  const plain = resources.some((each) => each !== '*' && each !== '' && !each.includes('/'));
  return resources.includes('*') && plain
    ? invalid(errors, path, resources,
      "if '*' is present, must not specify other resources without subresources") : undefined;
}

export function validateMatchResources(errors: Errors, value: unknown, path: string): void {
  for (const list of ['resourceRules', 'excludeResourceRules']) {
    eachAt(value, `${list}[]`, (rule, here) => {
      validateRule(errors, rule, `${path}.${here}`);
      const names = textsAt(rule, 'resourceNames');
      for (const [i, name] of names.entries()) {
        const at = `${path}.${here}.resourceNames[${i}]`;
        invalidEach(errors, at, name, nameErrors(name, 'path-segment'));
        if (names.indexOf(name) < i) duplicate(errors, at, name);
      }
    });
  }
  validateSelectors(errors, value, path);
  supported(errors, value, path, 'matchPolicy', ['Equivalent', 'Exact']);
}

export function validateMatchConditions(errors: Errors, value: unknown, path: string): void {
  const conditions = listAt({ value }, 'value'), seen = new Set<string>();
  if (conditions.length > conditionsMax) {
    errors.push({
      reason: 'FieldValueTooMany', field: path,
      message: `Too many: ${conditions.length}: must have at most ${conditionsMax} items`,
    });
  }
  for (const [i, each] of conditions.entries()) {
    const here = `${path}[${i}]`, name = textAt(each, 'name');
    if (textAt(each, 'expression').trim() === '') required(errors, `${here}.expression`);
    if (seen.has(name) && name !== '') duplicate(errors, `${here}.name`, name);
    seen.add(name);
    if (name === '') required(errors, `${here}.name`);
    else invalidEach(errors, `${here}.name`, name, labelKeyErrors(name));
  }
}
