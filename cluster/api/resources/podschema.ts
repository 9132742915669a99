// The schema of a pod: specification, template, status, and all that they are made of.
//
// Source: Kubernetes API 1.36, core/v1. Volume sources, affinity and ephemeral containers are known by name
// and go no deeper: `unsupported.ts` refuses them until something here honours them.

import { localObjectReference } from './reference.ts';
import {
  anything, boolean, integer, intOrString, kindObject, labelSelector, listBy, listOf, object, objectMeta,
  quantities, quantity, string, stringMap, strings, time,
} from './schema.ts';

const configMapKeySelector = object('core', 'ConfigMapKeySelector', {
  key: string, name: string, optional: boolean,
}, ['key']);

const objectFieldSelector = object('core', 'ObjectFieldSelector', {
  apiVersion: string, fieldPath: string,
}, ['fieldPath']);

const fileKeySelector = object('core', 'FileKeySelector', {
  key: string, optional: boolean, path: string, volumeName: string,
}, ['key', 'path', 'volumeName']);

const resourceFieldSelector = object('core', 'ResourceFieldSelector', {
  containerName: string, divisor: quantity, resource: string,
}, ['resource']);

const secretKeySelector = object('core', 'SecretKeySelector', {
  key: string, name: string, optional: boolean,
}, ['key']);

const envVarSource = object('core', 'EnvVarSource', {
  configMapKeyRef: configMapKeySelector, fieldRef: objectFieldSelector, fileKeyRef: fileKeySelector,
  resourceFieldRef: resourceFieldSelector, secretKeyRef: secretKeySelector,
});

const envVar = object('core', 'EnvVar', {
  name: string, value: string, valueFrom: envVarSource,
}, ['name']);

const configMapEnvSource = object('core', 'ConfigMapEnvSource', {
  name: string, optional: boolean,
});

const secretEnvSource = object('core', 'SecretEnvSource', {
  name: string, optional: boolean,
});

const envFromSource = object('core', 'EnvFromSource', {
  configMapRef: configMapEnvSource, prefix: string, secretRef: secretEnvSource,
});

const execAction = object('core', 'ExecAction', {
  command: strings,
});

const httpHeader = object('core', 'HTTPHeader', {
  name: string, value: string,
}, ['name', 'value']);

const httpGetAction = object('core', 'HTTPGetAction', {
  host: string, httpHeaders: listOf(httpHeader), path: string, port: intOrString, scheme: string,
}, ['port']);

const sleepAction = object('core', 'SleepAction', {
  seconds: integer,
}, ['seconds']);

const tcpSocketAction = object('core', 'TCPSocketAction', {
  host: string, port: intOrString,
}, ['port']);

const lifecycleHandler = object('core', 'LifecycleHandler', {
  exec: execAction, httpGet: httpGetAction, sleep: sleepAction, tcpSocket: tcpSocketAction,
});

const lifecycle = object('core', 'Lifecycle', {
  postStart: lifecycleHandler, preStop: lifecycleHandler, stopSignal: string,
});

const grpcAction = object('core', 'GRPCAction', {
  port: integer, service: string,
}, ['port']);

const probe = object('core', 'Probe', {
  exec: execAction, failureThreshold: integer, grpc: grpcAction, httpGet: httpGetAction,
  initialDelaySeconds: integer, periodSeconds: integer, successThreshold: integer,
  tcpSocket: tcpSocketAction, terminationGracePeriodSeconds: integer, timeoutSeconds: integer,
});

const containerPort = object('core', 'ContainerPort', {
  containerPort: integer, hostIP: string, hostPort: integer, name: string, protocol: string,
}, ['containerPort']);

const containerResizePolicy = object('core', 'ContainerResizePolicy', {
  resourceName: string, restartPolicy: string,
}, ['resourceName', 'restartPolicy']);

const resourceClaim = object('core', 'ResourceClaim', {
  name: string, request: string,
}, ['name']);

const resourceRequirements = object('core', 'ResourceRequirements', {
  claims: listOf(resourceClaim), limits: quantities, requests: quantities,
});

const containerRestartRuleOnExitCodes = object('core', 'ContainerRestartRuleOnExitCodes', {
  operator: string, values: listOf(integer),
}, ['operator']);

const containerRestartRule = object('core', 'ContainerRestartRule', {
  action: string, exitCodes: containerRestartRuleOnExitCodes,
}, ['action']);

const appArmorProfile = object('core', 'AppArmorProfile', {
  localhostProfile: string, type: string,
}, ['type']);

const capabilities = object('core', 'Capabilities', {
  add: strings, drop: strings,
});

const seLinuxOptions = object('core', 'SELinuxOptions', {
  level: string, role: string, type: string, user: string,
});

const seccompProfile = object('core', 'SeccompProfile', {
  localhostProfile: string, type: string,
}, ['type']);

const windowsSecurityContextOptions = object('core', 'WindowsSecurityContextOptions', {
  gmsaCredentialSpec: string, gmsaCredentialSpecName: string, hostProcess: boolean,
  runAsUserName: string,
});

