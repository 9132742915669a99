// EndpointSlice: the addresses behind a service. Its controller writes them; people read them.
// Source: Kubernetes, pkg/apis/discovery/validation and printEndpointSlice.

import { limits } from '../../limits.ts';
import type { Resource } from '../resource.ts';
import type { EndpointSlice, KubeObject, StatusCause } from '../types.ts';
import { ageColumn, nameColumn, text } from './columns.ts';
import { kind } from './kind.ts';
import {
  labelKeyErrors, nameErrors, parseIpv4, parseIpv6, portNumberErrors, specialAddressErrors,
} from './names.ts';
import {
  duplicate, immutable, invalid, invalidEach, oneOf, required, tooMany,
} from './validate.ts';
import type { Errors, Loose } from './validate.ts';

type LooseSlice = Loose<EndpointSlice>;
type LooseEndpoint = NonNullable<LooseSlice['endpoints']>[number] & { readonly hostname?: string };
type LoosePort = NonNullable<LooseSlice['ports']>[number] & { readonly appProtocol?: string };

const loose = (one: KubeObject): LooseSlice => one as LooseSlice;

export const endpointSlice: Resource = kind({
  group: 'discovery.k8s.io', version: 'v1', resource: 'endpointslices', singular: 'endpointslice',
  kind: 'EndpointSlice', hasGeneration: true,
  columns: [
    nameColumn,
    text('AddressType', 'Kind of the addresses.', (one) => loose(one).addressType ?? ''),
    text('Ports', 'Ports of the endpoints.', (one) => firstThree((loose(one).ports ?? [])
      .map((port) => (port.port === undefined ? port.name ?? '*' : String(port.port))))),
    text('Endpoints', 'Addresses of the endpoints.', (one) =>
      firstThree((loose(one).endpoints ?? []).flatMap((endpoint) => endpoint.addresses ?? []))),
    ageColumn,
  ],
  defaults: (one) => {
    const { ports } = loose(one);
    if (ports === undefined) return one;
    const whole = ports.map((port) => ({ ...port, name: port.name ?? '', protocol: port.protocol || 'TCP' }));
    return Object.assign({ ...one }, { ports: whole });
  },
  validate,
});

/** The first three, and how many more there are. */
function firstThree(all: readonly string[]): string {
  if (all.length === 0) return '<unset>';
  const shown = all.slice(0, 3).join(',');
  return all.length > 3 ? `${shown} + ${all.length - 3} more...` : shown;
}

function validate(one: KubeObject, old: KubeObject | null): readonly StatusCause[] {
  const errors: Errors = [];
  const { addressType = '', endpoints = [], ports = [] } = loose(one);
  oneOf(errors, 'addressType', addressType, ['FQDN', 'IPv4', 'IPv6']);
  if (old !== null) immutable(errors, 'addressType', addressType, loose(old).addressType);
  if (endpoints.length > limits.endpointsAcceptedPerSliceMax) {
    tooMany(errors, 'endpoints', endpoints.length, limits.endpointsAcceptedPerSliceMax);
    return errors;
  }
  for (const [i, endpoint] of endpoints.entries()) {
    validateEndpoint(errors, endpoint, addressType, `endpoints[${i}]`);
  }
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    validatePort(errors, port, `ports[${i}]`);
    const name = port.name ?? '';
    if (names.has(name)) duplicate(errors, `ports[${i}].name`, name);
    names.add(name);
  }
  return errors;
}

function validatePort(errors: Errors, port: LoosePort, path: string): void {
  if (port.name) invalidEach(errors, `${path}.name`, port.name, nameErrors(port.name, 'label'));
  oneOf(errors, `${path}.protocol`, port.protocol, ['SCTP', 'TCP', 'UDP']);
  if (port.port !== undefined) invalidEach(errors, `${path}.port`, port.port, portNumberErrors(port.port));
  if (port.appProtocol) {
    invalidEach(errors, `${path}.appProtocol`, port.appProtocol, labelKeyErrors(port.appProtocol));
  }
}

function validateEndpoint(errors: Errors, endpoint: LooseEndpoint, type: string, path: string): void {
  const { addresses = [], nodeName, hostname } = endpoint;
  if (addresses.length === 0) required(errors, `${path}.addresses`, 'must contain at least 1 endpoint');
  if (addresses.length > limits.addressesPerEndpointMax) {
    tooMany(errors, `${path}.addresses`, addresses.length, limits.addressesPerEndpointMax);
  }
  for (const [i, address] of addresses.entries()) {
    validateAddress(errors, address, type, `${path}.addresses[${i}]`);
  }
  if (nodeName) invalidEach(errors, `${path}.nodeName`, nodeName, nameErrors(nodeName, 'subdomain'));
  if (hostname) invalidEach(errors, `${path}.hostname`, hostname, nameErrors(hostname, 'label'));
}

function validateAddress(errors: Errors, address: string, type: string, path: string): void {
  if (type === 'FQDN') return invalidEach(errors, path, address, nameErrors(address, 'subdomain'));
  if (type === 'IPv4') {
    const bytes = parseIpv4(address);
    if (bytes === null) return invalid(errors, path, address, 'must be a valid IPv4 address');
    return invalidEach(errors, path, address, specialAddressErrors(bytes, []));
  }
  const groups = parseIpv6(address);
  if (groups === null) return invalid(errors, path, address, 'must be a valid IPv6 address');
  return invalidEach(errors, path, address, specialAddressErrors([], groups));
}
