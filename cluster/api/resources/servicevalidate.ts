// What makes a Service valid. Source: Kubernetes, pkg/apis/core/validation (ValidateService).

import type { ServicePort, StatusCause } from '../types.ts';
import {
  ipMessage, isIp, labelKeyErrors, nameErrors, parseIpv4, portNameErrors, portNumberErrors, validateLabels,
} from './names.ts';
import type { ServiceSpec } from './service.ts';
import { refuse, refusedInServiceSpec } from './unsupported.ts';
import {
  duplicate, forbidden, invalid, invalidEach, notSupported, oneOf, required, sameJson,
} from './validate.ts';
import type { Errors, Loose } from './validate.ts';

type Port = Loose<ServicePort>;

export function validateService(spec: ServiceSpec, old: ServiceSpec | null): readonly StatusCause[] {
  const errors: Errors = [];
  const headless = spec.clusterIP === 'None';
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !headless && spec.type !== 'ExternalName') required(errors, 'spec.ports');
  validateLabels(errors, 'spec.selector', spec.selector);
  oneOf(errors, 'spec.type', spec.type, ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']);
  oneOf(errors, 'spec.sessionAffinity', spec.sessionAffinity, ['ClientIP', 'None']);
  if (spec.type === 'ExternalName') validateExternalName(errors, spec);
  else validateAddresses(errors, spec);
  validatePorts(errors, spec, ports);
  validateFamilies(errors, spec);
  validatePolicies(errors, spec);
  if (old !== null) validateAddressUpdate(errors, spec, old);
  refuse(errors, refusedInServiceSpec, spec, 'spec');
  return errors;
}

function validateExternalName(errors: Errors, spec: ServiceSpec): void {
  const name = (spec.externalName ?? '').replace(/\.$/, '');
  if (name === '') required(errors, 'spec.externalName');
  else invalidEach(errors, 'spec.externalName', name, nameErrors(name, 'subdomain'));
  if ((spec.clusterIPs ?? []).length > 0) {
    forbidden(errors, 'spec.clusterIPs', 'may not be set when `type` is \'ExternalName\'');
  }
}

function validateAddresses(errors: Errors, spec: ServiceSpec): void {
  const { clusterIP = '', clusterIPs = [], type } = spec;
  if (clusterIPs.length > 0 && clusterIPs[0] !== clusterIP) {
    invalid(errors, 'spec.clusterIPs', clusterIPs, 'first value must match `clusterIP`');
  }
  if (clusterIPs.length > 1) {
    const wrong = clusterIPs.includes('None')
      ? 'may not be set to \'None\' when there are other addresses'
      : 'this cluster is not configured for dual-stack services';
    invalid(errors, 'spec.clusterIPs', clusterIPs, wrong);
  }
  if (clusterIP === '') return;
  if (clusterIP === 'None') {
    if (type !== 'NodePort' && type !== 'LoadBalancer') return;
    invalid(errors, 'spec.clusterIPs[0]', clusterIP, `may not be set to 'None' for ${type} services`);
  } else if (!isIp(clusterIP)) invalid(errors, 'spec.clusterIPs[0]', clusterIP, ipMessage);
  else if (parseIpv4(clusterIP) === null) {
    const wrong = 'expected an IPv4 value as indicated by `ipFamilies[0]`';
    invalid(errors, 'spec.clusterIPs[0]', clusterIP, wrong);
  }
}

function validatePorts(errors: Errors, spec: ServiceSpec, ports: readonly Port[]): void {
  const names = new Set<string>(), numbers = new Set<string>(), nodePorts = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const path = `spec.ports[${i}]`;
    validatePort(errors, port, path, ports.length > 1);
    if (port.name) {
      if (names.has(port.name)) duplicate(errors, `${path}.name`, port.name);
      names.add(port.name);
    }
    const number = `${port.protocol ?? ''}/${port.port ?? ''}`;
    if (numbers.has(number)) duplicate(errors, path, { port: port.port, protocol: port.protocol });
    numbers.add(number);
    if (!port.nodePort) continue;
    if (spec.type === 'ClusterIP' || spec.type === 'ExternalName') {
      forbidden(errors, `${path}.nodePort`, `may not be used when \`type\` is '${spec.type}'`);
      continue;
    }
    invalidEach(errors, `${path}.nodePort`, port.nodePort, portNumberErrors(port.nodePort));
    const nodePort = `${port.protocol ?? ''}/${port.nodePort}`;
    if (nodePorts.has(nodePort)) duplicate(errors, `${path}.nodePort`, port.nodePort);
    nodePorts.add(nodePort);
  }
}

