// The Kubernetes objects that Shoal itself reads, as types: only the fields that its own code touches are
// named, every other field of an object is kept as it came. Source: Kubernetes API reference, v1.36.
// Objects are immutable once stored: whoever changes one makes a new one.

export interface OwnerReference {
  readonly apiVersion: string; readonly kind: string; readonly name: string; readonly uid: string;
  readonly controller?: boolean; readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  /** RFC 3339, whole seconds, UTC. */
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
  readonly managedFields?: readonly unknown[];
}

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

export interface Condition {
  readonly type: string; readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string; readonly message?: string;
  readonly lastTransitionTime?: string; readonly lastUpdateTime?: string; readonly lastHeartbeatTime?: string;
}

export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string; readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
    readonly values?: readonly string[];
  }[];
}

export interface Namespace extends KubeObject {
  readonly spec?: { readonly finalizers?: readonly string[] };
  readonly status?: { readonly phase?: 'Active' | 'Terminating'; readonly conditions?: readonly Condition[] };
}

export interface Taint {
  readonly key: string; readonly value?: string;
  readonly effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute'; readonly timeAdded?: string;
}

export interface Toleration {
  readonly key?: string; readonly operator?: 'Exists' | 'Equal'; readonly value?: string;
  readonly effect?: Taint['effect']; readonly tolerationSeconds?: number;
}

/** Quantities as Kubernetes writes them: `cpu: 250m`, `memory: 64Mi`; see `cluster/api/quantity.ts`. */
export type ResourceList = Readonly<Record<string, string>>;

export interface Node extends KubeObject {
  readonly spec?: { readonly unschedulable?: boolean; readonly taints?: readonly Taint[];
    readonly podCIDR?: string };
  readonly status?: {
    readonly capacity?: ResourceList; readonly allocatable?: ResourceList;
    readonly conditions?: readonly Condition[];
    readonly addresses?: readonly { readonly type: string; readonly address: string }[];
    readonly nodeInfo?: Readonly<Record<string, string>>;
  };
}

export interface EnvVar {
  readonly name: string; readonly value?: string;
  readonly valueFrom?: {
    readonly configMapKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
    readonly secretKeyRef?: { readonly name: string; readonly key: string; readonly optional?: boolean };
    readonly fieldRef?: { readonly apiVersion?: string; readonly fieldPath: string };
  };
}

export interface Container {
  readonly name: string; readonly image: string;
  readonly command?: readonly string[]; readonly args?: readonly string[]; readonly workingDir?: string;
  readonly ports?: readonly {
    readonly name?: string; readonly containerPort: number; readonly hostPort?: number;
    readonly protocol?: 'TCP' | 'UDP'; readonly hostIP?: string;
  }[];
  readonly env?: readonly EnvVar[];
  readonly envFrom?: readonly {
    readonly prefix?: string;
    readonly configMapRef?: { readonly name: string; readonly optional?: boolean };
    readonly secretRef?: { readonly name: string; readonly optional?: boolean };
  }[];
  readonly resources?: { readonly requests?: ResourceList; readonly limits?: ResourceList };
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  readonly terminationMessagePath?: string; readonly terminationMessagePolicy?: string;
  readonly stdin?: boolean; readonly stdinOnce?: boolean; readonly tty?: boolean;
  readonly securityContext?: {
    readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  };
}

/** Added to a pod that runs, to look into it; its resources, ports and probes can't be set. */
export interface EphemeralContainer extends Container { readonly targetContainerName?: string }

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly ephemeralContainers?: readonly EphemeralContainer[];
  readonly shareProcessNamespace?: boolean;
  readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never';
  readonly terminationGracePeriodSeconds?: number;
  readonly nodeName?: string;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly Toleration[];
  readonly hostNetwork?: boolean; readonly hostname?: string;
  readonly serviceAccountName?: string; readonly schedulerName?: string;
  readonly activeDeadlineSeconds?: number; readonly enableServiceLinks?: boolean;
  readonly dnsPolicy?: string; readonly priority?: number;
}

export interface ContainerState {
  readonly waiting?: { readonly reason: string; readonly message?: string };
  readonly running?: { readonly startedAt: string };
  readonly terminated?: {
    readonly exitCode: number; readonly signal?: number; readonly reason?: string; readonly message?: string;
    readonly startedAt?: string; readonly finishedAt?: string; readonly containerID?: string;
  };
}

export interface ContainerStatus {
  readonly name: string; readonly image: string; readonly imageID: string; readonly containerID?: string;
  readonly ready: boolean; readonly started?: boolean; readonly restartCount: number;
  readonly state?: ContainerState; readonly lastState?: ContainerState;
}

export interface PodStatus {
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly conditions?: readonly Condition[];
  readonly message?: string; readonly reason?: string;
  readonly hostIP?: string; readonly hostIPs?: readonly { readonly ip: string }[];
  readonly podIP?: string; readonly podIPs?: readonly { readonly ip: string }[];
  readonly startTime?: string; readonly qosClass?: 'Guaranteed' | 'Burstable' | 'BestEffort';
  readonly initContainerStatuses?: readonly ContainerStatus[];
  readonly containerStatuses?: readonly ContainerStatus[];
  readonly ephemeralContainerStatuses?: readonly ContainerStatus[];
}

export interface PodTemplateSpec {
  readonly metadata?: Partial<ObjectMeta>;
  readonly spec: PodSpec;
}

export interface Pod extends KubeObject { readonly spec: PodSpec; readonly status?: PodStatus }

