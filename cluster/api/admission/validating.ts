// ValidatingAdmissionPolicy: rules in CEL that a write must meet.
//
// Source of facts: k8s.io/apiserver pkg/admission/plugin/policy/validating (decisions, messages, actions,
// audit annotations).
// What always holds: the first denial is what the client is told; a policy is compiled once per version.

import { limits } from '../../limits.ts';
import { compileAs } from '../cel/compile.ts';
import type { Bindings } from '../cel/plan.ts';
import { types } from '../cel/types.ts';
import type { CelType } from '../cel/types.ts';
import { isFault, typeName } from '../cel/values.ts';
import { isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject, Namespace } from '../types.ts';
import { denied } from './attributes.ts';
import type { Admission } from './attributes.ts';
import { bindingsOf, compileVariables, environmentOf, evaluated, messageOf,
  outOfBudget } from './expressions.ts';
import type { Budget, Compiled, Variable } from './expressions.ts';
import {
  conditionsHold, matchingPolicies, namespaceWritten, paramsOf, policyResources,
} from './policies.ts';
import type { Binding, Condition, Policy, PolicySpec } from './policies.ts';
import { matches } from './match.ts';

interface Validation {
  readonly expression: string; readonly message?: string; readonly messageExpression?: string;
  readonly reason?: string;
}

interface AuditAnnotation { readonly key: string; readonly valueExpression: string }

export interface ValidatingSpec extends PolicySpec {
  readonly validations?: readonly Validation[];
  readonly auditAnnotations?: readonly AuditAnnotation[];
}

export type ValidatingPolicy = Policy<ValidatingSpec>;

// ── compiled ─────────────────────────────────────────────────────────────────────────────────────────────

interface CompiledPolicy {
  readonly variables: readonly Variable[];
  readonly conditions: readonly Condition[];
  readonly validations: readonly (
    Validation & { readonly compiled: Compiled; readonly says: Compiled | null })[];
  readonly annotations: readonly (AuditAnnotation & { readonly compiled: Compiled })[];
}

/** By the stored object, which is another one as soon as anything in it changes. */
const compiledPolicies = new WeakMap<KubeObject, CompiledPolicy>();

function compiledOf(policy: ValidatingPolicy): CompiledPolicy {
  const known = compiledPolicies.get(policy);
  if (known !== undefined) return known;
  const { spec } = policy, params = spec.paramKind !== undefined;
  const { variables, types: composed } = compileVariables(spec.variables ?? [], { params });
  const asking = environmentOf({ params, authorizer: true, variables: composed });
  const saying = environmentOf({ params, authorizer: false, variables: composed });
  const conditions = environmentOf({ params, authorizer: true, variables: new Map<string, CelType>() });
  const compiled: CompiledPolicy = {
    variables,
    conditions: (spec.matchConditions ?? []).map((each) =>
      ({ ...each, compiled: compileAs(each.expression, conditions, [types.bool]) })),
    validations: (spec.validations ?? []).map((each) => ({
      ...each, compiled: compileAs(each.expression, asking, [types.bool]),
      says: each.messageExpression === undefined ? null
        : compileAs(each.messageExpression, saying, [types.string]),
    })),
    annotations: (spec.auditAnnotations ?? []).map((each) => ({
      ...each, compiled: compileAs(each.valueExpression, asking, [types.string, types.null]),
    })),
  };
  compiledPolicies.set(policy, compiled);
  return compiled;
}

// ── decisions ────────────────────────────────────────────────────────────────────────────────────────────

interface Denial { readonly message: string; readonly reason: string; readonly index: number }

/** The problem of the first denial; null: admitted. Warnings and audit annotations are added to `write`. */
export function validatingPolicies(write: Admission): Problem | null {
  const { validating, validatingBindings } = policyResources;
  let first: Problem | null = null;
  for (const matched of matchingPolicies<ValidatingSpec>(write, validating, validatingBindings)) {
    if (isProblem(matched)) return matched;
    const { policy, bindings } = matched, notes = new Map<string, string[]>();
    for (const binding of bindings) {
      const fits = matches(write, binding.spec.matchResources);
      if (isProblem(fits)) return fits;
      if (!fits) continue;
      const denial = judged(write, policy, binding, notes);
      if (isProblem(denial)) return denial;
      if (denial !== null) first ??= problemOf(write, policy, binding, denial);
    }
    for (const [key, values] of notes) write.audit.set(`${policy.metadata.name}/${key}`, values.join(', '));
  }
  return first;
}

function problemOf(write: Admission, policy: KubeObject, binding: KubeObject, denial: Denial): Problem {
  const message =
    `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}' `
    + `denied request: ${denial.message}`;
  return denied(write, message, codeOf(denial.reason), denial.reason, [{ message }]);
}

