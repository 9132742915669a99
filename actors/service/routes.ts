// Which connections go where on this machine: every port of every Service and the endpoints behind it.
// Source: Kubernetes, "Virtual IPs and Service Proxies", and KEP-1669 for terminating endpoints.
//
// What always holds: routes are sorted by name, their backends by address and port, so that equal states give
// equal routes. Where no endpoint is ready, those that still serve while they end get the connections.

import { keyOf, resources, serviceNameLabel } from '../../cluster/api/objects.ts';
import type { Endpoint, EndpointSlice, Service, ServicePort } from '../../cluster/api/types.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import type { Route } from '../../cluster/ports.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';

export function routesFor(state: State): readonly Route[] {
  return list<Service>(state, resources.services).flatMap((service) =>
    routesOf(state, keyOf(resources.services, service)),
  );
}

/** The routes of one Service, in the order of its ports; none where it is gone or is but a name. */
export function routesOf(state: State, key: ObjectKey): readonly Route[] {
  const service = get<Service>(state, key);
  if (service === null || service.spec.type === 'ExternalName') return [];
  const { name, namespace = '' } = service.metadata;
  const slices = list<EndpointSlice>(state, resources.endpointSlices, namespace).filter(
    ({ metadata, addressType }) => metadata.labels?.[serviceNameLabel] === name && addressType === 'IPv4',
  );
  const { clusterIP = '', ports = [] } = service.spec;
  return ports.map((port) => ({
    name: `${namespace}/${name}:${portLabel(port)}`, protocol: port.protocol ?? 'TCP',
    clusterIP: clusterIP === 'None' ? '' : clusterIP, port: port.port, nodePort: port.nodePort ?? 0,
    backends: backendsOf(port, slices),
  }));
}

const portLabel = ({ name = '', port }: ServicePort): string => (name === '' ? String(port) : name);

interface Backend { readonly ip: string; readonly port: number }

function backendsOf(port: ServicePort, slices: readonly EndpointSlice[]): readonly Backend[] {
  const ready = pick(port, slices, ({ conditions }) => conditions?.ready !== false);
  if (ready.length > 0) return ready;
  return pick(
    port,
    slices,
    ({ conditions }) => conditions?.serving !== false && conditions?.terminating === true,
  );
}

function pick(
  port: ServicePort, slices: readonly EndpointSlice[], wanted: (endpoint: Endpoint) => boolean,
): readonly Backend[] {
  const found = new Map<string, Backend>();
  for (const { endpoints, ports = [] } of slices) {
    const target = ports.find(({ name = '', protocol = 'TCP' }) =>
      name === (port.name ?? '') && protocol === (port.protocol ?? 'TCP'))?.port;
    if (target === undefined) continue;
    for (const endpoint of endpoints) {
      if (!wanted(endpoint)) continue;
      for (const ip of endpoint.addresses) found.set(`${ip}:${target}`, { ip, port: target });
    }
  }
  return [...found.values()].sort((a, b) => (a.ip === b.ip ? a.port - b.port : a.ip < b.ip ? -1 : 1));
}
