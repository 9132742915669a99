// Endpoints: the addresses behind a service, as they were told before EndpointSlice.
// Source: Kubernetes, pkg/apis/core/validation (validateEndpointSubsets) and printEndpoints.

import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, nameColumn, text } from './columns.ts';
import { at, eachAt, fieldsOf, isMissing, listAt, textAt, withAt } from './fields.ts';
import { served } from './kind.ts';
import {
  ipMessage, isIp, labelKeyErrors, nameErrors, parseIpv4, parseIpv6, portNumberErrors, specialAddressErrors,
} from './names.ts';
import { each, judge } from './rules.ts';
import { invalid, invalidEach, oneOf, required } from './validate.ts';
import type { Errors } from './validate.ts';

export const endpoints: Resource = served({
  group: '', kind: 'Endpoints', shortNames: ['ep'], singular: 'endpoints',
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  columns: [nameColumn, text('Endpoints', 'Addresses with their ports.', shown), ageColumn],
  defaults: (one) => {
    const subsets = listAt(one, 'subsets').map((subset) => {
      const ports = listAt(subset, 'ports').map((port) =>
        (isMissing(at(port, 'protocol')) ? { ...fieldsOf(port), protocol: 'TCP' } : port));
      return ports.length === 0 ? subset : { ...fieldsOf(subset), ports };
    });
    return subsets.length === 0 ? one : withAt(one, 'subsets', subsets);
  },
  validate: judge(each('subsets[]', validateSubset)),
});

/** At most three, and how many more there are. */
function shown(one: KubeObject): string {
  const subsets = listAt(one, 'subsets');
  if (subsets.length === 0) return '<none>';
  const all = subsets.flatMap((subset) => {
    const addresses = listAt(subset, 'addresses').map((each) => textAt(each, 'ip'));
    const ports = listAt(subset, 'ports').map((port) => String(at(port, 'port') ?? ''));
    if (ports.length === 0) return addresses;
    return ports.flatMap((port) =>
      addresses.map((ip) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)));
  });
  const first = all.slice(0, 3).join(',');
  return all.length > 3 ? `${first} + ${all.length - 3} more...` : first;
}

function validateSubset(errors: Errors, value: unknown, path: string): void {
  const { addresses, notReadyAddresses } = fieldsOf(value), ports = listAt(value, 'ports');
  if (isMissing(addresses) && isMissing(notReadyAddresses)) {
    required(errors, path, 'must specify `addresses` or `notReadyAddresses`');
  }
  for (const list of ['addresses[]', 'notReadyAddresses[]']) {
    eachAt(value, list, (address, here) => validateAddress(errors, address, `${path}.${here}`));
  }
  for (const [i, port] of ports.entries()) {
    validatePort(errors, port, ports.length > 1, `${path}.ports[${i}]`);
  }
}

function validateAddress(errors: Errors, value: unknown, path: string): void {
  const ip = textAt(value, 'ip'), hostname = textAt(value, 'hostname'), node = at(value, 'nodeName');
  if (!isIp(ip)) invalid(errors, `${path}.ip`, ip, ipMessage);
  if (hostname !== '') invalidEach(errors, `${path}.hostname`, hostname, nameErrors(hostname, 'label'));
  if (typeof node === 'string') invalidEach(errors, `${path}.nodeName`, node, nameErrors(node, 'subdomain'));
  invalidEach(errors, `${path}.ip`, ip, specialAddressErrors(parseIpv4(ip) ?? [], parseIpv6(ip) ?? []));
}

function validatePort(errors: Errors, value: unknown, needsName: boolean, path: string): void {
  const { port = 0, protocol, appProtocol } = fieldsOf(value), name = textAt(value, 'name');
  if (name !== '') invalidEach(errors, `${path}.name`, name, nameErrors(name, 'label'));
  else if (needsName) required(errors, `${path}.name`);
  invalidEach(errors, `${path}.port`, port, portNumberErrors(Number(port)));
  oneOf(errors, `${path}.protocol`, protocol as string | undefined, ['SCTP', 'TCP', 'UDP']);
  if (!isMissing(appProtocol)) {
    invalidEach(errors, `${path}.appProtocol`, appProtocol, labelKeyErrors(String(appProtocol)));
  }
}
