// What mutating and validating webhooks have in common: which of them a write concerns, in which version they
// see it, what they are asked, and what their answer says.
//
// Source of facts: k8s.io/apiserver pkg/admission/plugin/webhook (generic ShouldCallHook, rules, request,
// errors), api/admission/v1 (AdmissionReview), conformance tests "AdmissionWebhook".
// What always holds: webhooks come in the order of their configurations' names; a write of a webhook
// configuration is shown to none, or nobody could mend a wrong one. A webhook that can't be asked, or answers
// nonsense, has its `failurePolicy` decide.

import { limits } from '../../limits.ts';
import { resourceName } from '../../ids.ts';
import type { ResourceName } from '../../ids.ts';
import { list } from '../../state/query.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { answerOf, isWanted } from '../callout/call.ts';
import type { Callout, Wanted } from '../callout/call.ts';
import { failedCall, failureText } from '../callout/failure.ts';
import { readAnswer, reviewCall, reviewPath, reviewVersionOf } from '../callout/review.ts';
import type { ReviewAnswer } from '../callout/review.ts';
import { targetOf } from '../callout/target.ts';
import type { ClientConfig, Target } from '../callout/target.ts';
import { compileAs } from '../cel/compile.ts';
import { types } from '../cel/types.ts';
import { registryOf } from '../registry.ts';
import type { Resource } from '../resource.ts';
import { isProblem, problem } from '../status.ts';
import type { Problem } from '../status.ts';
import { storedForm, viewOf } from '../storage.ts';
import type { KubeObject, LabelSelector } from '../types.ts';
import { denied } from './attributes.ts';
import type { Admission } from './attributes.ts';
import { bindingsOf, environmentOf } from './expressions.ts';
import { namespaceMatches, objectMatches, ruleFits } from './match.ts';
import type { ResourceRule } from './match.ts';
import { conditionsHold, namespaceWritten } from './policies.ts';
import type { Condition, NamedExpression } from './policies.ts';

export interface Webhook {
  readonly name: string;
  readonly clientConfig?: ClientConfig;
  readonly rules?: readonly ResourceRule[];
  readonly failurePolicy?: string;
  readonly matchPolicy?: string;
  readonly namespaceSelector?: LabelSelector;
  readonly objectSelector?: LabelSelector;
  readonly matchConditions?: readonly NamedExpression[];
  readonly sideEffects?: string;
  readonly timeoutSeconds?: number;
  readonly admissionReviewVersions?: readonly string[];
  readonly reinvocationPolicy?: string;
}

interface Configuration extends KubeObject { readonly webhooks?: readonly Webhook[] }

const group = 'admissionregistration.k8s.io';

export const webhookResources = {
  mutating: resourceName(`${group}/mutatingwebhookconfigurations`),
  validating: resourceName(`${group}/validatingwebhookconfigurations`),
} as const;

const unjudged: readonly string[] = Object.values(webhookResources);

// ── which are asked ──────────────────────────────────────────────────────────────────────────────────────

/** A webhook among all of its kind. */
export interface Hook {
  /** Where it stands among them; part of the names of its audit annotations. */
  readonly index: number;
  readonly configuration: string;
  readonly webhook: Webhook;
}

/** None where nobody can be asked: what Shoal's own controllers write is shown to no webhook. */
export function hooksOf({ writing }: Admission, of: ResourceName): readonly Hook[] {
  const { state, route, context } = writing;
  if (context.answers === undefined || unjudged.includes(route.resourceName)) return [];
  const configurations = list<Configuration>(state, of);
  if (configurations.length === 0) return [];
  return configurations.flatMap(({ metadata, webhooks = [] }) =>
    webhooks.map((webhook) => ({ configuration: metadata.name, webhook })))
    .map((each, index) => ({ ...each, index }));
}

/** The write as a webhook sees it: in the version that its rules name, if not in that of the request. */
export interface Invocation { readonly hook: Hook; readonly seenAs: Resource }

/** Null: the webhook is not concerned. */
export function invocationOf(write: Admission, hook: Hook): Invocation | Problem | null {
  const { webhook } = hook, { resource } = write.writing.route;
  const inNamespace = namespaceMatches(write, webhook.namespaceSelector);
  if (inNamespace === false || !objectMatches(write, webhook.objectSelector)) return null;
  const { rules = [] } = webhook;
  const seenAs = rules.some((rule) => ruleFits(write, rule, resource.version)) ? resource
    : webhook.matchPolicy === 'Exact' ? null : equivalentOf(write, rules);
  if (seenAs === null) return null;
  if (isProblem(inNamespace)) return inNamespace;
  const holds = fulfils(write, webhook);
  if (isProblem(holds)) return holds;
  return holds ? { hook, seenAs } : null;
}

/** The same kind in another version, the first that a rule names. */
function equivalentOf(write: Admission, rules: readonly ResourceRule[]): Resource | null {
  const { writing: { state, route: { resource } } } = write;
  const others = registryOf(state).all().filter((each) => each.group === resource.group
    && each.resource === resource.resource && each.version !== resource.version);
  for (const rule of rules) {
    const found = others.find(({ version }) => ruleFits(write, rule, version));
    if (found !== undefined) return resource.scoped?.(found) ?? found;
  }
  return null;
}

