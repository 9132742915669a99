// MutatingAdmissionPolicy: changes in CEL to what is written, as an apply configuration or a JSON patch.
//
// Source of facts: k8s.io/apiserver pkg/admission/plugin/policy/mutating (dispatch, reinvocation, patches,
// messages), pkg/cel/mutation (the types Object and JSONPatch).
// What always holds: a policy's mutations are made in order; what a later policy changes, an earlier one with
// `reinvocationPolicy: IfNeeded` sees once more, and no more than once; nobody comes to own what they set.

import { limits } from '../../limits.ts';
import { canonicalText } from '../../canonical.ts';
import { merge } from '../apply/merge.ts';
import { isObject } from '../body.ts';
import type { Json } from '../body.ts';
import { compileAs } from '../cel/compile.ts';
import type { Bindings } from '../cel/plan.ts';
import { types } from '../cel/types.ts';
import type { CelType } from '../cel/types.ts';
import { CelMap, Fault, isFault, List, toJson } from '../cel/values.ts';
import type { Value } from '../cel/values.ts';
import { isPatchRefusal, jsonPatch } from '../patch/json.ts';
import type { Schema } from '../resource.ts';
import { isProblem, problem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject } from '../types.ts';
import { denied } from './attributes.ts';
import type { Admission } from './attributes.ts';
import { bindingsOf, compileVariables, environmentOf, evaluated, outOfBudget } from './expressions.ts';
import type { Compiled, Variable } from './expressions.ts';
import { matches } from './match.ts';
import { mutationObject, patchResults } from './patchtypes.ts';
import {
  conditionsHold, matchingPolicies, namespaceWritten, paramsOf, policyResources,
} from './policies.ts';
import type { Binding, Condition, Policy, PolicySpec } from './policies.ts';

interface Mutation {
  readonly patchType?: string;
  readonly applyConfiguration?: { readonly expression?: string };
  readonly jsonPatch?: { readonly expression?: string };
}

export interface MutatingSpec extends PolicySpec {
  readonly mutations?: readonly Mutation[];
  readonly reinvocationPolicy?: string;
}

type MutatingPolicy = Policy<MutatingSpec>;

const expressionOf = ({ patchType: type, applyConfiguration, jsonPatch: patch }: Mutation): string =>
  (type === 'JSONPatch' ? patch?.expression : applyConfiguration?.expression) ?? '';

interface CompiledPolicy {
  readonly variables: readonly Variable[];
  readonly conditions: readonly Condition[];
  readonly mutations: readonly { readonly type: string; readonly expression: string;
    readonly compiled: Compiled }[];
}

const compiledPolicies = new WeakMap<KubeObject, CompiledPolicy>();

function compiledOf(policy: MutatingPolicy): CompiledPolicy {
  const known = compiledPolicies.get(policy);
  if (known !== undefined) return known;
  const { spec } = policy, params = spec.paramKind !== undefined;
  const { variables, types: composed } = compileVariables(spec.variables ?? [], { params });
  const asking =
    environmentOf({ params, authorizer: true, variables: composed, objectNamed: mutationObject });
  const conditions = environmentOf({ params, authorizer: true, variables: new Map<string, CelType>() });
  const compiled: CompiledPolicy = {
    variables,
    conditions: (spec.matchConditions ?? []).map((each) =>
      ({ ...each, compiled: compileAs(each.expression, conditions, [types.bool]) })),
    mutations: (spec.mutations ?? []).map((each) => {
      const type = each.patchType ?? '', expression = expressionOf(each), wanted = patchResults[type];
      return { type, expression,
        compiled: compileAs(expression, asking, wanted === undefined ? [] : [wanted]) };
    }),
  };
  compiledPolicies.set(policy, compiled);
  return compiled;
}

// ── the policies, one after the other ────────────────────────────────────────────────────────────────────

interface Invocation {
  readonly policy: MutatingPolicy;
  readonly binding: Binding;
  readonly param: KubeObject | null;
}

