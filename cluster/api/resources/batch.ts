// batch/v1: Job and CronJob. Source: Kubernetes, pkg/apis/batch/v1 (defaults), pkg/apis/batch/validation,
// pkg/registry/batch/job (the generated selector), printJob and printCronJob.

import { matchesSelector } from '../selector.ts';
import type { Resource } from '../resource.ts';
import { humanDuration, parseTime } from '../time.ts';
import type { KubeObject, LabelSelector } from '../types.ts';
import {
  ageColumn, nameColumn, selectorText, since, sizeOf, text, textOf, wide, workloadColumns,
} from './columns.ts';
import { scheduleError } from './cron.ts';
import { at, fieldsOf, filled, isMissing, listAt, numberAt, textAt, withAt, withoutAt } from './fields.ts';
import { served, statusful } from './kind.ts';
import { containerColumns, templateAt, withTemplate } from './podtemplate.ts';
import { validateTemplate } from './podvalidate.ts';
import { among, atLeast, each, fixed, judge, mustBe, onCreate, onUpdate } from './rules.ts';
import type { Rule } from './rules.ts';
import { immutable, invalid, notSupported, required, sameJson } from './validate.ts';
import type { Errors, Loose } from './validate.ts';
import { validateLabelSelector } from './workload.ts';

// ── Job ──────────────────────────────────────────────────────────────────────────────────────────────────

const statusFresh = statusful();

export const job: Resource = served({
  group: 'batch', kind: 'Job', categories: ['all'], hasGeneration: true, ...statusFresh,
  columns: [
    nameColumn, text('Status', 'How far the job is, in a word.', jobState),
    text('Completions', 'Pods that succeeded, of those that must.', completions),
    text('Duration', 'Time from its start to its end, or to now.', duration), ageColumn, ...workloadColumns,
  ],
  fields: {
    'status.successful': (one) => String(numberAt(one, 'status.succeeded') ?? 0),
  },
  defaults: (one) => {
    const labels = at(one, 'spec.template.metadata.labels');
    const out = defaultJobSpec(one, 'spec');
    return isMissing(labels) || Object.keys(one.metadata.labels ?? {}).length > 0 ? out
      : withAt(out, 'metadata.labels', labels);
  },
  prepareCreate: (one) => withGeneratedSelector(statusFresh.prepareCreate(one)),
  validate: judge(
    onCreate(generatedSelector), ...jobRules('spec'), ownSelector,
    atLeast('status?.active', 0), atLeast('status?.succeeded', 0), atLeast('status?.failed', 0),
    onUpdate(validateJobUpdate),
    ...[
      'selector', 'completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy',
    ].map((name) => fixed(`spec.${name}`)),
  ),
});

function jobState(one: KubeObject): string {
  const has = (type: string): boolean => listAt(one, 'status.conditions').map(fieldsOf)
    .some((each) => each['type'] === type && each['status'] === 'True');
  if (has('Complete')) return 'Complete';
  if (has('Failed')) return 'Failed';
  if (one.metadata.deletionTimestamp !== undefined) return 'Terminating';
  return ['Suspended', 'FailureTarget', 'SuccessCriteriaMet'].find(has) ?? 'Running';
}

