// What Shoal does not honour yet, one line each. A field that is listed is refused by name when a client sets
// it to something that would have an effect; values without effect pass, for clients send defaults around.
// To support a field: make it work, delete its line.

import type { Errors } from './validate.ts';
import { forbidden } from './validate.ts';

export interface Refused {
  /** From the object that the table is for; `name[]` goes into every item of a list. */
  readonly path: string;
  /**
   * Values that have no effect. Without it, what is empty has none: false, 0, '', and structures of such.
   * A missing field is always harmless.
   */
  readonly harmless?: readonly unknown[];
  /** Instead: the only values that have an effect. */
  readonly harmful?: readonly unknown[];
}

const no = (path: string, ...harmless: readonly unknown[]): Refused =>
  harmless.length === 0 ? { path } : { path, harmless };
/** These values only: of a field whose others work, or are no values at all. */
const only = (path: string, ...harmful: readonly unknown[]): Refused => ({ path, harmful });
/** Refused whatever its value: even 0 or {} would mean something. */
const never = (path: string): Refused => ({ path, harmless: [] });

export const refusedInContainer: readonly Refused[] = [
  never('livenessProbe'),
  never('readinessProbe'),
  never('startupProbe'),
  no('lifecycle'),
  no('volumeMounts'),
  no('volumeDevices'),
  never('restartPolicy'), // a container's own; `Always` on an init container makes a sidecar
  no('restartPolicyRules'),
  no('resizePolicy[].restartPolicy', 'NotRequired'),
  no('resources.claims'),
  only('ports[].protocol', 'SCTP'),
  no('env[].valueFrom.resourceFieldRef'),
  no('env[].valueFrom.fileKeyRef'),
  no('securityContext.allowPrivilegeEscalation', true),
  no('securityContext.appArmorProfile'),
  no('securityContext.privileged'),
  no('securityContext.procMount', 'Default'),
  no('securityContext.readOnlyRootFilesystem'),
  never('securityContext.runAsGroup'),
  no('securityContext.runAsNonRoot'),
  never('securityContext.runAsUser'),
  no('securityContext.seLinuxOptions'),
  no('securityContext.seccompProfile'),
  no('securityContext.windowsOptions'),
];

export const refusedInPodSpec: readonly Refused[] = [
  no('affinity'),
  no('dnsConfig'),
  only('dnsPolicy', 'ClusterFirstWithHostNet', 'Default', 'None'),
  no('hostAliases'),
  no('hostIPC'),
  no('hostPID'),
  no('hostUsers', true),
  no('hostnameOverride'),
  no('imagePullSecrets'),
  no('os.name', 'linux'),
  no('overhead'),
  no('priority', 0),
  no('priorityClassName'),
  no('readinessGates'),
  no('resourceClaims'),
  no('resources'),
  no('runtimeClassName'),
  no('schedulingGates'),
  no('schedulingGroup'),
  no('securityContext.appArmorProfile'),
  never('securityContext.fsGroup'),
  no('securityContext.fsGroupChangePolicy'),
  never('securityContext.runAsGroup'),
  no('securityContext.runAsNonRoot'),
  never('securityContext.runAsUser'),
  no('securityContext.seLinuxChangePolicy'),
  no('securityContext.seLinuxOptions'),
  no('securityContext.seccompProfile'),
  no('securityContext.supplementalGroups'),
  no('securityContext.supplementalGroupsPolicy', 'Merge'),
  no('securityContext.sysctls'),
  no('securityContext.windowsOptions'),
  no('setHostnameAsFQDN'),
  no('subdomain'),
  no('topologySpreadConstraints'),
  no('volumes'),
];

/** Of a pod itself, whose class of priority is judged by admission: it may have the default one. */
export const refusedInPod: readonly Refused[] =
  refusedInPodSpec.filter(({ path }) => path !== 'priority' && path !== 'priorityClassName');

export const refusedInServiceSpec: readonly Refused[] = [
  no('allocateLoadBalancerNodePorts', true),
  no('externalIPs'),
  only('externalTrafficPolicy', 'Local'),
  no('healthCheckNodePort'),
  only('internalTrafficPolicy', 'Local'),
  no('loadBalancerClass'),
  no('loadBalancerIP'),
  no('loadBalancerSourceRanges'),
  only('ports[].protocol', 'SCTP'),
  only('sessionAffinity', 'ClientIP'),
  no('sessionAffinityConfig'),
  no('trafficDistribution'),
  only('type', 'ExternalName'), // it is nothing but a DNS record
];

export const refusedInServiceAccount: readonly Refused[] = [
  no('imagePullSecrets'), // would be added to the pods of the account
];

export const refusedInLeaseSpec: readonly Refused[] = [
  no('preferredHolder'),
  no('strategy'),
];

/** Adds a Forbidden for every field of `object` that the table refuses. `path`: of the object itself. */
export function refuse(errors: Errors, table: readonly Refused[], object: unknown, path: string): void {
  for (const rule of table) walk(errors, rule, object, path, rule.path.split('.'));
}

function walk(errors: Errors, rule: Refused, value: unknown, path: string, rest: readonly string[]): void {
  if (value === undefined || value === null) return;
  const [step, ...further] = rest;
  if (step === undefined) {
    if (!isHarmless(rule, value)) forbidden(errors, path, message(rule, value));
    return;
  }
  const name = step.replace('[]', '');
  const child = typeof value === 'object' ? (value as Record<string, unknown>)[name] : undefined;
  const at = path === '' ? name : `${path}.${name}`;
  if (!step.endsWith('[]')) walk(errors, rule, child, at, further);
  else if (Array.isArray(child)) child.forEach((item, i) => walk(errors, rule, item, `${at}[${i}]`, further));
}

function isHarmless(rule: Refused, value: unknown): boolean {
  if (rule.harmful !== undefined) return !rule.harmful.includes(value);
  if (rule.harmless === undefined) return isEmpty(value);
  return rule.harmless.includes(value);
}

function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (typeof value === 'object' && value !== null) return Object.values(value).every(isEmpty);
  return value === undefined || value === null || value === false || value === 0 || value === '';
}

/** `dnsPolicy "Default" is not supported by Shoal yet`; the value is named where others are supported. */
function message(rule: Refused, value: unknown): string {
  const name = rule.path.replaceAll('[]', '');
  const others = (rule.harmful ?? rule.harmless ?? []).length > 0;
  return `${name}${others ? ` ${JSON.stringify(value)}` : ''} is not supported by Shoal yet`;
}
