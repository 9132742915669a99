// admissionregistration.k8s.io/v1: webhooks and policies of admission. They are obeyed in
// `cluster/api/admission`; here is what may be stored.
// Source: Kubernetes, pkg/apis/admissionregistration/validation and v1 defaults, printValidatingWebhook.

import { expressionCauses } from '../admission/policyvalidate.ts';
import type { Column, Resource } from '../resource.ts';
import type { KubeObject, LabelSelector } from '../types.ts';
import { validateMatchConditions, validateMatchResources, validateWebhook } from './admissionvalidate.ts';
import { ageColumn, nameColumn, selectorText, sizeOf, text, textOf } from './columns.ts';
import { at, fieldsOf, filled, isMissing, listAt, textAt, withAt } from './fields.ts';
import { sealedStatus, served, statusful } from './kind.ts';
import { nameErrors } from './names.ts';
import { among, each, judge, mustBe, named, need, subdomain, unique } from './rules.ts';
import type { Rule } from './rules.ts';
import { duplicate, forbidden, invalid, invalidEach, notSupported, required } from './validate.ts';
import type { Errors } from './validate.ts';
import { validateLabelSelector } from './workload.ts';

const group = 'admissionregistration.k8s.io';

// ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────

/** With the scope of each rule. */
const withScopes = (rules: readonly unknown[]): readonly unknown[] =>
  rules.map((rule) => (isMissing(at(rule, 'scope')) ? { ...fieldsOf(rule), scope: '*' } : rule));

const defaultHook = (mutating: boolean) => (hook: unknown): unknown => {
  const given = filled(fieldsOf(hook) as unknown as KubeObject, {
    failurePolicy: 'Fail', matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {},
    timeoutSeconds: 10, ...mutating ? { reinvocationPolicy: 'Never' } : {},
    ...at(hook, 'clientConfig.service') === undefined ? {} : { 'clientConfig.service.port': 443 },
  });
  const rules = listAt(hook, 'rules');
  return rules.length === 0 ? given : withAt(given, 'rules', withScopes(rules));
};

function webhookConfiguration(kind: string, mutating: boolean): Resource {
  return served({
    group, kind, categories: ['api-extensions'], hasGeneration: true,
    columns: [nameColumn, sizeOf('Webhooks', 'webhooks'), ageColumn],
    defaults: (one) => {
      const hooks = listAt(one, 'webhooks');
      return hooks.length === 0 ? one : withAt(one, 'webhooks', hooks.map(defaultHook(mutating)));
    },
    validate: judge(
      each('webhooks[]', (errors, value, path) => validateWebhook(errors, value, path)),
      ...mutating ? [among('webhooks[].reinvocationPolicy', ['IfNeeded', 'Never'])] : [],
      unique('webhooks', 'name'),
    ),
  });
}

export const mutatingWebhookConfiguration = webhookConfiguration('MutatingWebhookConfiguration', true);
export const validatingWebhookConfiguration = webhookConfiguration('ValidatingWebhookConfiguration', false);

// ── policies ─────────────────────────────────────────────────────────────────────────────────────────────

const paramKindColumn = text('ParamKind', 'Kind of the parameters.', (one) => {
  const kind = at(one, 'spec.paramKind');
  return kind === undefined ? '<unset>' : `${textAt(kind, 'apiVersion')}/${textAt(kind, 'kind')}`;
});

function withMatch(one: KubeObject, path: string): KubeObject {
  if (at(one, path) === undefined) return one;
  let out = filled(one, {
    [`${path}.matchPolicy`]: 'Equivalent', [`${path}.namespaceSelector`]: {}, [`${path}.objectSelector`]: {},
  });
  for (const list of ['resourceRules', 'excludeResourceRules']) {
    const rules = listAt(one, `${path}.${list}`);
    if (rules.length > 0) out = withAt(out, `${path}.${list}`, withScopes(rules));
  }
  return out;
}

const defaultPolicy = (one: KubeObject): KubeObject =>
  withMatch(filled(one, { 'spec.failurePolicy': 'Fail' }), 'spec.matchConstraints');

