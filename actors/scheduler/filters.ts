// Which nodes a pod may go to. Each filter explains itself: what it says is what `kubectl describe pod`
// shows. Source: Kubernetes, "Scheduling Framework: Filter", and the plugins of the same names; the texts
// are theirs. What always holds: filters run in this order and the first that objects speaks for the node;
// a filter that is content answers with the one empty list.

import { tolerates } from '../node/eviction.ts';
import type { Candidate } from './requests.ts';
import { isPortTaken } from './view.ts';
import type { NodeView } from './view.ts';

export interface Filter {
  readonly name: string;
  /** What is in the way, each reason once; empty: nothing. */
  readonly explain: (candidate: Candidate, node: NodeView) => readonly string[];
}

const content: readonly string[] = [];

const unschedulableTaint = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' } as const;

const nodeUnschedulable: Filter = {
  name: 'NodeUnschedulable',
  explain: ({ tolerations }, { node }) => {
    if (node.spec?.unschedulable !== true) return content;
    const allowed = tolerations.some((toleration) => tolerates(toleration, unschedulableTaint));
    return allowed ? content : ['node(s) were unschedulable'];
  },
};

/** A pod that names its node is never queued, so this matters to `explain` alone. */
const nodeName: Filter = {
  name: 'NodeName',
  explain: ({ pod }, { name }) => {
    const wanted = pod.spec.nodeName ?? '';
    return wanted === '' || wanted === name ? content : ["node(s) didn't match the requested node name"];
  },
};

const taintToleration: Filter = {
  name: 'TaintToleration',
  explain: ({ tolerations }, { taints }) => {
    for (const taint of taints) {
      if (tolerations.some((toleration) => tolerates(toleration, taint))) continue;
      return [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`];
    }
    return content;
  },
};

const nodeAffinity: Filter = {
  name: 'NodeAffinity',
  explain: ({ selector }, { node }) => {
    if (selector.length === 0) return content;
    const { labels = {} } = node.metadata;
    const matches = selector.every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
    return matches ? content : ["node(s) didn't match Pod's node affinity/selector"];
  },
};

/** A node whose readiness is unknown for a moment has no taint yet. */
const nodeReady: Filter = {
  name: 'NodeReady',
  explain: (_, { ready }) => (ready ? content : ['node(s) were not ready']),
};

const nodePorts: Filter = {
  name: 'NodePorts',
  explain: ({ request }, node) => {
    if (request.hostPorts.length === 0) return content;
    const taken = request.hostPorts.some((port) => isPortTaken(node, port));
    return taken ? ["node(s) didn't have free ports for the requested pod ports"] : content;
  },
};

const nodeResourcesFit: Filter = {
  name: 'NodeResourcesFit',
  explain: ({ request }, { allocatable, used }) => {
    // The common case first, and without an allocation: this runs once per pod and node.
    const fits = used.pods < allocatable.pods && request.others.length === 0
      && (request.cpuMilli === 0 || used.cpuMilli + request.cpuMilli <= allocatable.cpuMilli)
      && (request.memoryBytes === 0 || used.memoryBytes + request.memoryBytes <= allocatable.memoryBytes);
    if (fits) return content;
    const reasons: string[] = [];
    const lacks = (asked: number, taken: number, there: number): boolean =>
      asked > 0 && taken + asked > there;
    if (used.pods >= allocatable.pods) reasons.push('Too many pods');
    if (lacks(request.cpuMilli, used.cpuMilli, allocatable.cpuMilli)) reasons.push('Insufficient cpu');
    if (lacks(request.memoryBytes, used.memoryBytes, allocatable.memoryBytes)) {
      reasons.push('Insufficient memory');
    }
    for (const [name, milli] of request.others) {
      const short = lacks(milli, used.others.get(name) ?? 0, allocatable.others.get(name) ?? 0);
      if (short) reasons.push(`Insufficient ${name}`);
    }
    return reasons.length === 0 ? content : reasons;
  },
};

export const filters: readonly Filter[] = [
  nodeUnschedulable, nodeName, taintToleration, nodeAffinity, nodeReady, nodePorts, nodeResourcesFit,
];
