// HorizontalPodAutoscaler, in autoscaling/v2 (which is stored) and autoscaling/v1 (a view of it). Nothing in
// Shoal acts on them yet. Source: Kubernetes, pkg/apis/autoscaling/validation, v2 defaults,
// printHorizontalPodAutoscaler.

import { canonicalQuantity, compareQuantities } from '../quantity.ts';
import type { Column, Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { autoscalerToV1, autoscalerToV2 } from './autoscalingviews.ts';
import { ageColumn, countOf, nameColumn, text, textOf } from './columns.ts';
import { at, eachAt, fieldsOf, filled, isMissing, listAt, numberAt, textAt, withAt } from './fields.ts';
import { served, statusful } from './kind.ts';
import { labelKeyErrors } from './names.ts';
import { among, atLeast, atMost, each, judge, label, named, need, pathSegment } from './rules.ts';
import { forbidden, invalid, invalidEach, notSupported, required } from './validate.ts';
import type { Errors } from './validate.ts';

// ── columns ──────────────────────────────────────────────────────────────────────────────────────────────

/** `cpu: 12%/80%`, at most two, and how many more there are. */
function targets(one: KubeObject): string {
  const metrics = listAt(one, 'spec.metrics'), current = listAt(one, 'status.currentMetrics');
  if (metrics.length === 0) return '<none>';
  const all = metrics.map((metric, i) => target(metric, current[i]));
  return all.length > 2 ? `${all.slice(0, 2).join(', ')} + ${all.length - 2} more...` : all.join(', ');
}

const sourceNames: Readonly<Record<string, string>> = {
  ContainerResource: 'containerResource', External: 'external', Object: 'object', Pods: 'pods',
  Resource: 'resource',
};

function target(metric: unknown, status: unknown): string {
  const type = textAt(metric, 'type');
  const source = Object.hasOwn(sourceNames, type) ? sourceNames[type] : undefined;
  if (source === undefined) return '<unknown type>';
  const wanted = fieldsOf(at(metric, `${source}.target`)), now = fieldsOf(at(status, `${source}.current`));
  const shown = (value: unknown): string => (isMissing(value) ? '<unknown>' : String(value));
  const { value, averageValue, averageUtilization } = wanted;
  switch (type) {
    case 'Pods': return `${shown(now['averageValue'])}/${shown(averageValue)}`;
    case 'External': case 'Object':
      return averageValue === undefined ? `${shown(now['value'])}/${shown(value)}`
        : `${shown(now['averageValue'])}/${shown(averageValue)} (avg)`;
    default: {
      const name = textAt(metric, `${source}.name`);
      if (averageValue !== undefined) return `${name}: ${shown(now['averageValue'])}/${shown(averageValue)}`;
      const percent = (part: unknown, none: string): string =>
        (isMissing(part) ? none : `${String(part)}%`);
      return `${name}: ${percent(now['averageUtilization'], '<unknown>')}`
        + `/${percent(averageUtilization, '<auto>')}`;
    }
  }
}

const columns: readonly Column[] = [
  nameColumn,
  text('Reference', 'What is scaled.', (one) =>
    `${textAt(one, 'spec.scaleTargetRef.kind')}/${textAt(one, 'spec.scaleTargetRef.name')}`),
  text('Targets', 'Metrics, as they are and as they should be.', targets),
  textOf('MinPods', 'spec.minReplicas', '<unset>'), countOf('MaxPods', 'spec.maxReplicas'),
  countOf('Replicas', 'status.currentReplicas'), ageColumn,
];

// ── defaults ─────────────────────────────────────────────────────────────────────────────────────────────

/** Eighty percent of the CPU that is requested. */
const defaultMetrics = [{
  type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
}];
const up = {
  stabilizationWindowSeconds: 0, selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 }, { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
const down = { selectPolicy: 'Max', policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }] };

