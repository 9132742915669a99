// Every kind that Shoal stores, in the order in which discovery lists them. The API is driven by this table
// alone: a kind is added by adding its `Resource` here.

import { customResourceDefinition } from '../custom/kind.ts';
import type { Resource } from '../resource.ts';
import {
  mutatingAdmissionPolicy, mutatingAdmissionPolicyBinding, mutatingWebhookConfiguration,
  validatingAdmissionPolicy, validatingAdmissionPolicyBinding, validatingWebhookConfiguration,
} from './admissionregistration.ts';
import { controllerRevision, daemonSet, statefulSet } from './apps.ts';
import { autoscaler, autoscalerV1 } from './autoscaling.ts';
import { cronJob, job } from './batch.ts';
import { binding } from './binding.ts';
import { certificateSigningRequest } from './certificates.ts';
import { priorityClass, runtimeClass } from './classes.ts';
import { configMap } from './configmap.ts';
import { deployment } from './deployment.ts';
import { deviceClass, resourceClaim, resourceClaimTemplate, resourceSlice } from './dynamicresources.ts';
import { endpoints } from './endpoints.ts';
import { endpointSlice } from './endpointslice.ts';
import { event } from './event.ts';
import { newEvent } from './eventsgroup.ts';
import { flowSchema, priorityLevelConfiguration } from './flowcontrol.ts';
import { lease } from './lease.ts';
import { nodeMetrics, podMetrics } from './metrics.ts';
import { namespace } from './namespace.ts';
import { ingress, ingressClass, ipAddress, networkPolicy, serviceCidr } from './networking.ts';
import { node } from './node.ts';
import { pod } from './pod.ts';
import { podTemplate, replicationController } from './podtemplate.ts';
import { podDisruptionBudget } from './policy.ts';
import { limitRange, resourceQuota } from './quotas.ts';
import { clusterRole, clusterRoleBinding, role, roleBinding } from './rbac.ts';
import { replicaSet } from './replicaset.ts';
import { secret } from './secret.ts';
import { service } from './service.ts';
import { serviceAccount } from './serviceaccount.ts';
import {
  csiDriver, csiNode, csiStorageCapacity, storageClass, volumeAttachment, volumeAttributesClass,
} from './storage.ts';
import { persistentVolume, persistentVolumeClaim } from './volumes.ts';

export const resourceTable: readonly Resource[] = [
  binding, configMap, endpoints, event, limitRange, namespace, node, persistentVolume, persistentVolumeClaim,
  pod, podTemplate, replicationController, resourceQuota, secret, serviceAccount, service,
  mutatingAdmissionPolicy, mutatingAdmissionPolicyBinding, mutatingWebhookConfiguration,
  validatingAdmissionPolicy, validatingAdmissionPolicyBinding, validatingWebhookConfiguration,
  customResourceDefinition,
  controllerRevision, daemonSet, deployment, replicaSet, statefulSet,
  autoscaler, autoscalerV1,
  cronJob, job,
  certificateSigningRequest,
  lease,
  endpointSlice,
  newEvent,
  flowSchema, priorityLevelConfiguration,
  ingress, ingressClass, ipAddress, networkPolicy, serviceCidr,
  runtimeClass,
  podDisruptionBudget,
  clusterRole, clusterRoleBinding, role, roleBinding,
  deviceClass, resourceClaim, resourceClaimTemplate, resourceSlice,
  priorityClass,
  csiDriver, csiNode, csiStorageCapacity, storageClass, volumeAttachment, volumeAttributesClass,
];

/** What is served besides, though nothing of it is stored. */
export const measuredKinds: readonly Resource[] = [nodeMetrics, podMetrics];

/** The resource of a request path; null where Shoal serves no such thing. `plural` is lower case. */
export function findResource(group: string, version: string, plural: string): Resource | null {
  return resourceTable.find((resource) =>
    resource.group === group && resource.version === version && resource.resource === plural) ?? null;
}

/** The resource of an object, by its `apiVersion` (`v1`, `apps/v1`) and `kind`. */
export function resourceByKind(apiVersion: string, kind: string): Resource | null {
  return resourceTable.find((resource) =>
    resource.kind === kind && apiVersionOf(resource) === apiVersion) ?? null;
}

function apiVersionOf(resource: Resource): string {
  return resource.group === '' ? resource.version : `${resource.group}/${resource.version}`;
}