function validatePort(errors: Errors, port: Port, path: string, needsName: boolean): void {
  if (port.name) invalidEach(errors, `${path}.name`, port.name, nameErrors(port.name, 'label'));
  else if (needsName) required(errors, `${path}.name`);
  invalidEach(errors, `${path}.port`, port.port ?? 0, portNumberErrors(port.port ?? 0));
  oneOf(errors, `${path}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']);
  const target = port.targetPort ?? 0;
  const wrong = typeof target === 'number' ? portNumberErrors(target) : portNameErrors(target);
  invalidEach(errors, `${path}.targetPort`, target, wrong);
  if (port.appProtocol) {
    invalidEach(errors, `${path}.appProtocol`, port.appProtocol, labelKeyErrors(port.appProtocol));
  }
}

/** The cluster has IPv4 only. */
function validateFamilies(errors: Errors, spec: ServiceSpec): void {
  const policies = ['SingleStack', 'PreferDualStack', 'RequireDualStack'];
  const policy = spec.ipFamilyPolicy;
  if (spec.type === 'ExternalName') {
    const wrong = 'may not be set for ExternalName services';
    if (policy) forbidden(errors, 'spec.ipFamilyPolicy', wrong);
    if (spec.ipFamilies?.length) forbidden(errors, 'spec.ipFamilies', wrong);
    return;
  }
  if (policy === 'RequireDualStack') {
    const wrong = 'this cluster is not configured for dual-stack services';
    invalid(errors, 'spec.ipFamilyPolicy', policy, wrong);
  } else if (policy !== undefined && !policies.includes(policy)) {
    notSupported(errors, 'spec.ipFamilyPolicy', policy, policies);
  }
  const seen = new Set<string>();
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    const path = `spec.ipFamilies[${i}]`;
    if (family === 'IPv6') invalid(errors, path, family, 'not configured on this cluster');
    else if (family !== 'IPv4') notSupported(errors, path, family, ['IPv4', 'IPv6']);
    if (seen.has(family)) duplicate(errors, path, family);
    seen.add(family);
  }
}

function validatePolicies(errors: Errors, spec: ServiceSpec): void {
  const { externalTrafficPolicy, internalTrafficPolicy, type } = spec;
  const policies = ['Cluster', 'Local'];
  if (externalTrafficPolicy) {
    const path = 'spec.externalTrafficPolicy';
    oneOf(errors, path, externalTrafficPolicy, policies);
    if (type === 'ClusterIP' || type === 'ExternalName') {
      const wrong = 'may only be set for externally-accessible services';
      invalid(errors, path, externalTrafficPolicy, wrong);
    }
  }
  if (internalTrafficPolicy) oneOf(errors, 'spec.internalTrafficPolicy', internalTrafficPolicy, policies);
}

/** The address of a service is for life, unless it becomes or was an ExternalName. */
function validateAddressUpdate(errors: Errors, spec: ServiceSpec, old: ServiceSpec): void {
  if (spec.type === 'ExternalName' || old.type === 'ExternalName') return;
  const before = old.clusterIPs ?? (old.clusterIP ? [old.clusterIP] : []);
  const now = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  if (before.length === 0 || sameJson(before, now)) return;
  if (now.length === 0) invalid(errors, 'spec.clusterIPs[0]', now, 'primary clusterIP can not be unset');
  else invalid(errors, 'spec.clusterIPs[0]', now, 'may not change once set');
}
