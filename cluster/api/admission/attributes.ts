// What the admission plug-ins know of a write: who writes what in place of what, and how.
//
// Source of facts: k8s.io/apiserver pkg/admission (Attributes), api/admission/v1 (AdmissionRequest).
// What always holds: a plug-in sees a decoded, defaulted object and answers with another one or a refusal; it
// never changes one in place.

import type { JsonObject } from '../body.ts';
import { problem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject, StatusCause } from '../types.ts';
import type { Writing } from '../write.ts';

export type Operation = 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';

export interface Kind { readonly group: string; readonly version: string; readonly kind: string }

export interface Admission {
  readonly writing: Writing;
  readonly operation: Operation;
  /** What is written: that of the subresource where it is about one of another kind, as Scale. */
  readonly kind: Kind;
  /** Empty where the name is still to be drawn. */
  readonly name: string;
  /** Whether it has been drawn by now, and refusals tell it. */
  readonly named?: boolean;
  /** Null for a delete. */
  readonly object: KubeObject | null;
  /** Null for a create. */
  readonly old: KubeObject | null;
  readonly dryRun: boolean;
  /** CreateOptions, UpdateOptions, PatchOptions or DeleteOptions. */
  readonly options: JsonObject;
  /** What the client is to be warned of; plug-ins add to it. */
  readonly warnings: string[];
  /** Annotations of the audit event, which are the request's; plug-ins add to them. */
  readonly audit: Map<string, string>;
}

type Given = Pick<Admission, 'operation' | 'object' | 'old' | 'dryRun'>
  & Partial<Pick<Admission, 'kind' | 'name' | 'options'>>;

export function admission<T extends Given>(writing: Writing, given: T): Admission & Pick<T, 'object'> {
  const { route } = writing, { group, version, kind } = route.resource;
  return {
    writing, kind: { group, version, kind }, warnings: [], audit: writing.audit,
    ...given,
    name: given.name ?? given.object?.metadata.name ?? route.name,
    options: given.options ?? optionsOf(writing, given.operation, given.dryRun),
  };
}

const optionKinds: Readonly<Record<Operation, string>> = {
  CREATE: 'CreateOptions', UPDATE: 'UpdateOptions', DELETE: 'DeleteOptions', CONNECT: '',
};

function optionsOf({ request, query }: Writing, operation: Operation, dryRun: boolean): JsonObject {
  const kind = request.method === 'PATCH' ? 'PatchOptions' : optionKinds[operation];
  const manager = query.get('fieldManager') ?? '', validation = query.get('fieldValidation') ?? '';
  return {
    kind, apiVersion: 'meta.k8s.io/v1',
    ...dryRun ? { dryRun: ['All'] } : {},
    ...manager === '' ? {} : { fieldManager: manager },
    ...validation === '' ? {} : { fieldValidation: validation },
  };
}

/** As admission.NewForbidden words it; with another code and reason where a policy asks for them. */
export function denied(
  { writing, name, named: drawn = false, object }: Admission, why: string, code = 403, reason = 'Forbidden',
  causes: readonly { readonly message: string }[] = [],
): Problem {
  const { group, resource } = writing.route.resource;
  const about = group === '' ? resource : `${resource}.${group}`;
  const own = object?.metadata, known = drawn ? own?.name : own?.generateName;
  const named = name === '' ? known ?? 'Unknown' : name;
  return problem(code, reason, `${about} "${named}" is forbidden: ${why}`, {
    name: named, ...group === '' ? {} : { group }, kind: resource,
    // A cause of a policy has no reason of its own.
    ...causes.length === 0 ? {} : { causes: causes.map(({ message }) => ({ message }) as StatusCause) },
  });
}
