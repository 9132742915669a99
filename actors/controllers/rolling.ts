// How many pods each ReplicaSet of a Deployment may have now: the arithmetic of rolling updates.
// Source: Kubernetes, "Deployments: Rolling Update Deployment", "Proportional scaling", and
// pkg/controller/deployment/{rolling,sync}.go.
// What always holds: all sets together never exceed replicas + maxSurge by what is decided here, and the
// available pods never fall below replicas - maxUnavailable by it.

import type { Deployment, ReplicaSet } from '../../cluster/api/types.ts';
import { byAge, desiredAnnotation, maxAnnotation } from './history.ts';

/** A ReplicaSet that is to have this many replicas. */
export interface Scale { readonly set: ReplicaSet; readonly replicas: number }

export interface Bounds { readonly maxSurge: number; readonly maxUnavailable: number }

export const replicasOf = (object: Deployment | ReplicaSet): number => object.spec.replicas ?? 1;
export const availableOf = (set: ReplicaSet): number => set.status?.availableReplicas ?? 0;
const sum = (sets: readonly ReplicaSet[], of: (set: ReplicaSet) => number): number =>
  sets.reduce((total, set) => total + of(set), 0);

export const isRolling = (deployment: Deployment): boolean =>
  (deployment.spec.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate';

/**
 * Percent of surge is rounded up, of unavailability down; both zero would stand still, so one may be
 * missing.
 */
export function boundsOf(deployment: Deployment): Bounds {
  if (!isRolling(deployment)) return { maxSurge: 0, maxUnavailable: 0 };
  const replicas = replicasOf(deployment);
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec.strategy?.rollingUpdate ?? {};
  const surge = resolve(maxSurge, replicas, Math.ceil);
  const unavailable = resolve(maxUnavailable, replicas, Math.floor);
  if (surge === 0 && unavailable === 0) return { maxSurge: 0, maxUnavailable: Math.min(1, replicas) };
  return { maxSurge: surge, maxUnavailable: Math.min(unavailable, replicas) };
}

function resolve(value: number | string, of: number, round: (n: number) => number): number {
  if (typeof value === 'number') return Math.max(0, value);
  const percent = /^([0-9]{1,9})%$/.exec(value);
  if (percent !== null) return round((Number(percent[1]) * of) / 100);
  return /^[0-9]{1,9}$/.test(value) ? Number(value) : 0;
}

/** How far the new set may grow at once: as far as the surge allows beside the pods there are. */
export function newSetReplicas(deployment: Deployment, all: readonly ReplicaSet[], current: number): number {
  const wanted = replicasOf(deployment);
  if (!isRolling(deployment)) return wanted;
  const room = wanted + boundsOf(deployment).maxSurge - sum(all, replicasOf);
  return room <= 0 ? current : current + Math.min(room, Math.max(0, wanted - current));
}

/** One round of growing the new set, or of shrinking one that is too big; null if it stays. */
export function growNew(
  deployment: Deployment,
  all: readonly ReplicaSet[],
  newSet: ReplicaSet,
): Scale | null {
  const current = replicasOf(newSet),
    wanted = replicasOf(deployment);
  if (current === wanted) return null;
  const replicas = current > wanted ? wanted : newSetReplicas(deployment, all, current);
  return replicas === current ? null : { set: newSet, replicas };
}

/** One round of shrinking the old sets: first pods that don't work anyway, then working ones. */
export function shrinkOld(
  deployment: Deployment,
  newSet: ReplicaSet,
  oldSets: readonly ReplicaSet[],
): readonly Scale[] {
  const all = [...oldSets, newSet];
  if (sum(oldSets, replicasOf) === 0) return [];
  const minAvailable = replicasOf(deployment) - boundsOf(deployment).maxUnavailable;
  const newUnavailable = replicasOf(newSet) - availableOf(newSet);
  const most = sum(all, replicasOf) - minAvailable - newUnavailable;
  if (most <= 0) return [];
  const planned = new Map<string, number>();
  const sizeOf = (set: ReplicaSet): number => planned.get(set.metadata.name) ?? replicasOf(set);
  const old = byAge(oldSets);
  let left = most;
  for (const set of old) {
    const broken = Math.max(0, replicasOf(set) - availableOf(set));
    const cut = Math.min(left, broken);
    if (cut > 0) planned.set(set.metadata.name, replicasOf(set) - cut);
    left -= cut;
  }
  // A set that was just told to shrink still reports the pods it is about to lose.
  let surplus = sum(all, (set) => Math.min(availableOf(set), replicasOf(set))) - minAvailable;
  for (const set of old) {
    const cut = Math.min(sizeOf(set), Math.max(0, surplus));
    if (cut > 0) planned.set(set.metadata.name, sizeOf(set) - cut);
    surplus -= cut;
  }
  return old.filter((set) => sizeOf(set) !== replicasOf(set)).map((set) => ({ set, replicas: sizeOf(set) }));
}

/** The one set with pods; with none, the newest; null where several have pods. */
export function activeOrLatest(newSet: ReplicaSet | null, oldSets: readonly ReplicaSet[]): ReplicaSet | null {
  const old = byAge(oldSets).toReversed();
  const active = [...(newSet === null ? [] : [newSet]), ...old].filter((set) => replicasOf(set) > 0);
  if (active.length === 0) return newSet ?? old[0] ?? null;
  return active.length === 1 ? active[0] ?? null : null;
}

/** True where the new set is all there should be, by its own status. */
export function isSaturated(deployment: Deployment, newSet: ReplicaSet | null): boolean {
  return newSet !== null && replicasOf(newSet) === replicasOf(deployment)
    && Number(newSet.metadata.annotations?.[desiredAnnotation] ?? NaN) === replicasOf(deployment)
    && availableOf(newSet) === replicasOf(deployment);
}

/** True where a set with pods was last sized for another number of replicas than the Deployment has now. */
export function isScaled(deployment: Deployment, sets: readonly ReplicaSet[]): boolean {
  return sets.some((set) => {
    const desired = set.metadata.annotations?.[desiredAnnotation];
    return replicasOf(set) > 0 && desired !== undefined && Number(desired) !== replicasOf(deployment);
  });
}

/** In the middle of a rollout, a new size is shared out in proportion to what each set has. */
export function proportional(deployment: Deployment, sets: readonly ReplicaSet[]): readonly Scale[] {
  const wanted = replicasOf(deployment);
  const allowed = wanted > 0 ? wanted + boundsOf(deployment).maxSurge : 0;
  const toAdd = allowed - sum(sets, replicasOf);
  const newestFirst = byAge(sets).toReversed();
  const ordered = (toAdd >= 0 ? newestFirst : byAge(sets)).toSorted((a, b) => replicasOf(b) - replicasOf(a));
  let added = 0;
  const sizes = ordered.map((set) => {
    const part = toAdd === 0 ? 0 : proportionOf(deployment, set, toAdd, added, wanted === 0 ? 0 : allowed);
    added += part;
    return replicasOf(set) + part;
  });
  const first = sizes[0];
  if (first !== undefined) sizes[0] = Math.max(0, first + toAdd - added);
  return ordered.map((set, at) => ({ set, replicas: sizes[at] ?? replicasOf(set) }));
}

function proportionOf(
  deployment: Deployment,
  set: ReplicaSet,
  toAdd: number,
  added: number,
  allowed: number,
): number {
  const size = replicasOf(set);
  if (size === 0 || toAdd === added) return 0;
  const rest = toAdd - added;
  if (allowed === 0) return Math.max(-size, rest);
  const before = Number(set.metadata.annotations?.[maxAnnotation] ?? 0) || (deployment.status?.replicas ?? 0);
  if (before === 0) return 0;
  const fraction = Math.round((size * allowed) / before) - size;
  return toAdd > 0 ? Math.min(fraction, rest) : Math.max(fraction, rest);
}
