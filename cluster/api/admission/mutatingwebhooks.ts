// MutatingWebhookConfiguration: servers of the users' own that may change what is written.
//
// Source of facts: k8s.io/apiserver pkg/admission/plugin/webhook/mutating (dispatcher.go,
// reinvocationcontext.go).
// What always holds: each sees what those before it made of the object; one with `reinvocationPolicy:
// IfNeeded` sees once more what was changed after it, and no more than once; nobody comes to own what they
// set, and none of them changes who owns what.

import { sameContent } from '../../canonical.ts';
import { isObject, isTooDeep } from '../body.ts';
import type { Json } from '../body.ts';
import { isWanted } from '../callout/call.ts';
import { parseJson } from '../json.ts';
import { isPatchRefusal, jsonPatch } from '../patch/json.ts';
import { decodeBase64Text } from '../resources/base64.ts';
import type { Resource } from '../resource.ts';
import { isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject } from '../types.ts';
import { decodeAs } from '../write.ts';
import type { Admission } from './attributes.ts';
import { CallFailure, failureOf, hooksOf, internalError, invocationOf, judgement, refusalOf, seenIn,
  webhookResources } from './webhooks.ts';
import type { Hook, Verdict } from './webhooks.ts';

/** What one round of webhooks leaves for the next. */
export interface Rounds {
  round: number;
  /** The object as the round before left it. */
  left: KubeObject | null;
  /** Those that were asked and may be asked once more … */
  readonly before: Set<string>;
  /** … and those of them that have something new to see. */
  readonly again: Set<string>;
}

export const newRounds = (): Rounds => ({ round: 0, left: null, before: new Set(), again: new Set() });

const idOf = ({ configuration, webhook }: Hook): string => `${configuration}/${webhook.name}`;

/** The object as the webhooks would have it, or the refusal of one of them. */
export function mutatingWebhooks(write: Admission, given: KubeObject, rounds: Rounds): KubeObject | Problem {
  const { before, again } = rounds, repeats = rounds.round > 0;
  const changed = (): void => {
    for (const each of before) again.add(each);
    before.clear();
  };
  if (repeats && rounds.left !== null && !sameContent(rounds.left, given)) changed();
  let object = given;
  for (const hook of hooksOf(write, webhookResources.mutating)) {
    if (repeats && !again.has(idOf(hook))) continue;
    const next = invoked({ ...write, object }, object, hook, rounds.round);
    if (isProblem(next)) return next;
    if (next === null) continue;
    if (next !== object) changed();
    object = next;
    if (hook.webhook.reinvocationPolicy === 'IfNeeded') before.add(idOf(hook));
  }
  rounds.left = object;
  rounds.round += 1;
  return object;
}

/** The object after one webhook, the same one where it changes nothing; null: it is not concerned. */
function invoked(write: Admission, object: KubeObject, hook: Hook, round: number,
): KubeObject | Problem | null {
  const invocation = invocationOf(write, hook);
  if (isProblem(invocation) || invocation === null) return invocation;
  const verdict = judgement(write, invocation, true);
  if (isWanted(verdict) || isProblem(verdict)) return verdict;
  const phase = `mutation.webhook.admission.k8s.io/round_${round}`, { configuration, webhook } = hook;
  const told = (mutated: boolean): void =>
    void write.audit.set(`${phase}_index_${hook.index}`,
      JSON.stringify({ configuration, webhook: webhook.name, mutated }));
  if (verdict instanceof CallFailure) {
    told(false);
    return failureOf(hook, verdict, write, phase) ?? object;
  }
  if (!verdict.allowed) return refusalOf(webhook.name, verdict);
  const next = patched(write, object, invocation.seenAs, verdict);
  if (isProblem(next)) return next;
  told(!(next instanceof CallFailure) && next !== object);
  return next instanceof CallFailure ? failureOf(hook, next, write, phase) ?? object : next;
}

function patched(write: Admission, object: KubeObject, seenAs: Resource, { patch, patchType }: Verdict,
): KubeObject | CallFailure | Problem {
  if (patch === '') return object;
  if (patchType !== 'JSONPatch') {
    return new CallFailure(`unsupported patch type ${JSON.stringify(patchType)}`);
  }
  const operations = read(patch);
  if (operations === undefined || !Array.isArray(operations)) {
    return new CallFailure('received undecodable patch in webhook response: '
      + 'json: cannot unmarshal into Go value of type jsonpatch.Patch');
  }
  if (operations.length === 0) return object;
  const { resource } = write.writing.route;
  const made = jsonPatch(seenIn(seenAs, resource, object) as unknown as Json, operations as Json);
  if (isPatchRefusal(made)) return internalError(made.refused);
  if (isTooDeep(made)) return internalError('the patched object is nested too deep');
  const decoded = decodeAs({ value: made, duplicates: [] }, seenAs);
  if (isProblem(decoded)) return internalError(decoded.problem.message ?? '');
  const { metadata } = decoded.value, { managedFields } = object.metadata;
  const kept = { ...isObject(metadata ?? null) ? metadata as object : {},
    ...managedFields === undefined ? {} : { managedFields } };
  const whole = seenAs.defaults({ ...decoded.value, metadata: kept } as unknown as KubeObject);
  const next = seenIn(resource, seenAs, whole);
  return sameContent(next, object) ? object : next;
}

/** The patch, which is JSON in base64. */
function read(patch: string): Json | undefined {
  const text = decodeBase64Text(patch);
  const body = text === null ? null : parseJson(text);
  return body === null || isProblem(body) ? undefined : body.value;
}
