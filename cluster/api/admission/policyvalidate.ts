// Whether the expressions of an admission policy compile: said when the policy is written, not when it is
// first asked.
//
// Source of facts: Kubernetes pkg/apis/admissionregistration/validation (where which expression is, what it
// must evaluate to).

import { compileAs } from '../cel/compile.ts';
import type { Environment } from '../cel/compile.ts';
import { types } from '../cel/types.ts';
import type { CelType } from '../cel/types.ts';
import { isObject } from '../body.ts';
import type { Json, JsonObject } from '../body.ts';
import type { KubeObject, StatusCause } from '../types.ts';
import { compileVariables, environmentOf } from './expressions.ts';
import { mutationObject, patchResults } from './patchtypes.ts';

/** For both kinds of policies; what is no text is said by others. */
export function expressionCauses(policy: KubeObject): readonly StatusCause[] {
  const spec = fieldsOf((policy as KubeObject & { spec?: Json }).spec), causes: StatusCause[] = [];
  const params = spec['paramKind'] !== undefined;
  const say = (field: string, expression: string, why: string): void => {
    causes.push({
      reason: 'FieldValueInvalid', field, message: `Invalid value: ${JSON.stringify(expression)}: ${why}`,
    });
  };
  const check =
    (field: string, value: Json | undefined, wanted: readonly CelType[], within: Environment): void => {
    if (typeof value !== 'string' || value.trim() === '') return;
    const compiled = compileAs(value, within, wanted);
    if (typeof compiled === 'string') say(field, value, compiled);
  };
  const named = itemsOf(spec['variables']).map(({ name, expression }) =>
    ({ name: text(name), expression: text(expression) }));
  const { variables, types: composed } = compileVariables(named, { params });
  for (const [at, { compiled }] of variables.entries()) {
    const expression = named[at]?.expression ?? '';
    if (typeof compiled === 'string' && expression.trim() !== '') {
      say(`spec.variables[${at}].expression`, expression, compiled);
    }
  }
  const asking =
    environmentOf({ params, authorizer: true, variables: composed, objectNamed: mutationObject });
  const saying = environmentOf({ params, authorizer: false, variables: composed });
  const alone = environmentOf({ params, authorizer: true, variables: new Map() });
  for (const [at, condition] of itemsOf(spec['matchConditions']).entries()) {
    check(`spec.matchConditions[${at}].expression`, condition['expression'], [types.bool], alone);
  }
  for (const [at, validation] of itemsOf(spec['validations']).entries()) {
    const path = `spec.validations[${at}]`;
    check(`${path}.expression`, validation['expression'], [types.bool], asking);
    check(`${path}.messageExpression`, validation['messageExpression'], [types.string], saying);
  }
  for (const [at, annotation] of itemsOf(spec['auditAnnotations']).entries()) {
    const path = `spec.auditAnnotations[${at}].valueExpression`;
    check(path, annotation['valueExpression'], [types.string, types.null], asking);
  }
  for (const [at, mutation] of itemsOf(spec['mutations']).entries()) {
    const type = text(mutation['patchType']), wanted = patchResults[type];
    const field = type === 'JSONPatch' ? 'jsonPatch' : 'applyConfiguration';
    const { expression } = fieldsOf(mutation[field]);
    check(`spec.mutations[${at}].${field}.expression`, expression, wanted === undefined ? []
      : [wanted], asking);
  }
  return causes;
}

const fieldsOf = (value: Json | undefined): JsonObject => isObject(value) ? value : {};
const text = (value: Json | undefined): string => typeof value === 'string' ? value : '';

function itemsOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly Json[]).map(fieldsOf) : [];
}