/** By the webhook in the stored configuration, which is another one as soon as anything in it changes. */
const compiledConditions = new WeakMap<Webhook, readonly Condition[]>();

function conditionsOf(webhook: Webhook): readonly Condition[] {
  const known = compiledConditions.get(webhook);
  if (known !== undefined) return known;
  const environment = environmentOf({ params: false, authorizer: true, variables: new Map() });
  const compiled = (webhook.matchConditions ?? []).map((each) =>
    ({ ...each, compiled: compileAs(each.expression, environment, [types.bool]) }));
  compiledConditions.set(webhook, compiled);
  return compiled;
}

/** Its matchConditions; what can't be told is a refusal, unless the webhook's failures are to be ignored. */
function fulfils(write: Admission, webhook: Webhook): boolean | Problem {
  const conditions = conditionsOf(webhook);
  if (conditions.length === 0) return true;
  const namespace = namespaceWritten(write);
  if (isProblem(namespace)) return namespace;
  const holds = conditionsHold(conditions, bindingsOf(write, { params: null, namespace, variables: [] }));
  if (typeof holds !== 'string') return holds;
  return webhook.failurePolicy === 'Ignore' ? false : denied(write, holds);
}

// ── what they are asked ──────────────────────────────────────────────────────────────────────────────────

/** The object as this version of its kind shows it. */
export function seenIn(resource: Resource, from: Resource, object: KubeObject): KubeObject {
  return resource === from ? object : viewOf(resource, storedForm(from, object));
}

const identity = ({ group: of, version, resource }: Resource): JsonObject =>
  ({ group: of, version, resource });

function requestOf(write: Admission, { seenAs }: Invocation): JsonObject {
  const { writing: { request, route }, object, old, operation, dryRun, options, name } = write;
  const { resource, subresource, namespace } = route, { kind } = write;
  // A subresource's own kind (Scale, Binding) is the same in all versions of what it hangs on.
  const itself = kind.kind === resource.kind && kind.group === resource.group;
  const seenKind = itself ? { ...kind, version: seenAs.version } : kind;
  const shown = (one: KubeObject | null): Json =>
    (one === null ? null : itself ? seenIn(seenAs, resource, one) : one) as Json;
  const { name: username, groups, uid = '', extra = {} } = request.user;
  const below = subresource === '' ? {} : { subResource: subresource };
  const requestBelow = subresource === '' ? {} : { requestSubResource: subresource };
  return {
    kind: { ...seenKind }, resource: identity(seenAs), ...below,
    requestKind: { ...kind }, requestResource: identity(resource), ...requestBelow,
    ...name === '' ? {} : { name },
    ...namespace === '' ? isNamespace(write) ? { namespace: name } : {} : { namespace },
    operation,
    userInfo: {
      username, ...uid === '' ? {} : { uid }, groups: [...groups],
      ...Object.keys(extra).length === 0 ? {} : { extra: extra as unknown as JsonObject },
    },
    object: shown(object), oldObject: shown(old), dryRun,
    options: Object.keys(options).length === 0 || operation === 'CONNECT' ? null : options,
  };
}

/** The namespace of a Namespace is taken to be itself. */
const isNamespace = ({ writing: { route: { resource } } }: Admission): boolean =>
  resource.kind === 'Namespace' && resource.group === '';

function questionOf(write: Admission, invocation: Invocation, target: Target): Callout {
  const { webhook } = invocation.hook, { context } = write.writing;
  return reviewCall(target, timeoutOf(webhook), {
    kind: 'AdmissionReview', apiVersion: `admission.k8s.io/${reviewVersion(webhook) ?? 'v1'}`,
    uid: context.uid(), fields: JSON.stringify(requestOf(write, invocation)).slice(1, -1),
  });
}

const timeoutOf = ({ timeoutSeconds }: Webhook): number =>
  timeoutSeconds === undefined ? limits.webhookTimeoutMs : timeoutSeconds * 1_000;

const reviewVersion = ({ admissionReviewVersions = [] }: Webhook): string | null =>
  reviewVersionOf(admissionReviewVersions);

// ── what they answer ─────────────────────────────────────────────────────────────────────────────────────

export interface Verdict {
  readonly allowed: boolean;
  /** The Status that a refusal carries. */
  readonly result: JsonObject;
  /** Base64; empty: none. */
  readonly patch: string;
  readonly patchType: string;
}

/** The call failed, and why, as ErrCallingWebhook words it. */
export class CallFailure {
  readonly why: string;

  constructor(why: string) {
    this.why = why;
  }
}

/**
 * The webhook's verdict; a `Wanted` while its answer is not known; a problem where it may not be asked. What
 * it says besides (warnings, audit annotations) is added to the write.
 */
