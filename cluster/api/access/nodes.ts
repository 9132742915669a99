// What a node may do: the user `system:node:NAME` of the group `system:nodes` reads what its own pods need
// and writes what is its own, by rules that no role could tell.
//
// Source of facts: Kubernetes, "Using Node Authorization"; plugin/pkg/auth/authorizer/node, nodeidentifier.
// What always holds: what a pod refers to opens itself to the node that the pod is bound to, and to no other;
// what is left is what the role `system:node` says, whether somebody is bound to it or not.

import { objectKey, resourceName } from '../../ids.ts';
import { get, list } from '../../state/query.ts';
import type { State } from '../../state/state.ts';
import { resources } from '../objects.ts';
import type { UserInfo } from '../request.ts';
import { textAt } from '../resources/fields.ts';
import type { KubeObject, Pod } from '../types.ts';
import { isOfResource } from './attributes.ts';
import type { Attributes, ResourceAttributes } from './attributes.ts';
import type { Decision } from './authorize.ts';
import { claimsOf, isMirror, refersTo } from './podreferences.ts';
import { defaultClusterRoles } from './roles.ts';
import { ruleAllows } from './rules.ts';

const prefix = 'system:node:', nodesGroup = 'system:nodes';

/** The node that a user is; empty: it is one without a name; null: it is none. */
export const nodeOf = ({ name, groups }: UserInfo): string | null =>
  name.startsWith(prefix) && groups.includes(nodesGroup) ? name.slice(prefix.length) : null;

const allowed: Decision = { allowed: true, reason: '' };
const no = (reason: string): Decision => ({ allowed: false, reason });

const nodeRules = defaultClusterRoles.find(({ metadata }) => metadata.name === 'system:node')?.rules ?? [];

/** Null: the user is no node. */
export function nodeDecision(attributes: Attributes, user: UserInfo, state: State): Decision | null {
  const node = nodeOf(user);
  if (node === null) return null;
  if (node === '') return no(`unknown node for user ${JSON.stringify(user.name)}`);
  const own = isOfResource(attributes) ? ofResource(attributes, node, state) : null;
  return own ?? (nodeRules.some((rule) => ruleAllows(rule, attributes)) ? allowed : no(''));
}

/** Null: nothing is told apart among resources of this kind. */
function ofResource(asked: ResourceAttributes, node: string, state: State): Decision | null {
  const related = (to: boolean): Decision => asked.name === '' ? no('No Object name found')
    : to ? allowed : no(`no relationship found between node '${node}' and this object`);
  const { namespace, name } = asked;
  switch (asked.group === '' ? asked.resource : `${asked.resource}.${asked.group}`) {
    case 'secrets': return readable(asked)
      ?? related(podsOf(state, node, namespace).some((pod) => refersTo(pod, 'secret', name)));
    case 'configmaps': return readable(asked)
      ?? related(podsOf(state, node, namespace).some((pod) => refersTo(pod, 'configMap', name)));
    case 'persistentvolumeclaims':
      return (asked.subresource === 'status' ? updatable(asked) : gettable(asked)) ?? related(
        podsOf(state, node, namespace).some((pod) => claimsOf(pod).includes(name)));
    case 'persistentvolumes': return gettable(asked) ?? related(usesVolume(state, node, name));
    case 'resourceclaims.resource.k8s.io': return gettable(asked)
      ?? related(podsOf(state, node, namespace).some((pod) => refersTo(pod, 'resourceClaim', name)));
    case 'volumeattachments.storage.k8s.io': return gettable(asked)
      ?? related(nodeNamed(state, 'storage.k8s.io/volumeattachments', name) === node);
    case 'serviceaccounts': return creatable(asked) ?? related(podsOf(state, node, namespace)
      .some((pod) => !isMirror(pod) && pod.spec.serviceAccountName === name));
    case 'leases.coordination.k8s.io': return lease(asked, node);
    case 'csinodes.storage.k8s.io': return csiNode(asked, node);
    case 'resourceslices.resource.k8s.io': return slice(asked, node, related, state);
    case 'nodes': return nodes(asked, node);
    case 'pods': return pods(asked, node, related, state);
    default: return null;
  }
}

const podsOf = (state: State, node: string, namespace: string): readonly Pod[] =>
  namespace === '' ? [] : list<Pod>(state, resources.pods, namespace)
    .filter(({ spec }) => spec.nodeName === node);

function nodeNamed(state: State, of: string, name: string): string {
  const found = get<KubeObject>(state, objectKey(resourceName(of), '', name));
  return found === null ? '' : textAt(found, 'spec.nodeName');
}

