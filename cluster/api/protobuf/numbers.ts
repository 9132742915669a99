// The numbers by which Kubernetes' protobuf messages call the fields of our schemas, by the message's name.
//
// A field's number is its place in the text, unless the number is written before it; `*Name` is a message
// whose fields JSON shows as if they were the outer one's. What always holds: numbers are never reused, so a
// row only grows.
// Source: the generated.proto files of k8s.io/api and k8s.io/apimachinery, release 1.33.

const rows: Readonly<Record<string, string>> = {
  AppArmorProfile: 'type localhostProfile',
  AttachedVolume: 'name devicePath',
  Binding: 'metadata target',
  Capabilities: 'add drop',
  ClientIPConfig: 'timeoutSeconds',
  Condition: 'type status observedGeneration lastTransitionTime reason message',
  ConfigMap: 'metadata data binaryData immutable',
  ConfigMapEnvSource: '*LocalObjectReference optional',
  ConfigMapKeySelector: '*LocalObjectReference key optional',
  ConfigMapNodeConfigSource: 'namespace name uid resourceVersion kubeletConfigKey',
  Container: 'name image command args workingDir ports env resources volumeMounts livenessProbe '
    + 'readinessProbe lifecycle terminationMessagePath imagePullPolicy securityContext stdin stdinOnce '
    + 'tty envFrom terminationMessagePolicy volumeDevices startupProbe resizePolicy restartPolicy',
  ContainerImage: 'names sizeBytes',
  ContainerPort: 'name hostPort containerPort protocol hostIP',
  ContainerResizePolicy: 'resourceName restartPolicy',
  ContainerState: 'waiting running terminated',
  ContainerStateRunning: 'startedAt',
  ContainerStateTerminated: 'exitCode signal reason message startedAt finishedAt containerID',
  ContainerStateWaiting: 'reason message',
  ContainerStatus: 'name state lastState ready restartCount image imageID containerID started '
    + 'allocatedResources resources volumeMounts user allocatedResourcesStatus stopSignal',
  ContainerUser: 'linux',
  DaemonEndpoint: 'Port',
  DeleteOptions: 'gracePeriodSeconds preconditions orphanDependents propagationPolicy dryRun '
    + 'ignoreStoreReadErrorWithClusterBreakingPotential',
  Deployment: 'metadata spec status',
  DeploymentCondition: 'type status 4:reason message lastUpdateTime lastTransitionTime',
  DeploymentSpec: 'replicas selector template strategy minReadySeconds revisionHistoryLimit paused '
    + '9:progressDeadlineSeconds',
  DeploymentStatus: 'observedGeneration replicas updatedReplicas availableReplicas unavailableReplicas '
    + 'conditions readyReplicas collisionCount terminatingReplicas',
  DeploymentStrategy: 'type rollingUpdate',
  Endpoint: 'addresses conditions hostname targetRef deprecatedTopology nodeName zone hints',
  EndpointConditions: 'ready serving terminating',
  EndpointHints: 'forZones forNodes',
  EndpointPort: 'name protocol port appProtocol',
  EndpointSlice: 'metadata endpoints ports addressType',
  EnvFromSource: 'prefix configMapRef secretRef',
  EnvVar: 'name value valueFrom',
  EnvVarSource: 'fieldRef resourceFieldRef configMapKeyRef secretKeyRef',
  Event: 'metadata involvedObject reason message source firstTimestamp lastTimestamp count type eventTime '
    + 'series action related reportingComponent reportingInstance',
  EventSeries: 'count lastObservedTime',
  EventSource: 'component host',
  ExecAction: 'command',
  ForNode: 'name',
  ForZone: 'name',
  GRPCAction: 'port service',
  HTTPGetAction: 'path port host scheme httpHeaders',
  HTTPHeader: 'name value',
  HostAlias: 'ip hostnames',
  HostIP: 'ip',
  LabelSelector: 'matchLabels matchExpressions',
  LabelSelectorRequirement: 'key operator values',
  Lease: 'metadata spec',
  LeaseSpec: 'holderIdentity leaseDurationSeconds acquireTime renewTime leaseTransitions strategy '
    + 'preferredHolder',
  Lifecycle: 'postStart preStop stopSignal',
  LifecycleHandler: 'exec httpGet tcpSocket sleep',
  LinuxContainerUser: 'uid gid supplementalGroups',
  LoadBalancerIngress: 'ip hostname ipMode ports',
  LoadBalancerStatus: 'ingress',
  LocalObjectReference: 'name',
  ManagedFieldsEntry: 'manager operation apiVersion time 6:fieldsType fieldsV1 subresource',
  Namespace: 'metadata spec status',
  NamespaceCondition: 'type status 4:lastTransitionTime reason message',
  NamespaceSpec: 'finalizers',
  NamespaceStatus: 'phase conditions',
  Node: 'metadata spec status',
  NodeAddress: 'type address',
  NodeCondition: 'type status lastHeartbeatTime lastTransitionTime reason message',
  NodeConfigSource: '2:configMap',
  NodeConfigStatus: 'assigned active lastKnownGood error',
  NodeDaemonEndpoints: 'kubeletEndpoint',
  NodeFeatures: 'supplementalGroupsPolicy',
  NodeRuntimeHandler: 'name features',
  NodeRuntimeHandlerFeatures: 'recursiveReadOnlyMounts userNamespaces',
  NodeSpec: 'podCIDR externalID providerID unschedulable taints configSource podCIDRs',
  NodeStatus: 'capacity allocatable phase conditions addresses daemonEndpoints nodeInfo images '
    + 'volumesInUse volumesAttached config runtimeHandlers features',
  NodeSwapStatus: 'capacity',
  NodeSystemInfo: 'machineID systemUUID bootID kernelVersion osImage containerRuntimeVersion '
    + 'kubeletVersion kubeProxyVersion operatingSystem architecture swap',
  ObjectFieldSelector: 'apiVersion fieldPath',
  ObjectMeta: 'name generateName namespace selfLink uid resourceVersion generation creationTimestamp '
    + 'deletionTimestamp deletionGracePeriodSeconds labels annotations ownerReferences finalizers '
    + '17:managedFields',
  ObjectReference: 'kind namespace name uid apiVersion resourceVersion fieldPath',
  OwnerReference: 'kind 3:name uid apiVersion controller blockOwnerDeletion',
  Pod: 'metadata spec status',
  PodCondition: 'type status lastProbeTime lastTransitionTime reason message observedGeneration',
  PodDNSConfig: 'nameservers searches options',
  PodDNSConfigOption: 'name value',
  PodIP: 'ip',
  PodOS: 'name',
  PodReadinessGate: 'conditionType',
  PodResourceClaim: 'name 3:resourceClaimName resourceClaimTemplateName',
  PodResourceClaimStatus: 'name resourceClaimName',
  PodSchedulingGate: 'name',
  PodSecurityContext: 'seLinuxOptions runAsUser runAsNonRoot supplementalGroups fsGroup runAsGroup '
    + 'sysctls windowsOptions fsGroupChangePolicy seccompProfile appArmorProfile supplementalGroupsPolicy '
    + 'seLinuxChangePolicy',
  PodSpec: 'volumes containers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds '
    + 'dnsPolicy nodeSelector serviceAccountName serviceAccount nodeName hostNetwork hostPID hostIPC '
    + 'securityContext imagePullSecrets hostname subdomain affinity schedulerName initContainers '
    + 'automountServiceAccountToken tolerations hostAliases priorityClassName priority dnsConfig '
    + 'shareProcessNamespace readinessGates runtimeClassName enableServiceLinks preemptionPolicy overhead '
    + 'topologySpreadConstraints ephemeralContainers setHostnameAsFQDN os hostUsers schedulingGates '
    + 'resourceClaims resources',
  PodStatus: 'phase conditions message reason hostIP podIP startTime containerStatuses qosClass '
    + 'initContainerStatuses nominatedNodeName podIPs ephemeralContainerStatuses resize '
    + 'resourceClaimStatuses hostIPs observedGeneration',
  PodTemplateSpec: 'metadata spec',
  PortStatus: 'port protocol error',
  Preconditions: 'uid resourceVersion',
  Probe: '*ProbeHandler initialDelaySeconds timeoutSeconds periodSeconds successThreshold '
    + 'failureThreshold terminationGracePeriodSeconds',
  ProbeHandler: 'exec httpGet tcpSocket grpc',
  ReplicaSet: 'metadata spec status',
  ReplicaSetCondition: 'type status lastTransitionTime reason message',
  ReplicaSetSpec: 'replicas selector template minReadySeconds',
  ReplicaSetStatus: 'replicas fullyLabeledReplicas observedGeneration readyReplicas availableReplicas '
    + 'conditions terminatingReplicas',
  ResourceClaim: 'name request',
  ResourceFieldSelector: 'containerName resource divisor',
  ResourceHealth: 'resourceID health',
  ResourceRequirements: 'limits requests claims',
  ResourceStatus: 'name resources',
  RollingUpdateDeployment: 'maxUnavailable maxSurge',
  SELinuxOptions: 'user role type level',
  SeccompProfile: 'type localhostProfile',
  Secret: 'metadata data type stringData immutable',
  SecretEnvSource: '*LocalObjectReference optional',
  SecretKeySelector: '*LocalObjectReference key optional',
  SecurityContext: 'capabilities privileged seLinuxOptions runAsUser runAsNonRoot readOnlyRootFilesystem '
    + 'allowPrivilegeEscalation runAsGroup procMount windowsOptions seccompProfile appArmorProfile',
  Service: 'metadata spec status',
  ServiceAccount: 'metadata secrets imagePullSecrets automountServiceAccountToken',
  ServicePort: 'name protocol port targetPort nodePort appProtocol',
  ServiceSpec: 'ports selector clusterIP type externalIPs 7:sessionAffinity loadBalancerIP '
    + 'loadBalancerSourceRanges externalName externalTrafficPolicy healthCheckNodePort '
    + 'publishNotReadyAddresses sessionAffinityConfig 17:ipFamilyPolicy clusterIPs ipFamilies '
    + 'allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy trafficDistribution',
  ServiceStatus: 'loadBalancer conditions',
  SessionAffinityConfig: 'clientIP',
  SleepAction: 'seconds',
  Sysctl: 'name value',
  TCPSocketAction: 'port host',
  Taint: 'key value effect timeAdded',
  Toleration: 'key operator value effect tolerationSeconds',
  TopologySpreadConstraint: 'maxSkew topologyKey whenUnsatisfiable labelSelector minDomains '
    + 'nodeAffinityPolicy nodeTaintsPolicy matchLabelKeys',
  Volume: 'name *VolumeSource',
  VolumeDevice: 'name devicePath',
  VolumeMount: 'name readOnly mountPath subPath mountPropagation subPathExpr recursiveReadOnly',
  VolumeMountStatus: 'name mountPath readOnly recursiveReadOnly',
  VolumeSource: 'hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi '
    + 'glusterfs persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile '
    + 'configMap vsphereVolume quobyte azureDisk photonPersistentDisk portworxVolume scaleIO projected '
    + 'storageos csi ephemeral image',
  WindowsSecurityContextOptions: 'gmsaCredentialSpecName gmsaCredentialSpec runAsUserName hostProcess',
};