export interface ReplicaSet extends KubeObject {
  readonly spec: {
    readonly replicas?: number; readonly minReadySeconds?: number;
    readonly selector: LabelSelector; readonly template: PodTemplateSpec;
  };
  readonly status?: {
    readonly replicas: number; readonly fullyLabeledReplicas?: number; readonly readyReplicas?: number;
    readonly availableReplicas?: number; readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
  };
}

export interface Deployment extends KubeObject {
  readonly spec: {
    readonly replicas?: number; readonly minReadySeconds?: number; readonly paused?: boolean;
    readonly revisionHistoryLimit?: number; readonly progressDeadlineSeconds?: number;
    readonly selector: LabelSelector; readonly template: PodTemplateSpec;
    readonly strategy?: {
      readonly type?: 'RollingUpdate' | 'Recreate';
      readonly rollingUpdate?: { readonly maxSurge?: number | string;
        readonly maxUnavailable?: number | string };
    };
  };
  readonly status?: {
    readonly observedGeneration?: number; readonly replicas?: number; readonly updatedReplicas?: number;
    readonly readyReplicas?: number; readonly availableReplicas?: number;
      readonly unavailableReplicas?: number;
    readonly collisionCount?: number; readonly conditions?: readonly Condition[];
  };
}

export interface ServicePort {
  readonly name?: string; readonly protocol?: 'TCP' | 'UDP'; readonly port: number;
  readonly targetPort?: number | string; readonly nodePort?: number; readonly appProtocol?: string;
}

export interface Service extends KubeObject {
  readonly spec: {
    readonly type?: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
    readonly clusterIP?: string; readonly clusterIPs?: readonly string[];
    readonly selector?: Readonly<Record<string, string>>; readonly ports?: readonly ServicePort[];
    readonly sessionAffinity?: string; readonly publishNotReadyAddresses?: boolean;
    readonly externalName?: string;
  };
  readonly status?: { readonly loadBalancer?: unknown };
}

export interface Endpoint {
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean;
    readonly terminating?: boolean };
  readonly nodeName?: string;
  readonly targetRef?: { readonly kind: string; readonly namespace?: string; readonly name: string;
    readonly uid?: string };
}

export interface EndpointSlice extends KubeObject {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly Endpoint[];
  readonly ports?: readonly { readonly name?: string; readonly protocol?: 'TCP' | 'UDP';
    readonly port?: number }[];
}

export interface ObjectReference {
  readonly apiVersion?: string; readonly kind?: string; readonly namespace?: string; readonly name?: string;
  readonly uid?: string; readonly resourceVersion?: string; readonly fieldPath?: string;
}

/** core/v1 Event. */
export interface KubeEvent extends KubeObject {
  readonly involvedObject: ObjectReference;
  readonly reason?: string; readonly message?: string; readonly type?: 'Normal' | 'Warning';
  readonly count?: number; readonly firstTimestamp?: string; readonly lastTimestamp?: string;
  readonly source?: { readonly component?: string; readonly host?: string };
  readonly reportingComponent?: string; readonly reportingInstance?: string;
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>; readonly binaryData?: Readonly<Record<string, string>>;
  readonly immutable?: boolean;
}

export interface Secret extends KubeObject {
  readonly type?: string; readonly immutable?: boolean;
  /** Values in base64, as on the wire. */
  readonly data?: Readonly<Record<string, string>>;
}

/** `request` and `certificate` are PEM texts in base64. */
export interface CertificateSigningRequest extends KubeObject {
  readonly spec?: {
    readonly request?: string; readonly signerName?: string; readonly usages?: readonly string[];
    readonly expirationSeconds?: number;
    /** Who asks. */
    readonly username?: string; readonly groups?: readonly string[];
  };
  readonly status?: { readonly conditions?: readonly Condition[]; readonly certificate?: string };
}

export interface EndpointAddress {
  readonly ip: string; readonly hostname?: string; readonly nodeName?: string;
  readonly targetRef?: ObjectReference;
}

export interface Endpoints extends KubeObject {
  readonly subsets?: readonly {
    readonly addresses?: readonly EndpointAddress[]; readonly notReadyAddresses?: readonly EndpointAddress[];
    readonly ports?: readonly { readonly name?: string; readonly port: number; readonly protocol?: string;
      readonly appProtocol?: string }[];
  }[];
}

export interface Lease extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string; readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string; readonly renewTime?: string; readonly leaseTransitions?: number;
  };
}

export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups?: readonly string[]; readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[]; readonly nonResourceURLs?: readonly string[];
}

/** Role and ClusterRole; only the latter aggregates. */
export interface Role extends KubeObject {
  readonly rules?: readonly PolicyRule[];
  readonly aggregationRule?: { readonly clusterRoleSelectors?: readonly LabelSelector[] };
}

export interface Subject {
  readonly kind: string; readonly name: string; readonly apiGroup?: string; readonly namespace?: string;
}

export interface RoleRef { readonly apiGroup: string; readonly kind: string; readonly name: string }

/** RoleBinding and ClusterRoleBinding. */
export interface RoleBinding extends KubeObject {
  readonly subjects?: readonly Subject[]; readonly roleRef: RoleRef;
}

/** meta/v1 Status: how every refusal reaches a client. */
export interface Status {
  readonly kind: 'Status'; readonly apiVersion: 'v1'; readonly metadata: { readonly continue?: string };
  readonly status: 'Success' | 'Failure'; readonly message?: string; readonly reason?: string;
  readonly details?: {
    readonly name?: string; readonly group?: string; readonly kind?: string; readonly uid?: string;
    readonly causes?: readonly StatusCause[]; readonly retryAfterSeconds?: number;
  };
  readonly code?: number;
}

export interface StatusCause { readonly reason: string; readonly message: string; readonly field?: string }
