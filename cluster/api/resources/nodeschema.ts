// The schema of a node, with all that a kubelet reports. Source: Kubernetes API 1.36, core/v1.

import {
  boolean, integer, kindObject, listBy, listOf, object, quantities, string, stringSet, strings, time,
} from './schema.ts';

const configMapNodeConfigSource = object('core', 'ConfigMapNodeConfigSource', {
  kubeletConfigKey: string, name: string, namespace: string, resourceVersion: string, uid: string,
}, ['kubeletConfigKey', 'name', 'namespace']);

const nodeConfigSource = object('core', 'NodeConfigSource', {
  configMap: configMapNodeConfigSource,
});

const taint = object('core', 'Taint', {
  effect: string, key: string, timeAdded: time, value: string,
}, ['effect', 'key']);

const nodeSpec = object('core', 'NodeSpec', {
  configSource: nodeConfigSource, externalID: string, podCIDR: string, podCIDRs: stringSet,
  providerID: string, taints: listOf(taint), unschedulable: boolean,
});

const nodeAddress = object('core', 'NodeAddress', {
  address: string, type: string,
}, ['address', 'type']);

const nodeCondition = object('core', 'NodeCondition', {
  lastHeartbeatTime: time, lastTransitionTime: time, message: string, reason: string, status: string,
  type: string,
}, ['status', 'type']);

const nodeConfigStatus = object('core', 'NodeConfigStatus', {
  active: nodeConfigSource, assigned: nodeConfigSource, error: string, lastKnownGood: nodeConfigSource,
});

const daemonEndpoint = object('core', 'DaemonEndpoint', {
  Port: integer,
}, ['Port']);

const nodeDaemonEndpoints = object('core', 'NodeDaemonEndpoints', {
  kubeletEndpoint: daemonEndpoint,
});

const nodeFeatures = object('core', 'NodeFeatures', {
  supplementalGroupsPolicy: boolean,
});

const containerImage = object('core', 'ContainerImage', {
  names: strings, sizeBytes: integer,
});

const nodeSwapStatus = object('core', 'NodeSwapStatus', {
  capacity: integer,
});

const nodeSystemInfo = object('core', 'NodeSystemInfo', {
  architecture: string, bootID: string, containerRuntimeVersion: string, kernelVersion: string,
  kubeProxyVersion: string, kubeletVersion: string, machineID: string, operatingSystem: string,
  osImage: string, swap: nodeSwapStatus, systemUUID: string,
}, [
  'architecture', 'bootID', 'containerRuntimeVersion', 'kernelVersion', 'kubeProxyVersion', 'kubeletVersion',
  'machineID', 'operatingSystem', 'osImage', 'systemUUID',
]);

const nodeRuntimeHandlerFeatures = object('core', 'NodeRuntimeHandlerFeatures', {
  recursiveReadOnlyMounts: boolean, userNamespaces: boolean,
});

const nodeRuntimeHandler = object('core', 'NodeRuntimeHandler', {
  features: nodeRuntimeHandlerFeatures, name: string,
});

const attachedVolume = object('core', 'AttachedVolume', {
  devicePath: string, name: string,
}, ['devicePath', 'name']);

const nodeStatus = object('core', 'NodeStatus', {
  addresses: listBy('type', nodeAddress), allocatable: quantities, capacity: quantities,
  conditions: listBy('type', nodeCondition), config: nodeConfigStatus,
  daemonEndpoints: nodeDaemonEndpoints, declaredFeatures: strings, features: nodeFeatures,
  images: listOf(containerImage), nodeInfo: nodeSystemInfo, phase: string,
  runtimeHandlers: listOf(nodeRuntimeHandler), volumesAttached: listOf(attachedVolume),
  volumesInUse: strings,
});

export const nodeSchema = kindObject('core', 'Node', { spec: nodeSpec, status: nodeStatus });