/** Whether a pod of the node has a claim to which the volume is bound. */
function usesVolume(state: State, node: string, name: string): boolean {
  const volume = get<KubeObject>(state, objectKey(resourceName('core/persistentvolumes'), '', name));
  const claim = textAt(volume, 'spec.claimRef.name'), namespace = textAt(volume, 'spec.claimRef.namespace');
  return claim !== '' && podsOf(state, node, namespace).some((pod) => claimsOf(pod).includes(claim));
}

// ── verbs ────────────────────────────────────────────────────────────────────────────────────────────────

const reads: readonly string[] = ['get', 'list', 'watch'];

function readable({ verb, subresource, namespace }: ResourceAttributes): Decision | null {
  if (!reads.includes(verb)) return no('can only read resources of this type');
  if (subresource !== '') return no('cannot read subresource');
  return namespace === '' ? no('can only read namespaced object of this type') : null;
}

function gettable({ verb, subresource }: ResourceAttributes): Decision | null {
  if (verb !== 'get') return no('can only get individual resources of this type');
  return subresource === '' ? null : no('cannot get subresource');
}

const updatable = ({ verb }: ResourceAttributes): Decision | null =>
  verb === 'update' || verb === 'patch' ? null : no('can only get/update/patch this type');

function creatable({ verb, name, subresource }: ResourceAttributes): Decision | null {
  if (verb !== 'create' || name === '') return no('can only create tokens for individual service accounts');
  return subresource === 'token' ? null : no('can only create token subresource of serviceaccount');
}

const own: readonly string[] = ['get', 'create', 'update', 'patch', 'delete'];

function lease({ verb, namespace, name }: ResourceAttributes, node: string): Decision {
  if (!own.includes(verb)) return no('can only get, create, update, patch, or delete a node lease');
  if (namespace !== 'kube-node-lease') {
    return no('can only access leases in the "kube-node-lease" system namespace');
  }
  return verb === 'create' || name === node ? allowed
    : no('can only access node lease with the same name as the requesting node');
}

function csiNode({ verb, subresource, name }: ResourceAttributes, node: string): Decision {
  if (!own.includes(verb)) return no('can only get, create, update, patch, or delete a CSINode');
  if (subresource !== '') return no('cannot authorize CSINode subresources');
  return verb === 'create' || name === node ? allowed
    : no('can only access CSINode with the same name as the requesting node');
}

type Related = (to: boolean) => Decision;

function slice(
  { verb, subresource, name, onNode = '' }: ResourceAttributes, node: string, related: Related, state: State,
): Decision {
  if (subresource !== '') return no('cannot authorize ResourceSlice subresources');
  switch (verb) {
    case 'create': return allowed;
    case 'get': case 'update': case 'patch': case 'delete':
      return related(nodeNamed(state, 'resource.k8s.io/resourceslices', name) === node);
    case 'watch': case 'list': case 'deletecollection': return onNode === node ? allowed
      : no('can only list/watch/deletecollection resourceslices with nodeName field selector');
    default: return no('only the following verbs are allowed for a ResourceSlice: '
      + 'get, watch, list, create, update, patch, delete, deletecollection');
  }
}

/** What it changes of nodes is for admission to tell. */
function nodes({ verb, subresource, name }: ResourceAttributes, node: string): Decision {
  const writes = verb === 'update' || verb === 'patch';
  if (subresource === 'status') return writes ? allowed : no('');
  if (subresource !== '') return no('');
  if (writes || verb === 'create') return allowed;
  if (!reads.includes(verb)) return no('');
  if (name === node) return allowed;
  const what = name === '' ? 'all nodes' : `'${name}'`;
  return no(`node '${node}' cannot read ${what}, only its own Node object`);
}

function pods(
  { verb, subresource, namespace, name, onNode = '' }: ResourceAttributes, node: string, related: Related,
  state: State,
): Decision {
  const isOwn = (): boolean =>
    get<Pod>(state, objectKey(resources.pods, namespace, name))?.spec.nodeName === node;
  switch (subresource === '' ? verb : `${verb} ${subresource}`) {
    case 'get': return related(namespace !== '' && isOwn());
    case 'list': case 'watch':
      if (onNode === node) return allowed;
      return name === '' ? no('can only list/watch pods with spec.nodeName field selector')
        : related(namespace !== '' && isOwn());
    case 'create': case 'delete': case 'update status': case 'patch status': case 'create eviction':
      return allowed;
    default: return no('');
  }
}
