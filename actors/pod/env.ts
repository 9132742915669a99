// A container's environment: its own variables, those of ConfigMaps, Secrets and the pod's fields, and those
// that tell of the namespace's Services; `$(NAME)` in values, commands and arguments.
// Source: Kubernetes documentation, "Define dependent environment variables" and "Service".
// What always holds: a reference that can't be resolved and is not optional gives an error that names it.

import { decodeBase64Text } from '../../cluster/api/resources/base64.ts';
import { limits } from '../../cluster/limits.ts';
import type { Container, EnvVar, Pod, Service } from '../../cluster/api/types.ts';
import type { Lookup } from './context.ts';

export interface EnvPlace {
  readonly pod: Pod;
  readonly podIP: string;
  readonly hostIP: string;
  readonly nodeName: string;
  readonly lookup: Lookup;
}

export interface Environment {
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly command: readonly string[];
  readonly args: readonly string[];
}

export type EnvResult =
  | { readonly ok: true; readonly environment: Environment }
  | { readonly ok: false; readonly message: string };

export function containerEnv(container: Container, place: EnvPlace): EnvResult {
  const services = serviceVariables(place);
  const own = new Map<string, string>();
  const failed = addFromSources(own, container, place) ?? addOwn(own, container, place, services);
  if (failed !== null) return { ok: false, message: failed };
  for (const [name, value] of services) if (!own.has(name)) own.set(name, value);
  let bytes = 0;
  for (const [name, value] of own) bytes += name.length + value.length + 2;
  if (bytes > limits.containerEnvBytesMax) {
    const most = limits.containerEnvBytesMax;
    return { ok: false, message: `the environment is too large: ${bytes} bytes, at most ${most}` };
  }
  const lookup = (name: string): string | undefined => own.get(name);
  return {
    ok: true,
    environment: {
      env: [...own].map(([name, value]) => ({ name, value })),
      command: (container.command ?? []).map((word) => expand(word, lookup)),
      args: (container.args ?? []).map((word) => expand(word, lookup)),
    },
  };
}

/** `envFrom`, in order; a later source wins. Returns an error message, or null. */
function addFromSources(own: Map<string, string>, container: Container, place: EnvPlace): string | null {
  const namespace = place.pod.metadata.namespace ?? '';
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const found = configMapRef !== undefined ? place.lookup.configMap(namespace, configMapRef.name)
      : secretRef !== undefined ? place.lookup.secret(namespace, secretRef.name) : null;
    const isSecret = configMapRef === undefined;
    const reference = configMapRef ?? secretRef;
    if (reference === undefined) continue;
    if (found === null) {
      if (reference.optional === true) continue;
      return `${isSecret ? 'secret' : 'configmap'} "${reference.name}" not found`;
    }
    for (const key of Object.keys(found.data ?? {}).sort()) {
      const name = prefix + key, data = found.data?.[key] ?? '';
      // A name the kernel could not carry is skipped, as in Kubernetes.
      if (/^[^=\0]+$/.test(name)) own.set(name, isSecret ? decodeBase64Text(data) ?? '' : data);
    }
  }
  return null;
}

function addOwn(
  own: Map<string, string>, container: Container, place: EnvPlace, services: ReadonlyMap<string, string>,
): string | null {
  for (const variable of container.env ?? []) {
    const got = valueOf(variable, place);
    if ('error' in got) return got.error;
    // An optional reference to nothing leaves the variable out.
    if (got.value === null) continue;
    const value = variable.valueFrom === undefined
      ? expand(got.value, (name) => own.get(name) ?? services.get(name)) : got.value;
    own.set(variable.name, value);
  }
  return null;
}

type Value = { readonly value: string | null } | { readonly error: string };

function valueOf(variable: EnvVar, place: EnvPlace): Value {
  const from = variable.valueFrom;
  const namespace = place.pod.metadata.namespace ?? '';
  if (from?.configMapKeyRef !== undefined) {
    const { name, key, optional } = from.configMapKeyRef;
    const object = place.lookup.configMap(namespace, name);
    return keyOf('ConfigMap', namespace, name, key, object === null ? null : object.data?.[key], optional);
  }
  if (from?.secretKeyRef !== undefined) {
    const { name, key, optional } = from.secretKeyRef;
    const object = place.lookup.secret(namespace, name);
    const data = object?.data?.[key];
    const text = data === undefined ? undefined : decodeBase64Text(data) ?? '';
    return keyOf('Secret', namespace, name, key, object === null ? null : text, optional);
  }
  if (from?.fieldRef !== undefined) return fieldValue(from.fieldRef.fieldPath, place);
  if (from !== undefined && Object.keys(from).length > 0) {
    const source = Object.keys(from).sort()[0];
    return { error: `valueFrom.${source} of "${variable.name}" is not supported by Shoal` };
  }
  return { value: variable.value ?? '' };
}

