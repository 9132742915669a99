// `x-kubernetes-validations`: the rules that a schema of a custom kind has for its values.
//
//     rule: self.min <= self.max            self: the value at the schema's place
//     rule: self.name == oldSelf.name       a transition rule: only where there was a value before
//
// Source of facts: apiextensions-apiserver pkg/apiserver/schema/cel (validation.go, compilation.go): what is
// evaluated when, in which order, and every message; pkg/apis/apiextensions/validation for what is refused
// when the schema is written. Not estimated beforehand, as Kubernetes does, is what a rule may cost at worst;
// what it does cost is bounded.
// What always holds: all rules of one object share one budget; a value that an update leaves as it was is not
// held against it.

import { canonicalText, sameContent } from '../../canonical.ts';
import { limits } from '../../limits.ts';
import { isObject } from '../body.ts';
import type { Json } from '../body.ts';
import type { JsonSchema, ValidationRule } from '../custom/definition.ts';
import type { StatusCause } from '../types.ts';
import { compile, errorText, evaluate, isProgram, Meter } from './compile.ts';
import type { Environment, Program } from './compile.ts';
import { kubernetesFunctions } from './library/kubernetes.ts';
import type { Bindings } from './plan.ts';
import { typeOfSchema, valueOfSchema } from './schematypes.ts';
import { optionalOf, types, typeNamed } from './types.ts';
import type { CelType } from './types.ts';
import { isFault, Optional } from './values.ts';
import type { Value } from './values.ts';

// ── compiled ─────────────────────────────────────────────────────────────────────────────────────────────

interface CompiledRule {
  readonly given: ValidationRule;
  /** Null: it does not compile, and was refused with the definition. */
  readonly program: Program | null;
  readonly says: Program | null;
  readonly error: string | null;
  readonly messageError: string | null;
  readonly usesOldSelf: boolean;
}

const compiledRules = new WeakMap<JsonSchema, readonly CompiledRule[]>();

function rulesOf(schema: JsonSchema, isRoot: boolean): readonly CompiledRule[] {
  const known = compiledRules.get(schema);
  if (known !== undefined) return known;
  const given = schema['x-kubernetes-validations'] ?? [];
  const type = given.length === 0 ? null : typeOfSchema(schema, isRoot);
  const compiled = given.map((rule) => compiledRule(rule, type ?? types.dyn));
  compiledRules.set(schema, compiled);
  return compiled;
}

function compiledRule(given: ValidationRule, self: CelType): CompiledRule {
  const oldSelf = given.optionalOldSelf === true ? optionalOf(self) : self;
  const environment: Environment = {
    functions: kubernetesFunctions, variables: new Map([['self', self], ['oldSelf', oldSelf]]),
  };
  const { rule = '', messageExpression = '' } = given;
  const program = typed(rule, environment, 'bool'), says = typed(messageExpression, environment, 'string');
  return {
    given, program: typeof program === 'string' ? null : program, says: typeof says === 'string' ? null
      : says,
    error: typeof program === 'string' ? program : null,
    messageError: typeof says === 'string' ? `messageExpression ${says}` : null,
    usesOldSelf: program !== null && typeof program !== 'string' && program.used.has('oldSelf'),
  };
}

/** Null for no expression; a text for what is wrong with it. */
function typed(
  expression: string, environment: Environment, wanted: 'bool' | 'string'): Program | string | null {
  if (expression.trim() === '') return null;
  const compiled = compile(expression, environment);
  if (!isProgram(compiled)) return `compilation failed: ${errorText(expression, compiled)}`;
  if (typeNamed(compiled.type) === wanted) return compiled;
  return wanted === 'bool' ? 'cel expression must evaluate to a bool' : 'must evaluate to a string';
}

// ── what is wrong with rules ─────────────────────────────────────────────────────────────────────────────

/**
 * What Kubernetes says of the rules of this schema alone, at `path`. `uncorrelatable`: the path of the
 * nearest
 * schema around it whose old and new parts can't be told to be the same; empty: none.
 */