function completions(one: KubeObject): string {
  const done = numberAt(one, 'status.succeeded') ?? 0, wanted = numberAt(one, 'spec.completions');
  if (wanted !== undefined) return `${done}/${wanted}`;
  const parallelism = numberAt(one, 'spec.parallelism') ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

function duration(one: KubeObject, now: number): string {
  const start = parseTime(textAt(one, 'status.startTime') || undefined);
  if (start === null) return '';
  return humanDuration((parseTime(textAt(one, 'status.completionTime') || undefined) ?? now) - start);
}

/** The defaults of a job's specification, in a Job or in a CronJob's template. */
function defaultJobSpec(one: KubeObject, path: string): KubeObject {
  const parallel = at(one, `${path}.parallelism`) !== undefined;
  const single = !parallel && at(one, `${path}.completions`) === undefined;
  const out = filled(one, {
    ...single ? { [`${path}.completions`]: 1 } : {}, [`${path}.parallelism`]: 1,
    [`${path}.completionMode`]: 'NonIndexed', [`${path}.suspend`]: false,
    ...at(one, `${path}.backoffLimitPerIndex`) === undefined ? { [`${path}.backoffLimit`]: 6 }
      : { [`${path}.backoffLimit`]: 2 ** 31 - 1 },
    [`${path}.podReplacementPolicy`]:
      at(one, `${path}.podFailurePolicy`) === undefined ? 'TerminatingOrFailed' : 'Failed',
  });
  return withTemplate(out, `${path}.template`);
}

const uidLabel = 'batch.kubernetes.io/controller-uid', nameLabel = 'batch.kubernetes.io/job-name';

/** Pods of a job bear its uid and its name; the selector asks for the uid. */
function withGeneratedSelector(one: KubeObject): KubeObject {
  if (at(one, 'spec.manualSelector') === true) return one;
  const { uid, name } = one.metadata;
  const generated = { [uidLabel]: uid, [nameLabel]: name, 'controller-uid': uid, 'job-name': name };
  const labels = { ...generated, ...fieldsOf(at(one, 'spec.template.metadata.labels')) };
  const wanted = { [uidLabel]: uid, ...fieldsOf(at(one, 'spec.selector.matchLabels')) };
  return withAt(withAt(one, 'spec.template.metadata.labels', labels), 'spec.selector.matchLabels', wanted);
}

function generatedSelector(errors: Errors, one: KubeObject): void {
  if (at(one, 'spec.manualSelector') === true) return;
  const path = 'spec.template.metadata.labels', labels = fieldsOf(at(one, path));
  const { uid, name } = one.metadata;
  const wanted = { [uidLabel]: uid, [nameLabel]: name, 'controller-uid': uid, 'job-name': name };
  for (const [key, value] of Object.entries(wanted)) {
    if (labels[key] !== value) invalid(errors, path, labels[key] ?? '', `must be '${value}'`);
  }
  const selector = at(one, 'spec.selector') as LabelSelector | undefined;
  if (selector === undefined || matchesSelector(selector, wanted)) return;
  invalid(errors, 'spec.selector', selector, '`selector` not auto-generated');
}

function ownSelector(errors: Errors, one: KubeObject): void {
  const selector = at(one, 'spec.selector') as LabelSelector | undefined;
  if (selector === undefined) return required(errors, 'spec.selector');
  const before = errors.length;
  validateLabelSelector(errors, selector as Loose<LabelSelector>, 'spec.selector');
  if (errors.length > before) return undefined;
  const labels = fieldsOf(at(one, 'spec.template.metadata.labels')) as Readonly<Record<string, string>>;
  return matchesSelector(selector, labels) ? undefined
    : invalid(errors, 'spec.template.metadata.labels', labels, '`selector` does not match template `labels`');
}

/** What a Job and the template of a CronJob have in common. */
function jobRules(path: string): readonly Rule[] {
  const nonNegatives = [
    'parallelism', 'completions', 'activeDeadlineSeconds', 'backoffLimit', 'ttlSecondsAfterFinished',
    'backoffLimitPerIndex', 'maxFailedIndexes',
  ];
  return [
    ...nonNegatives.map((name) => atLeast(`${path}.${name}`, 0)),
    among(`${path}.completionMode`, ['Indexed', 'NonIndexed']),
    among(`${path}.podReplacementPolicy`, ['Failed', 'TerminatingOrFailed']),
    each(path, validateIndexed), each(`${path}.podFailurePolicy?`, validateFailurePolicy),
    each(`${path}.template`, (errors, value, here, object) => {
      validateTemplate(errors, fieldsOf(value), here);
      validateRestart(errors, object, path);
    }),
  ];
}

function validateRestart(errors: Errors, one: KubeObject, path: string): void {
  const here = `${path}.template.spec.restartPolicy`, policy = textAt(one, here);
  if (policy === '' || policy === 'Always') required(errors, here, 'valid values: "OnFailure", "Never"');
  else if (policy === 'OnFailure' && at(one, `${path}.podFailurePolicy`) !== undefined) {
    invalid(errors, here, policy, 'only "Never" is supported when podFailurePolicy is specified');
  }
}

function validateIndexed(errors: Errors, value: unknown, path: string): void {
  const spec = fieldsOf(value), indexed = spec['completionMode'] === 'Indexed';
  if (indexed) {
    if (spec['completions'] === undefined) {
      required(errors, `${path}.completions`, 'when completion mode is Indexed');
    }
    const { parallelism } = spec;
    if (typeof parallelism === 'number' && parallelism > 100_000) {
      invalid(errors, `${path}.parallelism`, parallelism,
        'must be less than or equal to 100000 when completion mode is Indexed');
    }
    return;
  }
  for (const name of ['backoffLimitPerIndex', 'maxFailedIndexes', 'successPolicy']) {
    if (spec[name] === undefined) continue;
    invalid(errors, `${path}.${name}`, spec[name], 'requires indexed completion mode');
  }
}

const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];

function validateFailurePolicy(errors: Errors, value: unknown, path: string): void {
  const rules = listAt(value, 'rules');
  if (rules.length > 20) {
    errors.push({
      reason: 'FieldValueTooMany', field: `${path}.rules`,
      message: `Too many: ${rules.length}: must have at most 20 items`,
    });
  }
  for (const [i, rule] of rules.entries()) {
    const { action, onExitCodes, onPodConditions } = fieldsOf(rule), here = `${path}.rules[${i}]`;
    if (isMissing(action)) required(errors, `${here}.action`, `valid values: ${JSON.stringify(actions)}`);
    else if (!actions.includes(String(action))) notSupported(errors, `${here}.action`, action, actions);
    const both = onExitCodes !== undefined && !isMissing(onPodConditions);
    if (both) {
      invalid(errors, here, rule, 'specifying both OnExitCodes and OnPodConditions is not supported');
    } else if (onExitCodes === undefined && isMissing(onPodConditions)) {
      invalid(errors, here, rule, 'specifying one of OnExitCodes and OnPodConditions is required');
    }
  }
}