/** `value`: null where the object is missing, undefined where only the key is. */
function keyOf(
  kind: 'ConfigMap' | 'Secret', namespace: string, name: string, key: string,
  value: string | null | undefined, optional: boolean | undefined,
): Value {
  if (value !== null && value !== undefined) return { value };
  if (optional === true) return { value: null };
  return {
    error: value === null ? `${kind.toLowerCase()} "${name}" not found`
      : `couldn't find key ${key} in ${kind} ${namespace}/${name}`,
  };
}

/** The downward API. Source: Kubernetes documentation, "Downward API: available fields". */
export function fieldValue(path: string, { pod, podIP, hostIP, nodeName }: EnvPlace): Value {
  const { metadata, spec } = pod;
  const keyed = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path);
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? metadata.labels : metadata.annotations;
    return { value: map?.[keyed[2] ?? ''] ?? '' };
  }
  switch (path) {
    case 'metadata.name': return { value: metadata.name };
    case 'metadata.namespace': return { value: metadata.namespace ?? '' };
    case 'metadata.uid': return { value: metadata.uid };
    case 'spec.nodeName': return { value: nodeName };
    case 'spec.serviceAccountName': return { value: spec.serviceAccountName ?? '' };
    case 'status.hostIP': case 'status.hostIPs': return { value: hostIP };
    case 'status.podIP': case 'status.podIPs': return { value: podIP };
    default: return { error: `unsupported fieldPath: ${path}` };
  }
}

/** `$(NAME)` where NAME is known; `$$(NAME)` stays as `$(NAME)`; what is not known stays as it is written. */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  return text.replace(/\$\$|\$\(([^()]*)\)/g, (whole, name?: string) => {
    if (whole === '$$') return '$';
    return lookup(name ?? '') ?? whole;
  });
}

/** Variables of the namespace's Services that have an address; of `kubernetes` in any case. */
function serviceVariables({ pod, lookup }: EnvPlace): Map<string, string> {
  const namespace = pod.metadata.namespace ?? '';
  const byName = new Map<string, Service>();
  const isApi = (service: Service): boolean => service.metadata.name === 'kubernetes';
  for (const service of lookup.services('default').filter(isApi)) byName.set('kubernetes', service);
  if (pod.spec.enableServiceLinks !== false) {
    for (const service of lookup.services(namespace)) byName.set(service.metadata.name, service);
  }
  const out = new Map<string, string>();
  for (const name of [...byName.keys()].sort()) addService(out, byName.get(name) as Service);
  return out;
}

function addService(out: Map<string, string>, { metadata, spec }: Service): void {
  const ip = spec.clusterIP ?? '', ports = spec.ports ?? [], first = ports[0];
  if (ip === '' || ip === 'None' || first === undefined) return;
  const word = (text: string): string => text.toUpperCase().replace(/-/g, '_');
  const name = word(metadata.name);
  out.set(`${name}_SERVICE_HOST`, ip);
  out.set(`${name}_SERVICE_PORT`, String(first.port));
  for (const port of ports) {
    if (port.name === undefined || port.name === '') continue;
    out.set(`${name}_SERVICE_PORT_${word(port.name)}`, String(port.port));
  }
  const host = ip.includes(':') ? `[${ip}]` : ip;
  const url = (protocol: string, port: number): string => `${protocol}://${host}:${port}`;
  out.set(`${name}_PORT`, url((first.protocol ?? 'TCP').toLowerCase(), first.port));
  for (const { port, protocol = 'TCP' } of ports) {
    const prefix = `${name}_PORT_${port}_${protocol}`;
    out.set(prefix, url(protocol.toLowerCase(), port));
    out.set(`${prefix}_PROTO`, protocol.toLowerCase());
    out.set(`${prefix}_PORT`, String(port));
    out.set(`${prefix}_ADDR`, ip);
  }
}
