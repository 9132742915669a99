// POST serviceaccounts/NAME/token: a token for an account, bound to it and, if asked, to a pod, a node or a
// Secret. Nothing is stored: the token carries all that is to be known of it.
// Source: Kubernetes, core/serviceaccount/storage/token.go, apis/authentication/validation, serviceaccount
// claims.go.

import { objectKey } from '../../ids.ts';
import { get } from '../../state/query.ts';
import { admission, validate } from '../admission/chain.ts';
import { isObject, parseBody } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import { conform } from '../decode.ts';
import { schemaOf } from '../kinds/schema.ts';
import { metadataOf } from '../metadata.ts';
import { resources } from '../objects.ts';
import { respond } from '../output.ts';
import type { ApiContext, ApiResult } from '../request.ts';
import { badRequest, conflict, invalid, isProblem, notFound, problem } from '../status.ts';
import type { Problem } from '../status.ts';
import { rfc3339 } from '../time.ts';
import type { KubeObject, Node, ObjectMeta, Pod, StatusCause } from '../types.ts';
import { answered, strictMessage, warningsOf, writeOptions } from '../write.ts';
import type { Writing } from '../write.ts';
import { accountUserName, apiAudiences, issuer } from './authenticate.ts';
import { signToken } from './jwt.ts';
import { keyRingOf } from './keys.ts';

const schema = schemaOf('io.k8s.api.authentication.v1.TokenRequest');

const subject = { group: 'authentication.k8s.io', resource: 'tokenrequests', kind: 'TokenRequest' } as const;

interface Reference {
  readonly apiVersion?: string; readonly kind?: string; readonly name?: string; readonly uid?: string;
}
interface Spec {
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly boundObjectRef: Reference | null;
}

export function requestToken(writing: Writing): ApiResult | Problem {
  const { request, route, state, query, form, context } = writing;
  const asked = writeOptions(query, 'CreateOptions');
  if (isProblem(asked)) return asked;
  const body = parseBody(request.body, request.headers['content-type']);
  if (isProblem(body)) return body;
  const decoded = conform(body, schema, 'TokenRequest', 'v1');
  if (isProblem(decoded)) return decoded;
  if (asked.validation === 'Strict' && decoded.complaints.length > 0) {
    return badRequest('TokenRequest in version "v1" cannot be handled as a TokenRequest: '
      + strictMessage(decoded.complaints));
  }
  const wrong = kindProblem(decoded.value) ?? placeProblem(metadataOf(decoded.value), writing);
  if (wrong !== null) return wrong;
  const account = get(state, objectKey(resources.serviceAccounts, route.namespace, route.name));
  if (account === null) return notFound(route.resource, route.name);
  const spec = specOf(decoded.value);
  const causes = causesOf(spec.expirationSeconds);
  if (causes.length > 0) return invalid(subject, '', causes);
  const bound = boundTo(writing, spec.boundObjectRef);
  if (isProblem(bound)) return bound;
  const refused = validate(admission(writing, {
    operation: 'CREATE', object: { ...decoded.value, metadata: metadataOf(decoded.value) } as KubeObject,
    old: null, dryRun: asked.dryRun, name: route.name,
    kind: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
  }));
  if (refused !== null) return refused;
  const ring = keyRingOf(state);
  if (ring === null) return problem(503, 'ServiceUnavailable', 'the cluster has no token keys yet');
  const token = signToken(claimsFor(account, bound, spec, context), ring.signing);
  const { nowWallMs } = context, { namespace, name } = route;
  const answer = {
    kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1',
    metadata: { name, namespace, creationTimestamp: rfc3339(nowWallMs) }, spec,
    status: { token, expirationTimestamp: rfc3339(nowWallMs + spec.expirationSeconds * 1000) },
  };
  return answered(respond(201, JSON.stringify(answer), form, warningsOf(decoded.complaints, asked)));
}

function kindProblem({ kind = '', apiVersion = '' }: JsonObject): Problem | null {
  if (kind !== '' && kind !== 'TokenRequest') {
    return badRequest(`${String(kind)} in version "v1" cannot be handled as a TokenRequest: the kind in the `
      + `data (${String(kind)}) does not match the expected kind (TokenRequest)`);
  }
  const wanted = 'authentication.k8s.io/v1';
  return apiVersion === '' || apiVersion === wanted ? null
    : badRequest(`the API version in the data (${String(apiVersion)}) does not match the expected API `
      + `version (${wanted})`);
}

