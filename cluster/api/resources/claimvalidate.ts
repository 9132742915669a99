// What makes a claim of devices valid: its requests, their constraints, and what is told to drivers.
// Source: Kubernetes, pkg/apis/resource/validation (validateDeviceClaim).

import { at, fieldsOf, isMissing, listAt, textAt, textsAt } from './fields.ts';
import { label, subdomain } from './rules.ts';
import {
  duplicate, invalid, invalidEach, notSupported, required, tooLong, tooMany,
} from './validate.ts';
import type { Errors } from './validate.ts';

const requestsMax = 32, alternativesMax = 8;

export function validateRequests(errors: Errors, value: unknown, path: string): void {
  const requests = listAt(value, 'requests'), names = new Set<string>(), known = new Set<string>();
  if (requests.length > requestsMax) tooMany(errors, `${path}.requests`, requests.length, requestsMax);
  for (const [i, request] of requests.entries()) {
    const here = `${path}.requests[${i}]`, name = textAt(request, 'name');
    validateName(errors, name, names, `${here}.name`);
    known.add(name);
    for (const alternative of listAt(request, 'firstAvailable')) {
      known.add(`${name}/${textAt(alternative, 'name')}`);
    }
    validateRequest(errors, request, here);
  }
  for (const list of ['constraints', 'config']) {
    for (const [i, item] of listAt(value, list).entries()) {
      const here = `${path}.${list}[${i}]`;
      for (const [j, name] of textsAt(item, 'requests').entries()) {
        if (known.has(name)) continue;
        invalid(errors, `${here}.requests[${j}]`, name,
          'must be the name of a request in the claim or the name of a request and a subrequest separated '
          + "by '/'");
      }
      if (list === 'config') validateOpaque(errors, item, here);
      else if (isMissing(at(item, 'matchAttribute')) && isMissing(at(item, 'distinctAttribute'))) {
        required(errors, `${here}.matchAttribute`);
      }
    }
  }
}

function validateName(errors: Errors, name: string, seen: Set<string>, path: string): void {
  if (name === '') return required(errors, path);
  invalidEach(errors, path, name, label(name));
  if (seen.has(name)) duplicate(errors, path, name);
  seen.add(name);
  return undefined;
}

function validateRequest(errors: Errors, request: unknown, path: string): void {
  const exactly = at(request, 'exactly'), available = listAt(request, 'firstAvailable');
  if (exactly !== undefined && available.length > 0) {
    return invalid(errors, path, request,
      'exactly one of `exactly` or `firstAvailable` is required, but multiple '
      + 'fields are set');
  }
  if (exactly !== undefined) return validateDevices(errors, exactly, `${path}.exactly`);
  if (available.length === 0) {
    return required(errors, path, 'exactly one of `exactly` or `firstAvailable` is required');
  }
  if (available.length > alternativesMax) {
    tooMany(errors, `${path}.firstAvailable`, available.length, alternativesMax);
  }
  const names = new Set<string>();
  return available.forEach((one, i) => {
    validateName(errors, textAt(one, 'name'), names, `${path}.firstAvailable[${i}].name`);
    validateDevices(errors, one, `${path}.firstAvailable[${i}]`);
  });
}

function validateDevices(errors: Errors, value: unknown, path: string): void {
  const { deviceClassName, allocationMode, count } = fieldsOf(value);
  if (isMissing(deviceClassName)) required(errors, `${path}.deviceClassName`);
  else invalidEach(errors, `${path}.deviceClassName`, deviceClassName, subdomain(String(deviceClassName)));
  validateSelectors(errors, at(value, 'selectors'), `${path}.selectors`);
  switch (allocationMode) {
    case 'All':
      if (count) {
        invalid(errors, `${path}.count`, count, "must not be specified when allocationMode is 'All'");
      }
      break;
    case 'ExactCount':
      if (Number(count) <= 0) invalid(errors, `${path}.count`, count, 'must be greater than zero');
      break;
    default: notSupported(errors, `${path}.allocationMode`, allocationMode, ['All', 'ExactCount']);
  }
  for (const [i, toleration] of listAt(value, 'tolerations').entries()) {
    const { operator, value: text, key } = fieldsOf(toleration), here = `${path}.tolerations[${i}]`;
    if (operator === 'Exists' && !isMissing(text)) {
      invalid(errors, `${here}.value`, text, "must be empty when operator is 'Exists'");
    } else if (operator === 'Equal' && isMissing(key)) {
      required(errors, `${here}.key`, "must be specified when operator is 'Equal'");
    } else if (operator !== 'Exists' && operator !== 'Equal') {
      notSupported(errors, `${here}.operator`, operator, ['Equal', 'Exists']);
    }
  }
}

const selectorsMax = 32;

export function validateSelectors(errors: Errors, value: unknown, path: string): void {
  const all = listAt({ value }, 'value');
  if (all.length > selectorsMax) tooMany(errors, path, all.length, selectorsMax);
  for (const [i, selector] of all.entries()) {
    const cel = at(selector, 'cel');
    if (cel === undefined) required(errors, `${path}[${i}].cel`);
    else if (textAt(cel, 'expression') === '') required(errors, `${path}[${i}].cel.expression`);
  }
}

export function validateOpaque(errors: Errors, value: unknown, path: string): void {
  const opaque = at(value, 'opaque');
  if (opaque === undefined) return required(errors, `${path}.opaque`);
  const driver = textAt(opaque, 'driver'), parameters = at(opaque, 'parameters');
  validateDriver(errors, driver, `${path}.opaque.driver`);
  if (parameters === undefined) return required(errors, `${path}.opaque.parameters`);
  return typeof parameters === 'object' ? undefined
    : invalid(errors, `${path}.opaque.parameters`, '<value omitted>',
      'parameters must be a valid JSON object');
}

export function validateDriver(errors: Errors, value: unknown, path: string): void {
  const name = typeof value === 'string' ? value : '';
  if (name === '') return required(errors, path);
  if (name.length > 63) {
    tooLong(errors, path, 63);
  }
  return invalidEach(errors, path, name, subdomain(name));
}