function defaults(one: KubeObject): KubeObject {
  let out = filled(one, { 'spec.minReplicas': 1 });
  if (isMissing(at(out, 'spec.metrics'))) out = withAt(out, 'spec.metrics', defaultMetrics);
  out = withAt(out, 'spec.metrics', listAt(out, 'spec.metrics').map(canonicalMetric));
  const behavior = at(out, 'spec.behavior');
  if (behavior === undefined) return out;
  const rules = (given: unknown, preset: object): object => {
    const own = Object.entries(fieldsOf(given)).filter(([, value]) => !isMissing(value));
    return { ...preset, ...Object.fromEntries(own) };
  };
  return withAt(out, 'spec.behavior', {
    ...fieldsOf(behavior), scaleUp: rules(at(behavior, 'scaleUp'), up),
    scaleDown: rules(at(behavior, 'scaleDown'), down),
  });
}

function canonicalMetric(metric: unknown): unknown {
  let out = fieldsOf(metric) as object;
  for (const source of Object.values(sourceNames)) {
    for (const field of ['value', 'averageValue']) {
      const path = `${source}.target.${field}`, given = at(out, path);
      if (given !== undefined) out = withAt(out, path, canonicalQuantity(String(given)));
    }
  }
  return out;
}

// ── rules ────────────────────────────────────────────────────────────────────────────────────────────────

const selectPolicies = ['Disabled', 'Max', 'Min'];

const rules = (path: string) => [
  atLeast(`${path}.stabilizationWindowSeconds`, 0, 'must be greater than or equal to zero'),
  atMost(`${path}.stabilizationWindowSeconds`, 3600),
  among(`${path}.selectPolicy`, selectPolicies),
  need(`${path}.policies`, 'must specify at least one Policy'),
  among(`${path}.policies[].type`, ['Percent', 'Pods']),
  atLeast(`${path}.policies[].value`, 1, 'must be greater than zero'),
  atLeast(`${path}.policies[].periodSeconds`, 1, 'must be greater than zero'),
  atMost(`${path}.policies[].periodSeconds`, 1800),
];

const validate = judge(
  (errors, one, old) => {
    const { minReplicas, maxReplicas = 0 } = fieldsOf(at(one, 'spec')) as Readonly<Record<string, number>>;
    const least = old !== null && numberAt(old, 'spec.minReplicas') === 0 ? 0 : 1;
    if (minReplicas !== undefined && minReplicas < least) {
      invalid(errors, 'spec.minReplicas', minReplicas, `must be greater than or equal to ${least}`);
    }
    if (maxReplicas < 1) invalid(errors, 'spec.maxReplicas', maxReplicas, 'must be greater than 0');
    if (minReplicas !== undefined && maxReplicas < minReplicas) {
      invalid(errors, 'spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`');
    }
  },
  named('spec.scaleTargetRef.kind', pathSegment), named('spec.scaleTargetRef.name', pathSegment),
  each('spec.metrics[]', validateMetric),
  ...rules('spec.behavior?.scaleUp?'), ...rules('spec.behavior?.scaleDown?'),
  atLeast('status?.currentReplicas', 0), atLeast('status?.desiredReplicas', 0),
);

function validateMetric(errors: Errors, value: unknown, path: string): void {
  const type = textAt(value, 'type'), types = Object.keys(sourceNames).sort();
  if (type === '') required(errors, `${path}.type`, 'must specify a metric source type');
  const expected = Object.hasOwn(sourceNames, type) ? sourceNames[type] : undefined;
  if (expected === undefined) notSupported(errors, `${path}.type`, type, types);
  const present = ['object', 'external', 'pods', 'resource', 'containerResource']
    .filter((source) => at(value, source) !== undefined);
  const [first] = present;
  if (first !== undefined) validateSource(errors, first, at(value, first), `${path}.${first}`);
  if (expected === undefined) return;
  if (at(value, expected) === undefined) {
    required(errors, `${path}.${expected}`, 'must populate information for the given metric source');
  }
  for (const source of present.length === 1 ? [] : present.filter((each) => each !== expected)) {
    forbidden(errors, `${path}.${source}`, 'must populate the given metric source only');
  }
}