interface Failure {
  readonly policy: KubeObject; readonly binding: KubeObject | null; readonly why: string;
  readonly invalid: boolean;
}

/** The object as the policies would have it, or their refusal. */
export function mutatingPolicies(write: Admission, given: KubeObject): KubeObject | Problem {
  const failures: Failure[] = [], invocations = invocationsOf(write, failures);
  if (isProblem(invocations)) return invocations;
  if (invocations.length === 0) return failures.length === 0 ? given : refusal(write, failures);
  const namespace = namespaceWritten(write);
  if (isProblem(namespace)) return namespace;
  let object = given;
  /** Those that are to see what came after them. */
  const before: Invocation[] = [], again = new Set<Invocation>();
  for (const round of [invocations, null]) {
    for (const invocation of round ?? invocations.filter((each) => again.has(each))) {
      const next = invoked({ ...write, object }, object, invocation, namespace, failures);
      if (isProblem(next)) return next;
      if (next !== object && round !== null) for (const each of before) again.add(each);
      object = next;
      if (invocation.policy.spec.reinvocationPolicy === 'IfNeeded') before.push(invocation);
    }
  }
  return failures.length === 0 ? object : refusal(write, failures);
}

const ignores = ({ spec }: MutatingPolicy): boolean => spec.failurePolicy === 'Ignore';

function invocationsOf(write: Admission, failures: Failure[]): readonly Invocation[] | Problem {
  const { mutating, mutatingBindings } = policyResources, found: Invocation[] = [];
  for (const matched of matchingPolicies<MutatingSpec>(write, mutating, mutatingBindings)) {
    if (isProblem(matched)) return matched;
    const { policy, bindings } = matched;
    for (const binding of bindings) {
      const fits = matches(write, binding.spec.matchResources);
      if (isProblem(fits)) return fits;
      if (!fits) continue;
      const params = paramsOf(write, policy.spec.paramKind, binding.spec.paramRef);
      if (typeof params !== 'string') for (const param of params) found.push({ policy, binding, param });
      else if (!ignores(policy)) {
        failures.push({ policy, binding, why: `failed to configure binding: ${params}`, invalid: false });
      }
    }
  }
  return found;
}

/** The object after one policy with one parameter; the same one where it changes nothing. */
function invoked(
  write: Admission, given: KubeObject, { policy, binding, param }: Invocation,
  namespace: Exclude<ReturnType<typeof namespaceWritten>, Problem>, failures: Failure[],
): KubeObject | Problem {
  const compiled = compiledOf(policy);
  const failed = (why: string): void => {
    if (!ignores(policy)) failures.push({ policy, binding, why, invalid: true });
  };
  const seen = { params: param, namespace, variables: compiled.variables };
  const holds = conditionsHold(compiled.conditions, bindingsOf(write, seen));
  if (holds !== true) {
    if (typeof holds === 'string') failed(holds);
    return given;
  }
  let object = given;
  for (const { type, expression, compiled: program } of compiled.mutations) {
    if (typeof program === 'string') { failed(program); continue; }
    // Each mutation sees what the one before it made.
    const bindings: Bindings = bindingsOf({ ...write, object }, seen);
    const value = evaluated(expression, program, bindings, { left: limits.celRequestCostMax });
    if (value === 'out of budget') { failed(outOfBudget); continue; }
    const next = isFault(value) ? value : patched(write, object, type, value);
    if (next instanceof Fault) failed(next.message);
    else if (canonicalText(next) !== canonicalText(object)) object = next;
  }
  return object;
}

function refusal(write: Admission, failures: readonly Failure[]): Problem {
  const messages = failures.map(({ policy, binding, why }) => {
    const named = binding === null ? `policy ${JSON.stringify(policy.metadata.name)}`
      : `policy '${policy.metadata.name}' with binding '${binding.metadata.name}'`;
    return { message: `${named} denied request: ${why}` };
  });
  const [first = { message: '' }] = messages, reason = failures[0]?.invalid === true ? 'Invalid'
    : 'Forbidden';
  // The first message takes the whole place of the usual one; the code stays that of a refusal.
  const { problem: status } = denied(write, '', 403, reason, messages);
  return problem(403, reason, first.message, status.details);
}