const policyRules: readonly Rule[] = [
  mustBe('spec.failurePolicy', ['Fail', 'Ignore']), each('spec.paramKind?', validateParamKind),
  need('spec.matchConstraints'),
  each('spec.matchConstraints?', (errors, value, path) => {
    validateMatchResources(errors, value, path);
    if (isMissing(at(value, 'resourceRules'))) required(errors, `${path}.resourceRules`);
  }),
  each('spec.matchConditions', validateMatchConditions),
  each('spec.variables[]', (errors, value, path) => {
    const { name, expression } = fieldsOf(value);
    if (isMissing(name)) required(errors, `${path}.name`, 'name is not specified');
    else if (!/^[_a-zA-Z][_a-zA-Z0-9]*$/.test(String(name))) {
      invalid(errors, `${path}.name`, name, 'name is not a valid CEL identifier');
    }
    if (isMissing(expression)) required(errors, `${path}.expression`, 'expression is not specified');
  }),
  unique('spec.variables', 'name'),
  (errors, policy) => void errors.push(...expressionCauses(policy)),
];

function validateParamKind(errors: Errors, value: unknown, path: string): void {
  const { apiVersion, kind } = fieldsOf(value);
  if (isMissing(apiVersion)) required(errors, `${path}.apiVersion`);
  else {
    const parts = String(apiVersion).split('/'), version = parts.at(-1) ?? '';
    if (parts.length > 2) {
      invalid(errors, `${path}.apiVersion`, apiVersion,
        `unexpected GroupVersion string: ${String(apiVersion)}`);
    } else invalidEach(errors, `${path}.apiVersion`, version, nameErrors(version, 'label-1035'));
  }
  if (isMissing(kind)) required(errors, `${path}.kind`);
  else {
    const wrong = nameErrors(String(kind).toLowerCase(), 'label-1035');
    invalidEach(errors, `${path}.kind`, kind,
      wrong.map((why) => `may have mixed case, but should otherwise match: ${why}`));
  }
}

const reasons = ['Forbidden', 'Invalid', 'RequestEntityTooLarge', 'Unauthorized'];

export const validatingAdmissionPolicy: Resource = served({
  group, kind: 'ValidatingAdmissionPolicy', hasGeneration: true, ...statusful({}, sealedStatus),
  categories: ['api-extensions'],
  columns: [nameColumn, sizeOf('Validations', 'spec.validations'), paramKindColumn, ageColumn],
  defaults: defaultPolicy,
  validate: judge(
    ...policyRules,
    (errors, one) => {
      if (!isMissing(at(one, 'spec.validations')) || !isMissing(at(one, 'spec.auditAnnotations'))) return;
      const why = 'validations or auditAnnotations must contain at least one item';
      for (const list of ['validations', 'auditAnnotations']) required(errors, `spec.${list}`, why);
    },
    each('spec.validations[]', (errors, value, path) => {
      const { expression, message, reason } = fieldsOf(value);
      if (String(expression ?? '').trim() === '') {
        required(errors, `${path}.expression`, 'expression is not specified');
      }
      validateMessage(errors, message, `${path}.message`);
      if (reason !== undefined && !reasons.includes(String(reason))) {
        notSupported(errors, `${path}.reason`, reason, reasons);
      }
    }),
    each('spec.auditAnnotations[]', (errors, value, path) => {
      const { key, valueExpression } = fieldsOf(value);
      if (isMissing(key)) required(errors, `${path}.key`);
      if (String(valueExpression ?? '').trim() === '') {
        required(errors, `${path}.valueExpression`, 'valueExpression is not specified');
      }
    }),
    unique('spec.auditAnnotations', 'key'),
  ),
});

function validateMessage(errors: Errors, message: unknown, path: string): void {
  if (typeof message !== 'string' || message === '') return;
  if (message.trim() === '') invalid(errors, path, message, 'message must be non-empty if specified');
  else if (/[\r\n]/.test(message)) invalid(errors, path, message, 'message must not contain line breaks');
}

