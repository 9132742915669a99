// To which flow a request belongs: the first FlowSchema that fits says which priority level it is of, and
// what tells the flows of a level apart.
//
// What always holds: every request has a flow; where no schema fits, or its level is missing, that of
// `catch-all`. Source: Kubernetes, "API Priority and Fairness"; apiserver util/flowcontrol/rule.go.

import { objectKey, resourceName } from '../../ids.ts';
import { get, list } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import type { UserInfo } from '../request.ts';
import type { KubeObject } from '../types.ts';
import { isOfResource } from './attributes.ts';
import type { Attributes, ResourceAttributes } from './attributes.ts';

export const flowSchemas = resourceName('flowcontrol.apiserver.k8s.io/flowschemas');
export const priorityLevels = resourceName('flowcontrol.apiserver.k8s.io/prioritylevelconfigurations');

export interface Flow {
  /** Null: no schema fits. */
  readonly schema: FlowSchema | null;
  readonly level: PriorityLevel | null;
  /** What tells it apart from other flows of its schema; empty: nothing does. */
  readonly distinguisher: string;
}

export interface FlowSchema extends KubeObject {
  readonly spec: {
    readonly matchingPrecedence?: number;
    readonly priorityLevelConfiguration: { readonly name: string };
    readonly distinguisherMethod?: { readonly type: string };
    readonly rules?: readonly FlowRule[];
  };
}

interface FlowRule {
  readonly subjects?: readonly FlowSubject[];
  readonly resourceRules?: readonly {
    readonly verbs?: readonly string[]; readonly apiGroups?: readonly string[];
    readonly resources?: readonly string[]; readonly clusterScope?: boolean;
    readonly namespaces?: readonly string[];
  }[];
  readonly nonResourceRules?: readonly {
    readonly verbs?: readonly string[]; readonly nonResourceURLs?: readonly string[];
  }[];
}

interface FlowSubject {
  readonly kind: string;
  readonly user?: { readonly name: string };
  readonly group?: { readonly name: string };
  readonly serviceAccount?: { readonly name: string; readonly namespace: string };
}

export interface PriorityLevel extends KubeObject {
  readonly spec: {
    readonly type: string;
    readonly limited?: {
      readonly nominalConcurrencyShares?: number;
      readonly limitResponse?: { readonly type?: string };
    };
  };
}

export function flowOf(attributes: Attributes, user: UserInfo, state: State): Flow {
  for (const schema of inOrder(list<FlowSchema>(state, flowSchemas))) {
    if (!(schema.spec.rules ?? []).some((rule) => fits(rule, attributes, user))) continue;
    const level = get<PriorityLevel>(state, objectKey(priorityLevels, '',
      schema.spec.priorityLevelConfiguration.name));
    // One whose level is missing is as if it were not there.
    if (level !== null) return { schema, level, distinguisher: distinguisherOf(schema, attributes, user) };
  }
  return { schema: null, level: null, distinguisher: user.name };
}

function distinguisherOf({ spec }: FlowSchema, attributes: Attributes, { name }: UserInfo): string {
  switch (spec.distinguisherMethod?.type) {
    case 'ByUser': return name;
    case 'ByNamespace': return isOfResource(attributes) ? attributes.namespace : '';
    default: return '';
  }
}

/** By precedence, then by name. Made once per list, which is the same until a schema changes. */
const ordered = new WeakMap<readonly FlowSchema[], readonly FlowSchema[]>();

function inOrder(schemas: readonly FlowSchema[]): readonly FlowSchema[] {
  let sorted = ordered.get(schemas);
  if (sorted === undefined) {
    // The list is in the order of names, and sorting keeps it among equals.
    const precedence = ({ spec }: FlowSchema): number => spec.matchingPrecedence ?? 1_000;
    ordered.set(schemas, sorted = [...schemas].sort((a, b) => precedence(a) - precedence(b)));
  }
  return sorted;
}

// ── what fits ────────────────────────────────────────────────────────────────────────────────────────────

function fits({ subjects, resourceRules, nonResourceRules }: FlowRule, about: Attributes,
  user: UserInfo): boolean {
  if (subjects?.some((subject) => isMeant(subject, user)) !== true) return false;
  if (isOfResource(about)) {
    return resourceRules?.some((rule) => holds(rule.verbs, about.verb) && holds(rule.apiGroups, about.group)
      && holds(rule.resources, combined(about)) && (about.namespace === '' ? rule.clusterScope === true
        : holds(rule.namespaces, about.namespace))) === true;
  }
  return nonResourceRules?.some((rule) => holds(rule.verbs, about.verb)
    && rule.nonResourceURLs?.some((url) => coversPath(url, about.path)) === true) === true;
}

const holds = (list: readonly string[] | undefined, wanted: string): boolean =>
  list !== undefined && (list.includes('*') || list.includes(wanted));

const combined = ({ resource, subresource }: ResourceAttributes): string =>
  subresource === '' ? resource : `${resource}/${subresource}`;

const coversPath = (pattern: string, path: string): boolean =>
  pattern === '*' || pattern === path || (pattern.endsWith('/*') && path.startsWith(pattern.slice(0, -1)));

function isMeant({ kind, user, group, serviceAccount }: FlowSubject, { name, groups }: UserInfo): boolean {
  switch (kind) {
    case 'User': return user !== undefined && (user.name === '*' || user.name === name);
    case 'Group': return group !== undefined && (group.name === '*' || groups.includes(group.name));
    case 'ServiceAccount': {
      if (serviceAccount === undefined) return false;
      const prefix = `system:serviceaccount:${serviceAccount.namespace}:`;
      return serviceAccount.name === '*' ? name.startsWith(prefix)
        : name === `${prefix}${serviceAccount.name}`;
    }
    default: return false;
  }
}
