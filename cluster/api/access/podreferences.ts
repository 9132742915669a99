// What a pod refers to by name: Secrets, ConfigMaps, claims. Whoever runs the pod may read these.
//
// Source of facts: Kubernetes pkg/api/pod (VisitPodSecretNames, VisitPodConfigmapNames), node authorizer's
// graph.go (AddPod).
// What always holds: all in the pod's own namespace; a mirror pod, which a node made itself, opens nothing.

import { at, listAt, textAt } from '../resources/fields.ts';
import type { Pod } from '../types.ts';

export const mirrorAnnotation = 'kubernetes.io/config.mirror';

export const isMirror = ({ metadata }: Pod): boolean =>
  Object.hasOwn(metadata.annotations ?? {}, mirrorAnnotation);

export type Referred = 'secret' | 'configMap' | 'resourceClaim';

export const refersTo = (pod: Pod, kind: Referred, name: string): boolean =>
  name !== '' && !isMirror(pod) && namesIn(pod, kind).includes(name);

export function namesIn(pod: Pod, kind: Referred): readonly string[] {
  switch (kind) {
    case 'secret': return secretsIn(pod).filter((name) => name !== '');
    case 'configMap': return configMapsIn(pod).filter((name) => name !== '');
    case 'resourceClaim': return [
      ...listAt(pod, 'spec.resourceClaims'), ...listAt(pod, 'status.resourceClaimStatuses'),
    ].map((one) => textAt(one, 'resourceClaimName')).filter((name) => name !== '');
  }
}

/** Also those that are made for the pod alone. */
export function claimsOf(pod: Pod): readonly string[] {
  if (isMirror(pod)) return [];
  return listAt(pod, 'spec.volumes').flatMap((volume) => {
    const claim = textAt(volume, 'persistentVolumeClaim.claimName');
    const ephemeral = at(volume, 'ephemeral') !== undefined;
    return [...claim === '' ? [] : [claim],
      ...ephemeral ? [`${pod.metadata.name}-${textAt(volume, 'name')}`] : []];
  });
}

const containersIn = (pod: Pod): readonly unknown[] =>
  ['containers', 'initContainers', 'ephemeralContainers'].flatMap((name) => listAt(pod, `spec.${name}`));

const inEnvironment = (pod: Pod, key: string, all: string): readonly string[] =>
  containersIn(pod).flatMap((container) => [
    ...listAt(container, 'env').map((one) => textAt(one, `valueFrom.${key}.name`)),
    ...listAt(container, 'envFrom').map((one) => textAt(one, `${all}.name`)),
  ]);

/** Where volumes of a kind keep the name of a Secret. */
const secretPaths = [
  'secret.secretName', 'azureFile.secretName', 'cephfs.secretRef.name', 'cinder.secretRef.name',
  'flexVolume.secretRef.name', 'rbd.secretRef.name', 'scaleIO.secretRef.name', 'iscsi.secretRef.name',
  'storageos.secretRef.name', 'csi.nodePublishSecretRef.name',
];

function secretsIn(pod: Pod): readonly string[] {
  return [
    ...listAt(pod, 'spec.imagePullSecrets').map((one) => textAt(one, 'name')),
    ...inEnvironment(pod, 'secretKeyRef', 'secretRef'),
    ...listAt(pod, 'spec.volumes').flatMap((volume) => [
      ...secretPaths.map((path) => textAt(volume, path)),
      ...listAt(volume, 'projected.sources').map((one) => textAt(one, 'secret.name')),
    ]),
  ];
}

function configMapsIn(pod: Pod): readonly string[] {
  return [
    ...inEnvironment(pod, 'configMapKeyRef', 'configMapRef'),
    ...listAt(pod, 'spec.volumes').flatMap((volume) => [
      textAt(volume, 'configMap.name'),
      ...listAt(volume, 'projected.sources').map((one) => textAt(one, 'configMap.name')),
    ]),
  ];
}
