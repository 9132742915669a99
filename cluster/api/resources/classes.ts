// Classes that pods name: scheduling.k8s.io/v1 PriorityClass and node.k8s.io/v1 RuntimeClass.
// Source: Kubernetes, pkg/apis/scheduling/validation, pkg/apis/node/validation, printPriorityClass.

import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { ageColumn, countOf, flagOf, nameColumn, textOf } from './columns.ts';
import { fieldsOf, filled, listAt, numberAt, textAt } from './fields.ts';
import { served } from './kind.ts';
import { labelKeyErrors } from './names.ts';
import { validateToleration } from './podvalidate.ts';
import { among, each, fixed, frozen, judge, label, labels, validateAmount } from './rules.ts';
import { duplicate, forbidden, invalidEach, sortedEntries } from './validate.ts';
import type { Errors } from './validate.ts';

const userPriorityMax = 1_000_000_000, systemPrefix = 'system-';

/** The two that every cluster has. */
const systemPriorities: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000, 'system-node-critical': 2_000_001_000,
};

export const priorityClass: Resource = served({
  group: 'scheduling.k8s.io', kind: 'PriorityClass', shortNames: ['pc'], hasGeneration: true,
  columns: [
    nameColumn, countOf('Value', 'value'), flagOf('Global-Default', 'globalDefault'), ageColumn,
    textOf('PreemptionPolicy', 'preemptionPolicy'),
  ],
  defaults: (one) => filled(one, { preemptionPolicy: 'PreemptLowerPriority', value: 0 }),
  validate: judge(
    validatePriority, among('preemptionPolicy', ['Never', 'PreemptLowerPriority']),
    frozen('value', 'may not be changed in an update.'), fixed('preemptionPolicy'),
  ),
});

function validatePriority(errors: Errors, one: KubeObject): void {
  const { name } = one.metadata, value = numberAt(one, 'value') ?? 0;
  if (!name.startsWith(systemPrefix)) {
    if (value <= userPriorityMax) return;
    return forbidden(errors, 'value',
      `maximum allowed value of a user defined priority is ${userPriorityMax}`);
  }
  const known = Object.hasOwn(systemPriorities, name) ? systemPriorities[name] : undefined;
  const wrong = known === undefined ? `${name} is not a known system priority class`
    : value !== known ? `value of ${name} PriorityClass must be ${known}`
      : fieldsOf(one)['globalDefault'] !== true ? null
        : `globalDefault of ${name} PriorityClass must be false`;
  if (wrong === null) return;
  return forbidden(errors, 'metadata.name',
    `priority class names with '${systemPrefix}' prefix are reserved for system use only. error: ${wrong}`);
}

export const runtimeClass: Resource = served({
  group: 'node.k8s.io', kind: 'RuntimeClass',
  columns: [nameColumn, textOf('Handler', 'handler'), ageColumn],
  validate: judge(
    (errors, one) => invalidEach(errors, 'handler', textAt(one, 'handler'), label(textAt(one, 'handler'))),
    each('overhead?.podFixed', (errors, value, path) => {
      for (const [name, amount] of sortedEntries(fieldsOf(value))) {
        invalidEach(errors, `${path}[${name}]`, name, labelKeyErrors(name));
        validateAmount(errors, amount, `${path}[${name}]`, false);
      }
    }),
    labels('scheduling?.nodeSelector'), each('scheduling?', validateTolerations), fixed('handler'),
  ),
});

function validateTolerations(errors: Errors, value: unknown, path: string): void {
  const seen = new Set<string>();
  for (const [i, toleration] of listAt(value, 'tolerations').entries()) {
    const { key, operator, value: text, effect } = fieldsOf(toleration);
    validateToleration(errors, fieldsOf(toleration), `${path}.tolerations.tolerations[${i}]`);
    const id = JSON.stringify([key, operator, text, effect]);
    if (seen.has(id)) duplicate(errors, `${path}.tolerations[${i}]`, toleration);
    seen.add(id);
  }
}