const securityContext = object('core', 'SecurityContext', {
  allowPrivilegeEscalation: boolean, appArmorProfile, capabilities, privileged: boolean,
  procMount: string, readOnlyRootFilesystem: boolean, runAsGroup: integer, runAsNonRoot: boolean,
  runAsUser: integer, seLinuxOptions, seccompProfile, windowsOptions: windowsSecurityContextOptions,
});

const volumeDevice = object('core', 'VolumeDevice', {
  devicePath: string, name: string,
}, ['devicePath', 'name']);

const volumeMount = object('core', 'VolumeMount', {
  mountPath: string, mountPropagation: string, name: string, readOnly: boolean,
  recursiveReadOnly: string, subPath: string, subPathExpr: string,
}, ['mountPath', 'name']);

const container = object('core', 'Container', {
  args: strings, command: strings, env: listBy('name', envVar), envFrom: listOf(envFromSource),
  image: string, imagePullPolicy: string, lifecycle, livenessProbe: probe, name: string,
  ports: listBy('containerPort', containerPort), readinessProbe: probe,
  resizePolicy: listOf(containerResizePolicy), resources: resourceRequirements, restartPolicy: string,
  restartPolicyRules: listOf(containerRestartRule), securityContext, startupProbe: probe, stdin: boolean,
  stdinOnce: boolean, terminationMessagePath: string, terminationMessagePolicy: string, tty: boolean,
  volumeDevices: listBy('devicePath', volumeDevice), volumeMounts: listBy('mountPath', volumeMount),
  workingDir: string,
}, ['name']);

const podDNSConfigOption = object('core', 'PodDNSConfigOption', {
  name: string, value: string,
});

const podDNSConfig = object('core', 'PodDNSConfig', {
  nameservers: strings, options: listOf(podDNSConfigOption), searches: strings,
});

const hostAlias = object('core', 'HostAlias', {
  hostnames: strings, ip: string,
}, ['ip']);

const podOS = object('core', 'PodOS', {
  name: string,
}, ['name']);

const podReadinessGate = object('core', 'PodReadinessGate', {
  conditionType: string,
}, ['conditionType']);

const podResourceClaim = object('core', 'PodResourceClaim', {
  name: string, resourceClaimName: string, resourceClaimTemplateName: string,
}, ['name']);

const podSchedulingGate = object('core', 'PodSchedulingGate', {
  name: string,
}, ['name']);

const podSchedulingGroup = object('core', 'PodSchedulingGroup', {
  podGroupName: string,
});

const sysctl = object('core', 'Sysctl', {
  name: string, value: string,
}, ['name', 'value']);

const podSecurityContext = object('core', 'PodSecurityContext', {
  appArmorProfile, fsGroup: integer, fsGroupChangePolicy: string, runAsGroup: integer,
  runAsNonRoot: boolean, runAsUser: integer, seLinuxChangePolicy: string, seLinuxOptions, seccompProfile,
  supplementalGroups: listOf(integer), supplementalGroupsPolicy: string, sysctls: listOf(sysctl),
  windowsOptions: windowsSecurityContextOptions,
});

const toleration = object('core', 'Toleration', {
  effect: string, key: string, operator: string, tolerationSeconds: integer, value: string,
});

const topologySpreadConstraint = object('core', 'TopologySpreadConstraint', {
  labelSelector, matchLabelKeys: strings, maxSkew: integer, minDomains: integer,
  nodeAffinityPolicy: string, nodeTaintsPolicy: string, topologyKey: string, whenUnsatisfiable: string,
}, ['maxSkew', 'topologyKey', 'whenUnsatisfiable']);

/** The sources by name only. */
const volumeSources = [
  'awsElasticBlockStore', 'azureDisk', 'azureFile', 'cephfs', 'cinder', 'configMap', 'csi',
  'downwardAPI', 'emptyDir', 'ephemeral', 'fc', 'flexVolume', 'flocker', 'gcePersistentDisk', 'gitRepo',
  'glusterfs', 'hostPath', 'image', 'iscsi', 'nfs', 'persistentVolumeClaim', 'photonPersistentDisk',
  'portworxVolume', 'projected', 'quobyte', 'rbd', 'scaleIO', 'secret', 'storageos', 'vsphereVolume',
];

const volume = object('core', 'Volume', {
  ...Object.fromEntries(volumeSources.map((source) => [source, anything])), name: string,
}, ['name']);

const podSpec = object('core', 'PodSpec', {
  activeDeadlineSeconds: integer, affinity: anything, automountServiceAccountToken: boolean,
  containers: listBy('name', container), dnsConfig: podDNSConfig, dnsPolicy: string,
  enableServiceLinks: boolean, ephemeralContainers: listBy('name', anything),
  hostAliases: listBy('ip', hostAlias), hostIPC: boolean, hostNetwork: boolean, hostPID: boolean,
  hostUsers: boolean, hostname: string, hostnameOverride: string,
  imagePullSecrets: listBy('name', localObjectReference), initContainers: listBy('name', container),
  nodeName: string, nodeSelector: stringMap, os: podOS, overhead: quantities, preemptionPolicy: string,
  priority: integer, priorityClassName: string, readinessGates: listOf(podReadinessGate),
  resourceClaims: listBy('name', podResourceClaim), resources: resourceRequirements,
  restartPolicy: string, runtimeClassName: string, schedulerName: string,
  schedulingGates: listBy('name', podSchedulingGate), schedulingGroup: podSchedulingGroup,
  securityContext: podSecurityContext, serviceAccount: string, serviceAccountName: string,
  setHostnameAsFQDN: boolean, shareProcessNamespace: boolean, subdomain: string,
  terminationGracePeriodSeconds: integer, tolerations: listOf(toleration),
  topologySpreadConstraints: listBy('topologyKey', topologySpreadConstraint),
  volumes: listBy('name', volume),
}, ['containers']);

