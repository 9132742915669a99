// What makes the containers of a pod valid: names, images, ports, environment, resources.
// Source: Kubernetes, pkg/apis/core/validation (validateContainers, validateInitContainers).

import { compareQuantities, parseQuantity, quantityFormatMessage } from '../quantity.ts';
import type { Container, EnvVar, PodSpec, ResourceList } from '../types.ts';
import {
  configKeyErrors, envNameErrors, ipMessage, isIp, labelKeyErrors, nameErrors, portNameErrors,
  portNumberErrors,
} from './names.ts';
import { refuse, refusedInContainer } from './unsupported.ts';
import {
  duplicate, forbidden, invalid, invalidEach, nonNegativeMessage, notSupported, oneOf, required,
  sortedEntries,
} from './validate.ts';
import type { Errors, Loose } from './validate.ts';

type LooseContainer = Loose<Container>;
type LooseEnv = Loose<EnvVar>;

/** Both lists of a pod's specification at `path`. Names are unique over both. */
export function validateContainers(errors: Errors, spec: Loose<PodSpec>, path: string): void {
  const containers = spec.containers ?? [], initContainers = spec.initContainers ?? [];
  if (containers.length === 0) required(errors, `${path}.containers`);
  const names = new Set<string>();
  const hostPorts = new Set<string>();
  for (const [i, container] of containers.entries()) {
    const at = `${path}.containers[${i}]`;
    validateContainer(errors, container, at, names, spec.hostNetwork === true);
    checkHostPorts(errors, container, at, hostPorts);
  }
  for (const [i, container] of initContainers.entries()) {
    const at = `${path}.initContainers[${i}]`;
    validateContainer(errors, container, at, names, spec.hostNetwork === true);
    // Init containers run one by one, so that they may share host ports.
    checkHostPorts(errors, container, at, new Set());
  }
}

