// The roles and bindings that every cluster has from its beginning.
//
// A role is a line with its name, then a line for each rule: verbs, API groups, resources; `core` is the
// group without a name, `path` says that paths follow, `named` that names of single objects do. `-> edit`: it
// is gathered into edit; `<- edit`: it gathers. Left out are the roles of Kubernetes' own controllers
// (`system:controller:…`): here no controller is a client of the API.
// Source: Kubernetes, plugin/pkg/auth/authorizer/rbac/bootstrappolicy, release 1.36, its default features; of
// metrics.k8s.io metrics-server's manifests.

import { rbacGroup } from '../resources/rbac.ts';
import type { PolicyRule, Role, RoleBinding, Subject } from '../types.ts';

const table = `
cluster-admin
  * * *
  * path *
admin <- admin
edit -> admin <- edit
view -> edit <- view
system:aggregate-to-admin -> admin
  create authorization.k8s.io localsubjectaccessreviews
  all rbac.authorization.k8s.io rolebindings roles
system:aggregate-to-edit -> edit
  read core pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
  impersonate core serviceaccounts
  write core pods pods/attach pods/exec pods/portforward pods/proxy
  create core pods/eviction
  write core configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale
    secrets serviceaccounts services services/proxy
  create core serviceaccounts/token
  write apps daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale
    statefulsets statefulsets/scale
  write autoscaling horizontalpodautoscalers
  write batch cronjobs jobs
  write extensions daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies
    replicasets replicasets/scale replicationcontrollers/scale
  write policy poddisruptionbudgets
  write networking.k8s.io ingresses networkpolicies
  all coordination.k8s.io leases
  write resource.k8s.io resourceclaims resourceclaimtemplates
system:aggregate-to-view -> view
  read core configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods
    replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status
  read core bindings events limitranges namespaces/status pods/log pods/status
    replicationcontrollers/status resourcequotas resourcequotas/status
  read core namespaces
  read discovery.k8s.io endpointslices
  read apps controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status
    replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status
  read autoscaling horizontalpodautoscalers horizontalpodautoscalers/status
  read batch cronjobs cronjobs/status jobs jobs/status
  read extensions daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses
    ingresses/status networkpolicies replicasets replicasets/scale replicasets/status
    replicationcontrollers/scale
  read policy poddisruptionbudgets poddisruptionbudgets/status
  read networking.k8s.io ingresses ingresses/status networkpolicies
  read resource.k8s.io resourceclaims resourceclaims/status resourceclaimtemplates
system:auth-delegator
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
system:aggregated-metrics-reader -> view
  read metrics.k8s.io nodes pods
system:basic-user
  create authorization.k8s.io selfsubjectaccessreviews selfsubjectrulesreviews
  create authentication.k8s.io selfsubjectreviews
system:certificates.k8s.io:certificatesigningrequests:nodeclient
  create certificates.k8s.io certificatesigningrequests/nodeclient
system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  create certificates.k8s.io certificatesigningrequests/selfnodeclient
system:certificates.k8s.io:kube-apiserver-client-approver
  approve certificates.k8s.io signers named kubernetes.io/kube-apiserver-client
system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  approve certificates.k8s.io signers named kubernetes.io/kube-apiserver-client-kubelet
system:certificates.k8s.io:kubelet-serving-approver
  approve certificates.k8s.io signers named kubernetes.io/kubelet-serving
system:certificates.k8s.io:legacy-unknown-approver
  approve certificates.k8s.io signers named kubernetes.io/legacy-unknown
system:discovery
  get path /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
system:heapster
  read core events namespaces nodes pods
  read extensions deployments
system:kube-aggregator
  read core endpoints services
system:kube-controller-manager
  create,patch,update core,events.k8s.io events
  create coordination.k8s.io leases
  get,update coordination.k8s.io leases named kube-controller-manager
  create core secrets serviceaccounts
  delete core secrets
  get core configmaps namespaces secrets serviceaccounts
  update core secrets serviceaccounts
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
  list,watch * *
  create core serviceaccounts/token
system:kube-dns
  list,watch core endpoints services
system:kube-scheduler
  create,patch,update core,events.k8s.io events
  create coordination.k8s.io leases
  get,list,update,watch coordination.k8s.io leases named kube-scheduler
  read core nodes
  delete,get,list,watch core pods
  create core bindings pods/binding
  patch,update core pods/status
  read core replicationcontrollers services
  read apps,extensions replicasets
  read apps statefulsets
  read policy poddisruptionbudgets
  read core persistentvolumeclaims persistentvolumes
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
  read storage.k8s.io csinodes
  read storage.k8s.io volumeattachments
  read core namespaces
  read storage.k8s.io csidrivers
  read storage.k8s.io csistoragecapacities
  read resource.k8s.io deviceclasses
  get,list,patch,update,watch resource.k8s.io resourceclaims
  get,list,patch,update,watch resource.k8s.io resourceclaims/status
  get,list,patch,update,watch core pods/finalizers
  read resource.k8s.io resourceslices
system:kubelet-api-admin
  read core nodes
  proxy core nodes
  * core nodes/log nodes/metrics nodes/proxy nodes/stats
  * core nodes/configz nodes/healthz nodes/pods
system:monitoring
  get path /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*
  get path /flagz
  get path /statusz
system:node
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io localsubjectaccessreviews subjectaccessreviews
  read core services
  create,get,list,watch core nodes
  patch,update core nodes/status
  patch,update core nodes
  create,patch,update core events
  read core pods
  create,delete core pods
  patch,update core pods/status
  create core pods/eviction
  read core configmaps secrets
  get core persistentvolumeclaims persistentvolumes
  get core endpoints
  create,get,list,watch certificates.k8s.io certificatesigningrequests
  create,delete,get,patch,update coordination.k8s.io leases
  get storage.k8s.io volumeattachments
  create core serviceaccounts/token
  get,patch,update core persistentvolumeclaims/status
  read storage.k8s.io csidrivers
  create,delete,get,patch,update storage.k8s.io csinodes
  read node.k8s.io runtimeclasses
  get resource.k8s.io resourceclaims
  deletecollection resource.k8s.io resourceslices
  get core serviceaccounts
system:node-bootstrapper
  create,get,list,watch certificates.k8s.io certificatesigningrequests
system:node-problem-detector
  get core nodes
  patch core nodes/status
  create,patch,update core,events.k8s.io events
system:node-proxier
  list,watch core endpoints services
  read core nodes
  create,patch,update core,events.k8s.io events
  list,watch networking.k8s.io servicecidrs
  list,watch discovery.k8s.io endpointslices
system:persistent-volume-provisioner
  create,delete,get,list,watch core persistentvolumes
  get,list,update,watch core persistentvolumeclaims
  read storage.k8s.io storageclasses
  watch core events
  create,patch,update core,events.k8s.io events
system:public-info-viewer
  get path /healthz /livez /readyz /version /version/
system:service-account-issuer-discovery
  get path /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks
    /openid/v1/jwks/
system:volume-scheduler
  get,list,patch,update,watch core persistentvolumes
  read storage.k8s.io storageclasses
  get,list,patch,update,watch core persistentvolumeclaims
`;