function validateSource(errors: Errors, source: string, value: unknown, path: string): void {
  const target = fieldsOf(at(value, 'target')), here = `${path}.target`;
  const segment = (field: string, detail = ''): void => {
    const name = textAt(value, field);
    if (name === '') required(errors, `${path}.${field}`, detail);
    else invalidEach(errors, `${path}.${field}`, name, pathSegment(name));
  };
  if (source === 'object') {
    ['describedObject.kind', 'describedObject.name'].forEach((field) => segment(field));
  }
  if (source === 'containerResource' || source === 'resource') {
    const name = textAt(value, 'name');
    if (name === '') required(errors, `${path}.name`, 'must specify a resource name');
    else invalidEach(errors, `${path}.name`, name, labelKeyErrors(name));
  } else segment('metric.name', 'must specify a metric name');
  if (source === 'containerResource') {
    const container = textAt(value, 'container');
    if (container === '') required(errors, `${path}.container`, 'must specify a container');
    else invalidEach(errors, `${path}.container`, container, label(container));
  }
  validateTarget(errors, target, here);
  const { value: total, averageValue, averageUtilization } = target;
  switch (source) {
    case 'object':
      if (total !== undefined || averageValue !== undefined) return;
      return required(errors, `${here}.averageValue`, 'must set either a target value or averageValue');
    case 'external':
      if (total === undefined && averageValue === undefined) {
        required(errors, `${here}.averageValue`,
          'must set either a target value for metric or a per-pod target');
      }
      if (total === undefined || averageValue === undefined) return;
      return forbidden(errors, `${here}.value`,
        'may not set both a target value for metric and a per-pod target');
    case 'pods':
      if (averageValue !== undefined) return;
      return required(errors, `${here}.averageValue`, 'must specify a positive target averageValue');
    default:
      if (averageUtilization === undefined && averageValue === undefined) {
        required(errors, `${here}.averageUtilization`,
          'must set either a target raw value or a target utilization');
      }
      if (averageUtilization === undefined || averageValue === undefined) return;
      return forbidden(errors, `${here}.averageValue`,
        'may not set both a target raw value and a target utilization');
  }
}

function validateTarget(errors: Errors, target: object, path: string): void {
  const type = textAt(target, 'type');
  if (type === '') required(errors, `${path}.type`, 'must specify a metric target type');
  if (!['Utilization', 'Value', 'AverageValue'].includes(type)) {
    invalid(errors, `${path}.type`, type, 'must be either Utilization, Value, or AverageValue');
  }
  for (const field of ['value', 'averageValue']) {
    eachAt(target, `${field}?`, (amount) => {
      if ((compareQuantities(String(amount), '0') ?? 0) > 0) return;
      invalid(errors, `${path}.${field}`, amount, 'must be positive');
    });
  }
  const utilization = numberAt(target, 'averageUtilization');
  if (utilization === undefined || utilization >= 1) return;
  invalid(errors, `${path}.averageUtilization`, utilization, 'must be greater than 0');
}

// ── the two versions ─────────────────────────────────────────────────────────────────────────────────────

export const autoscaler: Resource = served({
  group: 'autoscaling', version: 'v2', kind: 'HorizontalPodAutoscaler', shortNames: ['hpa'],
  categories: ['all'], ...statusful({ desiredReplicas: 0 }), columns, defaults, validate,
});

/** Judged and shown as what it is in v2. */
export const autoscalerV1: Resource = served({
  group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler', shortNames: ['hpa'],
  categories: ['all'], ...statusful({ currentReplicas: 0, desiredReplicas: 0 }),
  columns: columns.map((column) =>
    ({ ...column, value: (one, now) => column.value(autoscalerToV2(one), now) })),
  defaults: (one) => autoscalerToV1(defaults(autoscalerToV2(one))),
  validate: (one, old) => validate(autoscalerToV2(one), old === null ? null : autoscalerToV2(old)),
  storage: { resource: autoscaler, to: autoscalerToV2, from: autoscalerToV1 },
});
