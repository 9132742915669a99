// Endpoints that somebody writes for a Service without a selector, mirrored into EndpointSlices, which is
// what is read. Source: Kubernetes, pkg/controller/endpointslicemirroring.
//
// What always holds: a slice made here has one owner, the Endpoints it mirrors, and goes with them; Endpoints
// that say so (`skip-mirror`), or that serve as a lock of a leader, are left alone.

import {
  createOp, deleteOp, keyOf, newborn, ownerReference, resources, updateOp,
} from '../../cluster/api/objects.ts';
import { serviceNameLabel } from '../../cluster/api/objects.ts';
import { parseIpv4 } from '../../cluster/api/resources/names.ts';
import type {
  Endpoint, EndpointAddress, Endpoints, EndpointSlice, Service,
} from '../../cluster/api/types.ts';
import { canonicalText, sameContent } from '../../cluster/canonical.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Op } from '../../cluster/state/types.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';
import { skipMirrorLabel } from './endpoints.ts';

const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
const managedBy = 'endpointslicemirroring-controller.k8s.io';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';

export const endpointsMirrorController: ControllerDefinition = {
  name: 'endpoints-mirror',
  component: 'endpoint-slice-mirroring-controller',
  keysOf: (_, { key, object }) => {
    const { resource, namespace, name } = splitKey(key);
    if (resource === resources.endpoints) return [key];
    if (resource === resources.services) return [objectKey(resources.endpoints, namespace, name)];
    if (resource !== resources.endpointSlices || !isMirror(object as EndpointSlice)) return [];
    const of = object.metadata.labels?.[serviceNameLabel] ?? '';
    return of === '' ? [] : [objectKey(resources.endpoints, namespace, of)];
  },
  allKeys: (state) =>
    list<Endpoints>(state, resources.endpoints).map((one) => keyOf(resources.endpoints, one)),
  reconcile: mirror,
};

const isMirror = ({ metadata }: EndpointSlice): boolean => metadata.labels?.[managedByLabel] === managedBy;

export function mirror(state: State, key: string, context: ReconcileContext): Reconciliation {
  const { namespace, name } = splitKey(key as ObjectKey), endpoints = get<Endpoints>(state, key as ObjectKey);
  const known = list<EndpointSlice>(state, resources.endpointSlices, namespace).filter((slice) =>
    isMirror(slice) && slice.metadata.labels?.[serviceNameLabel] === name
    && slice.metadata.deletionTimestamp === undefined);
  const service = get<Service>(state, objectKey(resources.services, namespace, name));
  const wanted = endpoints !== null && isMirrored(endpoints, service) ? slicesOf(endpoints) : [];
  const ops: Op[] = [], rest = [...known];
  for (const one of wanted) {
    const at = rest.findIndex((slice) => slice.addressType === one.addressType
      && canonicalText(slice.ports ?? []) === canonicalText(one.ports));
    const [stored] = at < 0 ? [] : rest.splice(at, 1);
    if (endpoints === null) continue;
    if (stored === undefined) ops.push(createOp(resources.endpointSlices, newSlice(endpoints, one, context)));
    else if (!isSame(stored, one)) ops.push(updateOp(resources.endpointSlices, stored, changed(stored, one)));
  }
  ops.push(...rest.map((slice) => deleteOp(resources.endpointSlices, slice)));
  return ops.length === 0 ? nothing : { steps: [{ ops }] };
}

function isMirrored({ metadata }: Endpoints, service: Service | null): boolean {
  const { labels = {}, annotations = {}, deletionTimestamp } = metadata;
  return service !== null && Object.keys(service.spec.selector ?? {}).length === 0
    && labels[skipMirrorLabel] !== 'true' && annotations[leaderAnnotation] === undefined
    && deletionTimestamp === undefined;
}

// ── what the slices are ──────────────────────────────────────────────────────────────────────────────────

interface Wanted {
  readonly addressType: 'IPv4' | 'IPv6';
  readonly ports: NonNullable<EndpointSlice['ports']>;
  readonly endpoints: readonly Endpoint[];
  readonly labels: Readonly<Record<string, string>>;
}

/** One a subset and kind of address. */
function slicesOf({ metadata, subsets = [] }: Endpoints): readonly Wanted[] {
  const labels = { ...metadata.labels, [serviceNameLabel]: metadata.name, [managedByLabel]: managedBy };
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) => {
    const all = [...addresses.map((one) => endpointOf(one, true)),
      ...notReadyAddresses.map((one) => endpointOf(one, false))].slice(0, limits.addressesPerEndpointsMax);
    const listed = ports.map(({ name = '', port, protocol, appProtocol }) => ({
      name, port, protocol: protocol === 'UDP' ? 'UDP' as const : 'TCP' as const,
      ...appProtocol === undefined ? {} : { appProtocol },
    }));
    return (['IPv4', 'IPv6'] as const).flatMap((addressType) => {
      const endpoints = all.filter((one) => familyOf(one) === addressType);
      return endpoints.length === 0 ? [] : [{ addressType, ports: listed, endpoints, labels }];
    });
  });
}

const familyOf = ({ addresses: [ip = ''] }: Endpoint): 'IPv4' | 'IPv6' =>
  (parseIpv4(ip) === null ? 'IPv6' : 'IPv4');

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip], conditions: { ready }, ...hostname === undefined ? {} : { hostname },
    ...nodeName === undefined ? {} : { nodeName },
    ...targetRef === undefined ? {} : { targetRef: targetRef as NonNullable<Endpoint['targetRef']> },
  };
}

const isSame = (stored: EndpointSlice, { endpoints, labels }: Wanted): boolean =>
  sameContent(stored.endpoints, endpoints) && sameContent(stored.metadata.labels ?? {}, labels);

function changed(stored: EndpointSlice, { endpoints, labels }: Wanted): EndpointSlice {
  const generation = (stored.metadata.generation ?? 1) + 1;
  return { ...stored, metadata: { ...stored.metadata, labels, generation }, endpoints };
}

function newSlice(owner: Endpoints, wanted: Wanted, context: ReconcileContext): EndpointSlice {
  const { addressType, ports, endpoints, labels } = wanted;
  const generateName = `${owner.metadata.name}-`.slice(0, 58);
  return newborn({
    apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType,
    metadata: {
      name: `${generateName}${context.suffix()}`, generateName, generation: 1,
      namespace: owner.metadata.namespace ?? '', labels, ownerReferences: [ownerReference(owner)],
    },
    endpoints, ports,
  }, { uid: context.newUid(), nowWallMs: context.nowWallMs });
}
