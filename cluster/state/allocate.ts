// Gives out what must be unique in the cluster: cluster IPs and node ports of Services. It runs inside `apply`, so
// that no two peers can ever give out the same one.
// What always holds: the tables hold exactly what the stored Services hold; which one is given is a function of
// the Service's uid and the tables.
// Source: Kubernetes' ipallocator and portallocator (messages), Service API (ranges).

import { hashText } from '../random.ts';
import type { ObjectKey } from '../ids.ts';
import type { Service, ServicePort } from '../api/types.ts';
import type { Refusal } from './types.ts';

export interface Allocations {
  /** The service range: its first address as a number, and how many addresses it has. */
  readonly base: number;
  readonly size: number;
  readonly addresses: Map<string, ObjectKey>;
  readonly ports: Map<string, ObjectKey>;
}

const nodePortMin = 30_000, nodePortMax = 32_767;
/** `default/kubernetes` has the first address, as in Kubernetes. */
const kubernetesService = 'core/services/default/kubernetes';

export function createAllocations(cidr: string): Allocations {
  const [address = '', bits = '16'] = cidr.split('/');
  return { base: toNumber(address), size: 2 ** (32 - Number(bits)), addresses: new Map(), ports: new Map() };
}

export function claim(tables: Allocations, key: ObjectKey, service: Service): void {
  if (hasAddress(service)) tables.addresses.set(service.spec.clusterIP as string, key);
  for (const port of nodePortsOf(service)) tables.ports.set(port, key);
}

export function release(tables: Allocations, key: ObjectKey, service: Service): void {
  if (hasAddress(service) && tables.addresses.get(service.spec.clusterIP as string) === key) {
    tables.addresses.delete(service.spec.clusterIP as string);
  }
  for (const port of nodePortsOf(service)) if (tables.ports.get(port) === key) tables.ports.delete(port);
}

/** The Service with all that it needs, or why it can't have it. `before` is the stored one, for an update. */
export function allocate(
  tables: Allocations, key: ObjectKey, service: Service, before: Service | null,
): Service | Refusal {
  const addressed = withAddress(tables, key, service, before);
  if ('reason' in addressed) return addressed;
  return withNodePorts(tables, key, addressed, before);
}

function withAddress(
  tables: Allocations, key: ObjectKey, service: Service, before: Service | null,
): Service | Refusal {
  const { spec } = service;
  if (spec.type === 'ExternalName') return without(service);
  const kept = before !== null && hasAddress(before) ? before.spec.clusterIP : undefined;
  const wanted = spec.clusterIP ?? '';
  if (wanted === 'None') return { ...service, spec: { ...spec, clusterIPs: ['None'] } };
  if (kept !== undefined && wanted !== '' && wanted !== kept) {
    return invalid(key, 'spec.clusterIPs[0]', `Invalid value: ["${wanted}"]: may not change once set`);
  }
  const given = wanted !== '' ? wanted : kept ?? (key === kubernetesService ? toText(tables.base + 1) : null);
  const ip = given ?? free(tables, service.metadata.uid);
  if (ip === null) {
    return { reason: 'Forbidden', key, message: 'failed to allocate a serviceIP: range is full' };
  }
  const why = given === null ? null : unusable(tables, key, ip);
  if (why !== null) return invalid(key, 'spec.clusterIPs', `Invalid value: ["${ip}"]: failed to allocate IP ${ip}: ${why}`);
  return { ...service, spec: { ...spec, clusterIP: ip, clusterIPs: [ip] } };
}

function without(service: Service): Service {
  const { clusterIP: _ip, clusterIPs: _ips, ...spec } = service.spec;
  return { ...service, spec };
}

function unusable(tables: Allocations, key: ObjectKey, ip: string): string | null {
  const offset = toNumber(ip) - tables.base;
  if (!(offset > 0 && offset < tables.size - 1)) {
    const bits = 32 - Math.log2(tables.size);
    return `the provided IP (${ip}) is not in the valid range. `
      + `The range of valid IPs is ${toText(tables.base)}/${bits}`;
  }
  const holder = tables.addresses.get(ip);
  return holder === undefined || holder === key ? null : 'provided IP is already allocated';
}

/** Starts at a place that the uid decides, so that a freed address is not given out again at once. */
function free(tables: Allocations, uid: string): string | null {
  // The first 256 are left to those that ask for one by name, as Kubernetes does with its lower band.
  const low = Math.min(256, tables.size >>> 2), room = tables.size - 1 - low;
  const start = hashText(uid) % room;
  for (let n = 0; n < room; n++) {
    const ip = toText(tables.base + low + ((start + n) % room));
    if (!tables.addresses.has(ip)) return ip;
  }
  return null;
}

function withNodePorts(
  tables: Allocations, key: ObjectKey, service: Service, before: Service | null,
): Service | Refusal {
  const { type, ports = [] } = service.spec;
  if (type !== 'NodePort' && type !== 'LoadBalancer') return service;
  const taken = new Set<string>(), given: ServicePort[] = [];
  for (const port of ports) if ((port.nodePort ?? 0) > 0) taken.add(portName(port, port.nodePort as number));
  for (const [at, port] of ports.entries()) {
    const wanted = port.nodePort ?? 0;
    if (wanted > 0) {
      const holder = tables.ports.get(portName(port, wanted));
      const outside = wanted < nodePortMin || wanted > nodePortMax;
      if (outside || (holder !== undefined && holder !== key)) {
        const why = outside ? `provided port is not in the valid range. The range of valid ports is `
          + `${nodePortMin}-${nodePortMax}` : 'provided port is already allocated';
        return invalid(key, `spec.ports[${at}].nodePort`, `Invalid value: ${wanted}: ${why}`);
      }
      given.push(port);
      continue;
    }
    const kept = before?.spec.ports?.find((old) => old.port === port.port && protocol(old) === protocol(port))?.nodePort;
    const found = kept !== undefined && kept > 0 && !taken.has(portName(port, kept))
      ? kept : freePort(tables, taken, port, `${service.metadata.uid}/${at}`);
    if (found === null) return { reason: 'Forbidden', key, message: 'failed to allocate a nodePort: range is full' };
    taken.add(portName(port, found));
    given.push({ ...port, nodePort: found });
  }
  return { ...service, spec: { ...service.spec, ports: given } };
}

function freePort(tables: Allocations, taken: ReadonlySet<string>, port: ServicePort, seed: string): number | null {
  const room = nodePortMax - nodePortMin + 1, start = hashText(seed) % room;
  for (let n = 0; n < room; n++) {
    const number = nodePortMin + ((start + n) % room), name = portName(port, number);
    if (!tables.ports.has(name) && !taken.has(name)) return number;
  }
  return null;
}

function hasAddress(service: Service): boolean {
  const ip = service.spec.clusterIP;
  return service.spec.type !== 'ExternalName' && ip !== undefined && ip !== '' && ip !== 'None';
}

function nodePortsOf(service: Service): string[] {
  const { type, ports = [] } = service.spec;
  if (type !== 'NodePort' && type !== 'LoadBalancer') return [];
  return ports.filter((port) => (port.nodePort ?? 0) > 0).map((port) => portName(port, port.nodePort as number));
}

const protocol = (port: ServicePort): string => port.protocol ?? 'TCP';
const portName = (port: ServicePort, number: number): string => `${protocol(port)}/${number}`;

function invalid(key: ObjectKey, field: string, message: string): Refusal {
  return { reason: 'Invalid', key, field, message };
}

/** NaN for what is no IPv4 address. */
function toNumber(ip: string): number {
  const parts = ip.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) return NaN;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function toText(n: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join('.');
}
