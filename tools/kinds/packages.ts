// Which Go packages become tables, and what is known of types that are not read from Go.

/** A table: its file is `<name>.json`; the package is looked for under the roots that the caller names. */
export interface TableSource {
  readonly name: string;
  readonly path: string;
  /** Null for what belongs to no group: parts that others are made of. */
  readonly group: string | null;
  readonly version: string;
  /** OpenAPI names are `<prefix>.<type>`. */
  readonly prefix: string;
  /** The class of `@kubernetes/client-node` that knows the paths of the group and version. */
  readonly client: string | null;
}

const inApi = (folder: string, version: string, group: string, client: string | null): TableSource => ({
  name: `${folder}.${version}`, path: `k8s.io/api/${folder}/${version}`, group, version,
  prefix: `io.k8s.api.${folder}.${version}`,
  client: client === null ? null : `${client}${version === 'v1' ? 'V1' : 'V2'}Api`,
});

const io = (group: string): string => `${group}.k8s.io`;

/** Sorted by name. Stable groups and versions only. */
export const tableSources: readonly TableSource[] = [
  inApi('admission', 'v1', io('admission'), null),
  inApi('admissionregistration', 'v1', io('admissionregistration'), 'Admissionregistration'),
  {
    name: 'apiextensions.v1', path: 'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1',
    group: io('apiextensions'), version: 'v1', client: 'ApiextensionsV1Api',
    prefix: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1',
  },
  {
    name: 'apiregistration.v1', path: 'k8s.io/kube-aggregator/pkg/apis/apiregistration/v1',
    group: io('apiregistration'), version: 'v1', client: 'ApiregistrationV1Api',
    prefix: 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1',
  },
  inApi('apps', 'v1', 'apps', 'Apps'),
  inApi('authentication', 'v1', io('authentication'), 'Authentication'),
  inApi('authorization', 'v1', io('authorization'), 'Authorization'),
  inApi('autoscaling', 'v1', 'autoscaling', 'Autoscaling'),
  inApi('autoscaling', 'v2', 'autoscaling', 'Autoscaling'),
  inApi('batch', 'v1', 'batch', 'Batch'),
  inApi('certificates', 'v1', io('certificates'), 'Certificates'),
  inApi('coordination', 'v1', io('coordination'), 'Coordination'),
  inApi('core', 'v1', '', 'Core'),
  inApi('discovery', 'v1', io('discovery'), 'Discovery'),
  inApi('events', 'v1', io('events'), 'Events'),
  inApi('flowcontrol', 'v1', 'flowcontrol.apiserver.k8s.io', 'FlowcontrolApiserver'),
  {
    name: 'meta.v1', path: 'k8s.io/apimachinery/pkg/apis/meta/v1', group: '', version: 'v1', client: null,
    prefix: 'io.k8s.apimachinery.pkg.apis.meta.v1',
  },
  inApi('networking', 'v1', io('networking'), 'Networking'),
  inApi('node', 'v1', io('node'), 'Node'),
  inApi('policy', 'v1', 'policy', 'Policy'),
  inApi('rbac', 'v1', io('rbac.authorization'), 'RbacAuthorization'),
  inApi('resource', 'v1', io('resource'), 'Resource'),
  {
    name: 'runtime', path: 'k8s.io/apimachinery/pkg/runtime', group: null, version: '', client: null,
    prefix: 'io.k8s.apimachinery.pkg.runtime',
  },
  inApi('scheduling', 'v1', io('scheduling'), 'Scheduling'),
  inApi('storage', 'v1', io('storage'), 'Storage'),
];

/** What has an encoding of its own, by Go's import path and name. */
export const scalars: Readonly<Record<string, string>> = {
  'k8s.io/apimachinery/pkg/apis/meta/v1.Time': 'time',
  'k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime': 'micro-time',
  'k8s.io/apimachinery/pkg/api/resource.Quantity': 'quantity',
  'k8s.io/apimachinery/pkg/util/intstr.IntOrString': 'int-or-string',
  'k8s.io/apimachinery/pkg/types.UID': 'string',
  'k8s.io/apimachinery/pkg/types.NodeName': 'string',
  'k8s.io/apimachinery/pkg/types.PatchType': 'string',
  'k8s.io/apimachinery/pkg/runtime.Object': 'runtime/RawExtension',
};

/** Kinds of meta/v1, which registers its own by hand; and parts that no kind reaches. */
export const metaKinds: readonly string[] = [
  'APIGroup', 'APIGroupList', 'APIResourceList', 'APIVersions', 'CreateOptions', 'DeleteOptions',
  'GetOptions', 'List', 'ListOptions', 'PartialObjectMetadata', 'PartialObjectMetadataList', 'Patch',
  'PatchOptions', 'Status', 'Table', 'UpdateOptions', 'WatchEvent',
];