function codeOf(reason: string): number {
  switch (reason) {
    case 'Unauthorized': return 401;
    case 'Forbidden': return 403;
    case 'RequestEntityTooLarge': return 413;
    default: return 422;
  }
}

/** The first denial by this binding that is to be enforced. */
function judged(
  write: Admission, policy: ValidatingPolicy, binding: Binding, notes: Map<string, string[]>,
): Denial | Problem | null {
  const { spec } = policy, ignores = spec.failurePolicy === 'Ignore';
  const params = paramsOf(write, spec.paramKind, binding.spec.paramRef);
  if (typeof params === 'string') {
    return ignores ? null
      : { message: `failed to configure binding: ${params}`, reason: 'Invalid', index: -1 };
  }
  const namespace = namespaceWritten(write);
  if (isProblem(namespace)) return namespace;
  let first: Denial | null = null;
  for (const param of params) {
    for (const denial of denials(write, policy, { param, namespace }, notes)) {
      first ??= enforced(write, policy, binding, denial);
    }
  }
  return first;
}

/** What the binding does about it; null where the write goes on. */
function enforced(write: Admission, policy: KubeObject, binding: Binding, denial: Denial): Denial | null {
  const { validationActions = [] } = binding.spec, { index, message } = denial;
  const names = { policy: policy.metadata.name, binding: binding.metadata.name };
  // A failed audit annotation is denied whatever the binding says.
  if (index < 0) return denial;
  let first: Denial | null = null;
  for (const action of validationActions) {
    switch (action) {
      case 'Deny': first ??= denial; break;
      case 'Warn':
        write.warnings.push(`Validation failed for ValidatingAdmissionPolicy '${names.policy}' with binding `
          + `'${names.binding}': ${message}`);
        break;
      case 'Audit':
        write.audit.set('validation.policy.admission.k8s.io/validation_failure', JSON.stringify([{
          message, policy: names.policy, binding: names.binding, expressionIndex: index, validationActions,
        }]));
        break;
      default: break;
    }
  }
  return first;
}

interface Given { readonly param: KubeObject | null; readonly namespace: Namespace | null }

function denials(
  write: Admission, policy: ValidatingPolicy, { param, namespace }: Given, notes: Map<string, string[]>,
): readonly Denial[] {
  const compiled = compiledOf(policy), ignores = policy.spec.failurePolicy === 'Ignore';
  const failed = (message: string, index = 0): readonly Denial[] =>
    ignores ? [] : [{ message, reason: 'Invalid', index }];
  const bindings = bindingsOf(write, { params: param, namespace, variables: compiled.variables });
  const holds = conditionsHold(compiled.conditions, bindings);
  if (typeof holds === 'string') return failed(holds);
  if (!holds) return [];
  const budget: Budget = { left: limits.celRequestCostMax }, found: Denial[] = [];
  for (const [index, validation] of compiled.validations.entries()) {
    const value = evaluated(validation.expression, validation.compiled, bindings, budget);
    if (value === 'out of budget') return failed(outOfBudget);
    if (isFault(value)) found.push(...failed(value.message, index));
    else if (value !== true) {
      found.push({
        message: whyDenied(validation, bindings, budget), reason: validation.reason ?? 'Invalid', index,
      });
    }
  }
  const wrong = annotate(compiled, bindings, notes);
  return wrong === null ? found : [...found, ...failed(wrong, -1)];
}

function whyDenied(
  { expression, message = '', messageExpression = '', says }: CompiledPolicy['validations'][number],
  bindings: Bindings, budget: Budget,
): string {
  const said = says === null ? '' : messageOf(evaluated(messageExpression, says, bindings, budget));
  if (said !== '') return said;
  return message.trim() === '' ? `failed expression: ${expression.trim()}` : message.trim();
}

/** Fills the audit annotations; gives what one of them failed with. */
function annotate(
  { annotations }: CompiledPolicy, bindings: Bindings, notes: Map<string, string[]>,
): string | null {
  const budget: Budget = { left: limits.celRequestCostMax };
  let wrong: string | null = null;
  for (const { key, valueExpression, compiled } of annotations) {
    const value = evaluated(valueExpression, compiled, bindings, budget);
    if (value === 'out of budget') return outOfBudget;
    if (isFault(value)) wrong ??= value.message;
    else if (typeof value === 'string') {
      const text = value.trim().slice(0, limits.auditAnnotationLengthMax), others = notes.get(key) ?? [];
      if (text !== '' && !others.includes(text)) notes.set(key, [...others, text]);
    } else if (value !== null) {
      wrong ??= `valueExpression '${valueExpression}' resulted in unsupported return type: `
        + `${typeName(value)}. Return type must be either string or null.`;
    }
  }
  return wrong;
}
