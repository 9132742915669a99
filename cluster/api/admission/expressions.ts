// The expressions of an admission policy: in which variables they are written, and what those hold for a
// write. `object`, `oldObject` and `params` are told by no schema (dyn), as in Kubernetes.
//
// Source of facts: k8s.io/apiserver pkg/admission/plugin/cel (variables, types of request and namespace,
// composition of `variables`, messages, cost).
// What always holds: an expression that does not compile fails where it is evaluated, by the policy's
// failurePolicy; variables are evaluated at most once per policy, binding and parameter, when first asked
// for.

import { authorize } from '../access/authorize.ts';
import { compileAs, evaluate, Fault } from '../cel/compile.ts';
import type { Program } from '../cel/compile.ts';
import type { Environment } from '../cel/check.ts';
import { authorizer, authorizerType, resourceAuthorizer,
  resourceCheckType } from '../cel/library/authorizer.ts';
import type { Ask } from '../cel/library/authorizer.ts';
import { kubernetesFunctions } from '../cel/library/kubernetes.ts';
import { Meter } from '../cel/meter.ts';
import { Lazy } from '../cel/plan.ts';
import type { Bindings } from '../cel/plan.ts';
import { parseTimestamp } from '../cel/time.ts';
import { listOf, mapOf, objectType, opaque, types } from '../cel/types.ts';
import type { CelType, ObjectType } from '../cel/types.ts';
import { fromJson, isFault, JsonMap } from '../cel/values.ts';
import type { JsonFields, Value } from '../cel/values.ts';
import type { KubeObject, Namespace } from '../types.ts';
import { limits } from '../../limits.ts';
import type { Admission } from './attributes.ts';

// ── types ────────────────────────────────────────────────────────────────────────────────────────────────

const { string, bool, int, timestamp, dyn } = types, strings = listOf(string), texts = mapOf(string, string);

const kindType = objectType('kubernetes.GroupVersionKind', { group: string, version: string, kind: string });
const resourceType =
  objectType('kubernetes.GroupVersionResource', { group: string, version: string, resource: string });
const userType = objectType('kubernetes.UserInfo', {
  username: string, uid: string, groups: strings, extra: mapOf(string, strings),
});
const requestType = objectType('kubernetes.AdmissionRequest', {
  kind: kindType, resource: resourceType, subResource: string, requestKind: kindType,
  requestResource: resourceType, requestSubResource: string, name: string, namespace: string,
  operation: string, userInfo: userType, dryRun: bool, options: dyn,
});
const namespaceType = objectType('kubernetes.Namespace', {
  metadata: objectType('kubernetes.NamespaceMetadata', {
    name: string, generateName: string, namespace: string, labels: texts, annotations: texts, UID: string,
    creationTimestamp: timestamp, deletionGracePeriodSeconds: int, deletionTimestamp: timestamp,
    generation: int, resourceVersion: string, finalizers: strings,
  }),
  spec: objectType('kubernetes.NamespaceSpec', { finalizers: strings }),
  status: objectType('kubernetes.NamespaceStatus', {
    phase: string,
    conditions: listOf(objectType('kubernetes.NamespaceCondition', {
      status: string, type: string, lastTransitionTime: timestamp, message: string, reason: string,
    })),
  }),
});

export interface Declared {
  readonly params: boolean;
  readonly authorizer: boolean;
  /** By name, in the order in which they build on each other. */
  readonly variables: ReadonlyMap<string, CelType>;
  readonly objectNamed?: (name: string) => ObjectType | null;
  /** What object and oldObject are, and the parameter; missing: anything. */
  readonly object?: CelType;
  readonly param?: CelType;
}

export function environmentOf(declared: Declared): Environment {
  const { params, authorizer: asks, variables, objectNamed, object = dyn, param = dyn } = declared;
  const composed: ObjectType = {
    kind: 'object', name: 'kubernetes.variables', field: (name) => variables.get(name) ?? null,
  };
  return {
    functions: kubernetesFunctions,
    ...objectNamed === undefined ? {} : { objectNamed },
    variables: new Map<string, CelType>([
      ['object', object], ['oldObject', object], ['request', requestType], ['namespaceObject', namespaceType],
      ['variables', composed],
      ...params ? [['params', param]] as const : [],
      ...asks ? [['authorizer', opaque(authorizerType)],
        ['authorizer.requestResource', opaque(resourceCheckType)]] as const : [],
    ]),
  };
}

/** A program, or what is wrong with the expression. */
export type Compiled = Program | string;

export interface Variable { readonly name: string; readonly compiled: Compiled }

/** Each variable may use those before it. */
export function compileVariables(
  given: readonly { readonly name: string; readonly expression: string }[],
  declared: Omit<Declared, 'variables' | 'authorizer'>,
): { readonly variables: readonly Variable[]; readonly types: ReadonlyMap<string, CelType> } {
  const known = new Map<string, CelType>(), variables: Variable[] = [];
  for (const { name, expression } of given) {
    const within = environmentOf({ ...declared, authorizer: true, variables: known });
    const compiled = compileAs(expression, within, []);
    variables.push({ name, compiled });
    known.set(name, typeof compiled === 'string' ? dyn : compiled.type);
  }
  return { variables, types: known };
}

// ── values ───────────────────────────────────────────────────────────────────────────────────────────────

