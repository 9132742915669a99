// What every Kubernetes cluster has before anyone has made anything: its namespaces, and the Service
// `kubernetes`, behind which stand the API servers of all ready nodes: here, every peer.
// Source: Kubernetes, "Initial namespaces", and apiserver's kubernetesservice controller.
// What always holds: what somebody deletes of it comes back.

import {
  createOp, deleteOp, newborn, resources, serviceNameLabel, updateOp,
} from '../../cluster/api/objects.ts';
import type { Endpoint, EndpointSlice, KubeObject, Node } from '../../cluster/api/types.ts';
import { objectKey, splitKey } from '../../cluster/ids.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { State } from '../../cluster/state/state.ts';
import type { Change, Op } from '../../cluster/state/types.ts';
import { namespace as namespaceResource } from '../../cluster/api/resources/namespace.ts';
import { service as serviceResource } from '../../cluster/api/resources/service.ts';
import { sameContent } from '../../cluster/canonical.ts';
import { nothing } from './controller.ts';
import type { ControllerDefinition, ReconcileContext, Reconciliation } from './controller.ts';
import { conditionOf } from './pod-state.ts';

/** The kubelet writes the port of its peer's API on its Node. */
export const apiPortAnnotation = 'shoal.dev/api-port';

const initialNamespaces = ['default', 'kube-node-lease', 'kube-public', 'kube-system'] as const;
const theKey = 'bootstrap/cluster';
const serviceName = 'kubernetes';

export const bootstrapController: ControllerDefinition = {
  name: 'bootstrap',
  component: 'bootstrap-controller',
  keysOf: concerned,
  allKeys: () => [theKey],
  reconcile: bootstrap,
};

function concerned(_: State, { type, key, object, previous }: Change): readonly string[] {
  const { resource, namespace, name } = splitKey(key);
  if (resource === resources.namespaces || resource === resources.services) {
    return type === 'DELETED' ? [theKey] : [];
  }
  if (resource === resources.endpointSlices) return namespace === 'default' && isOurs(object) ? [theKey] : [];
  if (resource !== resources.nodes || name === '') return [];
  const same = previous !== null && type !== 'DELETED'
    && sameContent(serverOf(previous as Node), serverOf(object as Node));
  return same ? [] : [theKey];
}

export function bootstrap(state: State, _: string, context: ReconcileContext): Reconciliation {
  const birth = (): { uid: string; nowWallMs: number } => ({
    uid: context.newUid(),
    nowWallMs: context.nowWallMs,
  });
  const missing = initialNamespaces.filter(
    (name) => get(state, objectKey(resources.namespaces, '', name)) === null,
  );
  if (missing.length > 0) {
    return {
      steps: missing.map((name) => ({ ops: [createOp(resources.namespaces, newNamespace(name, birth()))] })),
    };
  }
  if (get(state, objectKey(resources.services, 'default', serviceName)) === null) {
    return { steps: [{ ops: [createOp(resources.services, newService(birth()))] }] };
  }
  const ops = sliceOps(state, birth);
  return ops.length === 0 ? nothing : { steps: [{ ops }] };
}

type Birth = () => { readonly uid: string; readonly nowWallMs: number };

function newNamespace(name: string, birth: ReturnType<Birth>): KubeObject {
  const one = newborn({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, birth);
  return namespaceResource.prepareCreate(namespaceResource.defaults(one));
}

/** Its clusterIP is given by the state, like that of any other Service. */
function newService(birth: ReturnType<Birth>): KubeObject {
  const one = newborn(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: {
        name: serviceName,
        namespace: 'default',
        labels: { component: 'apiserver', provider: 'kubernetes' },
      },
      spec: { type: 'ClusterIP', ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: 6443 }] },
    },
    birth,
  );
  return serviceResource.prepareCreate(serviceResource.defaults(one));
}

// ── the peers behind it ──────────────────────────────────────────────────────────────────────────────────

interface Server { readonly address: string; readonly port: number }

/** Where a ready node's API answers; null while it does not, or does not say. */
function serverOf(node: Node): Server | null {
  const ready = conditionOf(node.status?.conditions, 'Ready')?.status === 'True';
  const address = node.status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
  const port = Number(node.metadata.annotations?.[apiPortAnnotation] ?? 0);
  return ready && address !== undefined && Number.isInteger(port) && port > 0 ? { address, port } : null;
}

const isOurs = ({ metadata }: KubeObject): boolean => metadata.labels?.[serviceNameLabel] === serviceName
  && metadata.labels['endpointslice.kubernetes.io/managed-by'] === undefined;

/** One slice a port, for all endpoints of a slice share its ports; peers on one machine differ in theirs. */
function sliceOps(state: State, birth: Birth): readonly Op[] {
  const byPort = new Map<number, Set<string>>();
  for (const node of list<Node>(state, resources.nodes)) {
    const server = serverOf(node);
    if (server !== null) byPort.set(server.port, (byPort.get(server.port) ?? new Set()).add(server.address));
  }
  const ops: Op[] = [];
  const known = list<EndpointSlice>(state, resources.endpointSlices, 'default').filter(isOurs);
  const ports = [...byPort.keys()].sort((a, b) => a - b);
  for (const [at, port] of ports.entries()) {
    const name = at === 0 ? serviceName : `${serviceName}-${at + 1}`;
    const addresses = [...byPort.get(port) ?? []].sort();
    const endpoints: readonly Endpoint[] = addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true },
    }));
    const content = { endpoints, ports: [{ name: 'https', port, protocol: 'TCP' as const }] };
    const stored = known.find(({ metadata }) => metadata.name === name);
    if (stored === undefined) ops.push(createOp(resources.endpointSlices, newSlice(name, content, birth)));
    else if (!sameContent({ endpoints: stored.endpoints, ports: stored.ports }, content)) {
      const generation = (stored.metadata.generation ?? 1) + 1;
      ops.push(
        updateOp(resources.endpointSlices, stored, {
          ...stored,
          metadata: { ...stored.metadata, generation },
          ...content,
        }),
      );
    }
  }
  // The last known servers stay: with no ready node there is nobody to ask anyway.
  if (ports.length === 0) return [];
  const names = ports.map((_, at) => (at === 0 ? serviceName : `${serviceName}-${at + 1}`));
  const spare = known.filter(({ metadata }) => !names.includes(metadata.name));
  ops.push(...spare.map((slice) => deleteOp(resources.endpointSlices, slice)));
  return ops;
}

function newSlice(
  name: string,
  content: Pick<EndpointSlice, 'endpoints' | 'ports'>,
  birth: Birth,
): EndpointSlice {
  return newborn(
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      addressType: 'IPv4' as const,
      metadata: { name, namespace: 'default', generation: 1, labels: { [serviceNameLabel]: serviceName } },
      ...content,
    },
    birth(),
  );
}
