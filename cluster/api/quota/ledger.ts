// A quota that is being charged: what it limits, what is used of it by now, and whom it concerns.
//
// It is held to what `status.hard` says, not `spec.hard`: until the controller has counted what there is, a
// limit is not in force, as in Kubernetes.
// What always holds: a refusal changes nothing; nothing is used less than not at all.
// Source of facts: Kubernetes apiserver pkg/admission/plugin/resourcequota/controller.go (CheckRequest: order
// and messages), pkg/quota/v1/generic/evaluator.go (Matches), apimachinery labels (what NotIn means of a name
// that is not there).

import { sameContent } from '../../canonical.ts';
import type { ResourceName } from '../../ids.ts';
import { resources } from '../objects.ts';
import type { Quantity } from '../quantity.ts';
import { at, listAt, textAt, textsAt } from '../resources/fields.ts';
import type { KubeObject, Pod, ResourceList } from '../types.ts';
import { amountsOf, listOf, plus, shownAmounts, sortedNames, zero } from './amounts.ts';
import type { Amounts } from './amounts.ts';
import { unsaid } from './pods.ts';
import { claims, isCounted, usageOf } from './usage.ts';
import type { Usage } from './usage.ts';

export interface ResourceQuota extends KubeObject {
  readonly spec?: {
    readonly hard?: ResourceList; readonly scopes?: readonly string[];
    readonly scopeSelector?: { readonly matchExpressions?: readonly unknown[] };
  };
  readonly status?: { readonly hard?: ResourceList; readonly used?: ResourceList };
}

interface Scope { readonly name: string; readonly operator: string; readonly values: readonly string[] }

export interface Ledger {
  readonly quota: ResourceQuota;
  readonly hard: Amounts;
  readonly used: Map<string, Quantity>;
  readonly scopes: readonly Scope[];
  changed: boolean;
}

export function openLedger(quota: ResourceQuota): Ledger {
  return {
    quota, hard: amountsOf(quota.status?.hard), used: amountsOf(quota.status?.used), scopes: scopesOf(quota),
    changed: false,
  };
}

/** The quota as it is charged by now: nothing but `status.used` is another. */
export function closedLedger({ quota, used }: Ledger): ResourceQuota {
  return { ...quota, status: { ...quota.status, used: listOf(used) } };
}

/** An object that a command makes (`before` null), changes, or takes away (`now` null). */
export interface Moved {
  readonly resource: ResourceName;
  readonly before: KubeObject | null;
  readonly now: KubeObject | null;
}

/** Charges it, or says why it can't be: `exceeded quota: …` and the like. */
export function charge(ledger: Ledger, moved: Moved): string | null {
  const { hard, used, quota } = ledger, { resource, before, now } = moved;
  const names = sortedNames(hard).filter((name) => isCounted(resource, name));
  if (names.length === 0) return null;
  const old = before === null ? null : usageOf(resource, before);
  const next = now === null ? null : usageOf(resource, now);
  const from = old !== null && fits(ledger.scopes, old) ? old : null;
  const to = next !== null && fits(ledger.scopes, next) ? next : null;
  const judged = to !== null && isJudged(moved, from !== null);
  const { name } = quota.metadata;
  if (judged) {
    const unspoken = before === null && resource === resources.pods ? unsaid(now as Pod, names) : null;
    if (unspoken !== null) return `failed quota: ${name}: ${unspoken}`;
    if (names.some((each) => !used.has(each))) {
      return `status unknown for quota: ${name}, resources: ${names.join(',')}`;
    }
  }
  const asked = new Map<string, Quantity>(), back = givesBack(moved);
  for (const each of names) {
    const amount = to?.amounts.get(each) ?? zero, gone = from?.amounts.get(each) ?? zero;
    const nano = amount.nano - gone.nano;
    if (nano > 0n || (nano < 0n && back)) asked.set(each, { nano, format: amount.format });
  }
  if (judged) {
    const exceeded = names.filter((each) => (asked.get(each)?.nano ?? 0n) > 0n
      && plus(used.get(each) ?? zero, asked.get(each) ?? zero).nano > (hard.get(each) ?? zero).nano);
    if (exceeded.length > 0) {
      return `exceeded quota: ${name}, requested: ${shownAmounts(asked, exceeded)}, `
        + `used: ${shownAmounts(used, exceeded)}, limited: ${shownAmounts(hard, exceeded)}`;
    }
  }
  for (const [each, amount] of asked) add(ledger, each, amount);
  return null;
}

function add(ledger: Ledger, name: string, amount: Quantity): void {
  const known = ledger.used.get(name);
  // Nobody has counted it yet, and who does will find this.
  if (known === undefined) return;
  const sum = plus(known, amount);
  ledger.used.set(name, sum.nano < 0n ? zero : sum);
  ledger.changed = true;
}

/** Whether it may be refused: what is there already is not, unless it grows by what is written into it. */
function isJudged({ resource, before, now }: Moved, counted: boolean): boolean {
  if (before === null || before.metadata.uid !== now?.metadata.uid) return true;
  switch (resource) {
    // What a pod asks for grows by a resize; under other scopes it may come by itself.
    case resources.pods: return counted;
    case resources.services: return true;
    // A claim that is enlarged step by step says so in its status, which nobody can refuse.
    case claims: return !sameContent(at(before, 'spec'), at(now, 'spec'));
    default: return resource === 'resource.k8s.io/resourceclaims';
  }
}

/**
 * Whether what is used less now is given back at once. Not of a pod that was on its way out: it may have
 * taken so long that it does not count any more, which only time tells; the controller, who knows it, counts
 * anew.
 */
export function givesBack({ resource, before }: Moved): boolean {
  return resource !== resources.pods || before?.metadata.deletionTimestamp === undefined;
}

// ── scopes ───────────────────────────────────────────────────────────────────────────────────────────────

export function scopesOf(quota: ResourceQuota): readonly Scope[] {
  return [
    ...textsAt(quota, 'spec.scopes').map((name) => ({ name, operator: 'Exists', values: [] })),
    ...listAt(quota, 'spec.scopeSelector.matchExpressions').map((one) => ({
      name: textAt(one, 'scopeName'), operator: textAt(one, 'operator'), values: textsAt(one, 'values'),
    })),
  ];
}

/** Whether the quota is about objects like this: all its scopes must be. */
export function fits(scopes: readonly Scope[], usage: Usage): boolean {
  return scopes.every((scope) => isIn(scope, usage));
}

function isIn(scope: Scope, { pod, volumeClasses }: Usage): boolean {
  if (volumeClasses !== null) {
    return scope.name === 'VolumeAttributesClass' && isPicked(scope, volumeClasses);
  }
  if (pod === null) return false;
  switch (scope.name) {
    case 'Terminating': return pod.terminating;
    case 'NotTerminating': return !pod.terminating;
    case 'BestEffort': return pod.bestEffort;
    case 'NotBestEffort': return !pod.bestEffort;
    case 'PriorityClass': return isPicked(scope, pod.priorityClass === '' ? [] : [pod.priorityClass]);
    case 'CrossNamespacePodAffinity': return pod.crossNamespace;
    default: return false;
  }
}

/** Whether the selector picks one of the names; where there are none, what it says of that. */
function isPicked({ operator, values }: Scope, names: readonly string[]): boolean {
  switch (operator) {
    case 'Exists': return names.length > 0;
    case 'DoesNotExist': return names.length === 0;
    case 'In': return names.some((name) => values.includes(name));
    case 'NotIn': return names.length === 0 || names.some((name) => !values.includes(name));
    default: return false;
  }
}
