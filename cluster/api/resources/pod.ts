// Pod: the unit that is scheduled and run. Its columns tell at a glance what its containers do.
// Source: Kubernetes, pkg/registry/core/pod and pkg/printers/internalversion (printPod).

import type { Resource } from '../resource.ts';
import type { KubeObject, Pod, PodSpec, StatusCause } from '../types.ts';
import { ageColumn, nameColumn, orNone, text, wide } from './columns.ts';
import { validateEphemeralContainers } from './ephemeral.ts';
import { kind, statusOf, statusStrategy, withStatus } from './kind.ts';
import { containersReady, podState, readinessGates, restarts } from './podprint.ts';
import { admittedPodSpec, defaultPodOnly, defaultPodSpec, qosClass } from './podspec.ts';
import { validatePodUpdate } from './podupdate.ts';
import { validatePodSpec } from './podvalidate.ts';
import { refusedInPod } from './unsupported.ts';
import { forbidden } from './validate.ts';
import type { Errors, Loose } from './validate.ts';

const loose = (object: KubeObject): Loose<Pod> => object as Loose<Pod>;

export const pod: Resource = kind({
  group: '', version: 'v1', resource: 'pods', singular: 'pod', kind: 'Pod', shortNames: ['po'],
  categories: ['all'], subresources: ['status', 'log', 'binding', 'exec', 'attach', 'portforward',
    'ephemeralcontainers'],
  hasGeneration: true,
  columns: [
    nameColumn,
    text('Ready', 'Ready containers of all containers.', (object) => containersReady(loose(object))),
    text('Status', 'What the containers of the pod do, in a word.', (object) => podState(loose(object))),
    text('Restarts', 'How often containers were restarted, and when last.',
      (object, now) => restarts(loose(object), now)),
    ageColumn,
    wide(text('IP', 'Address of the pod.', (object) => orNone(podIp(loose(object))))),
    wide(text('Node', 'Node that the pod is bound to.', (object) => orNone(loose(object).spec?.nodeName))),
    wide(text('Nominated Node', 'Node on which room is being made for the pod.',
      (object) => orNone(nominatedNode(object)))),
    wide(text('Readiness Gates', 'Passed of all readiness gates.',
      (object) => readinessGates(loose(object)))),
  ],
  fields: {
    'spec.nodeName': (object) => loose(object).spec?.nodeName ?? '',
    'spec.restartPolicy': (object) => loose(object).spec?.restartPolicy ?? '',
    'spec.schedulerName': (object) => loose(object).spec?.schedulerName ?? '',
    'spec.serviceAccountName': (object) => loose(object).spec?.serviceAccountName ?? '',
    'spec.hostNetwork': (object) => String(loose(object).spec?.hostNetwork ?? false),
    'status.phase': (object) => loose(object).status?.phase ?? '',
    'status.podIP': (object) => podIp(loose(object)) ?? '',
    'status.nominatedNodeName': (object) => nominatedNode(object) ?? '',
  },
  defaults: (object) => {
    const spec = defaultPodOnly(defaultPodSpec(loose(object).spec ?? {}));
    return { ...object, spec } as Pod;
  },
  prepareCreate: (object) =>
    withStatus(admitted(object), { phase: 'Pending', qosClass: qosClass(loose(object).spec ?? {}) }),
  prepareUpdate: (object, old) => statusStrategy.prepareUpdate(admitted(ranked(object, old)), old),
  prepareStatus: (object, old) => {
    const status = statusOf(object) as Pod['status'];
    const kept = loose(old).status?.qosClass;
    const qos = status?.qosClass ?? kept;
    return withStatus(old, qos === undefined ? status : { ...status, qosClass: qos });
  },
  prepareEphemeralContainers: (object, old) => {
    const { ephemeralContainers } = loose(object).spec ?? {};
    return { ...old, spec: { ...loose(old).spec, ephemeralContainers } } as Pod;
  },
  validate,
  graceSeconds: (object) => {
    const { spec, status } = loose(object);
    // What never ran, or has ended, needs no time to stop. A negative period means the shortest one.
    const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed';
    const seconds = spec?.terminationGracePeriodSeconds ?? 30;
    return !spec?.nodeName || ended ? 0 : seconds < 0 ? 1 : seconds;
  },
});

const admitted = (object: KubeObject): KubeObject =>
  ({ ...object, spec: admittedPodSpec(loose(object).spec ?? {}) }) as Pod;

/** With the rank that the pod was given when it was made, where an update does not speak of it. */
function ranked(object: KubeObject, old: KubeObject): KubeObject {
  const before = (loose(old).spec ?? {}) as Rank, spec = (loose(object).spec ?? {}) as Rank;
  const { priority = before.priority, preemptionPolicy = before.preemptionPolicy } = spec;
  if (priority === spec.priority && preemptionPolicy === spec.preemptionPolicy) return object;
  const rank = {
    ...preemptionPolicy === undefined ? {} : { preemptionPolicy },
    ...priority === undefined ? {} : { priority },
  };
  return { ...object, spec: { ...spec, ...rank } } as Pod;
}

interface Rank { readonly priority?: number; readonly preemptionPolicy?: string }

function validate(
  object: KubeObject, old: KubeObject | null, subresource = '',
): readonly StatusCause[] {
  const errors: Errors = [];
  const spec: Loose<PodSpec> = loose(object).spec ?? {};
  // As Kubernetes does: an update is judged by what it changes.
  if (subresource === 'ephemeralcontainers') {
    validateEphemeralContainers(errors, spec, 'spec', loose(old ?? object).spec ?? {});
  } else if (old !== null) validatePodUpdate(errors, spec, loose(old).spec ?? {});
  else {
    validatePodSpec(errors, spec, 'spec', refusedInPod);
    if ((spec.ephemeralContainers ?? []).length > 0) {
      forbidden(errors, 'spec.ephemeralContainers', 'cannot be set on create');
    }
  }
  return errors;
}

function podIp({ status }: Loose<Pod>): string | undefined {
  return status?.podIPs?.[0]?.ip || status?.podIP;
}

function nominatedNode(object: KubeObject): string | undefined {
  return (statusOf(object) as { nominatedNodeName?: string } | undefined)?.nominatedNodeName;
}
