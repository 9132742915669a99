// The checks that the restricted level adds to those of the baseline: what a pod has to give up.
//
// Source of facts: k8s.io/pod-security-admission policy (check_*.go), as of 1.36; Kubernetes, "Pod Security
// Standards".
// What always holds: checks come in the order of their ids; those that stand in for one of the baseline do so
// from the version on that they are known in.

import { forbiddenSeccomp, procMount, seccompAllowed } from './baseline.ts';
import {
  containersNamed, containersOf, distinct, hasOwnUsers, isWindows, namesOf, plural, quoted, settersOf,
} from './checks.ts';
import type { Check, Finding, SecuredContainer, SecurityContext, Subject } from './checks.ts';

/** What only Linux has is not asked of pods for Windows since 1.25. */
const linuxOnly = (find: Check['find']): Check['find'] => (subject, minor) =>
  minor >= 25 && isWindows(subject.spec) ? null : find(subject, minor);

function privilegeEscalation({ spec }: Subject): Finding | null {
  const names = namesOf(spec, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  return names.length === 0 ? null : {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containersNamed(names)} must set securityContext.allowPrivilegeEscalation=false`,
  };
}

function capabilities({ spec }: Subject): Finding | null {
  const added = ({ securityContext }: SecuredContainer): readonly string[] =>
    (securityContext?.capabilities?.add ?? []).filter((one) => one !== 'NET_BIND_SERVICE');
  const keeping = namesOf(spec,
    ({ securityContext }) => !(securityContext?.capabilities?.drop ?? []).includes('ALL'));
  const adding = namesOf(spec, (one) => added(one).length > 0);
  const details = [
    ...keeping.length === 0 ? []
      : [`${containersNamed(keeping)} must set securityContext.capabilities.drop=["ALL"]`],
    ...adding.length === 0 ? []
      : [`${containersNamed(adding)} must not include ${quoted(distinct(containersOf(spec).flatMap(added)))} `
        + 'in securityContext.capabilities.add'],
  ];
  return details.length === 0 ? null : { reason: 'unrestricted capabilities', detail: details.join('; ') };
}

const allowedVolumes = [
  'configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'image', 'persistentVolumeClaim', 'projected',
  'secret',
];
/** In the order in which Kubernetes looks for them. */
const namedVolumes = [
  'hostPath', 'gcePersistentDisk', 'awsElasticBlockStore', 'gitRepo', 'nfs', 'iscsi', 'glusterfs', 'rbd',
  'flexVolume', 'cinder', 'cephfs', 'flocker', 'fc', 'azureFile', 'vsphereVolume', 'quobyte', 'azureDisk',
  'photonPersistentDisk', 'portworxVolume', 'scaleIO', 'storageos',
];

function volumes({ spec }: Subject): Finding | null {
  const has = (volume: Readonly<Record<string, unknown>>) => (type: string): boolean =>
    Object.hasOwn(volume, type) && volume[type] !== null && volume[type] !== undefined;
  const bad = (spec.volumes ?? []).filter((volume) => !allowedVolumes.some(has(volume)));
  if (bad.length === 0) return null;
  const types = distinct(bad.map((volume) => namedVolumes.find(has(volume)) ?? 'unknown'));
  return {
    reason: 'restricted volume types',
    detail: `${plural('volume', bad.length)} ${quoted(bad.map(({ name }) => String(name)))} `
      + `${plural('uses', bad.length, 'use')} ${plural('restricted volume type', types.length)} `
      + quoted(types),
  };
}

function runAsNonRoot({ spec }: Subject, minor: number): Finding | null {
  if (hasOwnUsers(spec, minor)) return null;
  const stated = (context: SecurityContext | undefined): boolean | null => context?.runAsNonRoot ?? null;
  const pod = stated(spec.securityContext), reason = 'runAsNonRoot != true';
  const who = settersOf(pod === false, namesOf(spec, (one) => stated(one.securityContext) === false));
  if (who !== '') return { reason, detail: `${who} must not set securityContext.runAsNonRoot=false` };
  const silent = pod === true ? [] : namesOf(spec, (one) => stated(one.securityContext) === null);
  return silent.length === 0 ? null
    : { reason, detail: `pod or ${containersNamed(silent)} must set securityContext.runAsNonRoot=true` };
}

function runAsUser({ spec }: Subject, minor: number): Finding | null {
  if (hasOwnUsers(spec, minor)) return null;
  const who = settersOf(spec.securityContext?.runAsUser === 0,
    namesOf(spec, ({ securityContext }) => securityContext?.runAsUser === 0));
  return who === '' ? null : { reason: 'runAsUser=0', detail: `${who} must not set runAsUser=0` };
}

function seccomp(subject: Subject): Finding | null {
  const wrong = forbiddenSeccomp(subject), { spec } = subject;
  if (wrong !== null) return wrong;
  if (seccompAllowed(spec.securityContext?.seccompProfile?.type ?? '')) return null;
  const silent = namesOf(spec, ({ securityContext }) => !securityContext?.seccompProfile);
  return silent.length === 0 ? null : {
    reason: 'seccompProfile',
    detail: `pod or ${containersNamed(silent)} must set securityContext.seccompProfile.type to `
      + '"RuntimeDefault" or "Localhost"',
  };
}

export const restrictedChecks: readonly Check[] = [
  { id: 'allowPrivilegeEscalation', since: 8, find: linuxOnly(privilegeEscalation) },
  { id: 'capabilities_restricted', since: 22, replaces: 'capabilities_baseline',
    find: linuxOnly(capabilities) },
  { id: 'procMount_restricted', since: 35, replaces: 'procMount', find: procMount },
  { id: 'restrictedVolumes', since: 0, replaces: 'hostPathVolumes', find: volumes },
  { id: 'runAsNonRoot', since: 0, find: runAsNonRoot },
  { id: 'runAsUser', since: 23, find: runAsUser },
  { id: 'seccompProfile_restricted', since: 19, replaces: 'seccompProfile_baseline',
    find: linuxOnly(seccomp) },
];
