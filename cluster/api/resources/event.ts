// Event (core/v1): what happened to an object, told by whoever did it. `kubectl describe` reads these.
// Source: Kubernetes, pkg/apis/core/validation/events.go and printEvent.

import type { Resource } from '../resource.ts';
import type { KubeEvent, KubeObject, StatusCause } from '../types.ts';
import { count, nameColumn, since, text, wide } from './columns.ts';
import { kind } from './kind.ts';
import { labelKeyErrors } from './names.ts';
import { invalid, invalidEach, required } from './validate.ts';
import type { Errors, Loose } from './validate.ts';

/** The newer way to tell of repetition, which clients of events.k8s.io use. */
interface Series {
  readonly eventTime?: string;
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string };
}

const loose = (one: KubeObject): Loose<KubeEvent> & Series => one as Loose<KubeEvent> & Series;

export const event: Resource = kind({
  group: '', version: 'v1', resource: 'events', singular: 'event', kind: 'Event', shortNames: ['ev'],
  columns: [
    text('Last Seen', 'Time since it happened last.', lastSeen),
    text('Type', 'Normal or Warning.', (one) => loose(one).type ?? ''),
    text('Reason', 'What happened, in a word.', (one) => loose(one).reason ?? ''),
    text('Object', 'The object that it happened to.', (one) => {
      const { kind: what = '', name } = loose(one).involvedObject ?? {};
      return name ? `${what.toLowerCase()}/${name}` : what.toLowerCase();
    }),
    wide(text('Subobject', 'The part of the object.', (one) => loose(one).involvedObject?.fieldPath ?? '')),
    wide(text('Source', 'Who tells of it.', sourceText)),
    text('Message', 'What happened.', (one) => (loose(one).message ?? '').trim()),
    wide(text('First Seen', 'Time since it happened first.', firstSeen)),
    wide(count('Count', 'How often it happened.', (one) => {
      const { series } = loose(one);
      return series !== undefined ? series.count ?? 0 : loose(one).count || 1;
    })),
    wide(nameColumn),
  ],
  fields: {
    ...Object.fromEntries(
      (['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const)
        .map((field) => [
          `involvedObject.${field}`, (one: KubeObject): string => loose(one).involvedObject?.[field] ?? '',
        ]),
    ),
    reason: (one) => loose(one).reason ?? '',
    reportingComponent: (one) => loose(one).reportingComponent ?? '',
    source: (one) => loose(one).source?.component || (loose(one).reportingComponent ?? ''),
    type: (one) => loose(one).type ?? '',
  },
  defaults: (one) => ({ reportingComponent: '', reportingInstance: '', source: {}, ...one }),
  validate,
});

function firstSeen(one: KubeObject, now: number): string {
  return since(loose(one).firstTimestamp ?? loose(one).eventTime, now);
}

function lastSeen(one: KubeObject, now: number): string {
  const { series, lastTimestamp } = loose(one);
  if (series !== undefined) return since(series.lastObservedTime, now);
  return lastTimestamp === undefined ? firstSeen(one, now) : since(lastTimestamp, now);
}

function sourceText(one: KubeObject): string {
  const { source, reportingComponent, reportingInstance } = loose(one);
  const component = source?.component || reportingComponent || '';
  const instance = source?.host || reportingInstance || '';
  return instance === '' ? component : `${component}, ${instance}`;
}

function validate(one: KubeObject): readonly StatusCause[] {
  const errors: Errors = [];
  validateEvent(errors, one);
  return errors;
}

const wordsMax = 128, noteMax = 1024;

/**
 * An event lives where its object lives; that of a cluster-scoped object, in `default`. One that says when it
 * happened (`eventTime`) is of the newer kind, and says more.
 */
export function validateEvent(errors: Errors, one: KubeObject): void {
  const { involvedObject, eventTime, reportingComponent = '', reportingInstance = '' } = loose(one);
  const involved = involvedObject?.namespace ?? '', own = one.metadata.namespace ?? '';
  const misplaced = (): void =>
    invalid(errors, 'involvedObject.namespace', involved, 'does not match event.namespace');
  if (!eventTime) {
    const matches = involved === '' ? own === '' || own === 'default' : own === involved;
    if (!matches) misplaced();
    return;
  }
  if (involved === '' && own !== 'default' && own !== 'kube-system') misplaced();
  const bounded = (field: string, value: string, max: number): void => {
    if (value.length > max) invalid(errors, field, '', `can have at most ${max} characters`);
  };
  if (reportingComponent === '') required(errors, 'reportingController');
  invalidEach(errors, 'reportingController', reportingComponent, labelKeyErrors(reportingComponent));
  const { action = '', reason = '', message = '' } = loose(one) as Readonly<Record<string, string>>;
  for (const [field, value] of Object.entries({ reportingInstance, action, reason })) {
    if (value === '') required(errors, field);
    bounded(field, value, wordsMax);
  }
  bounded('message', message, noteMax);
}
