// LimitRanger: what a namespace's LimitRanges give to containers that ask for nothing, and what they let pods
// and claims ask for.
//
// Source of facts: Kubernetes plugin/pkg/admission/limitranger (which kinds, order, every message). Values
// are
// compared exactly; Kubernetes, which compares whole numbers of thousandths, says the same.
// What always holds: a pod that is there already is not held to a range that came later; ranges come in the
// order of their names, resources in that of theirs.

import { resourceName } from '../../ids.ts';
import { list } from '../../state/query.ts';
import { canonicalQuantity, formatQuantity, parseQuantity } from '../quantity.ts';
import type { Quantity } from '../quantity.ts';
import type { Problem } from '../status.ts';
import type { Container, KubeObject, Pod, ResourceList } from '../types.ts';
import { denied } from './attributes.ts';
import type { Admission } from './attributes.ts';

interface Limit {
  readonly type?: string;
  readonly min?: ResourceList; readonly max?: ResourceList; readonly default?: ResourceList;
  readonly defaultRequest?: ResourceList; readonly maxLimitRequestRatio?: ResourceList;
}

interface LimitRange extends KubeObject { readonly spec?: { readonly limits?: readonly Limit[] } }

const limitRanges = resourceName('core/limitranges');

function rangesFor(
  { writing: { state, route }, operation, old }: Admission, kind: string): readonly LimitRange[] {
  const { resource, subresource, namespace } = route;
  if (resource.group !== '' || resource.kind !== kind || subresource !== '' || namespace === '') return [];
  if (operation === 'DELETE' || operation === 'CONNECT') return [];
  if (kind === 'Pod' && operation === 'UPDATE') return [];
  return old?.metadata.deletionTimestamp !== undefined ? [] : list<LimitRange>(state, limitRanges, namespace);
}

const limitsOf = (range: LimitRange): readonly Limit[] => range.spec?.limits ?? [];

// ── defaults ─────────────────────────────────────────────────────────────────────────────────────────────

export function defaultLimits(write: Admission, object: KubeObject): KubeObject {
  let pod = object as Pod;
  for (const range of rangesFor(write, 'Pod')) pod = withDefaults(pod, limitsOf(range));
  return pod;
}

function withDefaults(pod: Pod, limits: readonly Limit[]): Pod {
  const ofContainers = limits.filter(({ type }) => type === 'Container'), notes: string[] = [];
  const requests = Object.assign({}, ...ofContainers.map((limit) => limit.defaultRequest)) as ResourceList;
  const most = Object.assign({}, ...ofContainers.map((limit) => limit.default)) as ResourceList;
  const fill = (container: Container, kind: string): Container => {
    const { resources = {}, name } = container;
    const missing = (given: ResourceList | undefined, by: ResourceList): readonly string[] =>
      Object.keys(by).filter((key) => !Object.hasOwn(given ?? {}, key)).sort();
    const newRequests = missing(resources.requests, requests), newLimits = missing(resources.limits, most);
    if (newRequests.length + newLimits.length === 0) return container;
    if (newRequests.length > 0) notes.push(`${newRequests.join(', ')} request for ${kind} ${name}`);
    if (newLimits.length > 0) notes.push(`${newLimits.join(', ')} limit for ${kind} ${name}`);
    return {
      ...container,
      resources: {
        ...resources,
        ...newLimits.length === 0 ? {} : { limits: { ...most, ...resources.limits } },
        ...newRequests.length === 0 ? {} : { requests: { ...requests, ...resources.requests } },
      },
    };
  };
  const { containers, initContainers } = pod.spec;
  const filled = containers.map((container) => fill(container, 'container'));
  const first = initContainers?.map((container) => fill(container, 'init container'));
  if (notes.length === 0) return pod;
  const annotations = {
    ...pod.metadata.annotations, 'kubernetes.io/limit-ranger': `LimitRanger plugin set: ${notes.join('; ')}`,
  };
  const spec = { ...pod.spec, containers: filled, ...first === undefined ? {} : { initContainers: first } };
  return { ...pod, metadata: { ...pod.metadata, annotations }, spec };
}

// ── checks ───────────────────────────────────────────────────────────────────────────────────────────────

export function checkLimits(write: Admission): Problem | null {
  for (const range of rangesFor(write, 'Pod')) {
    const refused = refusal(write, podErrors(write.object as Pod, limitsOf(range)));
    if (refused !== null) return refused;
  }
  for (const range of rangesFor(write, 'PersistentVolumeClaim')) {
    const refused = refusal(write, claimErrors(write.object as KubeObject, limitsOf(range)));
    if (refused !== null) return refused;
  }
  return null;
}

function refusal(write: Admission, errors: readonly string[]): Problem | null {
  const each = [...new Set(errors)];
  if (each.length === 0) return null;
  return denied(write, each.length === 1 ? each[0] ?? '' : `[${each.join(', ')}]`);
}

interface Asked { readonly requests: ResourceList; readonly limits: ResourceList }

const askedBy = ({ resources }: Container): Asked =>
  ({ requests: resources?.requests ?? {}, limits: resources?.limits ?? {} });

