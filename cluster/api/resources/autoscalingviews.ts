// An autoscaler of autoscaling/v1 has a field for CPU alone; whatever else v2 can say of metrics, behaviour
// and conditions is kept in annotations, so that nothing is lost between the two.
// Source: Kubernetes, pkg/apis/autoscaling/v1/conversion.go and annotations.go.
//
// What always holds: the way to v1 and back loses nothing of v2; what is no JSON counts as nothing.

import type { KubeObject } from '../types.ts';
import { at, fieldsOf, isMissing, listAt, numberAt, withAt, withoutAt } from './fields.ts';
import type { Fields } from './fields.ts';

const prefix = 'autoscaling.alpha.kubernetes.io';
const kept = {
  metrics: `${prefix}/metrics`, current: `${prefix}/current-metrics`, behavior: `${prefix}/behavior`,
  conditions: `${prefix}/conditions`,
} as const;

/** v2's path in a source of metrics, and what v1 calls it. The third is for statuses. */
type Names = readonly (readonly [string, string])[];

const metricNames: Names = [['metric.name', 'metricName']];
const ofSpec: Readonly<Record<string, Names>> = {
  object: [
    ...metricNames, ['metric.selector', 'selector'], ['describedObject', 'target'],
    ['target.value', 'targetValue'], ['target.averageValue', 'averageValue'],
  ],
  pods: [...metricNames, ['metric.selector', 'selector'], ['target.averageValue', 'targetAverageValue']],
  resource: [
    ['name', 'name'], ['target.averageUtilization', 'targetAverageUtilization'],
    ['target.averageValue', 'targetAverageValue'],
  ],
  containerResource: [
    ['name', 'name'], ['container', 'container'],
    ['target.averageUtilization', 'targetAverageUtilization'],
    ['target.averageValue', 'targetAverageValue'],
  ],
  external: [
    ...metricNames, ['metric.selector', 'metricSelector'], ['target.value', 'targetValue'],
    ['target.averageValue', 'targetAverageValue'],
  ],
};
const ofStatus: Readonly<Record<string, Names>> = Object.fromEntries(
  Object.entries(ofSpec).map(([source, names]) => [source, names.map(([long, short]) => {
    if (!long.startsWith('target.')) return [long, short] as const;
    const plain = short.replace(/^target/, ''), name = plain.charAt(0).toUpperCase() + plain.slice(1);
    const shown = source === 'object' && name === 'AverageValue' ? 'averageValue' : `current${name}`;
    return [long.replace('target.', 'current.'), shown] as const;
  })]));

function renamed(metric: unknown, names: Readonly<Record<string, Names>>, toV1: boolean): Fields {
  let out: Fields = { type: fieldsOf(metric)['type'] };
  for (const [source, pairs] of Object.entries(names)) {
    const given = at(metric, source);
    if (given === undefined) continue;
    let inner: Fields = {};
    for (const [long, short] of pairs) {
      const value = at(given, toV1 ? long : short);
      if (value !== undefined) inner = withAt(inner, toV1 ? short : long, value);
    }
    out = { ...out, [source]: !toV1 && names === ofSpec ? withTargetType(inner) : inner };
  }
  return out;
}

/** v1 does not say which kind of target it is: it follows from what is given. */
function withTargetType(source: Fields): Fields {
  const { value, averageUtilization } = fieldsOf(source['target']);
  const amount = value === undefined ? 'AverageValue' : 'Value';
  const type = averageUtilization === undefined ? amount : 'Utilization';
  return withAt(source, 'target.type', type);
}

const isCpu = (metric: unknown): boolean =>
  at(metric, 'type') === 'Resource' && at(metric, 'resource.name') === 'cpu';

function parsed(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

export function autoscalerToV2(one: KubeObject): KubeObject {
  if (one.apiVersion !== 'autoscaling/v1') return one;
  const notes = one.metadata.annotations ?? {};
  const cpu = numberAt(one, 'spec.targetCPUUtilizationPercentage');
  const cpuNow = numberAt(one, 'status.currentCPUUtilizationPercentage');
  const metrics = [
    ...asList(parsed(notes[kept.metrics])).map((each) => renamed(each, ofSpec, false)),
    ...cpu === undefined ? [] : [{
      type: 'Resource',
      resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: cpu } },
    }],
  ];
  // The annotation has all that was measured, the field only the percentage of CPU.
  const measured = asList(parsed(notes[kept.current])).map((each) => renamed(each, ofStatus, false));
  const current = measured.length > 0 || cpuNow === undefined ? measured
    : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: cpuNow } } }];
  const behavior = parsed(notes[kept.behavior]), conditions = asList(parsed(notes[kept.conditions]));
  let out = withAnnotations({ ...one, apiVersion: 'autoscaling/v2' }, {});
  out = withoutAt(out, 'spec.targetCPUUtilizationPercentage');
  out = withoutAt(out, 'status.currentCPUUtilizationPercentage');
  if (metrics.length > 0) out = withAt(out, 'spec.metrics', metrics);
  if (behavior !== undefined) out = withAt(out, 'spec.behavior', fieldsOf(behavior));
  if (current.length > 0) out = withAt(out, 'status.currentMetrics', current);
  return conditions.length === 0 ? out : withAt(out, 'status.conditions', conditions);
}

export function autoscalerToV1(one: KubeObject): KubeObject {
  if (one.apiVersion !== 'autoscaling/v2') return one;
  const metrics = listAt(one, 'spec.metrics'), current = listAt(one, 'status.currentMetrics');
  // The field is for the percentage: one metric of CPU, if that is how it is measured.
  const cpu = metrics.find((each) =>
    isCpu(each) && at(each, 'resource.target.averageUtilization') !== undefined);
  const cpuNow = current.find((each) =>
    isCpu(each) && at(each, 'resource.current.averageUtilization') !== undefined);
  const others = metrics.filter((each) => each !== cpu).map((each) => renamed(each, ofSpec, true));
  const behavior = at(one, 'spec.behavior'), conditions = at(one, 'status.conditions');
  const note = (name: string, value: unknown): Readonly<Record<string, string>> =>
    (isMissing(value) ? {} : { [name]: JSON.stringify(value) });
  let out = withAnnotations({ ...one, apiVersion: 'autoscaling/v1' }, {
    ...note(kept.metrics, others), ...note(kept.behavior, behavior),
    ...note(kept.current, current.map((each) => renamed(each, ofStatus, true))),
    ...note(kept.conditions, conditions),
  });
  for (const path of ['spec.metrics', 'spec.behavior', 'status.currentMetrics', 'status.conditions']) {
    out = withoutAt(out, path);
  }
  const percent = at(cpu, 'resource.target.averageUtilization');
  if (percent !== undefined) out = withAt(out, 'spec.targetCPUUtilizationPercentage', percent);
  const percentNow = at(cpuNow, 'resource.current.averageUtilization');
  return percentNow === undefined ? out
    : withAt(out, 'status.currentCPUUtilizationPercentage', percentNow);
}

/** With these in the place of those that keep what v1 has no fields for. */
function withAnnotations(one: KubeObject, notes: Readonly<Record<string, string>>): KubeObject {
  const names: readonly string[] = Object.values(kept);
  const own = Object.entries(one.metadata.annotations ?? {}).filter(([name]) => !names.includes(name));
  const annotations = { ...Object.fromEntries(own), ...notes };
  const { annotations: _, ...metadata } = one.metadata;
  const none = Object.keys(annotations).length === 0;
  return { ...one, metadata: none ? metadata : { ...metadata, annotations } };
}