/** What the body says of the account must be what the path says, if it says so. */
function placeProblem(given: Partial<ObjectMeta>, { route }: Writing): Problem | null {
  const { name = '', namespace = '' } = given;
  const differs = (field: string, value: string): Problem => invalid(subject, route.name, [{
    reason: 'FieldValueInvalid', field: `metadata.${field}`,
    message: `Invalid value: ${JSON.stringify(value)}: must match the service account ${field} if specified`,
  }]);
  if (name !== '' && name !== route.name) return differs('name', name);
  return namespace === '' || namespace === route.namespace ? null : differs('namespace', namespace);
}

const secondsDefault = 3_600, secondsMin = 600, secondsMax = 2 ** 32;

function specOf({ spec }: JsonObject): Spec {
  const { audiences, expirationSeconds, boundObjectRef } = isObject(spec) ? spec : {};
  const named = Array.isArray(audiences) ? audiences as readonly string[] : [];
  return {
    audiences: named.length === 0 ? apiAudiences : named,
    expirationSeconds: typeof expirationSeconds === 'number' ? expirationSeconds : secondsDefault,
    boundObjectRef: isObject(boundObjectRef) ? boundObjectRef as unknown as Reference : null,
  };
}

function causesOf(seconds: number): readonly StatusCause[] {
  const wrong = (why: string): readonly StatusCause[] => [{
    reason: 'FieldValueInvalid', field: 'spec.expirationSeconds',
    message: `Invalid value: ${seconds}: ${why}`,
  }];
  if (seconds < secondsMin) return wrong('may not specify a duration less than 10 minutes');
  return seconds > secondsMax ? wrong('may not specify a duration larger than 2^32 seconds') : [];
}

/** What the token goes with: the claims that name it. */
type Bound = Readonly<Record<string, { readonly name: string; readonly uid?: string }>>;

function boundTo({ state, route }: Writing, reference: Reference | null): Bound | Problem {
  if (reference === null) return {};
  const { apiVersion = '', kind = '', name = '', uid = '' } = reference;
  const core = !apiVersion.includes('/');
  const what = core ? boundKinds.find((each) => each.kind === kind) : undefined;
  if (what === undefined) {
    const [group, version] = core ? ['', apiVersion] : apiVersion.split('/', 2);
    return badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${kind}`);
  }
  const found = get(state, objectKey(what.resource, what.kind === 'Node' ? '' : route.namespace, name));
  if (found === null) return notFound({ group: '', resource: what.plural }, name);
  if (what.kind === 'Pod' && (found as Pod).spec.serviceAccountName !== route.name) {
    return badRequest(`cannot bind token for serviceaccount ${JSON.stringify(route.name)} to pod running `
      + 'with different serviceaccount name.');
  }
  if (uid !== '' && uid !== found.metadata.uid) {
    return conflict({ group: '', resource: what.kind }, name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. `
      + 'The object might have been deleted and then recreated');
  }
  const own = { [what.claim]: { name, uid: found.metadata.uid } };
  const nodeName = what.kind === 'Pod' ? (found as Pod).spec.nodeName ?? '' : '';
  if (nodeName === '') return own;
  const node = get<Node>(state, objectKey(resources.nodes, '', nodeName));
  return { ...own, node: { name: nodeName, ...node === null ? {} : { uid: node.metadata.uid } } };
}

const boundKinds = [
  { kind: 'Pod', plural: 'pods', claim: 'pod', resource: resources.pods },
  { kind: 'Secret', plural: 'secrets', claim: 'secret', resource: resources.secrets },
  { kind: 'Node', plural: 'nodes', claim: 'node', resource: resources.nodes },
] as const;

/** A pod's token that asks for this many seconds lives for a year, so that old programs go on. */
const extendedFrom = 3_607, extendedSeconds = 365 * 24 * 3_600;

function claimsFor(
  { metadata }: KubeObject, bound: Bound, { audiences, expirationSeconds }: Spec, context: ApiContext,
): JsonObject {
  const now = Math.floor(context.nowWallMs / 1000), { namespace = '', name, uid } = metadata;
  const extended = bound['pod'] !== undefined && expirationSeconds === extendedFrom
    && audiences.every((each) => apiAudiences.includes(each));
  const own: Record<string, Json> = {
    namespace, ...bound as Readonly<Record<string, Json>>, serviceaccount: { name, uid },
    ...extended ? { warnafter: now + expirationSeconds } : {},
  };
  const ordered = Object.fromEntries(Object.entries(own).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    aud: audiences, exp: now + (extended ? extendedSeconds : expirationSeconds), iat: now, iss: issuer,
    jti: context.uid(), 'kubernetes.io': ordered, nbf: now, sub: accountUserName(namespace, name),
  };
}
