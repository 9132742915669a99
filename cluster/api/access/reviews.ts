// SubjectAccessReview and its kin: who may do what, and who is asking. Asked and answered, never stored.
//
// Source: Kubernetes, pkg/registry/authorization and pkg/apis/authorization/validation;
// authorization.k8s.io/v1 and authentication.k8s.io/v1. Selectors of an access review are accepted and
// judged: RBAC does not look at them, as in Kubernetes.

import type { State } from '../../state/state.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject, ParsedBody } from '../body.ts';
import { conform } from '../decode.ts';
import { schemaOf } from '../kinds/schema.ts';
import { apiVersionOf } from '../output.ts';
import type { UserInfo } from '../request.ts';
import { invalid as invalidValue, required, forbidden, sameJson } from '../resources/validate.ts';
import type { Errors } from '../resources/validate.ts';
import { badRequest, invalid, isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import { rfc3339 } from '../time.ts';
import type { PolicyRule } from '../types.ts';
import type { Attributes } from './attributes.ts';
import { authorize, rulesFor } from './authorize.ts';
import { shownUser } from './tokenreview.ts';

export type AccessReview =
  | 'SubjectAccessReview' | 'LocalSubjectAccessReview' | 'SelfSubjectAccessReview' | 'SelfSubjectRulesReview'
  | 'SelfSubjectReview';

/** `namespace`: that of the path, of a LocalSubjectAccessReview. */
export interface ReviewAsked {
  readonly kind: AccessReview;
  readonly namespace: string;
  readonly user: UserInfo;
  readonly state: State;
}

/** The review with its answer, around what was asked. */
export function reviewOf(asked: ReviewAsked, body: ParsedBody, nowWallMs: number): object | Problem {
  const { kind } = asked, group = kind === 'SelfSubjectReview' ? 'authentication.k8s.io' : authorization;
  const apiVersion = apiVersionOf({ group, version: 'v1' });
  const schema = schemaOf(`io.k8s.api.${group.slice(0, group.indexOf('.'))}.v1.${kind}`);
  const decoded = conform(body, schema, kind, 'v1');
  if (isProblem(decoded)) return decoded;
  const mistaken = nameProblem(decoded.value, kind, apiVersion);
  if (mistaken !== null) return mistaken;
  const metadata = objectAt(decoded.value, 'metadata'), spec = objectAt(decoded.value, 'spec');
  const status = statusOf(asked, metadata, spec);
  if (isProblem(status)) return status;
  if (kind !== 'SelfSubjectReview') return { kind, apiVersion, metadata, spec, status };
  return { kind, apiVersion, metadata: { creationTimestamp: rfc3339(nowWallMs) }, status };
}

const authorization = 'authorization.k8s.io';

const objectAt = (value: JsonObject, name: string): JsonObject => {
  const found = value[name];
  return isObject(found) ? found : {};
};

function nameProblem(value: JsonObject, kind: string, apiVersion: string): Problem | null {
  const named = value['kind'] ?? kind, version = value['apiVersion'] ?? apiVersion;
  if (named !== '' && named !== kind) {
    return badRequest(`${String(named)} in version "v1" cannot be handled as a ${kind}: the kind in the data `
      + `(${String(named)}) does not match the expected kind (${kind})`);
  }
  return version === '' || version === apiVersion ? null
    : badRequest(`the API version in the data (${String(version)}) does not match the expected API version `
      + `(${apiVersion})`);
}

function statusOf(asked: ReviewAsked, metadata: JsonObject, spec: JsonObject): object | Problem {
  const { kind, user, state } = asked;
  switch (kind) {
    case 'SelfSubjectReview': return { userInfo: shownUser(user) };
    case 'SelfSubjectRulesReview': {
      const namespace = textAt(spec, 'namespace');
      return namespace === '' ? badRequest('no namespace on request') : rulesStatus(user, namespace, state);
    }
    case 'SelfSubjectAccessReview': case 'SubjectAccessReview': case 'LocalSubjectAccessReview': {
      const errors = errorsOf(asked, metadata, spec);
      if (errors.length > 0) return invalid({ group: authorization, resource: '', kind }, '', errors);
      const local = kind === 'LocalSubjectAccessReview', wanted = local ? asked.namespace : '';
      const named = textAt(metadata, 'namespace');
      if (local && named !== '' && named !== wanted) {
        return badRequest(`the namespace of the object (${named}) does not match the namespace on the URL `
          + `(${wanted})`);
      }
      const whom = kind === 'SelfSubjectAccessReview' ? user : userIn(spec);
      const { allowed, reason } = authorize(attributesIn(spec), whom, state);
      return { allowed, ...reason === '' ? {} : { reason } };
    }
  }
}

// ── what is asked ────────────────────────────────────────────────────────────────────────────────────────

function textAt(value: JsonObject, name: string): string {
  const found = value[name];
  return typeof found === 'string' ? found : '';
}

function textsAt(value: JsonObject, name: string): readonly string[] {
  const found: Json = value[name] ?? [];
  return Array.isArray(found) ? (found as readonly Json[]).filter((each) => typeof each === 'string') : [];
}

function userIn(spec: JsonObject): UserInfo {
  const extra = objectAt(spec, 'extra'), uid = textAt(spec, 'uid');
  return {
    name: textAt(spec, 'user'), groups: textsAt(spec, 'groups'), ...uid === '' ? {} : { uid },
    extra: Object.fromEntries(Object.keys(extra).map((key) => [key, textsAt(extra, key)])),
  };
}

function attributesIn(spec: JsonObject): Attributes {
  const about = spec['resourceAttributes'], path = objectAt(spec, 'nonResourceAttributes');
  if (!isObject(about)) return { verb: textAt(path, 'verb'), path: textAt(path, 'path') };
  const text = (name: string): string => textAt(about, name);
  return {
    verb: text('verb'), group: text('group'), version: text('version'), resource: text('resource'),
    subresource: text('subresource'), namespace: text('namespace'), name: text('name'),
  };
}

function errorsOf({ kind, namespace }: ReviewAsked, metadata: JsonObject, spec: JsonObject): Errors {
  const errors: Errors = [], about = spec['resourceAttributes'], path = spec['nonResourceAttributes'];
  if (about !== undefined && path !== undefined) {
    invalidValue(errors, 'spec.nonResourceAttributes', path,
      'cannot be specified in combination with resourceAttributes');
  }
  if (about === undefined && path === undefined) {
    invalidValue(errors, 'spec.resourceAttributes', null,
      'exactly one of nonResourceAttributes or resourceAttributes must be specified');
  }
  if (isObject(about)) {
    for (const name of ['fieldSelector', 'labelSelector'] as const) {
      const selector = about[name], at = `spec.resourceAttributes.${name}`;
      if (isObject(selector)) selectorErrors(errors, selector, at);
    }
  }
  const named = textAt(spec, 'user') !== '' || textsAt(spec, 'groups').length > 0;
  if (kind !== 'SelfSubjectAccessReview' && !named) {
    invalidValue(errors, 'spec.user', '', 'at least one of user or group must be specified');
  }
  const local = kind === 'LocalSubjectAccessReview';
  const { managedFields: _, namespace: own, ...others } = metadata;
  if (!sameJson(local ? others : { ...others, namespace: own }, {})) {
    const which = local ? 'must be empty except for namespace' : 'must be empty';
    invalidValue(errors, 'metadata', metadata, which);
  }
  if (!local) return errors;
  if (isObject(about) && textAt(about, 'namespace') !== namespace) {
    invalidValue(errors, 'spec.resourceAttributes.namespace', textAt(about, 'namespace'),
      'must match metadata.namespace');
  }
  if (path !== undefined) {
    invalidValue(errors, 'spec.nonResourceAttributes', path, 'disallowed on this kind of request');
  }
  return errors;
}

/** Operators that are not known are let through: they come from newer clients. */
function selectorErrors(errors: Errors, selector: JsonObject, at: string): void {
  const raw = textAt(selector, 'rawSelector'), list: Json = selector['requirements'] ?? [];
  const requirements = Array.isArray(list) ? list as readonly Json[] : [];
  if (raw !== '' && requirements.length > 0) {
    invalidValue(errors, `${at}.rawSelector`, raw, 'may not specified at the same time as requirements');
  }
  if (raw === '' && requirements.length === 0) {
    required(errors, `${at}.requirements`,
      `when ${at} is specified, requirements or rawSelector is required`);
  }
  for (const [index, each] of requirements.entries()) {
    if (!isObject(each)) continue;
    const path = `${at}.requirements[${index}]`, values = textsAt(each, 'values');
    if (textAt(each, 'key') === '') required(errors, `${path}.key`, 'must be specified');
    switch (textAt(each, 'operator')) {
      case 'In': case 'NotIn':
        if (values.length > 0) break;
        required(errors, `${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
        break;
      case 'Exists': case 'DoesNotExist':
        if (values.length === 0) break;
        forbidden(errors, `${path}.values`,
          "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        break;
      default: break;
    }
  }
}

// ── rules ────────────────────────────────────────────────────────────────────────────────────────────────

function rulesStatus(user: UserInfo, namespace: string, state: State): object {
  const { rules, error } = rulesFor(user, namespace, state);
  const resourceRules = rules.filter(({ resources = [] }) => resources.length > 0)
    .map(({ verbs, apiGroups, resources, resourceNames }) => ({
      verbs, ...present('apiGroups', apiGroups), ...present('resources', resources),
      ...present('resourceNames', resourceNames),
    }));
  const nonResourceRules = rules.filter(({ nonResourceURLs = [] }) => nonResourceURLs.length > 0)
    .map(({ verbs, nonResourceURLs }) => ({ verbs, nonResourceURLs }));
  const evaluated = error === '' ? {} : { evaluationError: error };
  return { resourceRules, nonResourceRules, incomplete: false, ...evaluated };
}

const present = (name: keyof PolicyRule, list: readonly string[] | undefined): object =>
  list === undefined || list.length === 0 ? {} : { [name]: list };
