// Kubernetes' Status object: how every refusal reaches a client. Codes, reasons and messages are those of
// apimachinery's api/errors, for clients decide by them and people search for them.
// What always holds: a problem is a value that is passed up, never thrown.

import { splitKey } from '../ids.ts';
import type { ResourceName } from '../ids.ts';
import type { Refusal } from '../state/types.ts';
import type { ApiResponse } from './request.ts';
import type { Status, StatusCause } from './types.ts';

/** A class, so that nothing that a client sends can pass for one. */
export class Problem {
  readonly problem: Status & { readonly code: number };
  /** What its writer is told beside it. */
  readonly warnings: readonly string[];

  constructor(status: Status & { readonly code: number }, warnings: readonly string[] = []) {
    this.problem = status;
    this.warnings = warnings;
  }
}

export const isProblem = (value: unknown): value is Problem => value instanceof Problem;

/** What was noticed on the way is said whatever becomes of the request. */
export const withWarnings = <T>(result: T | Problem, warnings: readonly string[]): T | Problem =>
  isProblem(result) && warnings.length > 0 ? new Problem(result.problem, warnings) : result;

type Details = NonNullable<Status['details']>;

/** What a problem is about: `{group, resource}` as in a path, and a name where there is one. */
export interface Subject { readonly group: string; readonly resource: string; readonly kind?: string }

const qualified = ({ group, resource }: Subject): string => group === '' ? resource : `${resource}.${group}`;

function detailsOf(subject: Subject, name: string): Details {
  const { group, resource } = subject;
  return { ...name === '' ? {} : { name }, ...group === '' ? {} : { group }, kind: resource };
}

export function problem(code: number, reason: string, message: string, details?: Details): Problem {
  return new Problem({
    kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message,
    ...reason === '' ? {} : { reason },
    ...details === undefined ? {} : { details }, code,
  });
}

export const badRequest = (message: string): Problem => problem(400, 'BadRequest', message);

export const notFound = (subject: Subject, name: string): Problem =>
  problem(404, 'NotFound', `${qualified(subject)} "${name}" not found`, detailsOf(subject, name));

/** `what` names what a Kubernetes API server might serve and Shoal does not; empty where nobody does. */
export function noSuchPath(what = ''): Problem {
  const named = what === '' ? '' : ` (Shoal does not serve ${what})`;
  return problem(404, 'NotFound', `the server could not find the requested resource${named}`, {});
}

export const alreadyExists = (subject: Subject, name: string): Problem =>
  problem(409, 'AlreadyExists', `${qualified(subject)} "${name}" already exists`, detailsOf(subject, name));

export const conflict = (subject: Subject, name: string, why: string): Problem =>
  problem(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(subject)} "${name}": ${why}`,
    detailsOf(subject, name));

export const staleObject =
  'the object has been modified; please apply your changes to the latest version and try again';

export const forbidden = (subject: Subject, name: string, why: string): Problem =>
  problem(403, 'Forbidden', `${qualified(subject)} "${name}" is forbidden: ${why}`, detailsOf(subject, name));

export const methodNotAllowed = (): Problem =>
  problem(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource');

export const notAcceptable = (offered: string): Problem =>
  problem(406, 'NotAcceptable', `only the following media types are accepted: ${offered}`);

export const unsupportedMediaType = (offered: string): Problem =>
  problem(415, 'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${offered}`);

/** `again`: a continue token with which the client may go on over the newest state. */
export function expired(message: string, again?: string): Problem {
  const { problem: status } = problem(410, 'Expired', message);
  return new Problem(again === undefined ? status : { ...status, metadata: { continue: again } });
}

export const tooLarge = (bytesMax: number): Problem =>
  problem(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${bytesMax}`);

/** The client knows a revision that this peer does not have yet. */
export function tooLargeRevision(wanted: number, current: number): Problem {
  const message = `Too large resource version: ${wanted}, current: ${current}`;
  const causes = [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }];
  return problem(504, 'Timeout', message, { causes, retryAfterSeconds: 1 });
}

/** 422, with one cause per field. `subject.kind` names the kind in the message. */
export function invalid(subject: Subject, name: string, causes: readonly StatusCause[]): Problem {
  const each = causes.map(({ field, message }) => field === undefined ? message : `${field}: ${message}`);
  const text = each.length === 1 ? each[0] ?? '' : `[${each.join(', ')}]`;
  const kind = subject.kind ?? subject.resource;
  const what = subject.group === '' ? kind : `${kind}.${subject.group}`;
  return problem(422, 'Invalid', `${what} "${name}" is invalid: ${text}`, {
    ...name === '' ? {} : { name }, ...subject.group === '' ? {} : { group: subject.group }, kind, causes,
  });
}

/** The answer for a refusal of the state. */
export function fromRefusal(refusal: Refusal, subject: Subject, name: string): Problem {
  const about = refusal.key === undefined ? detailsOf(subject, name) : detailsOfKey(refusal.key);
  switch (refusal.reason) {
    case 'AlreadyExists': return problem(409, 'AlreadyExists', refusal.message, about);
    case 'NotFound': return notFoundAs(refusal, about);
    case 'Conflict': return problem(409, 'Conflict', refusal.message, about);
    case 'Invalid':
      return invalid(subject, name, [{
        reason: 'FieldValueInvalid', message: refusal.message,
        ...refusal.field === undefined ? {} : { field: refusal.field },
      }]);
    case 'Forbidden': return problem(403, 'Forbidden', refusal.message, about);
    case 'Fenced': case 'TooOld':
      return problem(503, 'ServiceUnavailable', `${refusal.message}; please try again`);
  }
}

/** The state names a missing namespace by its own message, under the key of what was to be made in it. */
function notFoundAs(refusal: Refusal, about: Details): Problem {
  const parent = /^namespaces "([^"]+)" not found$/.exec(refusal.message);
  const details = parent === null ? about : { name: parent[1] ?? '', kind: 'namespaces' };
  return problem(404, 'NotFound', refusal.message, details);
}

function detailsOfKey(key: NonNullable<Refusal['key']>): Details {
  const { resource, name } = splitKey(key);
  return detailsOf(subjectOf(resource), name);
}

export function subjectOf(resource: ResourceName): Subject {
  const cut = resource.indexOf('/'), group = resource.slice(0, cut);
  return { group: group === 'core' ? '' : group, resource: resource.slice(cut + 1) };
}

export function problemResponse({ problem: status }: Problem): ApiResponse {
  const again = status.code === 429 || status.code === 503 || status.details?.retryAfterSeconds !== undefined;
  const headers = { 'content-type': 'application/json', ...again ? { 'retry-after': '1' } : {} };
  return { status: status.code, headers, body: `${JSON.stringify(status)}\n` };
}

/** A refusal that is about no object: 401, 413, 429, 503, 504 and the like. */
export function failure(code: number, reason: string, message: string): ApiResponse {
  return problemResponse(problem(code, reason, message));
}

export function success(details: Details & { readonly uid?: string }): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details };
}
