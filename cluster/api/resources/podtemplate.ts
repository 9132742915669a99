// PodTemplate and ReplicationController: the oldest ways to describe pods, kept for those who use them.
// Source: Kubernetes, core/v1 defaults, ValidatePodTemplate, ValidateReplicationControllerSpec.

import type { Resource } from '../resource.ts';
import type { KubeObject, PodTemplateSpec } from '../types.ts';
import { ageColumn, countOf, formatLabels, nameColumn, text, wide, workloadColumns } from './columns.ts';
import { at, fieldsOf, isMissing, numberAt, numbersOf, withAt } from './fields.ts';
import type { Fields } from './fields.ts';
import { served, statusful } from './kind.ts';
import { validatePodTemplate, validateTemplate } from './podvalidate.ts';
import { defaultPodSpec } from './podspec.ts';
import { atLeast, each, judge, need } from './rules.ts';
import { required, invalid } from './validate.ts';
import type { Loose } from './validate.ts';

export type Template = Loose<PodTemplateSpec>;
type StringMap = Readonly<Record<string, string>>;

export const templateAt = (object: unknown, path: string): Template => fieldsOf(at(object, path)) as Template;

/** With the defaults of the pods in the template at the path. */
export function withTemplate(object: KubeObject, path: string): KubeObject {
  const spec = defaultPodSpec(templateAt(object, path).spec ?? {});
  return withAt(object, `${path}.spec`, spec);
}

const containers = (object: KubeObject, path: string): readonly Fields[] =>
  (templateAt(object, path).spec?.containers ?? []).map(fieldsOf);

/** Names and images of the containers of the template at the path. */
export const containerColumns = (path: string) => [
  text('Containers', 'Names of the containers of the template.',
    (one) => containers(one, path).map(({ name }) => name).join(',')),
  text('Images', 'Images of the containers of the template.',
    (one) => containers(one, path).map(({ image }) => image).join(',')),
];

export const podTemplate: Resource = served({
  group: '', kind: 'PodTemplate', hasGeneration: true,
  columns: [
    nameColumn, ...containerColumns('template'),
    text('Pod Labels', 'Labels of the pods of the template.',
      (one) => formatLabels(templateAt(one, 'template').metadata?.labels)),
  ],
  defaults: (one) => withTemplate(one, 'template'),
  validate: judge(each('template', (errors, value, path) => validateTemplate(errors, fieldsOf(value), path))),
});

const statusCounts = ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'];

export const replicationController: Resource = served({
  group: '', kind: 'ReplicationController', shortNames: ['rc'],
  categories: ['all'], hasGeneration: true, ...statusful({ replicas: 0 }),
  subresources: ['status', 'scale'],
  columns: [
    nameColumn, countOf('Desired', 'spec.replicas'), countOf('Current', 'status.replicas'),
    countOf('Ready', 'status.readyReplicas'), ageColumn, ...workloadColumns.slice(0, 2),
    wide(text('Selector', 'Which pods are meant, by their labels.',
      (one) => formatLabels(at(one, 'spec.selector') as StringMap | undefined))),
  ],
  fields: { 'status.replicas': (one) => String(numberAt(one, 'status.replicas') ?? 0) },
  defaults: defaultController,
  validate: judge(
    atLeast('spec.minReadySeconds', 0), need('spec.selector'), atLeast('spec.replicas', 0),
    each('spec.template', validateOwnTemplate),
    ...[...statusCounts, 'observedGeneration'].map((name) => atLeast(`status?.${name}`, 0)),
    each('status', (errors, value, path) => {
      const all = numbersOf(value), { replicas = 0, readyReplicas = 0, availableReplicas = 0 } = all;
      for (const name of statusCounts.slice(1)) {
        if ((all[name] ?? 0) <= replicas) continue;
        invalid(errors, `${path}.${name}`, all[name], 'cannot be greater than status.replicas');
      }
      if (availableReplicas <= readyReplicas) return;
      invalid(errors, `${path}.availableReplicas`, availableReplicas, 'cannot be greater than readyReplicas');
    }),
  ),
  scale: {
    specReplicas: (one) => numberAt(one, 'spec.replicas') ?? 1,
    withReplicas: (one, replicas) => withAt(one, 'spec.replicas', replicas),
    statusReplicas: (one) => numberAt(one, 'status.replicas') ?? 0,
    selector: (one) => selectorOf(one),
  },
});

function selectorOf(one: KubeObject): string {
  const wanted = fieldsOf(at(one, 'spec.selector'));
  return Object.keys(wanted).sort().map((key) => `${key}=${String(wanted[key])}`).join(',');
}

/** Labels and selector come from the template, where they are missing. */
function defaultController(one: KubeObject): KubeObject {
  const labels = at(one, 'spec.template.metadata.labels');
  let out = at(one, 'spec.replicas') === undefined ? withAt(one, 'spec.replicas', 1) : one;
  if (at(one, 'spec.template') !== undefined) out = withTemplate(out, 'spec.template');
  if (isMissing(labels)) return out;
  if (isEmpty(at(out, 'spec.selector'))) out = withAt(out, 'spec.selector', labels);
  return isEmpty(out.metadata.labels) ? withAt(out, 'metadata.labels', labels) : out;
}

const isEmpty = (map: unknown): boolean => Object.keys(fieldsOf(map)).length === 0;

function validateOwnTemplate(
  errors: Parameters<typeof invalid>[0], value: unknown, path: string, object: KubeObject,
): void {
  if (value === undefined) return required(errors, path);
  const template = value as Template, wanted = fieldsOf(at(object, 'spec.selector'));
  const own = fieldsOf(template.metadata?.labels);
  if (Object.keys(wanted).some((key) => own[key] !== wanted[key])) {
    invalid(errors, `${path}.metadata.labels`, own, '`selector` does not match template `labels`');
  }
  return validatePodTemplate(errors, template, path, 'ReplicationController');
}
