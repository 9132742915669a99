// Gives out what must be unique in the cluster: cluster IPs and node ports of Services. It runs inside
// `apply`, so that no two peers can ever give out the same one.
// What always holds: between commands the tables hold exactly what the stored Services hold; which one is
// given is a function of the Service's uid and the tables.
// Source: Kubernetes' ipallocator and portallocator (bands, messages), pkg/registry/core/service (what is
// kept).

import { assert } from '../assert.ts';
import { hashText } from '../random.ts';
import type { ObjectKey } from '../ids.ts';
import type { Service, ServicePort } from '../api/types.ts';
import { invalid } from './refusals.ts';
import type { Refusal } from './types.ts';

export interface Allocations {
  /** The service range: its first address as a number, and how many addresses it has. */
  readonly base: number;
  readonly size: number;
  readonly addresses: Map<number, ObjectKey>;
  readonly ports: Map<number, ObjectKey>;
}

const nodePortMin = 30_000, nodePortMax = 32_767;
/** `default/kubernetes` has the first address, as in Kubernetes; nobody else gets it unasked. */
const kubernetesService = 'core/services/default/kubernetes';

export function createAllocations(cidr: string): Allocations {
  const range = parseCidr(cidr);
  assert(range !== null, `not a range of IPv4 addresses for Services (/8 … /30): ${cidr}`);
  return { ...range, addresses: new Map(), ports: new Map() };
}

/** The first address and the size of a range such as `10.96.0.0/16`; null for what can't serve as one. */
export function parseCidr(cidr: string): { readonly base: number; readonly size: number } | null {
  const [address = '', length = '', ...rest] = cidr.split('/');
  const base = toNumber(address), bits = /^\d{1,2}$/.test(length) ? Number(length) : NaN;
  if (rest.length > 0 || Number.isNaN(base) || !(bits >= 8 && bits <= 30)) return null;
  const size = 2 ** (32 - bits);
  return base % size === 0 ? { base, size } : null;
}

export function claim(tables: Allocations, key: ObjectKey, service: Service): void {
  const ip = addressOf(service);
  if (ip !== null) tables.addresses.set(ip, key);
  for (const port of nodePortsOf(service)) tables.ports.set(port, key);
}

/** Gives back what the Service holds; what another has taken over meanwhile stays there. */
export function release(tables: Allocations, key: ObjectKey, service: Service): void {
  const ip = addressOf(service);
  if (ip !== null && tables.addresses.get(ip) === key) tables.addresses.delete(ip);
  for (const port of nodePortsOf(service)) if (tables.ports.get(port) === key) tables.ports.delete(port);
}

/** The Service with all that it needs, or why it can't have it. `before` is the stored one, for an update. */
export function allocate(
  tables: Allocations, key: ObjectKey, service: Service, before: Service | null,
): Service | Refusal {
  const addressed = withAddress(tables, key, service, before);
  return 'reason' in addressed ? addressed : withNodePorts(tables, key, addressed, before);
}

// ── addresses ────────────────────────────────────────────────────────────────────────────────────────────

function withAddress(
  tables: Allocations, key: ObjectKey, service: Service, before: Service | null,
): Service | Refusal {
  const { spec } = service;
  if (spec.type === 'ExternalName') {
    const { clusterIP: _ip, clusterIPs: _ips, ...rest } = spec;
    return { ...service, spec: rest };
  }
  const kept = before === null || before.spec.type === 'ExternalName' ? '' : before.spec.clusterIP ?? '';
  const wanted = spec.clusterIP ?? '';
  if (kept !== '' && wanted !== '' && wanted !== kept) {
    return invalid(key, 'spec.clusterIPs[0]', `Invalid value: ["${wanted}"]: may not change once set`);
  }
  const given = wanted !== '' ? wanted : kept;
  const ip = given !== '' ? given : unasked(tables, key, service.metadata.uid);
  if (ip === null) return full(key, 'serviceIP');
  const why = given === '' || ip === kept || ip === 'None' ? null : unusable(tables, key, ip);
  if (why !== null) {
    return invalid(key, 'spec.clusterIPs', `Invalid value: ["${ip}"]: failed to allocate IP ${ip}: ${why}`);
  }
  return { ...service, spec: { ...spec, clusterIP: ip, clusterIPs: [ip] } };
}

function unusable(tables: Allocations, key: ObjectKey, ip: string): string | null {
  const number = toNumber(ip), offset = number - tables.base;
  if (!(offset > 0 && offset < tables.size - 1)) {
    const bits = 32 - Math.log2(tables.size);
    return `the provided IP (${ip}) is not in the valid range. `
      + `The range of valid IPs is ${toText(tables.base)}/${bits}`;
  }
  const holder = tables.addresses.get(number);
  return holder === undefined || holder === key ? null : 'provided IP is already allocated';
}

/** An address for a Service that names none. */
function unasked(tables: Allocations, key: ObjectKey, uid: string): string | null {
  const { base, size, addresses } = tables, first = base + 1;
  if (key === kubernetesService && !addresses.has(first)) return toText(first);
  // The lower band is left to those that ask for one by name, as long as there are others.
  const low = Math.max(1, band(size - 2, 16, 256));
  const found = free(addresses, first + low, base + size - 2, uid)
    ?? free(addresses, first + 1, base + low, uid);
  return found === null ? null : toText(found);
}

