// The authorizer as an expression sees it: `authorizer.group('').resource('pods').check('create').allowed()`.
//
// Source of facts: k8s.io/apiserver pkg/cel/library/authz.go (builders, what must not be empty, the cost of a
// check: two of them are all that one expression may have).
// What always holds: who is asked for is a function that the caller brings along; this file decides nothing.

import { global, method } from '../functions.ts';
import type { Cost, Overload } from '../functions.ts';
import { Fault, Opaque } from '../values.ts';
import type { Value } from '../values.ts';

export interface Check {
  readonly verb: string; readonly path: string; readonly group: string; readonly resource: string;
  readonly subresource: string; readonly namespace: string; readonly name: string;
  /** Empty: whoever made the request; else this service account, `namespace/name`. */
  readonly serviceAccount: string;
}

export interface Decision { readonly allowed: boolean; readonly reason: string }
export type Ask = (check: Check) => Decision;

interface Asking { readonly ask: Ask; readonly check: Check }

const prefix = 'kubernetes.authorization';
const nothing: Check = {
  verb: '', path: '', group: '', resource: '', subresource: '', namespace: '', name: '', serviceAccount: '',
};

export const authorizerType = `${prefix}.Authorizer`, resourceCheckType = `${prefix}.ResourceCheck`;

const made = (type: string, asking: Asking): Opaque =>
  new Opaque(`${prefix}.${type}`, asking, JSON.stringify(asking.check));

export const authorizer = (ask: Ask): Opaque => made('Authorizer', { ask, check: nothing });

/** `authorizer.requestResource`: the resource that the request is about. */
export const resourceAuthorizer = (ask: Ask, about: Partial<Check>): Opaque =>
  made('ResourceCheck', { ask, check: { ...nothing, ...about } });

const step = (type: string, field: keyof Check, empty = '') => (of: Opaque, text: string): Value | Fault => {
  if (text === '' && empty !== '') return new Fault(empty);
  const { ask, check } = of.data as Asking;
  return made(type, { ask, check: { ...check, [field]: text } });
};

function serviceAccount(of: Opaque, namespace: string, name: string): Value | Fault {
  const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
  const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
  if (name.length > 253 || !subdomain.test(name)) return new Fault('Invalid service account name');
  if (namespace.length > 63 || !label.test(namespace)) return new Fault('Invalid service account namespace');
  const { ask, check } = of.data as Asking;
  return made('Authorizer', { ask, check: { ...check, serviceAccount: `${namespace}/${name}` } });
}

function checked(of: Opaque, verb: string): Value {
  const { ask, check } = of.data as Asking, decision = ask({ ...check, verb });
  return new Opaque(`${prefix}.Decision`, decision, JSON.stringify([check, verb, decision.allowed]));
}

const ofCheck: Cost = () => 350_000;
const of = (type: string): string => `${prefix}.${type}`;
const decision = (value: Opaque): Decision => value.data as Decision;

export const authorizerFunctions: readonly Overload[] = [
  method(`${of('Authorizer')}.path(string) ${of('PathCheck')}`,
    step('PathCheck', 'path', 'path must not be empty')),
  method(`${of('Authorizer')}.group(string) ${of('GroupCheck')}`, step('GroupCheck', 'group')),
  method(`${of('Authorizer')}.serviceAccount(string, string) ${of('Authorizer')}`, serviceAccount),
  method(`${of('GroupCheck')}.resource(string) ${of('ResourceCheck')}`,
    step('ResourceCheck', 'resource', 'resource must not be empty')),
  ...(['subresource', 'namespace', 'name'] as const).map((field) =>
    method(`${of('ResourceCheck')}.${field}(string) ${of('ResourceCheck')}`, step('ResourceCheck', field))),
  method(`${of('PathCheck')}.check(string) ${of('Decision')}`, checked, ofCheck),
  method(`${of('ResourceCheck')}.check(string) ${of('Decision')}`, checked, ofCheck),
  method(`${of('Decision')}.allowed() bool`, (value: Opaque) => decision(value).allowed),
  method(`${of('Decision')}.reason() string`, (value: Opaque) => decision(value).reason),
  method(`${of('Decision')}.errored() bool`, () => false),
  method(`${of('Decision')}.error() string`, () => ''),
  global('jsonpatch.escapeKey(string) string', (key: string) =>
    key.replaceAll('~', '~0').replaceAll('/', '~1')),
];
