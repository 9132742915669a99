// Service: one address for pods that come and go. Addresses and node ports are given out when the write is
// applied (`cluster/state/allocate.ts`), so that no two peers can give out the same.
// Source: Kubernetes, core/v1 SetDefaults_Service, pkg/registry/core/service and printService.

import type { Resource } from '../resource.ts';
import type { KubeObject, Service, ServicePort } from '../types.ts';
import { ageColumn, formatLabels, nameColumn, orNone, text, wide } from './columns.ts';
import { kind, statusStrategy, withStatus } from './kind.ts';
import { validateService } from './servicevalidate.ts';
import type { Loose } from './validate.ts';

/** With the fields that have but one value here, and that `types.ts` therefore does not name. */
export type ServiceSpec = NonNullable<Loose<Service>['spec']> & {
  readonly ipFamilies?: readonly string[]; readonly ipFamilyPolicy?: string;
  readonly internalTrafficPolicy?: string; readonly externalTrafficPolicy?: string;
  readonly allocateLoadBalancerNodePorts?: boolean;
};
type Port = Loose<ServicePort>;

const specOf = (one: KubeObject): ServiceSpec => (one as { spec?: ServiceSpec }).spec ?? {};
const withSpec = (one: KubeObject, spec: ServiceSpec): KubeObject => Object.assign({ ...one }, { spec });

export const service: Resource = kind({
  group: '', version: 'v1', resource: 'services', singular: 'service', kind: 'Service', shortNames: ['svc'],
  categories: ['all'], subresources: ['status'], nameRule: 'label-1035',
  columns: [
    nameColumn,
    text('Type', 'How the service is reached.', (one) => specOf(one).type ?? ''),
    text('Cluster-IP', 'Address in the cluster.',
      (one) => orNone(specOf(one).clusterIPs?.[0] || specOf(one).clusterIP)),
    text('External-IP', 'Addresses outside.', externalAddress),
    text('Port(s)', 'Ports, with the port on every node after the colon.',
      (one) => orNone((specOf(one).ports ?? []).map(portText).join(','))),
    ageColumn,
    wide(text('Selector', 'Which pods are meant, by their labels.',
      (one) => formatLabels(specOf(one).selector))),
  ],
  fields: {
    'spec.clusterIP': (one) => specOf(one).clusterIP ?? '',
    'spec.type': (one) => specOf(one).type ?? '',
  },
  defaults: (one) => withSpec(one, defaultSpec(specOf(one))),
  prepareCreate: (one) => withStatus(withSpec(one, allocated(specOf(one))), { loadBalancer: {} }),
  prepareUpdate: (one, old) =>
    statusStrategy.prepareUpdate(withSpec(one, keepAllocated(allocated(specOf(one)), specOf(old))), old),
  prepareStatus: statusStrategy.prepareStatus,
  validate: (one, old) => validateService(specOf(one), old === null ? null : specOf(old)),
});

function defaultSpec(spec: ServiceSpec): ServiceSpec {
  const type = spec.type || 'ClusterIP';
  const whole: ServiceSpec = {
    ...spec, type, sessionAffinity: spec.sessionAffinity || 'None',
    ...(spec.ports === undefined ? {} : { ports: spec.ports.map(defaultPort) }),
  };
  if (type === 'ExternalName') return whole;
  return {
    ...whole,
    internalTrafficPolicy: spec.internalTrafficPolicy || 'Cluster',
    ...(type === 'ClusterIP' ? {} : { externalTrafficPolicy: spec.externalTrafficPolicy || 'Cluster' }),
    ...(type === 'LoadBalancer'
      ? { allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true } : {}),
  };
}

/** What Kubernetes' allocator fills in, and who makes the Service therefore does not own. */
function allocated(spec: ServiceSpec): ServiceSpec {
  if (spec.type === 'ExternalName') return spec;
  return {
    ...spec,
    ...(spec.clusterIP && spec.clusterIPs === undefined ? { clusterIPs: [spec.clusterIP] } : {}),
    // The cluster has IPv4 addresses only.
    ipFamilies: spec.ipFamilies ?? ['IPv4'],
    ipFamilyPolicy: spec.ipFamilyPolicy || 'SingleStack',
  };
}

function defaultPort(port: Port): Port {
  const targetPort = port.targetPort || port.port;
  return {
    ...port, protocol: port.protocol || 'TCP', ...(targetPort === undefined ? {} : { targetPort }),
  };
}

const hasClusterIp = (spec: ServiceSpec): boolean => spec.type !== 'ExternalName';
const hasNodePorts = (spec: ServiceSpec): boolean => spec.type === 'NodePort' || spec.type === 'LoadBalancer';

/** An update that leaves out what was given out keeps it; one that changes the type gives it back. */
function keepAllocated(spec: ServiceSpec, old: ServiceSpec): ServiceSpec {
  let kept = spec;
  if (hasClusterIp(spec) && hasClusterIp(old)) {
    const clusterIP = spec.clusterIP || old.clusterIP;
    const addresses = spec.clusterIPs ?? (clusterIP === old.clusterIP ? old.clusterIPs : undefined);
    kept = {
      ...kept, ...(clusterIP === undefined ? {} : { clusterIP }),
      ...(addresses === undefined ? {} : { clusterIPs: addresses }),
    };
  }
  if (!hasClusterIp(spec) && hasClusterIp(old) && spec.clusterIP === old.clusterIP) {
    const { clusterIP: _, clusterIPs: __, ipFamilies: ___, ipFamilyPolicy: ____, ...rest } = kept;
    kept = rest;
  }
  const ports = kept.ports?.map((port) => keepNodePort(port, spec, old));
  return ports === undefined ? kept : { ...kept, ports };
}

function keepNodePort(port: Port, spec: ServiceSpec, old: ServiceSpec): Port {
  const before = old.ports?.find((one) => one.port === port.port && one.protocol === port.protocol)?.nodePort;
  if (!hasNodePorts(old) || before === undefined) return port;
  if (!hasNodePorts(spec)) {
    if (port.nodePort !== before) return port;
    const { nodePort: _, ...rest } = port;
    return rest;
  }
  const taken = spec.ports?.some((one) => one.nodePort === before && one.protocol === port.protocol);
  return port.nodePort || taken === true ? port : { ...port, nodePort: before };
}

function portText(port: Port): string {
  const node = port.nodePort ? `:${port.nodePort}` : '';
  return `${port.port}${node}/${port.protocol ?? 'TCP'}`;
}

function externalAddress(one: KubeObject): string {
  const spec = specOf(one) as ServiceSpec & { readonly externalIPs?: readonly string[] };
  const externalIps = (spec.externalIPs ?? []).join(',');
  switch (spec.type) {
    case 'ExternalName': return spec.externalName ?? '';
    case 'LoadBalancer': {
      const all = [balancerAddresses(one), externalIps].filter((list) => list !== '');
      return all.length === 0 ? '<pending>' : all.join(',');
    }
    default: return orNone(externalIps);
  }
}

function balancerAddresses(one: KubeObject): string {
  const { status } = one as {
    status?: { loadBalancer?: { ingress?: readonly { ip?: string; hostname?: string }[] } };
  };
  const all = (status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip || entry.hostname || '');
  return [...new Set(all)].filter((address) => address !== '').join(',');
}
