// NodeRestriction: a node changes its own Node, the pods that are bound to it, its Lease, and nothing else.
//
// Source of facts: Kubernetes plugin/pkg/admission/noderestriction (what, in which order, every message),
// kubelet/pkg/apis (well_known_labels.go).
// What always holds: whoever is no node is not looked at.

import { objectKey } from '../../ids.ts';
import { get } from '../../state/query.ts';
import { nodeOf } from '../access/nodes.ts';
import { claimsOf, mirrorAnnotation, namesIn } from '../access/podreferences.ts';
import { parseRequest } from '../certificates/request.ts';
import { kubeletClientSigner, kubeletServingSigner } from '../certificates/signers.ts';
import { resources } from '../objects.ts';
import { decodeBase64Text } from '../resources/base64.ts';
import { at, listAt, textAt } from '../resources/fields.ts';
import { notFound } from '../status.ts';
import type { Problem } from '../status.ts';
import type { KubeObject, Node, Pod } from '../types.ts';
import { denied } from './attributes.ts';
import type { Admission } from './attributes.ts';

/** As a plug-in that changes nothing. */
export const restrictedNode = (write: Admission, object: KubeObject): KubeObject | Problem =>
  nodeRestriction(write) ?? object;

export function nodeRestriction(write: Admission): Problem | null {
  const { writing: { request: { user }, route }, operation } = write, node = nodeOf(user);
  if (node === null || operation === 'CONNECT') return null;
  if (node === '') return denied(write, `could not determine node from user ${JSON.stringify(user.name)}`);
  const { group, resource } = route.resource, { subresource } = route;
  const why = ((): string | Problem | null => {
    switch (group === '' ? resource : `${resource}.${group}`) {
      case 'pods': return ofPods(write, node, subresource);
      case 'bindings': return ofPods(write, node, 'binding');
      case 'nodes': return ofNodes(write, node);
      case 'persistentvolumeclaims':
        return subresource === 'status' ? claimStatus(write, node) : 'may only update PVC status';
      case 'serviceaccounts':
        return operation === 'CREATE' && subresource === 'token' ? ofTokens(write, node) : null;
      case 'leases.coordination.k8s.io': return ofLeases(write, node);
      case 'csinodes.storage.k8s.io': return nameOf(write) === node ? null
        : 'can only access CSINode with the same name as the requesting node';
      case 'resourceslices.resource.k8s.io': return ofSlices(write, node);
      case 'certificatesigningrequests.certificates.k8s.io':
        return operation === 'CREATE' ? ofSigning(write, node) : null;
      default: return null;
    }
  })();
  return typeof why === 'string' ? denied(write, why) : why;
}

const shown = (text: string): string => JSON.stringify(text);

/** On a create that of the object itself. */
const nameOf = ({ name, object }: Admission): string => name === '' ? object?.metadata.name ?? '' : name;

// ── pods ─────────────────────────────────────────────────────────────────────────────────────────────────

function ofPods(write: Admission, node: string, subresource: string): string | Problem | null {
  const { operation, object, old } = write;
  switch (subresource) {
    case '':
      if (operation === 'CREATE') return ofPodCreate(write, object as Pod, node);
      if (operation !== 'DELETE') {
        return `unexpected operation ${shown(operation)}, node ${shown(node)} can only create and delete `
          + 'mirror pods';
      }
      return (old as Pod | null)?.spec.nodeName === node ? null
        : `node ${shown(node)} can only delete pods with spec.nodeName set to itself`;
    case 'status': return operation === 'UPDATE' ? podStatus(object as Pod, old as Pod, node)
      : `unexpected operation ${shown(operation)}`;
    case 'eviction': return evicted(write, node);
    default: return `unexpected pod subresource ${shown(subresource)}, only 'status' and 'eviction' are `
      + 'allowed';
  }
}

function podStatus(pod: Pod, old: Pod, node: string): string | null {
  if (old.spec.nodeName !== node) {
    return `node ${shown(node)} can only update pod status for pods with spec.nodeName set to itself`;
  }
  if (differs(pod, old, 'metadata.labels')) {
    return `node ${shown(node)} cannot update labels through pod status`;
  }
  return differs(pod, old, 'status.resourceClaimStatuses')
    ? `node ${shown(node)} cannot update resource claim statues` : null;
}