function podErrors(pod: Pod, limits: readonly Limit[]): readonly string[] {
  const { containers, initContainers = [] } = pod.spec, errors: string[] = [];
  for (const limit of limits) {
    if (limit.type === 'Container') {
      for (const container of [...containers, ...initContainers]) errors.push(
        ...breaches(limit, askedBy(container)));
    } else if (limit.type === 'Pod') {
      const asked = containers.map(askedBy), before = initContainers.map(askedBy);
      errors.push(...breaches(limit, {
        requests: most(sum(asked.map(({ requests }) => requests)), before.map(({ requests }) => requests)),
        limits: most(sum(asked.map((each) => each.limits)), before.map((each) => each.limits)),
      }));
    }
  }
  return errors;
}

function claimErrors(claim: KubeObject, limits: readonly Limit[]): readonly string[] {
  const { spec } = claim as KubeObject & { spec?: { resources?: { requests?: ResourceList } } };
  const requests = spec?.resources?.requests ?? {};
  return limits.filter(({ type }) => type === 'PersistentVolumeClaim').flatMap(
    ({ type = '', min = {}, max = {} }) => [
    ...entries(min).flatMap(([name, bound]) => tooLittle(type, name, bound, { requests, limits: {} })),
    ...entries(max).flatMap(([name, bound]) => tooMuchAsked(type, name, bound, requests)),
  ]);
}

const entries = (of: ResourceList): readonly (readonly [string, string])[] =>
  Object.entries(of).map(([name, value]) => [name, String(value)] as const).sort(
    ([a], [b]) => a < b ? -1 : 1);

function breaches(
  { type = '', min = {}, max = {}, maxLimitRequestRatio = {} }: Limit, asked: Asked): readonly string[] {
  return [
    ...entries(min).flatMap(([name, bound]) => tooLittle(type, name, bound, asked)),
    ...entries(max).flatMap(([name, bound]) => tooMuch(type, name, bound, asked)),
    ...entries(maxLimitRequestRatio).flatMap(([name, bound]) => tooFarApart(type, name, bound, asked)),
  ];
}

const given = (of: ResourceList, name: string): string | null =>
  Object.hasOwn(of, name) ? canonicalQuantity(String(of[name])) : null;
const nanosOf = (text: string): bigint => parseQuantity(text)?.nano ?? 0n;

function tooLittle(
  type: string, name: string, bound: string, { requests, limits }: Asked): readonly string[] {
  const least = canonicalQuantity(bound), usage = `minimum ${name} usage per ${type} is ${least}`;
  const request = given(requests, name), limit = given(limits, name);
  if (request === null) return [`${usage}.  No request is specified`];
  if (nanosOf(request) < nanosOf(least)) return [`${usage}, but request is ${request}`];
  return limit !== null && nanosOf(limit) < nanosOf(least) ? [`${usage}, but limit is ${limit}`] : [];
}

function tooMuch(type: string, name: string, bound: string, { requests, limits }: Asked): readonly string[] {
  const top = canonicalQuantity(bound), usage = `maximum ${name} usage per ${type} is ${top}`;
  const request = given(requests, name), limit = given(limits, name);
  if (limit === null) return [`${usage}.  No limit is specified`];
  if (nanosOf(limit) > nanosOf(top)) return [`${usage}, but limit is ${limit}`];
  return request !== null && nanosOf(request) > nanosOf(top) ? [`${usage}, but request is ${request}`] : [];
}

function tooMuchAsked(type: string, name: string, bound: string, requests: ResourceList): readonly string[] {
  const top = canonicalQuantity(bound), usage = `maximum ${name} usage per ${type} is ${top}`;
  const request = given(requests, name);
  if (request === null) return [`${usage}.  No request is specified`];
  return nanosOf(request) > nanosOf(top) ? [`${usage}, but request is ${request}`] : [];
}

function tooFarApart(
  type: string, name: string, bound: string, { requests, limits }: Asked): readonly string[] {
  const top = canonicalQuantity(bound), usage = `${name} max limit to request ratio per ${type} is ${top}`;
  const request = nanosOf(given(requests, name) ?? '0'), limit = nanosOf(given(limits, name) ?? '0');
  if (request === 0n) return [`${usage}, but no request is specified or request is 0`];
  if (limit === 0n) return [`${usage}, but no limit is specified or limit is 0`];
  if (limit * 1_000_000_000n <= nanosOf(top) * request) return [];
  return [`${usage}, but provided ratio is ${(Number(limit) / Number(request)).toFixed(6)}`];
}

// ── a pod's own ──────────────────────────────────────────────────────────────────────────────────────────

/** What all containers ask for together; nothing where one of them does not say. */
function sum(lists: readonly ResourceList[]): ResourceList {
  const total: Record<string, string> = {};
  for (const name of new Set(lists.flatMap((each) => Object.keys(each)))) {
    const values = lists.map((each) => given(each, name));
    if (values.some((value) => value === null)) continue;
    const nano = values.reduce((whole, value) => whole + nanosOf(value ?? '0'), 0n);
    total[name] = formatQuantity({ nano, format: 'decimal' } satisfies Quantity);
  }
  return total;
}

/** Init containers run one by one, before the others: the largest of them counts if it is larger. */
function most(together: ResourceList, alone: readonly ResourceList[]): ResourceList {
  const out: Record<string, string> = { ...together };
  for (const each of alone) {
    for (const [name, value] of entries(each)) {
      const known = given(out, name);
      if (known === null || nanosOf(value) > nanosOf(known)) out[name] = canonicalQuantity(value);
    }
  }
  return out;
}
