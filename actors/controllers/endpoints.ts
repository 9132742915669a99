// Endpoints as they were before EndpointSlice, for whoever still reads them: one object a Service, made of
// the Service's slices. Source: Kubernetes, pkg/controller/endpoint; apiserver's
// kubernetesservice controller.
//
// What always holds: a Service whose endpoints somebody else writes (it has no selector) is left alone, but
// for `default/kubernetes`, behind which stand the peers; Endpoints go with their Service.

import {
  createOp, deleteOp, keyOf, newborn, resources, serviceNameLabel, updateOp,
} from '../../cluster/api/objects.ts';
import type {
  EndpointAddress, Endpoint, Endpoints, EndpointSlice, Service,
} from '../../cluster/api/types.ts';
import { canonicalText, sameContent } from '../../cluster/canonical.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';

export const skipMirrorLabel = 'endpointslice.kubernetes.io/skip-mirror';
const managedByLabel = 'endpoints.kubernetes.io/managed-by', managedBy = 'endpoint-controller';
const headlessLabel = 'service.kubernetes.io/headless';
const overCapacity = 'endpoints.kubernetes.io/over-capacity';
const apiKey = objectKey(resources.services, 'default', 'kubernetes');

export const endpointsController: ControllerDefinition = {
  name: 'endpoints',
  component: 'endpoint-controller',
  keysOf: (_, { key, object }) => {
    const { resource, namespace, name } = splitKey(key);
    if (resource === resources.services) return [key];
    if (resource === resources.endpoints) return [objectKey(resources.services, namespace, name)];
    if (resource !== resources.endpointSlices) return [];
    const service = object.metadata.labels?.[serviceNameLabel];
    return service === undefined ? [] : [objectKey(resources.services, namespace, service)];
  },
  // Of Endpoints whose Service went while nobody led, too.
  allKeys: (state) => [...new Set([
    ...list<Service>(state, resources.services).map((one) => keyOf(resources.services, one)),
    ...list<Endpoints>(state, resources.endpoints).filter(isOurs)
      .map((one) => keyOf(resources.services, one)),
  ])],
  reconcile: gather,
};

const isOurs = ({ metadata }: Endpoints): boolean => metadata.labels?.[managedByLabel] === managedBy;

export function gather(state: State, key: string, context: ReconcileContext): Reconciliation {
  const { namespace, name } = splitKey(key as ObjectKey), isApi = key === apiKey;
  const service = get<Service>(state, key as ObjectKey);
  const stored = get<Endpoints>(state, objectKey(resources.endpoints, namespace, name));
  if (service === null) {
    return stored === null || !isOurs(stored) ? nothing
      : { steps: [{ ops: [deleteOp(resources.endpoints, stored)] }] };
  }
  const selects = service.spec.type !== 'ExternalName' && Object.keys(service.spec.selector ?? {}).length > 0;
  if (service.metadata.deletionTimestamp !== undefined || (!selects && !isApi)) return nothing;
  const slices = list<EndpointSlice>(state, resources.endpointSlices, namespace)
    .filter(({ metadata }) => metadata.labels?.[serviceNameLabel] === name);
  // Their controller gives a Service without endpoints an empty one: it has not come to it yet.
  if (slices.length === 0) return nothing;
  const { subsets, cut } = subsetsOf(slices);
  const labels = isApi ? { [skipMirrorLabel]: 'true' } : labelsOf(service);
  if (stored === null) return { steps: [{ ops: [createOp(resources.endpoints, fresh())] }] };
  const { [overCapacity]: was, ...annotations } = stored.metadata.annotations ?? {};
  const marked = cut ? { ...annotations, [overCapacity]: 'truncated' } : annotations;
  const same = sameContent(stored.subsets ?? [], subsets)
    && sameContent(stored.metadata.labels ?? {}, labels);
  if (same && cut === (was !== undefined)) return nothing;
  const { subsets: _s, metadata: { annotations: _a, ...metadata }, ...rest } = stored;
  const next: Endpoints = {
    ...rest, ...subsets.length === 0 ? {} : { subsets },
    metadata: { ...metadata, labels, ...Object.keys(marked).length === 0 ? {} : { annotations: marked } },
  };
  return { steps: [{ ops: [updateOp(resources.endpoints, stored, next)] }] };

  function fresh(): Endpoints {
    const annotated = cut ? { annotations: { [overCapacity]: 'truncated' } } : {};
    return newborn({
      apiVersion: 'v1', kind: 'Endpoints', metadata: { name, namespace, labels, ...annotated },
      ...subsets.length === 0 ? {} : { subsets },
    }, { uid: context.newUid(), nowWallMs: context.nowWallMs });
  }
}