function evicted(write: Admission, node: string): string | Problem | null {
  const { operation, writing: { state, route } } = write, name = nameOf(write);
  if (operation !== 'CREATE') return `unexpected operation ${operation}`;
  const pod = get<Pod>(state, objectKey(resources.pods, route.namespace, name));
  if (pod === null) return notFound({ group: '', resource: 'pods' }, name);
  return pod.spec.nodeName === node ? null
    : `node ${node} can only evict pods with spec.nodeName set to itself`;
}

/** Only a mirror of what the node runs by itself. */
function ofPodCreate(write: Admission, pod: Pod, node: string): string | Problem | null {
  const { metadata, spec } = pod, who = `node ${shown(node)}`;
  if (!Object.hasOwn(metadata.annotations ?? {}, mirrorAnnotation)) {
    return `pod does not have ${shown(mirrorAnnotation)} annotation, ${who} can only create mirror pods`;
  }
  if (spec.nodeName !== node) return `${who} can only create pods with spec.nodeName set to itself`;
  const owned = ownership(write, pod, node);
  if (owned !== null) return owned;
  const refers = (what: string): string => `${who} can not create pods that reference ${what}`;
  // Whoever names no account gets the default one before a plug-in could look.
  const account = spec.serviceAccountName ?? '';
  if (account !== '' && account !== 'default') return refers('a service account');
  // The annotation makes the pod one that opens nothing; what it would open is looked at without it.
  const plain: Pod = { ...pod, metadata: { ...metadata, annotations: {} } };
  if (namesIn(plain, 'secret').length > 0) return refers('secrets');
  if (namesIn(plain, 'configMap').length > 0) return refers('configmaps');
  const bundles = listAt(pod, 'spec.volumes').some((volume) =>
    listAt(volume, 'projected.sources').some((source) => at(source, 'clusterTrustBundle') !== undefined));
  if (bundles) return refers('clustertrustbundles');
  if (claimsOf(plain).length > 0) return refers('persistentvolumeclaims');
  return listAt(pod, 'spec.resourceClaims').length > 0 ? refers('resourceclaims') : null;
}

function ownership(write: Admission, { metadata }: Pod, node: string): string | Problem | null {
  const [owner, ...more] = metadata.ownerReferences ?? [], who = `node ${shown(node)}`;
  if (more.length > 0) return `${who} can only create pods with a single owner reference set to itself`;
  const wrong = owner === undefined || owner.apiVersion !== 'v1' || owner.kind !== 'Node'
    || owner.name !== node;
  if (wrong) return `${who} can only create pods with an owner reference set to itself`;
  if (owner.controller !== true) {
    return `${who} can only create pods with a controller owner reference set to itself`;
  }
  if (owner.blockOwnerDeletion === true) {
    return `${who} must not set blockOwnerDeletion on an owner reference`;
  }
  const found = get<Node>(write.writing.state, objectKey(resources.nodes, '', node));
  if (found === null) return notFound({ group: '', resource: 'nodes' }, node);
  return owner.uid === found.metadata.uid ? null
    : `node ${node} UID mismatch: expected ${owner.uid} got ${found.metadata.uid}`;
}

const differs = (a: unknown, b: unknown, path: string): boolean =>
  JSON.stringify(at(a, path) ?? null) !== JSON.stringify(at(b, path) ?? null);

// ── nodes ────────────────────────────────────────────────────────────────────────────────────────────────

function ofNodes(write: Admission, node: string): string | null {
  const { operation, object, old } = write, who = `node ${shown(node)}`, name = nameOf(write);
  if (name !== node) return `${who} is not allowed to modify node ${shown(name)}`;
  const source = at(object, 'spec.configSource');
  if (operation === 'CREATE') {
    if (source !== undefined) return `${who} is not allowed to create pods with a non-nil configSource`;
    const labels = forbiddenLabels(object, null);
    return labels.length === 0 ? null
      : `${who} is not allowed to set the following labels: ${labels.join(', ')}`;
  }
  if (operation !== 'UPDATE') return null;
  if (source !== undefined && differs(object, old, 'spec.configSource')) {
    return `${who} is not allowed to update configSource to a new non-nil configSource`;
  }
  if (differs(object, old, 'spec.taints')) return `${who} is not allowed to modify taints`;
  const labels = forbiddenLabels(object, old);
  if (labels.length > 0) return `is not allowed to modify labels: ${labels.join(', ')}`;
  return differs(object, old, 'metadata.ownerReferences')
    ? `${who} is not allowed to modify ownerReferences` : null;
}

