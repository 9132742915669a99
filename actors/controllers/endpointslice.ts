// The EndpointSlice controller: for every Service with a selector, the addresses of its pods and whether they
// may get connections. Source: Kubernetes, "EndpointSlices", and pkg/controller/endpointslice.
//
// Pods whose named ports resolve differently go into different slices. An endpoint stays in the slice it is
// in, so that one pod's change rewrites one slice. What always holds: an endpoint is in one slice of its
// ports at most, a slice has at most `endpointsPerSliceMax`, and a Service that has no endpoint keeps one
// empty slice.

import {
  createOp, deleteOp, keyOf, newborn, resources, serviceNameLabel, updateOp,
} from '../../cluster/api/objects.ts';
import { ownerReference } from '../../cluster/api/objects.ts';
import { matchesLabels } from '../../cluster/api/selector.ts';
import type { Endpoint, EndpointSlice, Pod, Service } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { canonicalText, sameContent } from '../../cluster/canonical.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';
import { isEnded, isReady, isTerminating } from './pod-state.ts';

const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
const managedBy = 'endpointslice-controller.k8s.io';
const headlessLabel = 'service.kubernetes.io/headless';
const ownLabels: readonly string[] = [serviceNameLabel, managedByLabel, headlessLabel];

type SlicePorts = NonNullable<EndpointSlice['ports']>;

export const endpointSliceController: ControllerDefinition = {
  name: 'endpointslice',
  component: 'endpoint-slice-controller',
  keysOf: servicesOf,
  allKeys: (state) =>
    list<Service>(state, resources.services).map((service) => keyOf(resources.services, service)),
  reconcile: reconcileSlices,
};

export function reconcileSlices(state: State, key: string, context: ReconcileContext): Reconciliation {
  const service = get<Service>(state, key as ObjectKey);
  // Without a selector the slices are somebody else's; a deleted Service's are collected by their owner.
  if (service === null || !isSelecting(service) || isTerminatingService(service)) return nothing;
  const namespace = service.metadata.namespace ?? '';
  const pods = list<Pod>(state, resources.pods, namespace)
    .filter((pod) => matchesLabels(service.spec.selector, pod.metadata.labels) && isEndpoint(pod));
  const slices = list<EndpointSlice>(state, resources.endpointSlices, namespace)
    .filter(({ metadata }) => metadata.labels?.[serviceNameLabel] === service.metadata.name
      && metadata.labels[managedByLabel] === managedBy && metadata.deletionTimestamp === undefined);
  const ops = planSlices(service, groupByPorts(service, pods), slices, context);
  return ops.length === 0 ? nothing : { steps: [{ ops }] };
}

function isSelecting({ spec }: Service): boolean {
  return spec.type !== 'ExternalName' && Object.keys(spec.selector ?? {}).length > 0;
}

const isTerminatingService = (service: Service): boolean => service.metadata.deletionTimestamp !== undefined;

function servicesOf(state: State, { key, object, previous }: Change): readonly string[] {
  const { resource, namespace } = splitKey(key);
  if (resource === resources.services) return [key];
  if (resource === resources.endpointSlices) {
    const name = object.metadata.labels?.[serviceNameLabel];
    return name === undefined ? [] : [objectKey(resources.services, namespace, name)];
  }
  if (resource !== resources.pods) return [];
  return list<Service>(state, resources.services, namespace)
    .filter(({ spec }) => matchesLabels(spec.selector, object.metadata.labels)
      || (previous !== null && matchesLabels(spec.selector, previous.metadata.labels)))
    .map((service) => keyOf(resources.services, service));
}

// ── what the endpoints are ───────────────────────────────────────────────────────────────────────────────

/** It has an address and may still use it. */
function isEndpoint(pod: Pod): boolean {
  return !isEnded(pod) && (pod.status?.podIP ?? '') !== '';
}

function endpointOf(service: Service, pod: Pod): Endpoint {
  const serving = isReady(pod), terminating = isTerminating(pod);
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const { hostname, nodeName, subdomain } = pod.spec as Pod['spec'] & { readonly subdomain?: string };
  const named = hostname !== undefined && hostname !== '' && subdomain === service.metadata.name;
  return {
    addresses: [pod.status?.podIP ?? ''],
    conditions: { ready, serving, terminating },
    ...(named ? { hostname } : {}),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: {
      kind: 'Pod', namespace: pod.metadata.namespace ?? '', name: pod.metadata.name, uid: pod.metadata.uid,
    },
  };
}

function portsOf(service: Service, pod: Pod): SlicePorts {
  return (service.spec.ports ?? []).flatMap(({ name, protocol = 'TCP', port, targetPort, appProtocol }) => {
    const target = targetOf(pod, targetPort ?? port, protocol);
    if (target === null) return [];
    return [
      { name: name ?? '', port: target, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) },
    ];
  });
}

