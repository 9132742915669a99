// What a pod uses of a quota, what of it scopes look at, and what it must say where compute resources are
// limited.
//
// Source of facts: Kubernetes pkg/quota/v1/evaluator/core/pods.go (names, messages, scopes),
// component-helpers resource (PodRequests, PodLimits: sidecars run beside everything that starts after them,
// the other init containers alone; what the pod says as a whole comes before what its containers add up to;
// overhead).

import { qosClass } from '../resources/podspec.ts';
import { at, fieldsOf, listAt, textAt, textsAt } from '../resources/fields.ts';
import type { Pod } from '../types.ts';
import { addTo, amountsOf, raiseTo, whole } from './amounts.ts';
import type { Amounts } from './amounts.ts';
import type { Quantity } from '../quantity.ts';

/** What scopes look at. */
export interface PodTraits {
  readonly terminating: boolean;
  readonly bestEffort: boolean;
  readonly priorityClass: string;
  readonly crossNamespace: boolean;
}

const standardNames: ReadonlySet<string> = new Set([
  'count/pods', 'pods', 'cpu', 'memory', 'ephemeral-storage',
  ...['requests', 'limits'].flatMap((kind) =>
    [`${kind}.cpu`, `${kind}.memory`, `${kind}.ephemeral-storage`]),
]);

/** Whether a quota's resource of this name is something that pods use. */
export function isPodResource(name: string): boolean {
  return standardNames.has(name) || name.startsWith('hugepages-') || name.startsWith('requests.hugepages-')
    || (name.startsWith('requests.') && !isNative(name));
}

const isNative = (name: string): boolean => !name.includes('/') || name.includes('kubernetes.io/');

/** Its containers will not run again: what it asked for is free, though the object is still there. */
export const isOver = ({ status }: Pod): boolean =>
  status?.phase === 'Failed' || status?.phase === 'Succeeded';

/** Of an object that is there, and counts for nothing else. */
export const onlyThere: Amounts = new Map([['count/pods', whole(1)]]);

export function podAmounts(pod: Pod): Amounts {
  if (isOver(pod)) return onlyThere;
  const used = usedBy(totals(pod, 'requests'), totals(pod, 'limits'));
  used.set('count/pods', whole(1));
  return used;
}

const computeNames = ['cpu', 'memory', 'ephemeral-storage'];

function usedBy(requests: Amounts, limits: Amounts): Map<string, Quantity> {
  const used = new Map([['pods', whole(1)]]);
  for (const [name, amount] of requests) {
    const computed = computeNames.includes(name), pages = name.startsWith('hugepages-');
    if (computed || pages) used.set(name, amount);
    if (computed || pages || isExtended(name)) used.set(`requests.${name}`, amount);
  }
  for (const [name, amount] of limits) if (computeNames.includes(name)) used.set(`limits.${name}`, amount);
  return used;
}

const isExtended = (name: string): boolean => !isNative(name) && !name.startsWith('requests.');

type Kind = 'requests' | 'limits';

function totals({ spec }: Pod, kind: Kind): Map<string, Quantity> {
  const sum = new Map<string, Quantity>(), beside = new Map<string, Quantity>();
  const peak = new Map<string, Quantity>();
  for (const container of listAt(spec, 'containers')) {
    for (const [name, amount] of askedBy(container, kind)) addTo(sum, name, amount);
  }
  for (const container of listAt(spec, 'initContainers')) {
    const own = askedBy(container, kind), stays = textAt(container, 'restartPolicy') === 'Always';
    for (const [name, amount] of own) {
      if (stays) addTo(sum, name, amount);
      if (stays) addTo(beside, name, amount);
    }
    const then = new Map(beside);
    if (!stays) for (const [name, amount] of own) addTo(then, name, amount);
    for (const [name, amount] of then) raiseTo(peak, name, amount);
  }
  for (const [name, amount] of peak) raiseTo(sum, name, amount);
  if (saysAsAWhole(spec)) {
    for (const [name, amount] of askedBy(spec, kind)) if (isPodLevel(name)) sum.set(name, amount);
  }
  for (const [name, amount] of amountsOf(at(spec, 'overhead'))) {
    if (kind === 'requests' || (sum.get(name)?.nano ?? 0n) !== 0n) addTo(sum, name, amount);
  }
  return sum;
}

const askedBy = (one: unknown, kind: Kind): Amounts => amountsOf(at(one, `resources.${kind}`));

const isPodLevel = (name: string): boolean =>
  name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

const saysAsAWhole = (spec: unknown): boolean => (['requests', 'limits'] as const)
  .some((kind) => Object.keys(fieldsOf(at(spec, `resources.${kind}`))).some(isPodLevel));

// ── scopes ───────────────────────────────────────────────────────────────────────────────────────────────

export function podTraits(pod: Pod): PodTraits {
  const { spec, status } = pod, deadline = spec.activeDeadlineSeconds;
  return {
    terminating: typeof deadline === 'number' && deadline >= 0,
    bestEffort: (status?.qosClass ?? qosClass(spec)) === 'BestEffort',
    priorityClass: textAt(spec, 'priorityClassName'),
    crossNamespace: ['podAffinity', 'podAntiAffinity'].some((kind) =>
      termsOf(at(spec, `affinity.${kind}`)).some(namesNamespaces)),
  };
}

const termsOf = (affinity: unknown): readonly unknown[] => [
  ...listAt(affinity, 'requiredDuringSchedulingIgnoredDuringExecution'),
  ...listAt(affinity, 'preferredDuringSchedulingIgnoredDuringExecution')
    .map((weighted) => at(weighted, 'podAffinityTerm')),
];

const namesNamespaces = (term: unknown): boolean =>
  textsAt(term, 'namespaces').length > 0 || typeof at(term, 'namespaceSelector') === 'object';

// ── what must be said ────────────────────────────────────────────────────────────────────────────────────

const demanding: ReadonlySet<string> = new Set([
  'cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory',
]);

/** `must specify cpu for: c1; memory for: c1,c2`; null where every container says what is limited. */
export function unsaid({ spec }: Pod, limited: readonly string[]): string | null {
  if (saysAsAWhole(spec)) return null;
  const missing = new Map<string, Set<string>>();
  for (const container of [...listAt(spec, 'containers'), ...listAt(spec, 'initContainers')]) {
    const said = usedBy(askedBy(container, 'requests'), askedBy(container, 'limits'));
    for (const name of limited) {
      if (!demanding.has(name) || said.has(name)) continue;
      missing.set(name, (missing.get(name) ?? new Set()).add(textAt(container, 'name')));
    }
  }
  if (missing.size === 0) return null;
  return `must specify ${[...missing].sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, containers]) => `${name} for: ${[...containers].sort().join(',')}`).join('; ')}`;
}
