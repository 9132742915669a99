// The defaults of a pod's specification, shared by Pod, ReplicaSet and Deployment, and what only a pod itself
// gets. Source: Kubernetes, core/v1 SetDefaults_*, and the admission plugins DefaultTolerationSeconds,
// ServiceAccount and Priority.
//
// What always holds: a default never overwrites what is there, and defaulting twice changes nothing more.

import { limits } from '../../limits.ts';
import { canonicalQuantity, parseQuantity } from '../quantity.ts';
import type { Container, EnvVar, PodSpec, ResourceList, Toleration } from '../types.ts';
import type { Loose } from './validate.ts';

type LooseSpec = Loose<PodSpec>;
type LooseContainer = Loose<Container>;
/** Fields that `types.ts` does not name, because nothing but their defaults is ever looked at. */
interface Unnamed { readonly securityContext?: unknown; readonly serviceAccount?: string }

/** The defaults of every pod specification, in a template or in a pod. */
export function defaultPodSpec(spec: LooseSpec): LooseSpec {
  const { serviceAccount, securityContext } = spec as Unnamed;
  // `serviceAccount` is the old name of the field; Kubernetes keeps the two equal.
  const account = spec.serviceAccountName || serviceAccount;
  const names = account ? { serviceAccountName: account, serviceAccount: account } : {};
  const initContainers = spec.initContainers?.map(defaultContainer);
  const ephemeralContainers = spec.ephemeralContainers?.map(defaultContainer);
  return {
    ...spec,
    ...names,
    ...(spec.containers === undefined ? {} : { containers: spec.containers.map(defaultContainer) }),
    ...(initContainers === undefined ? {} : { initContainers }),
    ...(ephemeralContainers === undefined ? {} : { ephemeralContainers }),
    restartPolicy: spec.restartPolicy || 'Always',
    terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
    dnsPolicy: spec.dnsPolicy || 'ClusterFirst',
    schedulerName: spec.schedulerName || 'default-scheduler',
    ...{ securityContext: securityContext ?? {} },
  };
}

function defaultContainer(container: LooseContainer): LooseContainer {
  const { ports, env, resources } = container;
  return {
    ...container,
    imagePullPolicy: container.imagePullPolicy || defaultPullPolicy(container.image ?? ''),
    ...(ports === undefined ? {} : {
      ports: ports.map((port) => ({ ...port, protocol: port.protocol || 'TCP' } as const)),
    }),
    ...(env === undefined ? {} : { env: env.map(defaultEnv) }),
    resources: {
      ...resources,
      ...(resources?.limits === undefined ? {} : { limits: canonicalList(resources.limits) }),
      ...(resources?.requests === undefined ? {} : { requests: canonicalList(resources.requests) }),
    },
    terminationMessagePath: container.terminationMessagePath || '/dev/termination-log',
    terminationMessagePolicy: container.terminationMessagePolicy || 'File',
  };
}

function defaultEnv(env: Loose<EnvVar>): Loose<EnvVar> {
  const fieldRef = env.valueFrom?.fieldRef;
  if (fieldRef === undefined) return env;
  const whole = { ...fieldRef, apiVersion: fieldRef.apiVersion || 'v1' };
  return { ...env, valueFrom: { ...env.valueFrom, fieldRef: whole } };
}

/** Always for `:latest` (also when no tag is written), IfNotPresent for a tag or a digest. */
function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  const [name = '', digest] = image.split('@');
  const last = name.slice(name.lastIndexOf('/') + 1);
  const colon = last.indexOf(':');
  const tag = colon < 0 ? (digest === undefined ? 'latest' : '') : last.slice(colon + 1);
  return tag === 'latest' ? 'Always' : 'IfNotPresent';
}

/** Quantities as Kubernetes stores them: canonical, and never finer than a thousandth. */
export function canonicalList(list: Loose<ResourceList>): ResourceList {
  const out: Record<string, string> = {};
  // A client may write a quantity as a JSON number.
  for (const [name, value] of Object.entries(list)) out[name] = canonicalMilli(String(value));
  return out;
}

function canonicalMilli(text: string): string {
  const nano = parseQuantity(text)?.nano ?? 0n;
  const rest = nano % 1_000_000n;
  if (rest <= 0n) return canonicalQuantity(text);
  return canonicalQuantity(`${(nano - rest) / 1_000_000n + 1n}m`);
}

/** What a pod gets beyond a template: requests from limits, host ports. */
export function defaultPodOnly(spec: LooseSpec): LooseSpec {
  const complete = (container: LooseContainer): LooseContainer => {
    const requested = withRequests(container);
    return spec.hostNetwork === true ? withHostPorts(requested) : requested;
  };
  return {
    ...spec,
    ...(spec.containers === undefined ? {} : { containers: spec.containers.map(complete) }),
    ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(complete) }),
    enableServiceLinks: spec.enableServiceLinks ?? true,
  };
}

/**
 * What Kubernetes' admission gives a pod and its client therefore does not own: an account, a priority, the
 * tolerations of a short outage.
 */
export function admittedPodSpec(spec: LooseSpec): LooseSpec {
  const account = spec.serviceAccountName || 'default';
  const extra = { serviceAccount: account, preemptionPolicy: 'PreemptLowerPriority', ...preemption(spec) };
  return {
    ...spec, ...extra, serviceAccountName: account, priority: spec.priority ?? 0,
    tolerations: withOutageTolerations(spec.tolerations ?? []),
  };
}

function preemption(spec: LooseSpec): { readonly preemptionPolicy?: string } {
  const { preemptionPolicy } = spec as { readonly preemptionPolicy?: string };
  return preemptionPolicy ? { preemptionPolicy } : {};
}

function withRequests(container: LooseContainer): LooseContainer {
  const limitsGiven = container.resources?.limits;
  if (limitsGiven === undefined) return container;
  const requests = { ...limitsGiven, ...container.resources?.requests };
  return { ...container, resources: { ...container.resources, requests } };
}

/** In the host's network a container port is a host port. */
function withHostPorts(container: LooseContainer): LooseContainer {
  if (container.ports === undefined) return container;
  const ports = container.ports.map((port) => {
    const hostPort = port.hostPort || port.containerPort;
    return hostPort === undefined ? port : { ...port, hostPort };
  });
  return { ...container, ports };
}

const outages = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'] as const;

/** A pod that says nothing about an outage of its node tolerates it for `limits.defaultTolerationSeconds`. */
function withOutageTolerations(tolerations: readonly Loose<Toleration>[]): readonly Loose<Toleration>[] {
  const tolerates = (toleration: Loose<Toleration>, key: string): boolean =>
    (!toleration.key || toleration.key === key) && (!toleration.effect || toleration.effect === 'NoExecute');
  const missing = outages.filter((key) => !tolerations.some((one) => tolerates(one, key)));
  return [...tolerations, ...missing.map((key) => ({
    key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: limits.defaultTolerationSeconds,
  } as const))];
}

/** Source: Kubernetes, "Pod Quality of Service Classes". Only cpu and memory count. */
export function qosClass(spec: LooseSpec): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  let any = false, guaranteed = true;
  for (const { resources } of containers) {
    for (const name of ['cpu', 'memory']) {
      const request = amount(resources?.requests, name), limit = amount(resources?.limits, name);
      if (request > 0n || limit > 0n) any = true;
      const differs = resources?.requests?.[name] !== undefined && request !== limit;
      if (limit === 0n || differs) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function amount(list: Loose<ResourceList> | undefined, name: string): bigint {
  return parseQuantity(String(list?.[name] ?? '0'))?.nano ?? 0n;
}