/** Field names by number, `*Name` for an embedded message; null for a message that no schema needs. */
export function fieldNumbers(message: string): ReadonlyMap<number, string> | null {
  const known = parsed.get(message);
  if (known !== undefined) return known;
  const row = Object.hasOwn(rows, message) ? rows[message] : undefined;
  if (row === undefined) return null;
  const numbers = new Map<number, string>();
  let next = 1;
  for (const word of row.split(' ')) {
    const cut = word.indexOf(':'), number = cut < 0 ? next : Number(word.slice(0, cut));
    numbers.set(number, word.slice(cut + 1));
    next = number + 1;
  }
  parsed.set(message, numbers);
  return numbers;
}

/** Rows are read when their message first comes. */
const parsed = new Map<string, ReadonlyMap<number, string>>();

/**
 * Numbers and flags whose zero differs from their absence: pointers in Go. All others are sent even when they
 * are zero, and mean nothing then.
 */
export const zeroMatters: ReadonlySet<string> = new Set([
  'activeDeadlineSeconds', 'allowPrivilegeEscalation', 'allocateLoadBalancerNodePorts',
  'automountServiceAccountToken', 'blockOwnerDeletion', 'controller', 'defaultMode',
  'deletionGracePeriodSeconds', 'enableServiceLinks', 'fsGroup', 'gracePeriodSeconds', 'hostUsers',
  'immutable', 'leaseDurationSeconds', 'leaseTransitions', 'mode', 'optional', 'orphanDependents', 'port',
  'priority', 'privileged', 'progressDeadlineSeconds', 'readOnlyRootFilesystem', 'ready', 'replicas',
  'revisionHistoryLimit', 'runAsGroup', 'runAsNonRoot', 'runAsUser', 'serving', 'setHostnameAsFQDN',
  'shareProcessNamespace', 'started', 'terminating', 'terminationGracePeriodSeconds', 'tolerationSeconds',
]);
