// What one object uses of a quota: amounts by the names that quotas limit, and what their scopes look at.
//
// What always holds: the same object gives the same usage, found out once; objects that use the same share
// one value, so that many are counted fast. Time has no say here: pods that only wait for their end count.
// Source of facts: Kubernetes pkg/quota/v1/evaluator/core (services.go, persistent_volume_claims.go,
// resource_claims.go, registry.go), apiserver pkg/quota/v1/generic/evaluator.go; what is ignored:
// pkg/quota/v1/install/registry.go.

import { resourceName } from '../../ids.ts';
import type { ResourceName } from '../../ids.ts';
import { limits } from '../../limits.ts';
import { resources } from '../objects.ts';
import type { Quantity } from '../quantity.ts';
import { at, listAt, numberAt, textAt } from '../resources/fields.ts';
import type { KubeObject, Pod } from '../types.ts';
import { addTo, amountsOf, raiseTo, whole } from './amounts.ts';
import type { Amounts } from './amounts.ts';
import { isPodResource, onlyThere, podAmounts, podTraits } from './pods.ts';
import type { PodTraits } from './pods.ts';

export interface Usage {
  /** Equal texts, equal usages. Two that are equal may be two objects: how many are kept is bounded. */
  readonly text: string;
  readonly amounts: Amounts;
  /** Of pods only. */
  readonly pod: PodTraits | null;
  /** The VolumeAttributesClasses that a claim has, had or is to have; of claims only. */
  readonly volumeClasses: readonly string[] | null;
}

export const claims: ResourceName = resourceName('core/persistentvolumeclaims');
const deviceClaims = resourceName('resource.k8s.io/resourceclaims');
/** Kinds that use more than that they are there: each object has to be looked at. */
const looked: readonly ResourceName[] = [resources.pods, resources.services, claims, deviceClaims];

const classSuffix = '.storageclass.storage.k8s.io/', deviceSuffix = '.deviceclass.resource.k8s.io/devices';
const claimNames = ['persistentvolumeclaims', 'requests.storage'];
/** Counted under their plain names too, as before there was `count/`. */
const plainNames: readonly string[] = [
  'configmaps', 'replicationcontrollers', 'resourcequotas', 'secrets',
];

/** Events are not counted: they would keep what matters from being written. */
const ignored: readonly string[] = ['core/events', 'events.k8s.io/events', 'core/bindings'];

/** `count/pods`, `count/deployments.apps`. */
function countName(resource: ResourceName): string {
  const cut = resource.indexOf('/'), group = resource.slice(0, cut), plural = resource.slice(cut + 1);
  return `count/${group === 'core' ? plural : `${plural}.${group}`}`;
}

/** The resource whose objects have to be looked at for what a quota limits under this name; null: none. */
export function countedBy(name: string): ResourceName | null {
  if (name.startsWith('count/')) {
    const [plural = '', ...group] = name.slice('count/'.length).split('.');
    const found = resourceName(`${group.length === 0 ? 'core' : group.join('.')}/${plural}`);
    return ignored.includes(found) ? null : found;
  }
  if (plainNames.includes(name)) return resourceName(`core/${name}`);
  return looked.find((resource) => isCounted(resource, name)) ?? null;
}

/** Whether objects of the resource may use something of this name. */
export function isCounted(resource: ResourceName, name: string): boolean {
  if (ignored.includes(resource)) return false;
  if (name === countName(resource)) return true;
  switch (resource) {
    case resources.pods: return isPodResource(name);
    case resources.services:
      return name === 'services' || name === 'services.nodeports' || name === 'services.loadbalancers';
    case claims:
      return claimNames.includes(name) || claimNames.some((each) => name.endsWith(`${classSuffix}${each}`));
    case deviceClaims: return name.endsWith(deviceSuffix);
    default: return plainNames.includes(name) && resource === `core/${name}`;
  }
}

const known = new WeakMap<KubeObject, Usage>();

/** Whether `usageOf` has it at hand, or would have to find it out. */
export const isUsageKnown = (resource: ResourceName, object: KubeObject): boolean =>
  !looked.includes(resource) || known.has(object);

export function usageOf(resource: ResourceName, object: KubeObject): Usage {
  if (!looked.includes(resource)) return plainUsage(resource);
  let usage = known.get(object);
  if (usage === undefined) known.set(object, usage = shared(measured(resource, object)));
  return usage;
}

/** What a pod uses that should have been gone for long, as on a node that is lost. */
export function usageOfStuck(pod: KubeObject): Usage {
  return { ...usageOf(resources.pods, pod), amounts: onlyThere };
}

type Measured = Omit<Usage, 'text'>;