const podCondition = object('core', 'PodCondition', {
  lastProbeTime: time, lastTransitionTime: time, message: string, observedGeneration: integer,
  reason: string, status: string, type: string,
}, ['status', 'type']);

const resourceHealth = object('core', 'ResourceHealth', {
  health: string, message: string, resourceID: string,
}, ['resourceID']);

const resourceStatus = object('core', 'ResourceStatus', {
  name: string, resources: listOf(resourceHealth),
}, ['name']);

const containerStateRunning = object('core', 'ContainerStateRunning', {
  startedAt: time,
});

const containerStateTerminated = object('core', 'ContainerStateTerminated', {
  containerID: string, exitCode: integer, finishedAt: time, message: string, reason: string,
  signal: integer, startedAt: time,
}, ['exitCode']);

const containerStateWaiting = object('core', 'ContainerStateWaiting', {
  message: string, reason: string,
});

const containerState = object('core', 'ContainerState', {
  running: containerStateRunning, terminated: containerStateTerminated, waiting: containerStateWaiting,
});

const linuxContainerUser = object('core', 'LinuxContainerUser', {
  gid: integer, supplementalGroups: listOf(integer), uid: integer,
}, ['gid', 'uid']);

const containerUser = object('core', 'ContainerUser', {
  linux: linuxContainerUser,
});

const imageVolumeStatus = object('core', 'ImageVolumeStatus', {
  imageRef: string,
}, ['imageRef']);

const volumeStatus = object('core', 'VolumeStatus', {
  image: imageVolumeStatus,
});

const volumeMountStatus = object('core', 'VolumeMountStatus', {
  mountPath: string, name: string, readOnly: boolean, recursiveReadOnly: string, volumeStatus,
}, ['mountPath', 'name']);

const containerStatus = object('core', 'ContainerStatus', {
  allocatedResources: quantities, allocatedResourcesStatus: listBy('name', resourceStatus),
  containerID: string, image: string, imageID: string, lastState: containerState, name: string,
  ready: boolean, resources: resourceRequirements, restartCount: integer, started: boolean,
  state: containerState, stopSignal: string, user: containerUser,
  volumeMounts: listBy('mountPath', volumeMountStatus),
}, ['image', 'imageID', 'name', 'ready', 'restartCount']);

const containerExtendedResourceRequest = object('core', 'ContainerExtendedResourceRequest', {
  containerName: string, requestName: string, resourceName: string,
}, ['containerName', 'requestName', 'resourceName']);

const podExtendedResourceClaimStatus = object('core', 'PodExtendedResourceClaimStatus', {
  requestMappings: listOf(containerExtendedResourceRequest), resourceClaimName: string,
}, ['requestMappings', 'resourceClaimName']);

const hostIP = object('core', 'HostIP', {
  ip: string,
}, ['ip']);

const nodeAllocatableResourceClaimStatus = object('core', 'NodeAllocatableResourceClaimStatus', {
  containers: strings, resourceClaimName: string, resources: quantities,
}, ['resourceClaimName', 'resources']);

const podIP = object('core', 'PodIP', {
  ip: string,
}, ['ip']);

const podResourceClaimStatus = object('core', 'PodResourceClaimStatus', {
  name: string, resourceClaimName: string,
}, ['name']);

const podStatus = object('core', 'PodStatus', {
  allocatedResources: quantities, conditions: listBy('type', podCondition),
  containerStatuses: listOf(containerStatus), ephemeralContainerStatuses: listOf(containerStatus),
  extendedResourceClaimStatus: podExtendedResourceClaimStatus, hostIP: string,
  hostIPs: listBy('ip', hostIP), initContainerStatuses: listOf(containerStatus), message: string,
  nodeAllocatableResourceClaimStatuses: listOf(nodeAllocatableResourceClaimStatus),
  nominatedNodeName: string, observedGeneration: integer, phase: string, podIP: string,
  podIPs: listBy('ip', podIP), qosClass: string, reason: string, resize: string,
  resourceClaimStatuses: listBy('name', podResourceClaimStatus), resources: resourceRequirements,
  startTime: time,
});

/** A template's metadata is an ObjectMeta whose name is left to the maker of the pod. */
export const podTemplateSpec = object('core', 'PodTemplateSpec', { metadata: objectMeta, spec: podSpec });

export const podSchema = kindObject('core', 'Pod', { spec: podSpec, status: podStatus });
