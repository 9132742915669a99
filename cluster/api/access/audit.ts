// What is written down of a request, as lines of JSON that every reader of Kubernetes' audit logs knows.
//
// Source: audit.k8s.io/v1 Event; apiserver pkg/audit and endpoints/filters/audit.go.
// What always holds: no more of a request or an answer is told than its level allows; an event that would be
// too long loses its objects and says so.

import { limits } from '../../limits.ts';
import { isObject, parseBody } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { ApiRequest, ApiResponse, UserInfo } from '../request.ts';
import { isProblem } from '../status.ts';
import { isOfResource } from './attributes.ts';
import type { Attributes } from './attributes.ts';
import type { AuditLevel, AuditScope, AuditStage } from './auditpolicy.ts';
import type { Decision } from './authorize.ts';
import { shownUser } from './tokenreview.ts';

/** A request that is written down, from its coming to its end. */
export interface AuditTrail {
  readonly id: string;
  readonly request: ApiRequest;
  readonly attributes: Attributes;
  readonly scope: AuditScope;
  readonly receivedMs: number;
  /** Whom it acted as; null: as itself. */
  acting: UserInfo | null;
  /** Null until it was asked whether the request may be made. */
  decision: Decision | null;
  /** What admission notes of it. */
  notes: ReadonlyMap<string, string>;
}

const ranks: Readonly<Record<AuditLevel, number>> = { None: 0, Metadata: 1, Request: 2, RequestResponse: 3 };

/** `response` null: none yet, or a stream that ended. The line has its end; empty: this stage is left out. */
export function auditLine(
  trail: AuditTrail, stage: AuditStage, response: ApiResponse | null, nowWallMs: number,
): string {
  const { scope } = trail;
  if (scope.level === 'None' || scope.omitStages.includes(stage)) return '';
  const rank = ranks[scope.level], early = stage === 'RequestReceived';
  const asked = rank >= ranks.Request && !early ? requestObject(trail) : null;
  const given = rank >= ranks.RequestResponse && stage === 'ResponseComplete'
    ? responseObject(response, scope) : null;
  const objects = [
    ...asked === null ? [] : [`"requestObject":${asked}`],
    ...given === null ? [] : [`"responseObject":${given}`],
  ];
  // What comes in slices is long, or will be.
  const sliced = given !== null && response?.rest !== undefined;
  const tooLong = sliced || objects.reduce((sum, text) => sum + text.length, 0) > limits.auditObjectsCharsMax;
  const event = eventOf(trail, stage, response, nowWallMs, tooLong);
  if (tooLong || objects.length === 0) return `${event}\n`;
  return `${event.slice(0, -1)},${objects.join(',')}}\n`;
}

function eventOf(
  trail: AuditTrail, stage: AuditStage, response: ApiResponse | null, nowWallMs: number, truncated: boolean,
): string {
  const { request, scope, attributes, acting } = trail;
  const { path, query, headers, user, sourceIP } = request, agent = headers['user-agent'];
  const annotations = {
    ...decisionOf(trail), ...Object.fromEntries(trail.notes),
    ...truncated ? { 'audit.k8s.io/truncated': 'true' } : {},
  };
  return JSON.stringify({
    kind: 'Event', apiVersion: 'audit.k8s.io/v1', level: scope.level, auditID: trail.id, stage,
    requestURI: query === '' ? path : `${path}?${query}`, verb: attributes.verb, user: shownUser(user),
    ...acting === null ? {} : { impersonatedUser: shownUser(acting) },
    ...sourceIP === undefined ? {} : { sourceIPs: [sourceIP] },
    ...agent === undefined ? {} : { userAgent: shortened(agent) },
    ...isOfResource(attributes) ? { objectRef: objectRef(trail, stage) } : {},
    ...stage === 'RequestReceived' ? {} : { responseStatus: statusOf(response) },
    requestReceivedTimestamp: microTime(trail.receivedMs), stageTimestamp: microTime(nowWallMs),
    ...Object.keys(annotations).length === 0 ? {} : { annotations },
  });
}

