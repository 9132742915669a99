// ValidatingWebhookConfiguration: servers of the users' own that have a say in each write.
//
// Source of facts: k8s.io/apiserver pkg/admission/plugin/webhook/validating (dispatcher.go).
// What always holds: all are asked at once; the refusal of the first in their order is what the client hears.

import { isWanted, Wanted } from '../callout/call.ts';
import type { Callout } from '../callout/call.ts';
import { isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { Admission } from './attributes.ts';
import { CallFailure, failureOf, hooksOf, invocationOf, judgement, refusalOf,
  webhookResources } from './webhooks.ts';

export function validatingWebhooks(write: Admission): Problem | null {
  const wanted: Callout[] = [];
  let first: Problem | null = null;
  for (const hook of hooksOf(write, webhookResources.validating)) {
    const invocation = invocationOf(write, hook);
    if (isProblem(invocation)) return invocation;
    if (invocation === null) continue;
    const verdict = judgement(write, invocation, false);
    if (isWanted(verdict)) wanted.push(...verdict.calls);
    else if (isProblem(verdict)) first ??= verdict;
    else if (verdict instanceof CallFailure) first ??= failureOf(hook, verdict, write, phase);
    else if (!verdict.allowed) first ??= refusalOf(hook.webhook.name, verdict);
  }
  return wanted.length > 0 ? new Wanted(wanted) : first;
}

const phase = 'validating.webhook.admission.k8s.io/round_0';