class Variables extends Lazy {
  readonly #given: readonly Variable[];
  readonly #known = new Map<string, Value | Fault>();
  #bindings: Bindings = new Map();
  constructor(given: readonly Variable[]) {
    super();
    this.#given = given;
  }

  /** A variable sees what the expressions see, and the variables before it. */
  bind(bindings: Bindings): void { this.#bindings = bindings; }

  field(name: string, meter: Meter): Value | Fault | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const variable = this.#given.find((each) => each.name === name);
    if (variable === undefined) return undefined;
    const { compiled } = variable;
    const value = typeof compiled === 'string'
      ? new Fault(`composited variable "${name}" fails to compile: ${compiled}`)
      : evaluate(compiled, this.#bindings, meter);
    const found = isFault(value)
      ? new Fault(`composited variable "${name}" fails to evaluate: ${value.message}`)
      : value;
    this.#known.set(name, found);
    return found;
  }
}

export interface Seen {
  readonly params: KubeObject | null;
  readonly namespace: Namespace | null;
  readonly variables: readonly Variable[];
}

export function bindingsOf(write: Admission, { params, namespace, variables }: Seen): Bindings {
  const { object, old } = write, ask = askOf(write), lazy = new Variables(variables);
  const bindings = new Map<string, Value | Lazy>([
    ['object', fromJson(object)], ['oldObject', fromJson(old)], ['request', requestOf(write)],
    ['namespaceObject', namespaceOf(namespace)], ['params', fromJson(params)], ['variables', lazy],
    ['authorizer', authorizer(ask)], ['authorizer.requestResource', requestResource(write, ask)],
  ]);
  lazy.bind(bindings);
  return bindings;
}

function requestOf(write: Admission): Value {
  const { writing: { request, route }, kind, operation, dryRun, options } = write;
  const { group, version, resource } = route.resource, about = { group, version, resource };
  const { name: username, groups, uid = '', extra = {} } = request.user;
  return fromJson({
    kind, resource: about, requestKind: kind, requestResource: about,
    ...route.subresource === '' ? {}
      : { subResource: route.subresource, requestSubResource: route.subresource },
    ...write.name === '' ? {} : { name: write.name },
    ...route.namespace === '' ? {} : { namespace: route.namespace },
    operation, dryRun, options,
    userInfo: { username, groups, ...uid === '' ? {} : { uid }, ...Object.keys(extra).length === 0 ? {}
      : { extra } },
  });
}

const times = ['creationTimestamp', 'deletionTimestamp', 'lastTransitionTime'];

/** Only what Kubernetes shows of a namespace, times as times. */
function namespaceOf(namespace: Namespace | null): Value {
  if (namespace === null) return null;
  const { metadata, spec, status } = namespace, { uid: UID, managedFields: _m, ...rest } = metadata;
  const { ownerReferences: _o, ...shown } = rest;
  return withTimes({ metadata: { ...shown, UID }, spec: spec ?? {}, status: status ?? {} });
}

function withTimes(fields: JsonFields): Value {
  return new JsonMap(fields, (item, field) => {
    if (times.includes(field) && typeof item === 'string') return parseTimestamp(item) ?? item;
    const nested = typeof item === 'object' && item !== null && !Array.isArray(item);
    return nested ? withTimes(item as JsonFields) : fromJson(item);
  });
}

function askOf({ writing: { request, state } }: Admission): Ask {
  return (check) => {
    const [namespace = '', name = ''] = check.serviceAccount.split('/');
    const user = check.serviceAccount === '' ? request.user : {
      name: `system:serviceaccount:${namespace}:${name}`,
      groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
    };
    const attributes = check.path === ''
      ? { verb: check.verb, group: check.group, version: '*', resource: check.resource,
        subresource: check.subresource, namespace: check.namespace, name: check.name }
      : { verb: check.verb, path: check.path };
    return authorize(attributes, user, state);
  };
}

function requestResource({ writing: { route }, name }: Admission, ask: Ask): Value {
  const { resource: { group, resource }, subresource, namespace } = route;
  return resourceAuthorizer(ask, { group, resource, subresource, namespace, name });
}

// ── evaluation ───────────────────────────────────────────────────────────────────────────────────────────

export const outOfBudget =
  'validation failed due to running out of cost budget, no further validation rules will be run';

/** What is left of the cost that all expressions of a policy may have together. */
export interface Budget { left: number }

/** The value; a Fault in Kubernetes' words; null when the budget is used up. */
export function evaluated(
  expression: string, compiled: Compiled, bindings: Bindings, budget: Budget,
): Value | Fault | 'out of budget' {
  if (typeof compiled === 'string') return new Fault(`compilation error: ${compiled}`);
  const meter = new Meter(limits.celCallCostMax), value = evaluate(compiled, bindings, meter);
  if (meter.cost > budget.left) return 'out of budget';
  budget.left -= meter.cost;
  return isFault(value) ? new Fault(`expression '${expression}' resulted in error: ${value.message}`) : value;
}

/**
 * What a string value is taken as a message; empty for anything else, and for what is too long for
 * one line.
 */
export function messageOf(value: Value | Fault | 'out of budget' | undefined): string {
  if (typeof value !== 'string' || value === 'out of budget') return '';
  const message = value.trim();
  const tooLong = new TextEncoder().encode(message).length > limits.celMessageBytesMax;
  return tooLong || message.includes('\n') ? '' : message;
}
