// The audit log of one peer: what clients ask of it, from the coming of a request to the end of its answer.
//
// What always holds: nothing is written without a policy that says so; a request that is written down has at
// most one line per stage. Source: apiserver endpoints/filters/audit.go.

import { accessOf } from '../../cluster/api/access/access.ts';
import { auditLine } from '../../cluster/api/access/audit.ts';
import type { AuditTrail } from '../../cluster/api/access/audit.ts';
import { attributesOf } from '../../cluster/api/access/attributes.ts';
import { auditScope } from '../../cluster/api/access/auditpolicy.ts';
import type { AuditStage } from '../../cluster/api/access/auditpolicy.ts';
import { parseQuery } from '../../cluster/api/query.ts';
import type { Query } from '../../cluster/api/query.ts';
import type { ApiRequest, ApiResponse } from '../../cluster/api/request.ts';
import { isProblem } from '../../cluster/api/status.ts';
import type { RequestId } from '../../cluster/ids.ts';
import { uuid } from './core.ts';
import type { Core } from './core.ts';

export interface Auditing {
  /** A request has come, and it is known who it is by. Gives the headers that say under what it is found. */
  received(request: ApiRequest): Readonly<Record<string, string>>;
  /** It is about to be decided by the state as it is now. */
  judged(request: ApiRequest): void;
  /** What admission has to say of it, each time that it is evaluated. */
  noted(id: RequestId, notes: ReadonlyMap<string, string> | undefined): void;
  /** A stream of its answer begins. */
  started(id: RequestId): void;
  /** The answer; null: its stream is over, or the client went away. */
  completed(id: RequestId, response: ApiResponse | null): void;
}

const noHeaders: Readonly<Record<string, string>> = {};

const silent: Auditing = {
  received: () => noHeaders, judged: () => undefined, noted: () => undefined, started: () => undefined,
  completed: () => undefined,
};

const noQuery: Query = new Map();
const noNotes: ReadonlyMap<string, string> = new Map();

export function createAuditing(core: Core): Auditing {
  const { audit: policy } = core.config, port = core.ports.audit;
  if (policy === undefined || policy === null || port === undefined) return silent;
  const trails = new Map<RequestId, AuditTrail>();

  function write(trail: AuditTrail, stage: AuditStage, response: ApiResponse | null): void {
    const line = auditLine(trail, stage, response, core.ports.clock.wallMs());
    if (line !== '') port?.write(line);
  }

  return {
    received(request) {
      const attributes = attributesOf(request, queryOf(request));
      const scope = auditScope(policy, attributes, request.user);
      if (scope.level === 'None') return noHeaders;
      const trail: AuditTrail = {
        id: request.headers['audit-id'] ?? uuid(core.random), request, attributes, scope,
        receivedMs: core.ports.clock.wallMs(), acting: null, decision: null, notes: noNotes,
      };
      trails.set(request.id, trail);
      write(trail, 'RequestReceived', null);
      return { 'audit-id': trail.id };
    },
    judged(request) {
      const trail = trails.get(request.id);
      if (trail === undefined) return;
      const access = accessOf(request, queryOf(request), core.state);
      if (isProblem(access)) return;
      trail.acting = access.acting;
      trail.decision = access.decision;
    },
    noted(id, notes) {
      const trail = trails.get(id);
      if (trail !== undefined) trail.notes = notes ?? noNotes;
    },
    started(id) {
      const trail = trails.get(id);
      if (trail !== undefined) write(trail, 'ResponseStarted', null);
    },
    completed(id, response) {
      const trail = trails.get(id);
      if (trail === undefined) return;
      trails.delete(id);
      write(trail, 'ResponseComplete', response);
    },
  };
}

function queryOf({ query }: ApiRequest): Query {
  const found = parseQuery(query);
  return isProblem(found) ? noQuery : found;
}
