// Event of events.k8s.io/v1: a view of the core Event, with newer names and stricter rules.
// Source: Kubernetes, pkg/apis/events/v1 (conversions), pkg/apis/core/validation/events.go.

import type { Resource } from '../resource.ts';
import type { KubeObject } from '../types.ts';
import { event, validateEvent } from './event.ts';
import { at, fieldsOf, isMissing, numberAt, textAt } from './fields.ts';
import { served } from './kind.ts';
import { judge, onCreate, onUpdate } from './rules.ts';
import { immutable, invalid, required, sameJson } from './validate.ts';
import type { Errors } from './validate.ts';

/** What core/v1 calls a field, and what events.k8s.io/v1 does. All others have one name. */
const names: readonly (readonly [string, string])[] = [
  ['involvedObject', 'regarding'], ['message', 'note'], ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'], ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'], ['count', 'deprecatedCount'],
];
const toNew = new Map(names), toOld = new Map(names.map(([old, fresh]) => [fresh, old] as const));

function renamed(one: KubeObject, by: ReadonlyMap<string, string>, apiVersion: string): KubeObject {
  const fields = Object.entries(one).map(([name, value]) => [by.get(name) ?? name, value] as const);
  return { ...Object.fromEntries(fields) as unknown as KubeObject, apiVersion };
}

const group = 'events.k8s.io', version = `${group}/v1`;
const toCore = (one: KubeObject): KubeObject => (one.apiVersion === 'v1' ? one : renamed(one, toOld, 'v1'));
const fromCore = (one: KubeObject): KubeObject =>
  (one.apiVersion === version ? one : renamed(one, toNew, version));

/** Field selectors by the newer names. */
const fields = Object.fromEntries(Object.entries(event.fields).flatMap(([name, value]) => {
  const [first = '', ...rest] = name.split('.'), fresh = toNew.get(first) ?? first;
  const shown = [fresh, ...rest].join('.'), read = (one: KubeObject): string => value(toCore(one));
  return shown.startsWith('deprecated') ? [] : [[shown, read] as const];
}));

export const newEvent: Resource = served({
  group, kind: 'Event', shortNames: ['ev'], fields,
  columns: event.columns.map((column) =>
    ({ ...column, value: (one, now) => column.value(toCore(one), now) })),
  defaults: (one) => fromCore(event.defaults(toCore(one))),
  validate: (one, old) => rules(toCore(one), old === null ? null : toCore(old)),
  storage: { resource: event, to: toCore, from: fromCore },
});

/** Kubernetes freezes the note too, but its own conformance suite of 1.20 rewrites it. */
const frozen = [
  'involvedObject', 'reason', 'source', 'firstTimestamp', 'lastTimestamp', 'count', 'type',
  'eventTime', 'action', 'related',
];

const rules = judge(
  (errors, one) => validateEvent(errors, one),
  onCreate((errors, one) => {
    validateSeries(errors, one);
    if (isMissing(at(one, 'eventTime'))) required(errors, 'eventTime');
    const type = textAt(one, 'type');
    if (type !== 'Normal' && type !== 'Warning') invalid(errors, 'type', '', `has invalid value: ${type}`);
    for (const name of ['firstTimestamp', 'lastTimestamp', 'count']) {
      if (!isMissing(at(one, name)) && at(one, name) !== 0) invalid(errors, name, '', 'needs to be unset');
    }
    const { component, host } = fieldsOf(at(one, 'source'));
    if (!isMissing(component) || !isMissing(host)) invalid(errors, 'source', '', 'needs to be unset');
  }),
  onUpdate((errors, one, old) => {
    if (!sameJson(at(one, 'series'), at(old, 'series'))) validateSeries(errors, one);
    for (const name of frozen) immutable(errors, name, at(one, name), at(old, name));
    const [now, before] = [textAt(one, 'reportingComponent'), textAt(old, 'reportingComponent')];
    immutable(errors, 'reportingController', now, before);
    immutable(errors, 'reportingInstance', textAt(one, 'reportingInstance'),
      textAt(old, 'reportingInstance'));
  }),
);

function validateSeries(errors: Errors, one: KubeObject): void {
  const series = at(one, 'series');
  if (series === undefined) return;
  if ((numberAt(series, 'count') ?? 0) < 2) invalid(errors, 'series.count', '', 'should be at least 2');
  if (isMissing(at(series, 'lastObservedTime'))) required(errors, 'series.lastObservedTime');
}