function labelsOf({ metadata, spec }: Service): Readonly<Record<string, string>> {
  const headless = spec.clusterIP === 'None' ? { [headlessLabel]: '' } : {};
  return { ...metadata.labels, ...headless, [managedByLabel]: managedBy };
}

// ── subsets ──────────────────────────────────────────────────────────────────────────────────────────────

type Subset = NonNullable<Endpoints['subsets']>[number];
type Port = NonNullable<Subset['ports']>[number];

interface Group {
  readonly ports: readonly Port[];
  readonly ready: EndpointAddress[];
  readonly other: EndpointAddress[];
}

/** One subset for all slices of the same ports. `cut`: there are more addresses than one object may hold. */
function subsetsOf(slices: readonly EndpointSlice[]): { subsets: readonly Subset[]; cut: boolean } {
  const groups = new Map<string, Group>();
  for (const slice of slices) {
    if (slice.endpoints.length === 0) continue;
    const ports = portsOf(slice), text = canonicalText(ports);
    const group = groups.get(text) ?? { ports, ready: [], other: [] };
    groups.set(text, group);
    for (const endpoint of slice.endpoints) {
      const { ready = true, terminating = false } = endpoint.conditions ?? {};
      // What ends is no endpoint any more, unless its Service wants it whatever it is.
      if (terminating && !ready) continue;
      (ready ? group.ready : group.other).push(...addressesOf(endpoint));
    }
  }
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group)
    .filter(({ ready, other }) => ready.length + other.length > 0);
  let room = limits.addressesPerEndpointsMax, cut = false;
  const taken = (addresses: readonly EndpointAddress[]): readonly EndpointAddress[] => {
    const some = [...addresses].sort(byAddress).slice(0, room);
    room -= some.length;
    cut ||= some.length < addresses.length;
    return some;
  };
  const subsets = sorted.map(({ ports, ready, other }): Subset => {
    const addresses = taken(ready), notReadyAddresses = taken(other);
    return {
      ...addresses.length === 0 ? {} : { addresses },
      ...notReadyAddresses.length === 0 ? {} : { notReadyAddresses },
      ...ports.length === 0 ? {} : { ports },
    };
  });
  return { subsets: subsets.filter(({ addresses, notReadyAddresses }) =>
    addresses !== undefined || notReadyAddresses !== undefined), cut };
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  const [left, right] = [a, b].map(({ ip, targetRef }) => `${ip} ${targetRef?.uid ?? ''}`);
  return (left ?? '') < (right ?? '') ? -1 : 1;
}

function portsOf({ ports = [] }: EndpointSlice): readonly Port[] {
  return ports.flatMap(({ name = '', port, protocol, ...more }) => {
    const { appProtocol } = more as { readonly appProtocol?: string };
    return port === undefined ? [] : [{
      ...name === '' ? {} : { name }, port, protocol: protocol ?? 'TCP',
      ...appProtocol === undefined ? {} : { appProtocol },
    }];
  });
}

function addressesOf({ addresses, nodeName, targetRef, ...more }: Endpoint): readonly EndpointAddress[] {
  const { hostname } = more as { readonly hostname?: string };
  return addresses.map((ip) => ({
    ip, ...hostname === undefined ? {} : { hostname }, ...nodeName === undefined ? {} : { nodeName },
    ...targetRef === undefined ? {} : { targetRef },
  }));
}
