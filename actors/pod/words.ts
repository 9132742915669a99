// The messages of a pod's events and statuses, in Kubernetes' own words, so that people and tools that know
// Kubernetes read them at once. Source: Kubernetes, pkg/kubelet/events and pkg/kubelet/images.

import { goDuration } from '../../cluster/api/time.ts';
import type { Pod } from '../../cluster/api/types.ts';

const podText = ({ metadata: { name, namespace = '', uid } }: Pod): string => `${name}_${namespace}(${uid})`;

export const words = {
  pulling: (image: string) => `Pulling image "${image}"`,
  pulled: (image: string, pullMs: number, allMs: number) =>
    `Successfully pulled image "${image}" in ${goDuration(pullMs)} (${goDuration(allMs)} including waiting)`,
  present: (image: string) => `Container image "${image}" already present on machine`,
  pullFailed: (image: string, message: string) => `Failed to pull image "${image}": ${message}`,
  pullBackOff: (image: string) => `Back-off pulling image "${image}"`,
  neverPulled: (image: string) => `Container image "${image}" is not present with pull policy of Never`,
  invalidImage: (image: string) => `Failed to apply default image tag "${image}": `
    + `couldn't parse image name "${image}": invalid reference format`,
  created: (name: string) => `Created container: ${name}`,
  started: (name: string) => `Started container ${name}`,
  stopping: (name: string) => `Stopping container ${name}`,
  failed: (reason: string) => `Error: ${reason}`,
  noTarget: (name: string) => `unable to find target container ${name}`,
  sandboxFailed: (message: string) => `Failed to create pod sandbox: ${message}`,
  crashBackOff: (name: string, pod: Pod) =>
    `Back-off restarting failed container ${name} in pod ${podText(pod)}`,
  crashWaiting: (delayMs: number, name: string, pod: Pod) =>
    `back-off ${goDuration(delayMs)} restarting failed container=${name} pod=${podText(pod)}`,
  overDeadline: 'Pod was active on the node longer than the specified deadline',
} as const;