/** The number of completions may follow the parallelism of an indexed job; else it stays, as the template. */
function validateJobUpdate(errors: Errors, one: KubeObject, old: KubeObject): void {
  const now = at(one, 'spec.completions'), elastic = textAt(one, 'spec.completionMode') === 'Indexed'
    && now === at(one, 'spec.parallelism') && at(old, 'spec.completions') === at(old, 'spec.parallelism');
  if (!elastic) immutable(errors, 'spec.completions', now, at(old, 'spec.completions'));
  const held = at(old, 'spec.suspend') === true && at(old, 'status.startTime') === undefined;
  const fixedPart = (object: KubeObject): unknown => {
    const template = templateAt(object, 'spec.template');
    if (!held) return template;
    return [
      'metadata.labels', 'metadata.annotations', 'spec.nodeSelector', 'spec.tolerations', 'spec.affinity',
      'spec.schedulingGates',
    ].reduce<object>((rest, path) => withoutAt(rest, path), template);
  };
  if (sameJson(fixedPart(one), fixedPart(old))) return;
  immutable(errors, 'spec.template', at(one, 'spec.template'), at(old, 'spec.template'));
}

// ── CronJob ──────────────────────────────────────────────────────────────────────────────────────────────

export const cronJob: Resource = served({
  group: 'batch', kind: 'CronJob', shortNames: ['cj'], categories: ['all'], hasGeneration: true,
  ...statusful(),
  columns: [
    nameColumn, textOf('Schedule', 'spec.schedule'), textOf('Timezone', 'spec.timeZone', '<none>'),
    {
      ...text('Suspend', 'Whether no more jobs are started.', (one) => {
        const suspend = at(one, 'spec.suspend');
        return suspend === undefined ? '<unset>' : suspend === true ? 'True' : 'False';
      }),
      type: 'boolean',
    },
    sizeOf('Active', 'status.active'),
    text('Last Schedule', 'Time since a job was started last.', (one, now) => {
      const last = textAt(one, 'status.lastScheduleTime');
      return last === '' ? '<none>' : since(last, now);
    }),
    ageColumn, ...containerColumns('spec.jobTemplate.spec.template').map(wide),
    wide(text('Selector', 'Which pods are meant, by their labels.', (one) =>
      selectorText(at(one, 'spec.jobTemplate.spec.selector') as LabelSelector | undefined))),
  ],
  defaults: (one) => defaultJobSpec(filled(one, {
    'spec.concurrencyPolicy': 'Allow', 'spec.suspend': false, 'spec.successfulJobsHistoryLimit': 3,
    'spec.failedJobsHistoryLimit': 1,
  }), 'spec.jobTemplate.spec'),
  validate: judge(
    each('spec.schedule', validateSchedule), each('spec.timeZone', validateZone),
    atLeast('spec.startingDeadlineSeconds', 0),
    mustBe('spec.concurrencyPolicy', ['Allow', 'Forbid', 'Replace']), ...jobRules('spec.jobTemplate.spec'),
    each('spec.jobTemplate.spec.selector?', (errors, value, path) =>
      invalid(errors, path, value, '`selector` will be auto-generated')),
    each('spec.jobTemplate.spec.manualSelector', (errors, value, path) => {
      if (value === true) notSupported(errors, path, value, ['nil', 'false']);
    }),
    atLeast('spec.successfulJobsHistoryLimit', 0), atLeast('spec.failedJobsHistoryLimit', 0),
    onCreate((errors, { metadata: { name } }) => {
      // The controller appends eleven characters to make the name of a job.
      if (name.length > 52) invalid(errors, 'metadata.name', name, 'must be no more than 52 characters');
    }),
  ),
});

function validateSchedule(errors: Errors, value: unknown, path: string): void {
  const schedule = typeof value === 'string' ? value : '';
  if (schedule === '') return required(errors, path);
  if (schedule.includes('TZ')) {
    return invalid(errors, path, schedule,
      'cannot use TZ or CRON_TZ in schedule, use timeZone field instead');
  }
  const wrong = scheduleError(schedule);
  return wrong === null ? undefined : invalid(errors, path, schedule, wrong);
}

function validateZone(errors: Errors, value: unknown, path: string): void {
  if (value === undefined) return;
  if (value === '') return invalid(errors, path, value, 'timeZone must be nil or non-empty string');
  if (String(value).toLowerCase() === 'local') {
    return invalid(errors, path, value,
      'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones');
  }
  if (!/^[A-Za-z0-9+_-]+(\/[A-Za-z0-9+_-]+){0,2}$/.test(String(value))) {
    invalid(errors, path, value, `unknown time zone ${String(value)}`);
  }
}