/**
 * How much of a range is given out by name first: a `step`th, 16 at least and `max` at most; 0 of a tiny one.
 */
function band(size: number, step: number, max: number): number {
  return size < 16 ? 0 : Math.min(Math.max(16, Math.floor(size / step)), max);
}

/**
 * The first free number from a place on that the seed decides, around the range's end: so that one that was
 * given back is not given out again at once. Both ends are included.
 */
function free(
  table: ReadonlyMap<number, ObjectKey>, from: number, to: number, seed: string,
  also: ReadonlySet<number> = new Set(),
): number | null {
  const room = to - from + 1;
  if (room <= 0) return null;
  const start = hashText(seed) % room;
  for (let n = 0; n < room; n += 1) {
    const number = from + ((start + n) % room);
    if (!table.has(number) && !also.has(number)) return number;
  }
  return null;
}

function full(key: ObjectKey, what: string): Refusal {
  return { reason: 'Forbidden', key, message: `failed to allocate a ${what}: range is full` };
}

// ── node ports ───────────────────────────────────────────────────────────────────────────────────────────

function withNodePorts(
  tables: Allocations, key: ObjectKey, service: Service, before: Service | null,
): Service | Refusal {
  if (!hasNodePorts(service)) return service;
  const { ports = [] } = service.spec;
  for (const [at, port] of ports.entries()) {
    const why = wrongNodePort(tables, key, port);
    if (why === null) continue;
    return invalid(key, `spec.ports[${at}].nodePort`, `Invalid value: ${port.nodePort}: ${why}`);
  }
  const taken = new Set(nodePortsOf(service)), given: ServicePort[] = [];
  for (const [at, port] of ports.entries()) {
    const nodePort = port.nodePort || keptNodePort(port, before, ports) || sharedNodePort(port, given)
      || unaskedNodePort(tables, taken, `${service.metadata.uid}/${at}`);
    if (nodePort === null) {
      return full(key, 'nodePort');
    }
    taken.add(nodePort);
    given.push(port.nodePort === nodePort ? port : { ...port, nodePort });
  }
  return { ...service, spec: { ...service.spec, ports: given } };
}

function wrongNodePort(tables: Allocations, key: ObjectKey, { nodePort = 0 }: ServicePort): string | null {
  if (nodePort === 0) return null;
  if (!Number.isInteger(nodePort) || nodePort < nodePortMin || nodePort > nodePortMax) {
    return 'provided port is not in the valid range. The range of valid ports is '
      + `${nodePortMin}-${nodePortMax}`;
  }
  const holder = tables.ports.get(nodePort);
  return holder === undefined || holder === key ? null : 'provided port is already allocated';
}

/** What the same port had before, unless another one of the Service asks for it now. 0: nothing. */
function keptNodePort(port: ServicePort, before: Service | null, ports: readonly ServicePort[]): number {
  if (before === null || !hasNodePorts(before)) return 0;
  const same = (old: ServicePort): boolean => old.port === port.port && protocol(old) === protocol(port);
  const kept = before.spec.ports?.find(same)?.nodePort ?? 0;
  const asked = ports.some((other) => other.nodePort === kept && protocol(other) === protocol(port));
  return asked ? 0 : kept;
}

/** One port number under two protocols, as for DNS, is one on the nodes too. 0: there is none yet. */
function sharedNodePort(port: ServicePort, given: readonly ServicePort[]): number {
  const twin = given.find((other) => other.port === port.port && protocol(other) !== protocol(port));
  return twin?.nodePort ?? 0;
}

function unaskedNodePort(tables: Allocations, taken: ReadonlySet<number>, seed: string): number | null {
  const low = nodePortMin + band(nodePortMax - nodePortMin + 1, 32, 128);
  return free(tables.ports, low, nodePortMax, seed, taken)
    ?? free(tables.ports, nodePortMin, low - 1, seed, taken);
}

// ── what a Service holds ─────────────────────────────────────────────────────────────────────────────────

function addressOf({ spec }: Service): number | null {
  const { clusterIP = '' } = spec;
  const none = spec.type === 'ExternalName' || clusterIP === '' || clusterIP === 'None';
  return none ? null : toNumber(clusterIP);
}

function hasNodePorts({ spec }: Service): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

function nodePortsOf(service: Service): number[] {
  if (!hasNodePorts(service)) return [];
  return (service.spec.ports ?? []).flatMap(({ nodePort = 0 }) => (nodePort > 0 ? [nodePort] : []));
}

function protocol(port: ServicePort): string {
  return port.protocol ?? 'TCP';
}

/** NaN for what is no IPv4 address. */
function toNumber(ip: string): number {
  const parts = ip.split('.');
  const wrong = (part: string): boolean => !/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255;
  if (parts.length !== 4 || parts.some(wrong)) return NaN;
  return parts.reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toText(n: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(n / 2 ** shift) % 256).join('.');
}
