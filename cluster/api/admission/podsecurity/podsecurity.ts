// PodSecurity: a namespace's labels say how much its pods may do. What they enforce refuses pods; what they
// warn of or write down concerns the workloads that would make such pods, too.
//
// Source of facts: k8s.io/pod-security-admission admission (admission.go: what is judged when, order,
// messages, audit annotations), plugin/pkg/admission/security/podsecurity.
// What always holds: nothing is exempt; a namespace without such labels costs one look into a table; a pod
// that is there already is judged again only when its images or containers change.

import { limits } from '../../../limits.ts';
import { objectKey } from '../../../ids.ts';
import { list, get } from '../../../state/query.ts';
import { controllerOf, resources } from '../../objects.ts';
import { at } from '../../resources/fields.ts';
import { invalid } from '../../status.ts';
import type { Problem } from '../../status.ts';
import type { KubeObject, Namespace, Pod } from '../../types.ts';
import { denied } from '../attributes.ts';
import type { Admission } from '../attributes.ts';
import type { Finding, SecuredContainer, Subject } from './checks.ts';
import { detailsOf, findings, policyOf, prefix, reasonsOf, sameLevel, strictness, textOf } from './levels.ts';
import type { LevelVersion, SecurityPolicy } from './levels.ts';

/** Where workloads keep the template of their pods. */
const templates: Readonly<Record<string, string>> = {
  '/PodTemplate': 'template', '/ReplicationController': 'spec.template',
  'apps/ReplicaSet': 'spec.template', 'apps/Deployment': 'spec.template',
  'apps/StatefulSet': 'spec.template', 'apps/DaemonSet': 'spec.template', 'batch/Job': 'spec.template',
  'batch/CronJob': 'spec.jobTemplate.spec.template',
};

/** What is written below a pod without touching what it may do. */
const harmless = ['exec', 'attach', 'binding', 'eviction', 'log', 'portforward', 'proxy', 'status'];

export function podSecurity(write: Admission): Problem | null {
  const { writing: { route }, operation, object } = write, { resource, subresource } = route;
  if (object === null || (operation !== 'CREATE' && operation !== 'UPDATE')) return null;
  const kind = `${resource.group}/${resource.kind}`;
  if (kind === '/Namespace') return subresource === '' ? labelled(write, object) : null;
  if (kind === '/Pod') return harmless.includes(subresource) ? null : ofPod(write, object as Pod);
  const path = Object.hasOwn(templates, kind) ? templates[kind] : undefined;
  return path === undefined || subresource !== '' ? null : ofWorkload(write, at(object, path));
}

// ── pods and workloads ───────────────────────────────────────────────────────────────────────────────────

/** Null: the namespace is not there, which is for others to say. */
function policyFor({ writing: { state, route } }: Admission): SecurityPolicy | null {
  const found = get<Namespace>(state, objectKey(resources.namespaces, '', route.namespace));
  return found === null ? null : policyOf(found);
}

const isOpen = ({ level }: LevelVersion): boolean => level === 'privileged';

function ofPod(write: Admission, pod: Pod): Problem | null {
  const policy = policyFor(write);
  if (policy === null) return null;
  const { enforce, audit, warn, errors } = policy;
  if (errors.length === 0 && isOpen(enforce) && isOpen(audit) && isOpen(warn)) return null;
  if (write.operation === 'UPDATE' && !isSignificant(pod, write.old as Pod)) return null;
  write.audit.set(`${prefix}enforce-policy`, textOf(enforce));
  const found = findings(enforce, pod as Subject);
  note(write, policy, pod as Subject, found.length === 0);
  return found.length === 0 ? null
    : denied(write, `violates PodSecurity "${textOf(enforce)}": ${detailsOf(found)}`);
}

/** A workload is warned of what its pods would be refused for, and made all the same. */
function ofWorkload(write: Admission, template: unknown): Problem | null {
  const policy = policyFor(write), subject = template as Partial<Subject> | null | undefined;
  if (policy === null || subject === null || subject === undefined) return null;
  if (policy.errors.length === 0 && isOpen(policy.audit) && isOpen(policy.warn)) return null;
  note(write, policy, { metadata: subject.metadata ?? {}, spec: subject.spec ?? {} }, true);
  return null;
}

