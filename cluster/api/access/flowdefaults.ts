// The FlowSchemas and PriorityLevelConfigurations that every cluster has from its beginning.
//
// A schema is a line: name, precedence, level, distinguisher, then whom it is for, each `kind:name`. What it
// is about stands below it, as in the table of roles; without such a line it is about everything.
// Source: Kubernetes, apiserver/pkg/apis/flowcontrol/bootstrap.

import type { KubeObject } from '../types.ts';

const apiVersion = 'flowcontrol.apiserver.k8s.io/v1';
export const autoUpdateSpec = 'apf.kubernetes.io/autoupdate-spec';

/** Without these nothing could be told apart; whatever is done to them is undone. */
export const mandatory: readonly string[] = ['exempt', 'catch-all'];

const everyone = 'Group:system:unauthenticated Group:system:authenticated';
const managers = 'User:system:kube-controller-manager';

const endpoints = 'SA:kube-system/endpoint-controller SA:kube-system/endpointslicemirroring-controller';

const table = `
exempt 1 exempt - Group:system:masters
probes 2 exempt - ${everyone}
  get path /healthz /readyz /livez
system-leader-election 100 leader-election ByUser ${managers} User:system:kube-scheduler SA:kube-system/*
  get,create,update coordination.k8s.io leases
endpoint-controller 150 workload-high ByUser ${managers} ${endpoints}
  get,create,update core endpoints
workload-leader-election 200 leader-election ByUser SA:kube-system/*
  get,create,update core endpoints configmaps
  get,create,update coordination.k8s.io leases
system-node-high 400 node-high ByUser Group:system:nodes
  * core nodes nodes/status +cluster
  * coordination.k8s.io leases
system-nodes 500 system ByUser Group:system:nodes
kube-controller-manager 800 workload-high ByNamespace ${managers}
kube-scheduler 800 workload-high ByNamespace User:system:kube-scheduler
kube-system-service-accounts 900 workload-high ByNamespace SA:kube-system/*
service-accounts 9000 workload-low ByUser Group:system:serviceaccounts
global-default 9900 global-default ByUser ${everyone}
catch-all 10000 catch-all ByUser ${everyone}
`;

type Queues = readonly [queues: number, hand: number, length: number];

/** Shares, the percentage that may be lent, and queues; without them what is too much is refused. */
const levels: readonly (readonly [name: string, shares: number, lendable: number, Queues | null])[] = [
  ['catch-all', 5, 0, null], ['system', 30, 33, [64, 6, 50]], ['node-high', 40, 25, [64, 6, 50]],
  ['leader-election', 10, 0, [16, 4, 50]], ['workload-high', 40, 50, [128, 6, 50]],
  ['workload-low', 100, 90, [128, 6, 50]], ['global-default', 20, 50, [128, 6, 50]],
];

/** What a default is, without what a new object gets from its maker. */
export type FlowDefault = Omit<KubeObject, 'metadata'> & {
  readonly metadata: { readonly name: string; readonly annotations: Readonly<Record<string, string>> };
  readonly spec: object;
};

const metadata = (name: string): FlowDefault['metadata'] =>
  ({ name, annotations: { [autoUpdateSpec]: 'true' } });

export const defaultLevels: readonly FlowDefault[] = [
  {
    apiVersion, kind: 'PriorityLevelConfiguration', metadata: metadata('exempt'),
    spec: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  },
  ...levels.map(([name, nominalConcurrencyShares, lendablePercent, queuing]) => ({
    apiVersion, kind: 'PriorityLevelConfiguration', metadata: metadata(name),
    spec: {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares, lendablePercent,
        limitResponse: queuing === null ? { type: 'Reject' } : {
          type: 'Queue',
          queuing: { queues: queuing[0], handSize: queuing[1], queueLengthLimit: queuing[2] },
        },
      },
    },
  })),
];

export const defaultSchemas: readonly FlowDefault[] = table.trim().split(/\n(?! )/).map((text) => {
  const [head = '', ...lines] = text.split('\n');
  const [name = '', precedence, level, method, ...subjects] = head.split(' ');
  return {
    apiVersion, kind: 'FlowSchema', metadata: metadata(name),
    spec: {
      ...method === '-' ? {} : { distinguisherMethod: { type: method } },
      matchingPrecedence: Number(precedence), priorityLevelConfiguration: { name: level },
      rules: [{ ...rulesOf(lines), subjects: subjects.map(subjectOf) }],
    },
  };
});

function subjectOf(text: string): object {
  const cut = text.indexOf(':'), kind = text.slice(0, cut), name = text.slice(cut + 1);
  if (kind === 'Group') return { kind, group: { name } };
  if (kind === 'User') return { kind, user: { name } };
  const [namespace, account] = name.split('/');
  return { kind: 'ServiceAccount', serviceAccount: { name: account, namespace } };
}

function rulesOf(lines: readonly string[]): object {
  if (lines.length === 0) {
    return {
      nonResourceRules: [{ nonResourceURLs: ['*'], verbs: ['*'] }],
      resourceRules: [{
        apiGroups: ['*'], clusterScope: true, namespaces: ['*'], resources: ['*'], verbs: ['*'],
      }],
    };
  }
  const nonResourceRules: object[] = [], resourceRules: object[] = [];
  for (const line of lines) {
    const [verbs = '', group = '', ...rest] = line.trim().split(' ');
    if (group === 'path') nonResourceRules.push({ nonResourceURLs: rest, verbs: verbs.split(',') });
    else {
      const cluster = rest.includes('+cluster');
      resourceRules.push({
        apiGroups: [group === 'core' ? '' : group], ...cluster ? { clusterScope: true } : {},
        namespaces: ['*'], resources: rest.filter((each) => each !== '+cluster'), verbs: verbs.split(','),
      });
    }
  }
  return {
    ...nonResourceRules.length === 0 ? {} : { nonResourceRules },
    ...resourceRules.length === 0 ? {} : { resourceRules },
  };
}