export function judgement(
  write: Admission, invocation: Invocation, mutating: boolean,
): Verdict | CallFailure | Wanted | Problem {
  const { webhook } = invocation.hook, { name, clientConfig = {}, sideEffects } = webhook;
  if (write.dryRun && sideEffects !== 'None' && sideEffects !== 'NoneOnDryRun') {
    return problem(400, 'BadRequest', `admission webhook ${JSON.stringify(name)} does not support dry run`);
  }
  if (reviewVersion(webhook) === null) {
    return new CallFailure('could not create admission objects: webhook does not accept known '
      + 'AdmissionReview versions (v1, v1beta1)');
  }
  const target = targetOf(write.writing.state, clientConfig);
  const path = reviewPath(target, timeoutOf(webhook));
  const failed = (why: string): CallFailure =>
    new CallFailure(`failed to call webhook: ${failedCall(target, 'POST', path, why)}`);
  if (target.unresolved !== '') return failed(target.unresolved);
  const answer = answerOf(write.writing.context.answers, questionOf(write, invocation, target));
  if (isWanted(answer)) return answer;
  const { result } = answer;
  if (!result.ok) return failed(failureText(result.failure));
  const review = readReview(answer.uid, readAnswer(result), mutating, webhook);
  if (review instanceof CallFailure) return review;
  heed(write, name, review);
  return verdictOf(review);
}

/** The `response` of the review, if the review is one. */
function readReview(
  uid: string, answer: ReviewAnswer, mutating: boolean, webhook: Webhook,
): JsonObject | CallFailure {
  if ('wrong' in answer) {
    const parse = answer.wrong === 'text' ? 'couldn\'t get version/kind; json parse error: ' : '';
    return new CallFailure(`failed to call webhook: ${parse}${answer.why}`);
  }
  const { value } = answer;
  const version = reviewVersion(webhook) ?? '', { response, apiVersion = '', kind = '' } = value;
  const given = `${String(apiVersion)}, Kind=${String(kind)}`;
  const invalid = (why: string): CallFailure =>
    new CallFailure(`received invalid webhook response: ${why}`);
  if (!isObject(response)) return invalid('webhook response was absent');
  const { uid: said = '', patch = '', patchType = null } = response;
  if (version === 'v1') {
    if (said !== uid) {
      return invalid(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(said)}`);
    }
    if (given !== 'admission.k8s.io/v1, Kind=AdmissionReview') {
      return invalid(`expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${given}`);
    }
    const hasPatch = typeof patch === 'string' && patch !== '', hasType = patchType !== null;
    if (!mutating && hasPatch) return invalid('validating webhook may not return response.patch');
    if (!mutating && hasType) return invalid('validating webhook may not return response.patchType');
    if (hasPatch && !hasType) return invalid('webhook returned response.patch but not response.patchType');
    if (!hasPatch && hasType) return invalid('webhook returned response.patchType but not response.patch');
    if (patchType === '') return invalid('webhook returned invalid response.patchType of ""');
  }
  return response;
}

/** Its warnings and audit annotations. */
function heed(write: Admission, name: string, { warnings, auditAnnotations }: JsonObject): void {
  for (const warning of Array.isArray(warnings) ? warnings as readonly Json[] : []) {
    if (typeof warning === 'string') write.warnings.push(warning);
  }
  if (!isObject(auditAnnotations ?? null)) return;
  for (const [key, value] of Object.entries(auditAnnotations as JsonObject)) {
    if (typeof value === 'string') write.audit.set(`${name}/${key}`, value);
  }
}

function verdictOf({ allowed, status, patch, patchType }: JsonObject): Verdict {
  return {
    allowed: allowed === true, result: isObject(status ?? null) ? status as JsonObject : {},
    patch: typeof patch === 'string' ? patch : '',
    patchType: typeof patchType === 'string' ? patchType : 'JSONPatch',
  };
}

/** A refusal is told with the webhook's own code and reason. */
export function refusalOf(name: string, { result }: Verdict): Problem {
  const text = (field: string): string => {
    const value = result[field];
    return typeof value === 'string' ? value.slice(0, limits.calloutMessageCharsMax) : '';
  };
  const by = `admission webhook ${JSON.stringify(name)} denied the request`;
  const message = text('message'), reason = text('reason'), { code } = result;
  const said = message !== '' ? `: ${message}` : reason !== '' ? `: ${reason}` : ' without explanation';
  const status = typeof code === 'number' && Number.isInteger(code) && code >= 400 && code < 600 ? code : 400;
  const { details } = result;
  return isObject(details ?? null)
    ? problem(status, reason, `${by}${said}`, details as NonNullable<Parameters<typeof problem>[3]>)
    : problem(status, reason, `${by}${said}`);
}

/** Where the call itself failed: a problem, unless the webhook's failures are ignored. */
export function failureOf({ webhook, configuration, index }: Hook, { why }: CallFailure, write: Admission,
  phase: string): Problem | null {
  const text = `failed calling webhook ${JSON.stringify(webhook.name)}: ${why}`;
  if (webhook.failurePolicy === 'Ignore') {
    write.audit.set(`failed-open.${phase}_index_${index}`, `${configuration}/${webhook.name}`);
    return null;
  }
  return internalError(text);
}

export const internalError = (why: string): Problem =>
  problem(500, 'InternalError', `Internal error occurred: ${why}`, { causes: [{ message: why } as never] });