/** Who has which ClusterRole, of the same name as the binding, everywhere. */
const bound: Readonly<Record<string, readonly Subject[]>> = {
  'cluster-admin': [group('system:masters')],
  'system:basic-user': [group('system:authenticated')],
  'system:discovery': [group('system:authenticated')],
  'system:kube-controller-manager': [user('system:kube-controller-manager')],
  'system:kube-dns': [{ kind: 'ServiceAccount', name: 'kube-dns', namespace: 'kube-system' }],
  'system:kube-scheduler': [user('system:kube-scheduler')],
  'system:monitoring': [group('system:monitoring')],
  // What was bound here before nodes were known one by one.
  'system:node': [],
  'system:node-proxier': [user('system:kube-proxy')],
  'system:public-info-viewer': [group('system:authenticated'), group('system:unauthenticated')],
  'system:service-account-issuer-discovery': [group('system:serviceaccounts')],
  'system:volume-scheduler': [user('system:kube-scheduler')],
};

function user(name: string): Subject { return { kind: 'User', apiGroup: rbacGroup, name }; }
function group(name: string): Subject { return { kind: 'Group', apiGroup: rbacGroup, name }; }

/** What a default is, without what a new object gets from its maker. */
export type DefaultRole = Omit<Role, 'metadata'> & { readonly metadata: DefaultMeta };
export type DefaultBinding = Omit<RoleBinding, 'metadata'> & { readonly metadata: DefaultMeta };

