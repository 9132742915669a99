// What makes an Ingress valid: hosts, paths, backends, certificates.
// Source: Kubernetes, pkg/apis/networking/validation (ValidateIngressSpec).

import { at, eachAt, fieldsOf, isMissing, listAt, textAt } from './fields.ts';
import { isIp, nameErrors, portNameErrors, portNumberErrors } from './names.ts';
import { pathSegment, subdomain } from './rules.ts';
import { invalid, invalidEach, notSupported, required } from './validate.ts';
import type { Errors } from './validate.ts';

export function validateIngress(errors: Errors, spec: unknown, path: string): void {
  const rules = listAt(spec, 'rules'), backend = at(spec, 'defaultBackend');
  if (rules.length === 0 && backend === undefined) {
    invalid(errors, path, rules, 'either `defaultBackend` or `rules` must be specified');
  }
  if (backend !== undefined) validateBackend(errors, backend, `${path}.defaultBackend`);
  for (const [i, rule] of rules.entries()) validateRule(errors, rule, `${path}.rules[${i}]`);
  eachAt(spec, 'tls[]', (tls, here) => {
    eachAt(tls, 'hosts[]', (host, inner) => {
      invalidEach(errors, `${path}.${here}.${inner}`, host, hostErrors(String(host)));
    });
    const secret = textAt(tls, 'secretName');
    if (secret !== '') invalidEach(errors, `${path}.${here}.secretName`, secret, subdomain(secret));
  });
  const name = at(spec, 'ingressClassName');
  if (typeof name === 'string') invalidEach(errors, `${path}.ingressClassName`, name, subdomain(name));
}

const wildcardWords = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS "
  + "subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an "
  + "alphanumeric character (e.g. '*.example.com', regex used for validation is "
  + "'\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

function hostErrors(host: string): readonly string[] {
  if (!host.includes('*')) return subdomain(host);
  return host.startsWith('*.') && subdomain(host.slice(2)).length === 0 && host.length <= 253 ? []
    : [wildcardWords];
}

function validateRule(errors: Errors, rule: unknown, path: string): void {
  const host = textAt(rule, 'host'), http = at(rule, 'http');
  if (host !== '') {
    if (isIp(host)) invalid(errors, `${path}.host`, host, 'must be a DNS name, not an IP address');
    invalidEach(errors, `${path}.host`, host, hostErrors(host));
  }
  if (http === undefined) return;
  const paths = listAt(http, 'paths');
  if (paths.length === 0) required(errors, `${path}.http.paths`);
  for (const [i, each] of paths.entries()) validatePath(errors, each, `${path}.http.paths[${i}]`);
}

const badSequences = ['//', '/./', '/../', '%2f', '%2F'], badSuffixes = ['/..', '/.'];

function validatePath(errors: Errors, value: unknown, path: string): void {
  const type = at(value, 'pathType'), text = textAt(value, 'path'), here = `${path}.path`;
  if (type === undefined) return required(errors, `${path}.pathType`, 'pathType must be specified');
  switch (type) {
    case 'Exact': case 'Prefix':
      if (!text.startsWith('/')) invalid(errors, here, text, 'must be an absolute path');
      for (const bad of badSequences) {
        if (text.includes(bad)) invalid(errors, here, text, `must not contain '${bad}'`);
      }
      for (const bad of badSuffixes) {
        if (text.endsWith(bad)) invalid(errors, here, text, `cannot end with '${bad}'`);
      }
      break;
    case 'ImplementationSpecific':
      if (text !== '' && !text.startsWith('/')) invalid(errors, here, text, 'must be an absolute path');
      break;
    default:
      notSupported(errors, `${path}.pathType`, type, ['Exact', 'ImplementationSpecific', 'Prefix']);
  }
  return validateBackend(errors, at(value, 'backend'), `${path}.backend`);
}

function validateBackend(errors: Errors, value: unknown, path: string): void {
  const { resource, service } = fieldsOf(value);
  if (resource !== undefined && service !== undefined) {
    return invalid(errors, path, '', 'cannot set both resource and service backends');
  }
  if (resource !== undefined) return validateTypedReference(errors, resource, `${path}.resource`);
  if (service === undefined) return invalid(errors, path, '', 'resource or service backend is required');
  const name = textAt(service, 'name');
  if (name === '') required(errors, `${path}.service.name`);
  else invalidEach(errors, `${path}.service.name`, name, nameErrors(name, 'label-1035'));
  const portName = textAt(service, 'port.name'), number = at(service, 'port.number') ?? 0;
  if (portName !== '' && number !== 0) {
    return invalid(errors, path, '', 'cannot set both port name & port number');
  }
  if (portName !== '') {
    return invalidEach(errors, `${path}.service.port.name`, portName, portNameErrors(portName));
  }
  if (number === 0) return required(errors, path, 'port name or number is required');
  return invalidEach(errors, `${path}.service.port.number`, number, portNumberErrors(Number(number)));
}

/** A kind and a name in the object's own namespace. */
export function validateTypedReference(errors: Errors, value: unknown, path: string): void {
  const { apiGroup, kind, name } = fieldsOf(value);
  if (typeof apiGroup === 'string') invalidEach(errors, `${path}.apiGroup`, apiGroup, subdomain(apiGroup));
  if (isMissing(kind)) required(errors, `${path}.kind`, 'kind is required');
  else invalidEach(errors, `${path}.kind`, kind, pathSegment(String(kind)));
  if (isMissing(name)) required(errors, `${path}.name`, 'name is required');
  else invalidEach(errors, `${path}.name`, name, pathSegment(String(name)));
}
