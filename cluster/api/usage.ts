// Reads of metrics.k8s.io: which nodes' figures are wanted, and what is made of those that were found.
//
// What always holds: nodes and pods come from the state, figures from those who measured them; what nobody
// has measured yet is left out of a list, and is not found by its name, as in Kubernetes.
// Source: metrics-server, pkg/api (node.go, pod.go).

import { nodeName, objectKey } from '../ids.ts';
import type { NodeName, ResourceName } from '../ids.ts';
import { get, list } from '../state/query.ts';
import type { NodeUsage, PodUsage, Usage, UsageFound } from '../usage.ts';
import { resources } from './objects.ts';
import { listOf } from './listing.ts';
import { objectText, respond } from './output.ts';
import { formatQuantity } from './quantity.ts';
import { filterOf } from './read.ts';
import type { ApiResponse, ApiResult } from './request.ts';
import type { Column } from './resource.ts';
import type { NodeMetrics, PodMetrics } from './resources/metrics.ts';
import { isProblem, notFound, problemResponse } from './status.ts';
import type { Problem } from './status.ts';
import { goDuration, rfc3339 } from './time.ts';
import type { KubeObject, Node, Pod } from './types.ts';
import type { Writing } from './write.ts';

export function measuredObjects(writing: Writing): ApiResult | Problem {
  return writing.route.resource.namespaced ? ofPods(writing) : ofNodes(writing);
}

function ofNodes(writing: Writing): ApiResult | Problem {
  const nodes = chosen<Node>(writing, resources.nodes, 'nodes');
  if (isProblem(nodes)) return nodes;
  return {
    type: 'usage', wanted: { nodes: nodes.map(({ metadata }) => nodeName(metadata.name)), pods: false },
    render: (found) => shown(writing, nodeItems(nodes, found, writing.context.nowWallMs)),
  };
}

function ofPods(writing: Writing): ApiResult | Problem {
  const all = chosen<Pod>(writing, resources.pods, 'pods');
  if (isProblem(all)) return all;
  const pods = all.filter(isRunning);
  return {
    type: 'usage', wanted: { nodes: nodesOf(pods), pods: true },
    render: (found) => shown(writing, podItems(pods, found, writing.context.nowWallMs)),
  };
}

/** The object that the path names, or those of its collection that the selectors let through. */
function chosen<T extends KubeObject>(
  { route, query, state }: Writing, held: ResourceName, plural: string,
): readonly T[] | Problem {
  const { name, namespace, resource } = route, filter = filterOf(query, resource);
  if (isProblem(filter)) return filter;
  if (name === '') return list<T>(state, held, namespace).filter(filter);
  const one = get<T>(state, objectKey(held, namespace, name));
  return one === null ? notFound({ group: '', resource: plural }, name) : [one];
}

const isRunning = ({ spec, status }: Pod): boolean =>
  (spec.nodeName ?? '') !== '' && status?.phase === 'Running';

/** Each once, sorted. */
const nodesOf = (pods: readonly Pod[]): readonly NodeName[] =>
  [...new Set(pods.map(({ spec }) => nodeName(spec.nodeName ?? '')))].sort();

const shown = (writing: Writing, items: readonly KubeObject[]): ApiResponse =>
  writing.route.name === '' ? listed(writing, items) : single(writing, items[0]);

const noColumns: readonly Column[] = [];

function listed({ route, form, context }: Writing, items: readonly KubeObject[]): ApiResponse {
  // A table of nothing has no columns either.
  const resource = items.length > 0 ? route.resource : { ...route.resource, columns: noColumns };
  return listOf(items, resource, form, context.nowWallMs);
}

function single({ route, form, context }: Writing, item: KubeObject | undefined): ApiResponse {
  const { resource, name, namespace } = route;
  if (item !== undefined) return respond(200, objectText(item, resource, form, context.nowWallMs), form);
  const unknown = resource.namespaced ? { resource: 'podmetrics', name: `${namespace}/${name}` }
    : { resource: 'nodemetrics', name };
  return problemResponse(notFound({ group: resource.group, resource: unknown.resource }, unknown.name));
}

function nodeItems(
  nodes: readonly Node[], found: UsageFound, nowWallMs: number,
): readonly NodeMetrics[] {
  return nodes.flatMap(({ metadata }) => {
    const usage = found.get(metadata.name);
    return usage === undefined ? [] : [{
      kind: 'NodeMetrics', ...common(metadata, usage, nowWallMs), usage: amounts(usage.node),
    } satisfies Shown as unknown as NodeMetrics];
  });
}

function podItems(pods: readonly Pod[], found: UsageFound, nowWallMs: number): readonly PodMetrics[] {
  const byUid = new Map<string, { readonly usage: NodeUsage; readonly pod: PodUsage }>();
  for (const usage of found.values()) for (const pod of usage.pods) byUid.set(pod.uid, { usage, pod });
  return pods.flatMap(({ metadata }) => {
    const figures = byUid.get(metadata.uid);
    return figures === undefined ? [] : [{
      kind: 'PodMetrics', ...common(metadata, figures.usage, nowWallMs),
      containers: figures.pod.containers.map((each) => ({ name: each.name, usage: amounts(each) })),
    } satisfies Shown as unknown as PodMetrics];
  });
}

type Shown = Readonly<Record<string, unknown>>;

/** As what is measured, it is made when it is asked for. */
function common(
  { name, namespace, labels }: KubeObject['metadata'], { takenAtMs, windowMs }: NodeUsage, nowWallMs: number,
): Shown {
  return {
    apiVersion: 'metrics.k8s.io/v1beta1',
    metadata: {
      name, ...namespace === undefined ? {} : { namespace }, creationTimestamp: rfc3339(nowWallMs),
      ...labels === undefined ? {} : { labels },
    },
    timestamp: rfc3339(takenAtMs), window: goDuration(windowMs),
  };
}

const amounts = ({ cpuNano, memoryBytes }: Usage): Shown => ({
  cpu: formatQuantity({ nano: BigInt(cpuNano), format: 'decimal' }),
  memory: formatQuantity({ nano: BigInt(memoryBytes) * 1_000_000_000n, format: 'binary' }),
});