export function ruleCauses(
  schema: JsonSchema, path: string, isRoot: boolean, uncorrelatable: string,
): readonly StatusCause[] {
  const causes: StatusCause[] = [];
  const say = (field: string, value: string, detail: string): void => void causes.push({
    reason: 'FieldValueInvalid', field, message: `Invalid value: ${value}: ${detail}`,
  });
  for (const [at, rule] of rulesOf(schema, isRoot).entries()) {
    const here = `${path}.x-kubernetes-validations[${at}]`, { given } = rule;
    if (rule.error !== null) say(`${here}.rule`, goText(given), rule.error);
    if (rule.messageError !== null) say(`${here}.messageExpression`, goText(given), rule.messageError);
    if (rule.usesOldSelf) {
      if (uncorrelatable !== '') {
        say(`${here}.rule`, JSON.stringify(given.rule),
          'oldSelf cannot be used on the uncorrelatable portion of the schema '
          + `within ${uncorrelatable}`);
      }
    } else if (given.optionalOldSelf !== undefined) {
      say(`${here}.optionalOldSelf`, String(given.optionalOldSelf),
        'may not be set if oldSelf is not used in rule');
    }
  }
  return causes;
}

/** As Go prints the structure, which is what Kubernetes shows. */
function goText({ rule = '', message = '', messageExpression = '', reason, fieldPath = '', optionalOldSelf }:
ValidationRule): string {
  const quoted = (text: string): string => JSON.stringify(text);
  const reasonText =
    `(*apiextensions.FieldValueErrorReason)(${reason === undefined ? 'nil' : quoted(reason)})`;
  return `apiextensions.ValidationRule{Rule:${quoted(rule)}, Message:${quoted(message)}, `
    + `MessageExpression:${quoted(messageExpression)}, Reason:${reasonText}, FieldPath:${quoted(fieldPath)}, `
    + `OptionalOldSelf:(*bool)(${optionalOldSelf === undefined ? 'nil' : String(optionalOldSelf)})}`;
}

// ── what is wrong with a value ───────────────────────────────────────────────────────────────────────────

/** What all rules of one object may cost together. */
export interface RuleBudget { left: number }

/**
 * Field errors of the value by the rules of its schema and of all schemas within. `old`: undefined where
 * there
 * was none. `path`: empty for the object itself.
 */
export function checkRules(
  schema: JsonSchema, value: Json, old: Json | undefined, path = '',
  budget: RuleBudget = { left: limits.celRequestCostMax }, isRoot = path === '',
): readonly StatusCause[] {
  const causes: StatusCause[] = [];
  if (hasRules(schema)) walk({ causes, budget }, schema, value, old, path, isRoot);
  return causes;
}

const withRules = new WeakMap<JsonSchema, boolean>();

/** Whether there is a rule in it: most parts of most schemas have none, and need not be walked through. */
export function hasRules(schema: JsonSchema): boolean {
  const known = withRules.get(schema);
  if (known !== undefined) return known;
  const { properties = {}, items, additionalProperties: rest } = schema;
  const has = (schema['x-kubernetes-validations'] ?? []).length > 0
    || Object.values(properties).some(hasRules) || (items !== undefined && hasRules(items))
    || (typeof rest === 'object' && hasRules(rest));
  withRules.set(schema, has);
  return has;
}

interface Walk { readonly causes: StatusCause[]; readonly budget: RuleBudget }

function walk(
  to: Walk, schema: JsonSchema, value: Json, old: Json | undefined, path: string, isRoot: boolean,
): void {
  if (value === null || to.budget.left < 0 || !hasRules(schema)) return;
  evaluateRules(to, schema, value, old, path, isRoot);
  const { properties = {}, items, additionalProperties: rest } = schema;
  const inside = (one: JsonSchema, next: Json, before: Json | undefined, at: string): void =>
    walk(to, one, next, before, at, one['x-kubernetes-embedded-resource'] === true);
  if (Array.isArray(value)) {
    if (items === undefined) return;
    const former = formerItems(schema, old);
    for (const [at, item] of (value as readonly Json[]).entries()) {
      inside(items, item, former(item), `${path}[${at}]`);
    }
    return;
  }
  if (!isObject(value)) return;
  const before = isObject(old) && schema['x-kubernetes-map-type'] !== 'atomic' ? old : {};
  for (const name of Object.keys(value).sort()) {
    const item = value[name] ?? null, was = Object.hasOwn(before, name) ? before[name] : undefined;
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (property !== undefined) inside(property, item, was, path === '' ? name : `${path}.${name}`);
    else if (typeof rest === 'object') inside(rest, item, was, `${path}[${name}]`);
  }
}

/** Which item of a list stood for this one before: only a list by keys can tell. */
function formerItems(schema: JsonSchema, old: Json | undefined): (item: Json) => Json | undefined {
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old)) return () => undefined;
  const keyOf = (item: Json): string =>
    canonicalText(keys.map((key) => isObject(item) ? item[key] ?? null : null));
  const items = new Map((old as readonly Json[]).map((item) => [keyOf(item), item]));
  return (item) => items.get(keyOf(item));
}