/**
 * A number is itself; a name is looked up among the pod's container ports. 0 and '' mean the Service's own.
 */
function targetOf(pod: Pod, target: number | string, protocol: string): number | null {
  if (typeof target === 'number') return target;
  if (/^[0-9]+$/.test(target)) return Number(target);
  for (const container of pod.spec.containers) {
    for (const port of container.ports ?? []) {
      if (port.name === target && (port.protocol ?? 'TCP') === protocol) return port.containerPort;
    }
  }
  return null;
}

interface Group { readonly ports: SlicePorts; readonly endpoints: readonly Endpoint[] }

function groupByPorts(service: Service, pods: readonly Pod[]): ReadonlyMap<string, Group> {
  const groups = new Map<string, { ports: SlicePorts; endpoints: Endpoint[] }>();
  for (const pod of [...pods].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    const ports = portsOf(service, pod), text = canonicalText(ports);
    const group = groups.get(text) ?? { ports, endpoints: [] };
    groups.set(text, group);
    group.endpoints.push(endpointOf(service, pod));
  }
  if (groups.size === 0) groups.set('[]', { ports: [], endpoints: [] });
  return groups;
}

// ── how they are laid out ────────────────────────────────────────────────────────────────────────────────

const identity = (endpoint: Endpoint): string =>
  `${endpoint.targetRef?.uid ?? ''} ${endpoint.addresses[0] ?? ''}`;

function planSlices(
  service: Service,
  groups: ReadonlyMap<string, Group>,
  slices: readonly EndpointSlice[],
  context: ReconcileContext,
): readonly Op[] {
  const ops: Op[] = [];
  const metadata = labelsOf(service);
  for (const [text, { ports, endpoints }] of groups) {
    const wanted = new Map(endpoints.map((endpoint) => [identity(endpoint), endpoint]));
    const mine = slices.filter((slice) => canonicalText(slice.ports ?? []) === text);
    const layout = mine.map((slice) => ({ slice, endpoints: keep(slice, wanted) }));
    const rest = [...wanted.values()];
    for (const { endpoints: some } of layout) {
      some.push(...rest.splice(0, limits.endpointsPerSliceMax - some.length));
    }
    while (rest.length > 0 || (mine.length === 0 && endpoints.length === 0 && ops.length === 0)) {
      const some = rest.splice(0, limits.endpointsPerSliceMax);
      ops.push(createOp(resources.endpointSlices, newSlice(service, ports, some, metadata, context)));
    }
    for (const { slice, endpoints: some } of layout) {
      const spare = some.length === 0 && (endpoints.length > 0 || slice !== mine[0]);
      if (spare) ops.push(deleteOp(resources.endpointSlices, slice));
      else ops.push(...changed(slice, some, metadata));
    }
  }
  for (const slice of slices) {
    if (!groups.has(canonicalText(slice.ports ?? []))) ops.push(deleteOp(resources.endpointSlices, slice));
  }
  return ops;
}

/** The slice's endpoints that are still wanted, as they are now, in their order; takes them off the list. */
function keep(slice: EndpointSlice, wanted: Map<string, Endpoint>): Endpoint[] {
  return slice.endpoints.flatMap((old) => {
    const now = wanted.get(identity(old));
    wanted.delete(identity(old));
    return now === undefined ? [] : [now];
  });
}

function changed(
  slice: EndpointSlice,
  endpoints: readonly Endpoint[],
  labels: Readonly<Record<string, string>>,
): Op[] {
  const sameLabels = sameContent(slice.metadata.labels ?? {}, labels);
  if (sameLabels && sameContent(slice.endpoints, endpoints)) return [];
  const generation = (slice.metadata.generation ?? 1) + 1;
  return [
    updateOp(resources.endpointSlices, slice, {
      ...slice,
      metadata: { ...slice.metadata, labels, generation },
      endpoints,
    }),
  ];
}

function labelsOf(service: Service): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(service.metadata.labels ?? {})) {
    if (!ownLabels.includes(key)) labels[key] = value;
  }
  const headless = service.spec.clusterIP === 'None' ? { [headlessLabel]: '' } : {};
  return { ...labels, ...headless, [serviceNameLabel]: service.metadata.name, [managedByLabel]: managedBy };
}

function newSlice(
  service: Service,
  ports: SlicePorts,
  endpoints: readonly Endpoint[],
  labels: Readonly<Record<string, string>>,
  context: ReconcileContext,
): EndpointSlice {
  const generateName = `${service.metadata.name}-`.slice(0, 58);
  return newborn(
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      addressType: 'IPv4' as const,
      metadata: {
        name: `${generateName}${context.suffix()}`,
        generateName,
        generation: 1,
        namespace: service.metadata.namespace ?? '',
        labels,
        ownerReferences: [ownerReference(service)],
      },
      endpoints,
      ports,
    },
    { uid: context.newUid(), nowWallMs: context.nowWallMs },
  );
}