function decisionOf({ decision }: AuditTrail): Readonly<Record<string, string>> {
  return decision === null ? {} : {
    'authorization.k8s.io/decision': decision.allowed ? 'allow' : 'forbid',
    'authorization.k8s.io/reason': decision.reason,
  };
}

function objectRef({ request, attributes }: AuditTrail, stage: AuditStage): object {
  if (!isOfResource(attributes)) return {};
  const { group, version, resource, subresource, namespace } = attributes;
  // The name of what is created stands in its body.
  const sent = request.method === 'POST' && attributes.name === '' && stage !== 'RequestReceived'
    ? bodyOf(request) : null;
  const metadata = isObject(sent) && isObject(sent['metadata']) ? sent['metadata'] : {};
  const named = metadata['name'], name = attributes.name === '' && typeof named === 'string' ? named
    : attributes.name;
  return {
    resource, ...namespace === '' ? {} : { namespace }, ...name === '' ? {} : { name },
    ...group === '' ? {} : { apiGroup: group }, apiVersion: version,
    ...subresource === '' ? {} : { subresource },
  };
}

/** What a failure says of itself; of a success its code alone. */
function statusOf(response: ApiResponse | null): object {
  const code = response?.status ?? 200;
  const body = code < 400 || response === null ? null : parsed(response);
  if (!isObject(body) || body['kind'] !== 'Status') return { metadata: {}, code };
  const { status, message, reason, details } = body;
  return { metadata: {}, ...Object.fromEntries(Object.entries({ status, message, reason, details })
    .filter(([, value]) => value !== undefined)), code };
}

// ── what was sent and answered ───────────────────────────────────────────────────────────────────────────

const managed = (value: Json): Json => {
  if (!isObject(value)) return value;
  const { metadata, items } = value;
  const bare = isObject(metadata) && metadata['managedFields'] !== undefined
    ? { ...value, metadata: without(metadata) } : value;
  return Array.isArray(items) ? { ...bare, items: (items as readonly Json[]).map(managed) } : bare;
};

function without(metadata: JsonObject): JsonObject {
  const { managedFields: _, ...rest } = metadata;
  return rest;
}

function bodyOf({ body, headers }: ApiRequest): Json | null {
  if (body === null || body.length === 0) return null;
  // Patches are JSON or YAML, whatever they mean.
  const type = headers['content-type']?.replace(/^application\/.*\+(json|yaml)/, 'application/$1');
  const found = parseBody(body, type);
  return isProblem(found) ? null : found.value;
}

function requestObject({ request, attributes, scope }: AuditTrail): string | null {
  if (!isOfResource(attributes)) return null;
  const sent = bodyOf(request);
  return sent === null ? null : JSON.stringify(scope.omitManagedFields ? managed(sent) : sent);
}

function responseObject(response: ApiResponse | null, { omitManagedFields }: AuditScope): string | null {
  const json = response?.headers['content-type']?.startsWith('application/json') === true;
  if (response === null || !json) return null;
  const { body, rest } = response;
  if (rest !== undefined) return body;
  // What is too long is not read to be thrown away.
  if (body.length > limits.auditObjectsCharsMax || (!omitManagedFields && !body.includes('\n'))) return body;
  const value = parsed(response);
  return value === null ? null : JSON.stringify(omitManagedFields ? managed(value) : value);
}

function parsed({ body }: ApiResponse): Json | null {
  try {
    return JSON.parse(body) as Json;
  } catch {
    return null;
  }
}

const agentCharsMax = 1_024;
const shortened = (agent: string): string =>
  agent.length > agentCharsMax ? `${agent.slice(0, agentCharsMax)}...TRUNCATED` : agent;

/** RFC 3339 with six decimals, as apimachinery's MicroTime. */
const microTime = (wallMs: number): string => new Date(wallMs).toISOString().replace('Z', '000Z');