function evaluateRules(
  to: Walk, schema: JsonSchema, value: Json, old: Json | undefined, path: string, isRoot: boolean,
): void {
  const rules = rulesOf(schema, isRoot);
  if (rules.length === 0) return;
  const self = valueOfSchema(value, schema, isRoot);
  const before = old === undefined || old === null ? undefined : valueOfSchema(old, schema, isRoot);
  const unchanged = old !== undefined && sameContent(old, value);
  for (const rule of rules) {
    if (rule.program === null) continue;
    const optional = rule.given.optionalOldSelf === true;
    if (rule.usesOldSelf && before === undefined && !optional) continue;
    const bindings: Bindings = new Map<string, Value>([
      ['self', self], ['oldSelf', optional ? new Optional(before) : before ?? null],
    ]);
    const failed = outcome(to, rule, rule.program, bindings, schema, path);
    if (failed === 'stop') return;
    if (failed === null || (unchanged && !rule.usesOldSelf)) continue;
    to.causes.push(causeOf(rule, failed, value, schema, path));
  }
}

/** Null: the rule holds, or its failure is noted already. A text: why it does not hold. */
function outcome(
  to: Walk, { given, says }: CompiledRule, program: Program, bindings: Bindings, schema: JsonSchema,
    path: string,
): string | null | 'stop' {
  const note = (detail: string): void => void to.causes.push({
    reason: 'FieldValueInvalid', field: path === '' ? '<nil>' : path,
    message: `Invalid value: ${JSON.stringify(schema.type ?? '')}: ${detail}`,
  });
  const stop = (detail: string): 'stop' => {
    note(detail);
    to.budget.left = -1;
    return 'stop';
  };
  const meter = new Meter(), result = evaluate(program, bindings, meter);
  if (meter.cost > to.budget.left) {
    return stop(
      'validation failed due to running out of cost budget, no further validation rules will be run');
  }
  to.budget.left -= meter.cost;
  const shown = (given.message ?? '') === '' ? (given.rule ?? '').trim() : (given.message ?? '').trim();
  if (isFault(result)) {
    const why = result.message;
    if (meter.out) {
      return stop(
        `'${why}': no further validation rules will be run due to call cost exceeds limit for rule: `
        + shown);
    }
    note(why.startsWith('no such overload')
      ? `'${why}': call arguments did not match a supported operator, function or macro signature for rule: `
        + shown
      : `${why} evaluating rule: ${shown}`);
    return null;
  }
  if (result === true) return null;
  const saying = new Meter(), said = says === null ? null : evaluate(says, bindings, saying);
  to.budget.left -= saying.cost;
  const message = typeof said === 'string' ? said.trim() : '';
  const bytes = new TextEncoder().encode(message).length;
  if (message !== '' && !/[\n\r]/.test(message) && bytes <= limits.celMessageBytesMax) return message;
  return (given.message ?? '') === '' ? `failed rule: ${shown}` : shown;
}

function causeOf(
  { given }: CompiledRule, detail: string, value: Json, schema: JsonSchema, path: string,
): StatusCause {
  const { reason = 'FieldValueInvalid', fieldPath = '' } = given, at = placeOf(path, fieldPath);
  const whole = schema.type === 'object' || schema.type === 'array';
  const shown = whole ? '' : `: ${JSON.stringify(value)}`;
  switch (reason) {
    case 'FieldValueForbidden': return { reason, field: at, message: `Forbidden: ${detail}` };
    case 'FieldValueRequired': return { reason, field: at, message: `Required value: ${detail}` };
    case 'FieldValueDuplicate': return { reason, field: at, message: `Duplicate value${shown}` };
    default: return { reason: 'FieldValueInvalid', field: at, message: `Invalid value${shown}: ${detail}` };
  }
}

/** `fieldPath` is written as `.spec.name` or `['a.b']`, below the schema's place. */
function placeOf(path: string, fieldPath: string): string {
  const normal = fieldPath.replace(/^\./, '').replace(/\['((?:[^'\\]|\\.)*)'\]/g, (_, name: string) =>
    `[${name.replace(/\\(.)/g, '$1')}]`);
  if (normal === '') return path === '' ? '<nil>' : path;
  return path === '' || normal.startsWith('[') ? `${path}${normal}` : `${path}.${normal}`;
}

