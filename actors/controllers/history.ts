// A Deployment's revisions: which ReplicaSet carries which template, their numbers, and which are forgotten.
// Source: Kubernetes, "Deployments: Rolling Back", "Clean up Policy", and pkg/controller/deployment/util.
// What always holds: two templates are the same when they differ in the pod-template-hash label at most.

import type { Deployment, ObjectMeta, PodTemplateSpec, ReplicaSet } from '../../cluster/api/types.ts';
import { parseTime } from '../../cluster/api/time.ts';
import { hashText } from '../../cluster/random.ts';
import { canonicalText } from '../../cluster/canonical.ts';

export const hashLabel = 'pod-template-hash';
export const revisionAnnotation = 'deployment.kubernetes.io/revision';
export const historyAnnotation = 'deployment.kubernetes.io/revision-history';
export const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas';
export const maxAnnotation = 'deployment.kubernetes.io/max-replicas';

/** Annotations of a Deployment that its ReplicaSets do not take over. */
const ownAnnotations: readonly string[] = [
  'kubectl.kubernetes.io/last-applied-configuration', revisionAnnotation, historyAnnotation,
  desiredAnnotation, maxAnnotation, 'deprecated.deployment.rollback.to',
];

const historyTextMax = 2_000;

/** Letters that can't spell a word; a digit of the hash picks one, as in Kubernetes' SafeEncodeString. */
const safeLetters = 'bcdfghjklmnpqrstvwxz2456789';

/** The pod-template-hash. `collisionCount` moves it away from a name that somebody else has taken. */
export function templateHash(template: PodTemplateSpec, collisionCount: number): string {
  const digits = String(hashText(`${canonicalText(template)}${collisionCount === 0 ? '' : collisionCount}`));
  let text = '';
  for (const digit of digits) text += safeLetters[digit.charCodeAt(0) % safeLetters.length] ?? '';
  return text;
}

export function sameTemplate(a: PodTemplateSpec, b: PodTemplateSpec): boolean {
  return canonicalText(withoutHash(a)) === canonicalText(withoutHash(b));
}

function withoutHash(template: PodTemplateSpec): PodTemplateSpec {
  const { [hashLabel]: _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}

export function withHash(template: PodTemplateSpec, hash: string): PodTemplateSpec {
  return {
    ...template,
    metadata: { ...template.metadata, labels: { ...template.metadata?.labels, [hashLabel]: hash } },
  };
}

/** Oldest first, then by name. */
export function byAge(sets: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const created = (set: ReplicaSet): number => parseTime(set.metadata.creationTimestamp) ?? 0;
  return [...sets].sort((a, b) => created(a) - created(b) || (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** The ReplicaSet that carries the Deployment's template now; the oldest, should there be several. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | null {
  return byAge(sets).find((set) => sameTemplate(set.spec.template, deployment.spec.template)) ?? null;
}

export function revisionOf(object: { readonly metadata: ObjectMeta }): number {
  const text = object.metadata.annotations?.[revisionAnnotation] ?? '';
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
}

export function maxRevision(sets: readonly ReplicaSet[]): number {
  return sets.reduce((most, set) => Math.max(most, revisionOf(set)), 0);
}

/** The annotations of the ReplicaSet that is the newest revision from now on. */
export function newSetAnnotations(
  deployment: Deployment, known: Readonly<Record<string, string>> | undefined, revision: number,
): Readonly<Record<string, string>> {
  const out: Record<string, string> = { ...known };
  for (const [key, value] of Object.entries(deployment.metadata.annotations ?? {})) {
    if (!ownAnnotations.includes(key)) out[key] = value;
  }
  const old = known?.[revisionAnnotation];
  if (old !== undefined && Number(old) >= revision) return out;
  out[revisionAnnotation] = String(revision);
  if (old !== undefined) out[historyAnnotation] = withinBound([known?.[historyAnnotation], old]);
  return out;
}

/**
 * `1,3,7`: the revisions that a ReplicaSet had before; the oldest are cut off where the list grows too
 * long.
 */
function withinBound(parts: readonly (string | undefined)[]): string {
  const revisions = parts.filter((part) => part !== undefined && part !== '').join(',').split(',');
  while (revisions.length > 1 && revisions.join(',').length > historyTextMax) revisions.shift();
  return revisions.join(',');
}

/** Old ReplicaSets beyond `revisionHistoryLimit`: empty ones, the lowest revisions first. */
export function setsToForget(deployment: Deployment, oldSets: readonly ReplicaSet[]): readonly ReplicaSet[] {
  const limit = deployment.spec.revisionHistoryLimit;
  if (limit === undefined) return [];
  const alive = oldSets.filter((set) => set.metadata.deletionTimestamp === undefined);
  const surplus = alive.length - limit;
  if (surplus <= 0) return [];
  return [...byAge(alive)]
    .sort((a, b) => revisionOf(a) - revisionOf(b))
    .slice(0, surplus)
    .filter((set) => (set.status?.replicas ?? 0) === 0 && (set.spec.replicas ?? 1) === 0
      && (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0));
}
