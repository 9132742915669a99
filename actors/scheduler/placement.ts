// Where one pod goes, and why nowhere: the filters, the scores and the rule for ties put together.
// What always holds: the answer is a function of the pod and the view; nodes are looked at in name order.

import { hashText } from '../../cluster/random.ts';
import { filters } from './filters.ts';
import type { Candidate } from './requests.ts';
import { scores } from './scores.ts';
import type { ClusterView, NodeView } from './view.ts';

export type Placement =
  | { readonly node: string }
  | {
      readonly node: null; readonly message: string;
      /** The filters that objected to some node: only what they look at can help. Sorted. */
      readonly filters: readonly string[];
    };

export function placePod(candidate: Candidate, view: ClusterView): Placement {
  const feasible: NodeView[] = [];
  const reasons = new Map<string, number>(), objecting = new Set<string>();
  for (const node of view.ordered) {
    if (isFeasible(candidate, node, reasons, objecting)) feasible.push(node);
  }
  const best = bestOf(candidate, feasible);
  if (best !== null) return { node: best.name };
  return { node: null, message: refusalText(view.ordered.length, reasons), filters: [...objecting].sort() };
}

function isFeasible(
  candidate: Candidate, node: NodeView, reasons: Map<string, number>, objecting: Set<string>,
): boolean {
  for (const filter of filters) {
    const objections = filter.explain(candidate, node);
    if (objections.length === 0) continue;
    for (const reason of objections) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    objecting.add(filter.name);
    return false;
  }
  return true;
}

/**
 * `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`, sorted as Kubernetes sorts
 * it.
 */
function refusalText(nodes: number, reasons: ReadonlyMap<string, number>): string {
  if (nodes === 0) return 'no nodes available to schedule pods';
  const parts = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${parts.join(', ')}.`;
}

/** The highest sum of weighted scores; of equals, the one with fewer pods; then by a hash of pod and node. */
function bestOf(candidate: Candidate, nodes: readonly NodeView[]): NodeView | null {
  const first = nodes[0];
  if (first === undefined || nodes.length === 1) return first ?? null;
  const totals = new Array<number>(nodes.length).fill(0);
  for (const { weight, rate } of scores) {
    const rates = rate(candidate, nodes);
    for (let at = 0; at < totals.length; at++) totals[at] = (totals[at] ?? 0) + weight * (rates[at] ?? 0);
  }
  let best = first, bestTotal = totals[0] ?? 0;
  for (let at = 1; at < nodes.length; at++) {
    const node = nodes[at] ?? best, total = totals[at] ?? 0;
    if (total > bestTotal || (total === bestTotal && winsTie(candidate, node, best))) {
      best = node;
      bestTotal = total;
    }
  }
  return best;
}

/** The hash spreads pods of different owners over equal nodes; names decide where even it is equal. */
function winsTie({ pod }: Candidate, a: NodeView, b: NodeView): boolean {
  if (a.used.pods !== b.used.pods) return a.used.pods < b.used.pods;
  const left = hashText(`${pod.metadata.uid}/${a.name}`), right = hashText(`${pod.metadata.uid}/${b.name}`);
  return left !== right ? left < right : a.name < b.name;
}