/** What a node says of itself. */
const kubeletLabels: readonly string[] = [
  'kubernetes.io/hostname', 'topology.kubernetes.io/zone', 'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/region',
  'beta.kubernetes.io/instance-type', 'node.kubernetes.io/instance-type', 'kubernetes.io/os',
  'kubernetes.io/arch', 'beta.kubernetes.io/os', 'beta.kubernetes.io/arch',
];

/** Labels that are set, changed or taken away and are not the node's to tell, sorted. */
function forbiddenLabels(object: KubeObject | null, old: KubeObject | null): readonly string[] {
  const now = object?.metadata.labels ?? {}, before = old?.metadata.labels ?? {};
  const value = (labels: Readonly<Record<string, string>>, key: string): string | undefined =>
    Object.hasOwn(labels, key) ? labels[key] : undefined;
  const keys = new Set([...Object.keys(now), ...Object.keys(before)]);
  return [...keys].filter((key) => value(now, key) !== value(before, key) && isForbidden(key)).sort();
}

function isForbidden(key: string): boolean {
  const cut = key.indexOf('/'), space = cut < 0 ? '' : key.slice(0, cut);
  const within = (domain: string): boolean => space === domain || space.endsWith(`.${domain}`);
  if (within('node-restriction.kubernetes.io')) return true;
  const reserved = within('kubernetes.io') || within('k8s.io');
  return reserved && !kubeletLabels.includes(key) && !within('kubelet.kubernetes.io')
    && !within('node.kubernetes.io');
}

// ── what else is a node's own ────────────────────────────────────────────────────────────────────────────

const claimStatusFields = ['capacity', 'conditions', 'allocatedResources', 'allocatedResourceStatuses'];

function claimStatus({ operation, object, old }: Admission, node: string): string | null {
  if (operation !== 'UPDATE') return `unexpected operation ${shown(operation)}`;
  const rest = (one: KubeObject | null): string => {
    const { metadata: { resourceVersion: _r, managedFields: _m, ...metadata } = {}, status = {}, ...others } =
      (one ?? {}) as Partial<KubeObject> & { readonly status?: Readonly<Record<string, unknown>> };
    const kept = Object.entries(status).filter(([key]) => !claimStatusFields.includes(key));
    return JSON.stringify([others, metadata, kept]);
  };
  return rest(object) === rest(old) ? null
    : `node ${shown(node)} is not allowed to update fields other than status.capacity and status.conditions`;
}

function ofTokens(write: Admission, node: string): string | Problem | null {
  const { object, writing: { state, route } } = write, ref = at(object, 'spec.boundObjectRef');
  const name = textAt(ref, 'name'), uid = textAt(ref, 'uid');
  if (textAt(ref, 'apiVersion') !== 'v1' || textAt(ref, 'kind') !== 'Pod' || name === '') {
    return 'node requested token not bound to a pod';
  }
  if (uid === '') return 'node requested token with a pod binding without a uid';
  const pod = get<Pod>(state, objectKey(resources.pods, route.namespace, name));
  if (pod === null) return notFound({ group: '', resource: 'pods' }, name);
  if (pod.metadata.uid !== uid) {
    return `the UID in the bound object reference (${uid}) does not match the UID in record. `
      + 'The object might have been deleted and then recreated';
  }
  return pod.spec.nodeName === node ? null
    : 'node requested token bound to a pod scheduled on a different node';
}

function ofLeases(write: Admission, node: string): string | null {
  if (write.writing.route.namespace !== 'kube-node-lease') {
    return 'can only access leases in the "kube-node-lease" system namespace';
  }
  return nameOf(write) === node ? null
    : 'can only access node lease with the same name as the requesting node';
}

function ofSlices({ operation, object, old }: Admission, node: string): string | null {
  const verb = operation === 'CREATE' ? 'create' : operation === 'DELETE' ? 'delete' : null;
  return verb === null || textAt(object ?? old, 'spec.nodeName') === node ? null
    : `can only ${verb} ResourceSlice with the same NodeName as the requesting node`;
}

function ofSigning({ object }: Admission, node: string): string | null {
  const signer = textAt(object, 'spec.signerName');
  if (signer !== kubeletClientSigner && signer !== kubeletServingSigner) return null;
  const parsed = parseRequest(decodeBase64Text(textAt(object, 'spec.request')) ?? '');
  if (typeof parsed === 'string') return `unable to parse csr: ${parsed}`;
  return parsed.commonName === `system:node:${node}` ? null
    : `can only create a node CSR with CN=system:node:${node}`;
}