// ── patches ──────────────────────────────────────────────────────────────────────────────────────────────

function patched(write: Admission, object: KubeObject, type: string, value: Value): KubeObject | Fault {
  const { resource } = write.writing.route;
  const made = type === 'JSONPatch' ? byPatch(object, value)
    : byConfiguration(object, value, resource.schema);
  if (made instanceof Fault) return made;
  const { metadata } = made as { metadata?: unknown };
  if (!isObject(made) || !isObject(metadata as Json)) return new Fault('the patched object has no metadata');
  return resource.defaults(made as unknown as KubeObject);
}

function byPatch(object: KubeObject, value: Value): Json | Fault {
  if (!(value instanceof List)) {
    return new Fault('type mismatch: JSONPatchType.expression should evaluate to array');
  }
  const operations: Json[] = [];
  for (const each of value.all()) {
    const wrong = each instanceof CelMap ? wrongName(each.get('value') ?? null, null) : null;
    if (wrong !== null) return new Fault(`type mismatch: ${wrong}`);
    const operation = toJson(each);
    if (isFault(operation)) {
      return new Fault('JSONPath valueExpression evaluated to a type that could not marshal to JSON: '
        + operation.message);
    }
    operations.push(operation as Json);
  }
  const next = jsonPatch(object as unknown as Json, operations);
  if (!isPatchRefusal(next)) return next;
  // A test that fails keeps the object as it is.
  const tested = operations.some((each) => isObject(each) && each['op'] === 'test');
  return tested && /test/i.test(next.refused) ? object as unknown as Json
    : new Fault(`JSON Patch: ${next.refused}`);
}

function byConfiguration(object: KubeObject, value: Value, schema: Schema): Json | Fault {
  const wrong = wrongName(value, 'Object');
  if (wrong !== null) return new Fault(`type mismatch: ${wrong}`);
  const json = toJson(value);
  if (isFault(json)) return json;
  const configuration = json as Json, whole: string[] = [];
  atomics(configuration, schema, '', whole);
  if (whole.length > 0) {
    return new Fault(
      'error applying patch: invalid ApplyConfiguration: may not mutate atomic arrays, maps or '
      + `structs: ${whole.join(', ')}`);
  }
  return merge(object as unknown as Json, configuration, schema);
}

/** The type of a part says where it is: `Object.spec` below `spec`. */
function wrongName(value: Value, path: string | null): string | null {
  if (value instanceof List) {
    for (const item of value.all()) {
      const wrong = wrongName(item, path);
      if (wrong !== null) return wrong;
    }
  }
  if (!(value instanceof CelMap) || value.type === '') return null;
  const here = path ?? value.type;
  if (value.type !== here) {
    return `unexpected type name ${JSON.stringify(value.type)}, expected ${JSON.stringify(here)}, which `
      + 'matches field name path from root Object type';
  }
  for (const key of value.keys()) {
    const wrong = wrongName(value.get(key) ?? null, `${here}.${String(key)}`);
    if (wrong !== null) return wrong;
  }
  return null;
}

/** Where the configuration names something that is owned as a whole: the rest of it would go unseen. */
function atomics(value: Json, schema: Schema, path: string, found: string[]): void {
  if (schema.type === 'list' && Array.isArray(value)) {
    if (schema.owned === undefined) found.push(path);
    for (const [at, item] of (value as readonly Json[]).entries()) {
      atomics(item, schema.of, `${path}[${at}]`, found);
    }
    return;
  }
  if ((schema.type !== 'object' && schema.type !== 'map') || !isObject(value)) return;
  if (schema.atomic === true) found.push(path);
  for (const name of Object.keys(value)) {
    const inner = schema.type === 'map' ? schema.of
      : Object.hasOwn(schema.fields, name) ? schema.fields[name] : undefined;
    if (inner !== undefined) atomics(value[name] ?? null, inner, `${path}.${name}`, found);
  }
}