/** For the audit log, and for the client where the write goes on. */
function note(
  write: Admission, { audit, warn, errors }: SecurityPolicy, subject: Subject, warns: boolean,
): void {
  if (errors.length > 0) {
    const each = errors.map(({ field = '', message }) => `${field}: ${message}`);
    write.audit.set(`${prefix}error`, `Failed to parse policy: ${bracketed(each)}`);
  }
  const found = findings(audit, subject);
  if (found.length > 0) write.audit.set(`${prefix}audit-violations`, violation(audit, found));
  const warned = warns ? findings(warn, subject) : [];
  if (warned.length > 0) write.warnings.push(violation(warn, warned));
}

const bracketed = (texts: readonly string[]): string =>
  texts.length === 1 ? texts[0] ?? '' : `[${texts.join(', ')}]`;

const violation = (level: LevelVersion, found: readonly Finding[]): string =>
  `would violate PodSecurity "${textOf(level)}": ${detailsOf(found)}`;

const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainer = 'container.seccomp.security.alpha.kubernetes.io/';

/** Whether anything changes that a check could see: little of a pod can. */
function isSignificant(pod: Pod, old: Pod): boolean {
  const noted = (one: Pod, key: string): string => one.metadata.annotations?.[key] ?? '';
  const differs = (key: string): boolean => noted(pod, key) !== noted(old, key);
  const changed = (a: readonly SecuredContainer[] = [], b: readonly SecuredContainer[] = []): boolean =>
    a.length !== b.length || a.some(({ name = '', image }, i) =>
      image !== b[i]?.image || differs(`${seccompContainer}${name}`));
  const now = pod.spec as Subject['spec'], before = old.spec as Subject['spec'];
  return differs(seccompPod) || changed(now.containers, before.containers)
    || changed(now.initContainers, before.initContainers)
    || changed(now.ephemeralContainers, before.ephemeralContainers);
}

// ── namespaces ───────────────────────────────────────────────────────────────────────────────────────────

/** Labels must be readable; whoever makes them stricter hears which pods would not be let in any more. */
function labelled(write: Admission, namespace: KubeObject): Problem | null {
  const { old, writing: { route, state } } = write, now = policyOf(namespace);
  const before = old === null ? null : policyOf(old);
  if (now.errors.length > 0
    && (before === null || JSON.stringify(before.errors) !== JSON.stringify(now.errors))) {
    return invalid(route.resource, namespace.metadata.name, now.errors);
  }
  if (before === null || isOpen(now.enforce) || sameLevel(now.enforce, before.enforce)) return null;
  const relaxed = now.enforce.version === before.enforce.version
    && strictness(now.enforce) <= strictness(before.enforce);
  if (relaxed) return null;
  const { name } = namespace.metadata;
  write.warnings.push(...standing(list<Pod>(state, resources.pods, name), name, now.enforce));
  return null;
}

/** Warnings about the pods that there are; of each controller one is looked at before the others. */
function standing(pods: readonly Pod[], namespace: string, enforce: LevelVersion): readonly string[] {
  const controllers = new Set<string>(), first: Pod[] = [], others: Pod[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod)?.uid;
    if (owner !== undefined && controllers.has(owner)) others.push(pod);
    else first.push(pod);
    if (owner !== undefined) controllers.add(owner);
  }
  const looked = [...first, ...others].slice(0, limits.podSecurityPodsMax);
  const violations = new Map<string, { name: string; count: number }>();
  for (const pod of looked) {
    const found = findings(enforce, pod as Subject), { name } = pod.metadata;
    if (found.length === 0) continue;
    const reasons = reasonsOf(found), known = violations.get(reasons);
    violations.set(reasons, { name: known !== undefined && known.name < name ? known.name : name,
      count: (known?.count ?? 0) + 1 });
  }
  const told = [...violations].map(([reasons, { name, count }]) =>
    `${name}${count === 1 ? '' : ` (and ${count - 1} other pod${count === 2 ? '' : 's'})`}: ${reasons}`);
  return [
    ...looked.length < pods.length ? ['new PodSecurity enforce level only checked against the first '
      + `${looked.length} of ${pods.length} existing pods`] : [],
    ...told.length === 0 ? [] : [`existing pods in namespace "${namespace}" violate the new PodSecurity `
      + `enforce level "${textOf(enforce)}"`],
    ...told.sort(),
  ];
}
