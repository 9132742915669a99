// A pod made from a template: what a workload's controller creates, with everything that the API would have
// filled in had a client created it.
// Source: Kubernetes' GetPodFromTemplate, and the admission plugins ServiceAccount and
// DefaultTolerationSeconds. What always holds: the pod passes the API's own validation if its template did.

import { newborn, ownerReference } from '../../cluster/api/objects.ts';
import { pod as podResource } from '../../cluster/api/resources/pod.ts';
import type { KubeObject, Pod, PodTemplateSpec } from '../../cluster/api/types.ts';
import type { ReconcileContext } from './controller.ts';

/** A name has at most 63 characters, of which the suffix takes five. */
const prefixLengthMax = 58;

export function podFromTemplate(
  owner: KubeObject,
  template: PodTemplateSpec,
  context: ReconcileContext,
): Pod {
  const { labels, annotations, finalizers } = template.metadata ?? {};
  const generateName = `${owner.metadata.name}-`.slice(0, prefixLengthMax);
  const pod = newborn(
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: `${generateName}${context.suffix()}`,
        generateName,
        generation: 1,
        namespace: owner.metadata.namespace ?? 'default',
        ...(labels === undefined ? {} : { labels }),
        ...(annotations === undefined ? {} : { annotations }),
        ...(finalizers === undefined ? {} : { finalizers }),
        ownerReferences: [ownerReference(owner)],
      },
      spec: template.spec,
    },
    { uid: context.newUid(), nowWallMs: context.nowWallMs },
  );
  return podResource.prepareCreate(podResource.defaults(pod)) as Pod;
}