export function validateContainer(
  errors: Errors, container: LooseContainer, path: string, names: Set<string>, hostNetwork: boolean,
): void {
  const { name = '', image = '' } = container;
  if (name === '') required(errors, `${path}.name`);
  else invalidEach(errors, `${path}.name`, name, nameErrors(name, 'label'));
  if (name !== '' && names.has(name)) duplicate(errors, `${path}.name`, name);
  names.add(name);
  if (image === '') required(errors, `${path}.image`);
  else if (image.trim() !== image) {
    invalid(errors, `${path}.image`, image, 'must not have leading or trailing whitespace');
  }
  const policies = ['FallbackToLogsOnError', 'File'];
  oneOf(errors, `${path}.terminationMessagePolicy`, container.terminationMessagePolicy, policies);
  validatePorts(errors, container, path, hostNetwork);
  for (const [i, env] of (container.env ?? []).entries()) validateEnv(errors, env, `${path}.env[${i}]`);
  validateEnvFrom(errors, container, path);
  oneOf(errors, `${path}.imagePullPolicy`, container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never']);
  validateResources(errors, container, `${path}.resources`);
  refuse(errors, refusedInContainer, container, path);
}

function validatePorts(errors: Errors, container: LooseContainer, path: string, hostNetwork: boolean): void {
  const names = new Set<string>();
  for (const [i, port] of (container.ports ?? []).entries()) {
    const at = `${path}.ports[${i}]`;
    if (port.name) {
      invalidEach(errors, `${at}.name`, port.name, portNameErrors(port.name));
      if (names.has(port.name)) duplicate(errors, `${at}.name`, port.name);
      names.add(port.name);
    }
    if (!port.containerPort) required(errors, `${at}.containerPort`);
    else {
      const wrong = portNumberErrors(port.containerPort);
      invalidEach(errors, `${at}.containerPort`, port.containerPort, wrong);
    }
    if (port.hostPort) invalidEach(errors, `${at}.hostPort`, port.hostPort, portNumberErrors(port.hostPort));
    if (hostNetwork && port.hostPort && port.hostPort !== port.containerPort) {
      const wrong = 'must match `containerPort` when `hostNetwork` is true';
      invalid(errors, `${at}.hostPort`, port.hostPort, wrong);
    }
    oneOf(errors, `${at}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']);
    if (port.hostIP && !isIp(port.hostIP)) invalid(errors, `${at}.hostIP`, port.hostIP, ipMessage);
  }
}

/** A host port can be had once per protocol and address. */
function checkHostPorts(errors: Errors, container: LooseContainer, path: string, seen: Set<string>): void {
  for (const [i, port] of (container.ports ?? []).entries()) {
    if (!port.hostPort) continue;
    const text = `${port.protocol ?? ''}/${port.hostIP ?? ''}/${port.hostPort}`;
    if (seen.has(text)) duplicate(errors, `${path}.ports[${i}].hostPort`, text);
    seen.add(text);
  }
}

function validateEnv(errors: Errors, env: LooseEnv, path: string): void {
  if (!env.name) required(errors, `${path}.name`);
  else invalidEach(errors, `${path}.name`, env.name, envNameErrors(env.name));
  const from = env.valueFrom;
  if (from === undefined) return;
  const at = `${path}.valueFrom`;
  const sources = Object.values(from).filter((source) => source !== undefined && source !== null).length;
  if (sources === 0) {
    invalid(errors, at, '',
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`');
  } else if (sources > 1) invalid(errors, at, '', 'may not have more than one field specified at a time');
  if (env.value) invalid(errors, at, '', 'may not be specified when `value` is not empty');
  if (from.fieldRef !== undefined) validateFieldRef(errors, from.fieldRef, `${at}.fieldRef`);
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const ref = from[kind];
    if (ref !== undefined) validateKeyRef(errors, ref, `${at}.${kind}`);
  }
}

function validateKeyRef(
  errors: Errors, ref: { name?: string | undefined; key?: string | undefined }, path: string,
): void {
  if (!ref.name) required(errors, `${path}.name`);
  else invalidEach(errors, `${path}.name`, ref.name, nameErrors(ref.name, 'subdomain'));
  if (!ref.key) required(errors, `${path}.key`);
  else invalidEach(errors, `${path}.key`, ref.key, configKeyErrors(ref.key));
}

/** Field paths that an environment variable may take its value from. */
const envFieldPaths = [
  'metadata.name', 'metadata.namespace', 'metadata.uid', 'spec.nodeName', 'spec.serviceAccountName',
  'status.hostIP', 'status.podIP', 'status.podIPs',
] as const;

function validateFieldRef(
  errors: Errors, ref: { apiVersion?: string | undefined; fieldPath?: string | undefined }, path: string,
): void {
  const fieldPath = ref.fieldPath ?? '', at = `${path}.fieldPath`;
  if (!ref.apiVersion) required(errors, `${path}.apiVersion`);
  else if (ref.apiVersion !== 'v1') {
    notSupported(errors, `${path}.apiVersion`, ref.apiVersion, ['v1']);
  }
  if (fieldPath === '') return required(errors, at);
  const subscript = /^(.*)\['(.*)'\]$/.exec(fieldPath);
  if (subscript !== null) {
    const [, map = '', key = ''] = subscript;
    if (map !== 'metadata.labels' && map !== 'metadata.annotations') {
      return invalid(errors, at, map, 'does not support subscript');
    }
    return invalidEach(errors, at, key, labelKeyErrors(map === 'metadata.labels' ? key : key.toLowerCase()));
  }
  if (fieldPath === 'status.hostIPs') {
    return forbidden(errors, at, `${fieldPath} is not supported by Shoal yet`);
  }
  if ((envFieldPaths as readonly string[]).includes(fieldPath)) return undefined;
  return notSupported(errors, at, fieldPath, envFieldPaths);
}

function validateEnvFrom(errors: Errors, container: LooseContainer, path: string): void {
  for (const [i, from] of (container.envFrom ?? []).entries()) {
    const at = `${path}.envFrom[${i}]`;
    if (from.prefix) invalidEach(errors, `${at}.prefix`, from.prefix, envNameErrors(from.prefix));
    const { configMapRef, secretRef } = from;
    if (configMapRef === undefined && secretRef === undefined) {
      invalid(errors, at, '', 'must specify one of: `configMapRef` or `secretRef`');
    } else if (configMapRef !== undefined && secretRef !== undefined) {
      invalid(errors, at, '', 'may not have more than one field specified at a time');
    }
    for (const [kind, ref] of [['configMapRef', configMapRef], ['secretRef', secretRef]] as const) {
      if (ref === undefined) continue;
      if (!ref.name) required(errors, `${at}.${kind}.name`);
      else invalidEach(errors, `${at}.${kind}.name`, ref.name, nameErrors(ref.name, 'subdomain'));
    }
  }
}

function validateResources(errors: Errors, container: LooseContainer, path: string): void {
  const { requests, limits } = container.resources ?? {};
  validateAmounts(errors, limits, `${path}.limits`);
  validateAmounts(errors, requests, `${path}.requests`);
  for (const [name, request] of sortedEntries(requests)) {
    const limit = limits?.[name];
    if (request === undefined) continue;
    if (limit === undefined) {
      if (isShared(name)) continue;
      required(errors, `${path}.limits`, 'Limit must be set for non overcommitable resources');
      continue;
    }
    const order = compareQuantities(String(request), String(limit)) ?? 0;
    if (order !== 0 && !isShared(name)) {
      invalid(errors, `${path}.requests`, request, `must be equal to ${name} limit of ${limit}`);
    } else if (order > 0) {
      invalid(errors, `${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`);
    }
  }
  const names = [...Object.keys(limits ?? {}), ...Object.keys(requests ?? {})];
  if (names.some(isPages) && !names.includes('cpu') && !names.includes('memory')) {
    forbidden(errors, path, 'HugePages require cpu or memory');
  }
}

const isPages = (name: string): boolean => name.startsWith('hugepages-');

/** More of it may be promised than there is. */
const isShared = (name: string): boolean =>
  (!name.includes('/') || name.includes('kubernetes.io/')) && !isPages(name);

function validateAmounts(errors: Errors, list: Loose<ResourceList> | undefined, path: string): void {
  for (const [name, value] of sortedEntries(list)) {
    const at = `${path}[${name}]`;
    validateResourceName(errors, name, at);
    const sign = compareQuantities(String(value), '0');
    if (sign === null) invalid(errors, at, value, quantityFormatMessage);
    else if (sign < 0) invalid(errors, at, value, nonNegativeMessage);
    else if (!isShared(name) && !isPages(name) && !isWhole(String(value))) {
      invalid(errors, at, value, 'must be an integer');
    }
  }
}

const isWhole = (text: string): boolean => (parseQuantity(text)?.nano ?? 0n) % 1_000_000_000n === 0n;

/**
 * Any resource may be asked for, as in Kubernetes: a pod goes only where a node has it, and the scheduler
 * says what is missing.
 */
function validateResourceName(errors: Errors, name: string, path: string): void {
  const wrong = labelKeyErrors(name);
  if (wrong.length > 0) return invalidEach(errors, path, name, wrong);
  if (['cpu', 'memory', 'ephemeral-storage'].includes(name) || isPages(name)) return;
  if (name.includes('/')) {
    if (isShared(name) || !name.startsWith('requests.')) return;
    return invalid(errors, path, name, "doesn't follow extended resource name standard");
  }
  invalid(errors, path, name, 'must be a standard resource type or fully qualified');
  return invalid(errors, path, name, 'must be a standard resource for containers');
}