interface DefaultMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** Whoever says `false` here keeps what it has as it is. */
export const autoUpdate = 'rbac.authorization.kubernetes.io/autoupdate';
const aggregateTo = (name: string): string => `rbac.authorization.k8s.io/aggregate-to-${name}`;
const apiVersion = `${rbacGroup}/v1`;

function meta(name: string, more: Readonly<Record<string, string>> = {}): DefaultMeta {
  return {
    name, annotations: { [autoUpdate]: 'true' },
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...more },
  };
}

const verbSets: Readonly<Record<string, string>> = {
  read: 'get,list,watch', write: 'create,delete,deletecollection,patch,update',
  all: 'create,delete,deletecollection,get,list,patch,update,watch',
};

export const defaultClusterRoles: readonly DefaultRole[] = table.trim().replaceAll(/\n {4}/g, ' ')
  .split(/\n(?! )/).map((text) => {
    const [head = '', ...lines] = text.split('\n');
    const [, name = '', to, from] = /^(\S+)(?: -> (\S+))?(?: <- (\S+))?$/.exec(head) ?? [];
    const selector = (label: string): object => ({
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregateTo(label)]: 'true' } }] },
    });
    return {
      apiVersion, kind: 'ClusterRole',
      metadata: meta(name, to === undefined ? {} : { [aggregateTo(to)]: 'true' }),
      ...from === undefined ? { rules: lines.map(ruleOf) } : selector(from),
    };
  });

function ruleOf(line: string): PolicyRule {
  const [said = '', groups = '', ...rest] = line.trim().split(' ');
  const verbs = (verbSets[said] ?? said).split(',');
  if (groups === 'path') return { nonResourceURLs: rest, verbs };
  const cut = rest.indexOf('named'), apiGroups = groups.split(',').map((one) => one === 'core' ? '' : one);
  return cut < 0 ? { apiGroups, resources: rest, verbs }
    : { apiGroups, resourceNames: rest.slice(cut + 1), resources: rest.slice(0, cut), verbs };
}

export const defaultClusterRoleBindings: readonly DefaultBinding[] =
  Object.entries(bound).map(([name, subjects]) => ({
    apiVersion, kind: 'ClusterRoleBinding', metadata: meta(name),
    roleRef: { apiGroup: rbacGroup, kind: 'ClusterRole', name },
    ...subjects.length === 0 ? {} : { subjects },
  }));

const reader = 'extension-apiserver-authentication-reader';

/** In kube-system: who may read how to tell an aggregated API's callers apart. */
export const defaultRoles: readonly DefaultRole[] = [{
  apiVersion, kind: 'Role', metadata: { ...meta(reader), namespace: 'kube-system' },
  rules: [{
    apiGroups: [''], resourceNames: ['extension-apiserver-authentication'], resources: ['configmaps'],
    verbs: ['get', 'list', 'watch'],
  }],
}];

export const defaultRoleBindings: readonly DefaultBinding[] = [{
  apiVersion, kind: 'RoleBinding', metadata: { ...meta(`system::${reader}`), namespace: 'kube-system' },
  roleRef: { apiGroup: rbacGroup, kind: 'Role', name: reader },
  subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler')],
}];
