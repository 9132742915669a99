// apps/v1 beside Deployment and ReplicaSet: StatefulSet, DaemonSet, ControllerRevision.
// Source: Kubernetes, pkg/apis/apps/v1 (defaults), pkg/apis/apps/validation, printStatefulSet,
// printDaemonSet.

import type { Resource } from '../resource.ts';
import type { KubeObject, LabelSelector } from '../types.ts';
import { matchesSelector } from '../selector.ts';
import {
  ageColumn, countOf, formatLabels, nameColumn, text, textOf, workloadColumns,
} from './columns.ts';
import { at, eachAt, fieldsOf, filled, isMissing, listAt, numberAt, textAt, withAt } from './fields.ts';
import { served, statusful } from './kind.ts';
import { canonicalList } from './podspec.ts';
import { templateAt, withTemplate } from './podtemplate.ts';
import { validatePodTemplate } from './podvalidate.ts';
import { validateRolling } from './rolling.ts';
import { among, atLeast, each, fixed, judge, onUpdate } from './rules.ts';
import type { Rule } from './rules.ts';
import { forbidden, invalid, notSupported, required, sameJson } from './validate.ts';
import type { Errors, Loose } from './validate.ts';
import { validateLabelSelector, workloadScale } from './workload.ts';

// ── what both have ───────────────────────────────────────────────────────────────────────────────────────

/** The selector, and the template that it must match. `owner`: the kind, as Kubernetes names it. */
const pods = (owner: string): Rule => (errors, object) => {
  const wanted = at(object, 'spec.selector') as LabelSelector | undefined;
  const template = templateAt(object, 'spec.template');
  if (wanted === undefined) required(errors, 'spec.selector');
  else {
    const before = errors.length;
    validateLabelSelector(errors, wanted as Loose<LabelSelector>, 'spec.selector');
    const size = Object.keys(wanted.matchLabels ?? {}).length + (wanted.matchExpressions?.length ?? 0);
    if (size === 0) {
      invalid(errors, 'spec.selector', wanted, `empty selector is invalid for ${owner.toLowerCase()}`);
    }
    const own = (template.metadata?.labels ?? {}) as Readonly<Record<string, string>>;
    if (errors.length === before && !matchesSelector(wanted, own)) {
      invalid(errors, 'spec.template.metadata.labels', own, '`selector` does not match template `labels`');
    }
  }
  validatePodTemplate(errors, template, 'spec.template', owner);
};

const counts = (...names: readonly string[]): readonly Rule[] =>
  names.map((name) => atLeast(`status?.${name}`, 0));

// ── StatefulSet ──────────────────────────────────────────────────────────────────────────────────────────

export const statefulSet: Resource = served({
  group: 'apps', kind: 'StatefulSet', shortNames: ['sts'], categories: ['all'],
  hasGeneration: true, ...statusful({ replicas: 0, availableReplicas: 0 }), subresources: ['status', 'scale'],
  columns: [
    nameColumn,
    text('Ready', 'Ready pods of the pods that are wanted.', (one) =>
      `${numberAt(one, 'status.readyReplicas') ?? 0}/${numberAt(one, 'spec.replicas') ?? 0}`),
    ageColumn, ...workloadColumns.slice(0, 2),
  ],
  defaults: defaultStatefulSet,
  validate: judge(
    statefulStrategy,
    among('spec.persistentVolumeClaimRetentionPolicy?.whenDeleted', ['Delete', 'Retain']),
    among('spec.persistentVolumeClaimRetentionPolicy?.whenScaled', ['Delete', 'Retain']),
    atLeast('spec.replicas', 0), atLeast('spec.minReadySeconds', 0), atLeast('spec.ordinals?.start', 0),
    atLeast('spec.revisionHistoryLimit', 0), pods('StatefulSet'),
    ...counts('replicas', 'readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas',
      'observedGeneration', 'collisionCount'),
    onUpdate(validateStatefulUpdate),
  ),
  scale: workloadScale,
});

function defaultStatefulSet(one: KubeObject): KubeObject {
  let out = filled(one, {
    'spec.podManagementPolicy': 'OrderedReady', 'spec.updateStrategy.type': 'RollingUpdate',
    'spec.replicas': 1, 'spec.revisionHistoryLimit': 10,
    'spec.persistentVolumeClaimRetentionPolicy.whenDeleted': 'Retain',
    'spec.persistentVolumeClaimRetentionPolicy.whenScaled': 'Retain',
  });
  if (textAt(out, 'spec.updateStrategy.type') === 'RollingUpdate') {
    out = filled(out, { 'spec.updateStrategy.rollingUpdate.partition': 0 });
  }
  const claims = listAt(out, 'spec.volumeClaimTemplates').map((claim) => {
    const typed = { ...fieldsOf(claim), apiVersion: 'v1', kind: 'PersistentVolumeClaim' } as KubeObject;
    const whole = filled(typed, { 'spec.volumeMode': 'Filesystem', 'status.phase': 'Pending' });
    const requests = at(whole, 'spec.resources.requests');
    return requests === undefined ? whole
      : withAt(whole, 'spec.resources.requests', canonicalList(fieldsOf(requests) as Record<string, string>));
  });
  if (claims.length > 0) out = withAt(out, 'spec.volumeClaimTemplates', claims);
  return withTemplate(out, 'spec.template');
}