function measured(resource: ResourceName, object: KubeObject): Measured {
  const plain = { pod: null, volumeClasses: null };
  switch (resource) {
    case resources.pods:
      return { ...plain, amounts: podAmounts(object as Pod), pod: podTraits(object as Pod) };
    case resources.services: return { ...plain, amounts: serviceAmounts(object) };
    case claims:
      return { ...plain, amounts: claimAmounts(object), volumeClasses: volumeClassesOf(object) };
    default: return { ...plain, amounts: deviceAmounts(object) };
  }
}

const usages = new Map<string, Usage>();

function shared(usage: Measured): Usage {
  const amounts = [...usage.amounts].map(([name, { nano, format }]) => [name, String(nano), format]);
  const text = JSON.stringify([amounts, usage.pod, usage.volumeClasses]);
  return usages.get(text) ?? kept(text, usage);
}

/** Of a kind whose objects are only counted: each uses the same. */
function plainUsage(resource: ResourceName): Usage {
  const same = usages.get(resource);
  if (same !== undefined) return same;
  const plural = resource.slice(resource.indexOf('/') + 1);
  const names = isCounted(resource, plural) ? [countName(resource), plural] : [countName(resource)];
  const amounts = new Map(names.map((name) => [name, whole(1)] as const));
  return kept(resource, { amounts, pod: null, volumeClasses: null });
}

function kept(text: string, found: Measured): Usage {
  const usage = { ...found, text };
  if (usages.size >= limits.quotaUsagesKept) usages.clear();
  usages.set(text, usage);
  return usage;
}

function serviceAmounts(service: KubeObject): Amounts {
  const used = new Map([['count/services', whole(1)], ['services', whole(1)]]);
  const type = textAt(service, 'spec.type'), ports = listAt(service, 'spec.ports');
  if (type !== 'NodePort' && type !== 'LoadBalancer') return used;
  const named = ports.filter((port) => (numberAt(port, 'nodePort') ?? 0) !== 0);
  const unasked = type === 'NodePort' || at(service, 'spec.allocateLoadBalancerNodePorts') !== false;
  used.set('services.nodeports', whole((unasked ? ports : named).length));
  if (type === 'LoadBalancer') used.set('services.loadbalancers', whole(1));
  return used;
}

function claimAmounts(claim: KubeObject): Amounts {
  const used = new Map([['count/persistentvolumeclaims', whole(1)], ['persistentvolumeclaims', whole(1)]]);
  const beta = claim.metadata.annotations?.['volume.beta.kubernetes.io/storage-class'];
  const storageClass = beta ?? textAt(claim, 'spec.storageClassName');
  const add = (name: string, amount: Quantity): void => {
    used.set(name, amount);
    if (storageClass !== '') used.set(`${storageClass}${classSuffix}${name}`, amount);
  };
  add('persistentvolumeclaims', whole(1));
  const asked = amountsOf(at(claim, 'spec.resources.requests')).get('storage');
  if (asked === undefined) return used;
  // While a claim is made larger or smaller, the larger of the two is what it has.
  const given = amountsOf(at(claim, 'status.allocatedResources')).get('storage') ?? asked;
  add('requests.storage', roundedUp(given.nano > asked.nano ? given : asked));
  return used;
}

function roundedUp({ nano, format }: Quantity): Quantity {
  const rest = nano % whole(1).nano;
  return { nano: rest === 0n ? nano : nano - rest + whole(1).nano, format };
}

function volumeClassesOf(claim: KubeObject): readonly string[] {
  const names = [
    'spec.volumeAttributesClassName', 'status.currentVolumeAttributesClassName',
    'status.modifyVolumeStatus.targetVolumeAttributesClassName',
  ].map((path) => textAt(claim, path));
  return [...new Set(names)].filter((name) => name !== '').sort();
}

/** The most that a request for all devices of a class may get. Source: AllocationResultsMaxSize. */
const devicesMax = 32;

function deviceAmounts(claim: KubeObject): Amounts {
  const used = new Map([['count/resourceclaims.resource.k8s.io', whole(1)]]);
  const devices = (request: unknown): Quantity => whole(
    textAt(request, 'allocationMode') === 'All' ? devicesMax : numberAt(request, 'count') ?? 1);
  const nameOf = (request: unknown): string => `${textAt(request, 'deviceClassName')}${deviceSuffix}`;
  for (const request of listAt(claim, 'spec.devices.requests')) {
    const exactly = at(request, 'exactly'), most = new Map<string, Quantity>();
    for (const one of listAt(request, 'firstAvailable')) raiseTo(most, nameOf(one), devices(one));
    for (const [name, amount] of most) addTo(used, name, amount);
    if (exactly !== undefined) addTo(used, nameOf(exactly), devices(exactly));
  }
  return used;
}