export const mutatingAdmissionPolicy: Resource = served({
  group, kind: 'MutatingAdmissionPolicy', hasGeneration: true, categories: ['api-extensions'],
  columns: [nameColumn, sizeOf('Mutations', 'spec.mutations'), paramKindColumn, ageColumn],
  defaults: defaultPolicy,
  validate: judge(
    ...policyRules, need('spec.mutations', 'mutations must contain at least one item'),
    each('spec.mutations[]', (errors, value, path) => {
      const type = textAt(value, 'patchType'), types = ['ApplyConfiguration', 'JSONPatch'];
      if (type === '') required(errors, `${path}.patchType`);
      else if (!types.includes(type)) notSupported(errors, `${path}.patchType`, type, types);
      for (const name of types) {
        const field = name === 'JSONPatch' ? 'jsonPatch' : 'applyConfiguration', given = at(value, field);
        if (type === name && given === undefined) {
          required(errors, `${path}.${field}`, `must be specified when patchType is ${type}`);
        } else if (type !== name && given !== undefined && types.includes(type)) {
          forbidden(errors, `${path}.${field}`, `must not be specified when patchType is ${type}`);
        } else if (given !== undefined && String(at(given, 'expression') ?? '').trim() === '') {
          required(errors, `${path}.${field}.expression`, 'expression is not specified');
        }
      }
    }),
    mustBe('spec.reinvocationPolicy', ['IfNeeded', 'Never']),
  ),
});

// ── bindings ─────────────────────────────────────────────────────────────────────────────────────────────

const bindingColumns: readonly Column[] = [
  nameColumn, textOf('PolicyName', 'spec.policyName'),
  text('ParamRef', 'Where the parameters are.', (one) => {
    const ref = at(one, 'spec.paramRef');
    if (ref === undefined) return '<unset>';
    const name = textAt(ref, 'name'), selector = at(ref, 'selector') as LabelSelector | undefined;
    if (name !== '') return `${textAt(ref, 'namespace') || '*'}/${name}`;
    return selector === undefined ? '<unset>' : selectorText(selector);
  }),
  ageColumn,
];

const bindingRules: readonly Rule[] = [
  named('spec.policyName', subdomain),
  each('spec.paramRef?', (errors, value, path) => {
    const { name, selector, parameterNotFoundAction: action, namespace } = fieldsOf(value);
    if (!isMissing(name)) {
      invalidEach(errors, `${path}.name`, name, nameErrors(String(name), 'path-segment'));
      if (selector !== undefined) {
        forbidden(errors, `${path}.name`, 'name and selector are mutually exclusive');
      }
    } else if (selector === undefined) required(errors, path, 'one of name or selector must be specified');
    if (!isMissing(namespace)) {
      invalidEach(errors, `${path}.namespace`, namespace, nameErrors(String(namespace), 'label'));
    }
    if (selector !== undefined) validateLabelSelector(errors, fieldsOf(selector), `${path}.selector`);
    if (isMissing(action)) required(errors, `${path}.parameterNotFoundAction`);
    else if (action !== 'Allow' && action !== 'Deny') {
      notSupported(errors, `${path}.parameterNotFoundAction`, action, ['Deny', 'Allow']);
    }
  }),
  each('spec.matchResources?', validateMatchResources),
];

const validationActions = ['Audit', 'Deny', 'Warn'];

export const validatingAdmissionPolicyBinding: Resource = served({
  group, kind: 'ValidatingAdmissionPolicyBinding', hasGeneration: true, categories: ['api-extensions'],
  columns: bindingColumns, defaults: (one) => withMatch(one, 'spec.matchResources'),
  validate: judge(
    ...bindingRules, need('spec.validationActions', 'at least one validation action is required'),
    (errors, one) => {
      const actions = listAt(one, 'spec.validationActions'), path = 'spec.validationActions';
      for (const [i, action] of actions.entries()) {
        const here = `${path}[${i}]`;
        if (!validationActions.includes(String(action))) {
          notSupported(errors, here, action, validationActions);
        }
        if (actions.indexOf(action) < i) duplicate(errors, here, action);
      }
      if (actions.includes('Deny') && actions.includes('Warn')) {
        invalid(errors, path, actions,
          'must not contain both Deny and Warn (repeating the same validation failure '
          + 'information in the API response and headers serves no purpose)');
      }
    },
  ),
});

export const mutatingAdmissionPolicyBinding: Resource = served({
  group, kind: 'MutatingAdmissionPolicyBinding', hasGeneration: true, categories: ['api-extensions'],
  columns: bindingColumns, defaults: (one) => withMatch(one, 'spec.matchResources'),
  validate: judge(...bindingRules),
});