function statefulStrategy(errors: Errors, one: KubeObject): void {
  const policy = textAt(one, 'spec.podManagementPolicy'), path = 'spec.podManagementPolicy';
  if (policy === '') required(errors, path);
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') {
    invalid(errors, path, policy, "must be 'OrderedReady' or 'Parallel'");
  }
  const type = textAt(one, 'spec.updateStrategy.type');
  const rolling = at(one, 'spec.updateStrategy.rollingUpdate');
  switch (type) {
    case '': return required(errors, 'spec.updateStrategy');
    case 'OnDelete':
      if (rolling === undefined) return;
      return invalid(errors, 'spec.updateStrategy.rollingUpdate', rolling,
        "only allowed for updateStrategy 'RollingUpdate'");
    case 'RollingUpdate':
      return eachAt(one, 'spec.updateStrategy.rollingUpdate?.partition', (value, at) => {
        if (typeof value === 'number' && value < 0) {
          invalid(errors, at, value, 'must be greater than or equal to 0');
        }
      });
    default:
      return invalid(errors, 'spec.updateStrategy', at(one, 'spec.updateStrategy'),
        "must be 'RollingUpdate' or 'OnDelete'");
  }
}

const changeable = [
  'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy', 'minReadySeconds',
];

function validateStatefulUpdate(errors: Errors, one: KubeObject, old: KubeObject): void {
  const rest = (object: KubeObject): unknown => Object.fromEntries(
    Object.entries(fieldsOf(at(object, 'spec'))).filter(([name]) => !changeable.includes(name)));
  if (sameJson(rest(one), rest(old))) return;
  const named = changeable.map((name) => `'${name}'`), last = named.at(-1) ?? '';
  forbidden(errors, 'spec', 'updates to statefulset spec for fields other than '
    + `${named.slice(0, -1).join(', ')} and ${last} are forbidden`);
}

// ── DaemonSet ────────────────────────────────────────────────────────────────────────────────────────────

export const daemonSet: Resource = served({
  group: 'apps', kind: 'DaemonSet', shortNames: ['ds'], categories: ['all'],
  hasGeneration: true,
  ...statusful({
    currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0,
  }),
  columns: [
    nameColumn, countOf('Desired', 'status.desiredNumberScheduled'),
    countOf('Current', 'status.currentNumberScheduled'), countOf('Ready', 'status.numberReady'),
    countOf('Up-to-date', 'status.updatedNumberScheduled'), countOf('Available', 'status.numberAvailable'),
    text('Node Selector', 'Labels of the nodes that are meant.',
      (one) => formatLabels(templateAt(one, 'spec.template').spec?.nodeSelector)),
    ageColumn, ...workloadColumns,
  ],
  defaults: (one) => {
    const out = filled(one, { 'spec.updateStrategy.type': 'RollingUpdate', 'spec.revisionHistoryLimit': 10 });
    const rolls = textAt(out, 'spec.updateStrategy.type') === 'RollingUpdate';
    return withTemplate(rolls ? filled(out, {
      'spec.updateStrategy.rollingUpdate.maxSurge': 0, 'spec.updateStrategy.rollingUpdate.maxUnavailable': 1,
    }) : out, 'spec.template');
  },
  validate: judge(
    pods('DaemonSet'), atLeast('spec.minReadySeconds', 0), daemonStrategy,
    atLeast('spec.revisionHistoryLimit', 0), fixed('spec.selector'),
    ...counts('currentNumberScheduled', 'numberMisscheduled', 'desiredNumberScheduled', 'numberReady',
      'observedGeneration', 'updatedNumberScheduled', 'numberAvailable', 'numberUnavailable',
      'collisionCount'),
  ),
});

function daemonStrategy(errors: Errors, one: KubeObject): void {
  const type = textAt(one, 'spec.updateStrategy.type'), path = 'spec.updateStrategy';
  const rolling = at(one, `${path}.rollingUpdate`);
  if (type === 'OnDelete') return;
  if (type !== 'RollingUpdate') {
    return notSupported(errors, `${path}.type`, type, ['OnDelete', 'RollingUpdate']);
  }
  if (rolling === undefined) return required(errors, `${path}.rollingUpdate`);
  return validateRolling(errors, fieldsOf(rolling), `${path}.rollingUpdate`);
}

// ── ControllerRevision ───────────────────────────────────────────────────────────────────────────────────

export const controllerRevision: Resource = served({
  group: 'apps', kind: 'ControllerRevision',
  columns: [
    nameColumn,
    text('Controller', 'Which object it is a revision of.', ({ metadata }) => {
      const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
      if (owner === undefined) return '<none>';
      const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0]}` : '';
      return `${`${owner.kind}${group}`.toLowerCase()}/${owner.name}`;
    }),
    textOf('Revision', 'revision', '0'), ageColumn,
  ],
  validate: judge(
    each('data', (errors, value, path) => {
      if (isMissing(value)) required(errors, path, 'data is mandatory');
    }),
    atLeast('revision', 0), fixed('data'),
  ),
});
