// All table files, sorted by name. Data, not code: the types are those of `table.ts`.

import admissionV1 from './admission.v1.json' with { type: 'json' };
import admissionregistrationV1 from './admissionregistration.v1.json' with { type: 'json' };
import apiextensionsV1 from './apiextensions.v1.json' with { type: 'json' };
import apiregistrationV1 from './apiregistration.v1.json' with { type: 'json' };
import appsV1 from './apps.v1.json' with { type: 'json' };
import authenticationV1 from './authentication.v1.json' with { type: 'json' };
import authorizationV1 from './authorization.v1.json' with { type: 'json' };
import autoscalingV1 from './autoscaling.v1.json' with { type: 'json' };
import autoscalingV2 from './autoscaling.v2.json' with { type: 'json' };
import batchV1 from './batch.v1.json' with { type: 'json' };
import certificatesV1 from './certificates.v1.json' with { type: 'json' };
import coordinationV1 from './coordination.v1.json' with { type: 'json' };
import coreV1 from './core.v1.json' with { type: 'json' };
import discoveryV1 from './discovery.v1.json' with { type: 'json' };
import eventsV1 from './events.v1.json' with { type: 'json' };
import flowcontrolV1 from './flowcontrol.v1.json' with { type: 'json' };
import metaV1 from './meta.v1.json' with { type: 'json' };
import networkingV1 from './networking.v1.json' with { type: 'json' };
import nodeV1 from './node.v1.json' with { type: 'json' };
import policyV1 from './policy.v1.json' with { type: 'json' };
import rbacV1 from './rbac.v1.json' with { type: 'json' };
import resourceV1 from './resource.v1.json' with { type: 'json' };
import runtime from './runtime.json' with { type: 'json' };
import schedulingV1 from './scheduling.v1.json' with { type: 'json' };
import storageV1 from './storage.v1.json' with { type: 'json' };
import type { TableFile } from './table.ts';

export const files: readonly TableFile[] = [
  admissionV1, admissionregistrationV1, apiextensionsV1, apiregistrationV1, appsV1, authenticationV1,
  authorizationV1, autoscalingV1, autoscalingV2, batchV1, certificatesV1, coordinationV1, coreV1,
  discoveryV1, eventsV1, flowcontrolV1, metaV1, networkingV1, nodeV1, policyV1, rbacV1, resourceV1,
  runtime, schedulingV1, storageV1,
] as unknown as readonly TableFile[];
