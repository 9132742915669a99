// The checks of the baseline level: what would let a pod out of its bounds.
//
// Source of facts: k8s.io/pod-security-admission policy (check_*.go), as of 1.36; Kubernetes, "Pod Security
// Standards".
// What always holds: checks come in the order of their ids, which is that of the messages.

import {
  containersNamed, containersOf, distinct, hasOwnUsers, namesOf, plural, quoted, settersOf,
} from './checks.ts';
import type { Check, Finding, SecuredContainer, SecurityContext, Subject } from './checks.ts';

const appArmorPrefix = 'container.apparmor.security.beta.kubernetes.io/';

function appArmorProfile({ metadata, spec }: Subject): Finding | null {
  const bad = (context: SecurityContext | undefined): string | null => {
    const profile = context?.appArmorProfile, type = profile?.type ?? '';
    return !profile || type === 'RuntimeDefault' || type === 'Localhost' ? null : type;
  };
  const pod = bad(spec.securityContext), names = namesOf(spec, (one) => bad(one.securityContext) !== null);
  const types = [pod, ...containersOf(spec).map((one) => bad(one.securityContext))];
  const annotations = Object.entries(metadata.annotations ?? {})
    .filter(([key, value]) => key.startsWith(appArmorPrefix) && value !== '' && value !== 'runtime/default'
      && !value.startsWith('localhost/'))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`).sort();
  const values = [...distinct(types.filter((type) => type !== null)), ...annotations];
  if (values.length === 0) return null;
  const who = [settersOf(pod !== null, names),
    annotations.length === 0 ? '' : plural('annotation', annotations.length)];
  return {
    reason: plural('forbidden AppArmor profile', values.length),
    detail: `${who.filter((each) => each !== '').join(' and ')} must not set AppArmor profile type to `
      + quoted(values),
  };
}

const addable: readonly string[] = [
  'AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE', 'SETFCAP',
  'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT',
];

function capabilities({ spec }: Subject): Finding | null {
  const bad = ({ securityContext }: SecuredContainer): readonly string[] =>
    (securityContext?.capabilities?.add ?? []).filter((one) => !addable.includes(one));
  const names = namesOf(spec, (one) => bad(one).length > 0);
  return names.length === 0 ? null : {
    reason: 'non-default capabilities',
    detail: `${containersNamed(names)} must not include ${quoted(distinct(containersOf(spec).flatMap(bad)))} `
      + 'in securityContext.capabilities.add',
  };
}

function hostNamespaces({ spec }: Subject): Finding | null {
  const found = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name] === true);
  return found.length === 0 ? null
    : { reason: 'host namespaces', detail: found.map((name) => `${name}=true`).join(', ') };
}

function hostPathVolumes({ spec }: Subject): Finding | null {
  const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined && hostPath !== null)
    .map(({ name }) => String(name));
  return names.length === 0 ? null
    : { reason: 'hostPath volumes', detail: `${plural('volume', names.length)} ${quoted(names)}` };
}

function hostPorts({ spec }: Subject): Finding | null {
  const used = ({ ports = [] }: SecuredContainer): readonly string[] =>
    ports.flatMap(({ hostPort }) => hostPort ? [String(hostPort)] : []);
  const names = namesOf(spec, (one) => used(one).length > 0);
  if (names.length === 0) return null;
  const ports = distinct(containersOf(spec).flatMap(used));
  return {
    reason: 'hostPort',
    detail: `${containersNamed(names)} ${plural('uses', names.length, 'use')} `
      + `${plural('hostPort', ports.length)} ${ports.join(', ')}`,
  };
}

function hostsOfHandlers({ spec }: Subject): Finding | null {
  const hosts = (one: SecuredContainer): readonly string[] =>
    [one.livenessProbe, one.readinessProbe, one.startupProbe, one.lifecycle?.postStart,
      one.lifecycle?.preStop]
      .flatMap((handler) => [handler?.httpGet?.host, handler?.tcpSocket?.host])
      .flatMap((host) => host ? [host] : []);
  const names = distinct(namesOf(spec, (one) => hosts(one).length > 0));
  if (names.length === 0) return null;
  const found = distinct(containersOf(spec).flatMap(hosts));
  return {
    reason: 'probe or lifecycle host',
    detail: `${containersNamed(names)} ${plural('uses', names.length, 'use')} `
      + `${plural('probe or lifecycle host', found.length)} ${quoted(found)}`,
  };
}

function privileged({ spec }: Subject): Finding | null {
  const names = namesOf(spec, ({ securityContext }) => securityContext?.privileged === true);
  return names.length === 0 ? null : {
    reason: 'privileged', detail: `${containersNamed(names)} must not set securityContext.privileged=true`,
  };
}

/** That of the restricted level, too, for which pods with users of their own are no exception. */
export function procMount({ spec }: Subject): Finding | null {
  const bad = ({ securityContext }: SecuredContainer): readonly string[] => {
    const type = securityContext?.procMount;
    return type === undefined || type === null || type === 'Default' ? [] : [type];
  };
  const names = namesOf(spec, (one) => bad(one).length > 0);
  return names.length === 0 ? null : {
    reason: 'procMount',
    detail: `${containersNamed(names)} must not set securityContext.procMount to `
      + quoted(distinct(containersOf(spec).flatMap(bad))),
  };
}

function seLinuxOptions({ spec }: Subject, minor: number): Finding | null {
  const allowed = ['', 'container_t', 'container_init_t', 'container_kvm_t',
    ...minor >= 31 ? ['container_engine_t'] : []];
  const given = (context: SecurityContext | undefined) => ({ type: '', user: '', role: '',
    ...context?.seLinuxOptions });
  const bad = (context: SecurityContext | undefined): boolean => {
    const { type, user, role } = given(context);
    return !allowed.includes(type) || user !== '' || role !== '';
  };
  const who = settersOf(bad(spec.securityContext), namesOf(spec, (one) => bad(one.securityContext)));
  if (who === '') return null;
  const all = [spec.securityContext, ...containersOf(spec).map((one) => one.securityContext)].map(given);
  const types = distinct(all.map(({ type }) => type).filter((type) => !allowed.includes(type)));
  const what = [
    ...types.length === 0 ? [] : [`${plural('type', types.length)} ${quoted(types)}`],
    ...all.some(({ user }) => user !== '') ? ['user may not be set'] : [],
    ...all.some(({ role }) => role !== '') ? ['role may not be set'] : [],
  ];
  return {
    reason: 'seLinuxOptions',
    detail: `${who} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}`,
  };
}

const seccompPod = 'seccomp.security.alpha.kubernetes.io/pod';
const seccompContainer = 'container.seccomp.security.alpha.kubernetes.io/';

export const seccompAllowed = (type: string): boolean => type === 'RuntimeDefault' || type === 'Localhost';

/** The type that is set and may not be; null: none. */
export function badSeccomp(context: SecurityContext | undefined): string | null {
  const profile = context?.seccompProfile;
  return !profile || seccompAllowed(profile.type ?? '') ? null : profile.type ?? '';
}

/** Who sets a seccomp profile that nobody may set; null: nobody. */
export function forbiddenSeccomp({ spec }: Subject): Finding | null {
  const pod = badSeccomp(spec.securityContext);
  const who = settersOf(pod !== null, namesOf(spec, (one) => badSeccomp(one.securityContext) !== null));
  if (who === '') return null;
  const types = [pod, ...containersOf(spec).map((one) => badSeccomp(one.securityContext))];
  return {
    reason: 'seccompProfile',
    detail: `${who} must not set securityContext.seccompProfile.type to `
      + quoted(distinct(types.filter((type) => type !== null))),
  };
}

function seccompBaseline(subject: Subject, minor: number): Finding | null {
  if (minor >= 19) return forbiddenSeccomp(subject);
  const { metadata: { annotations = {} }, spec } = subject;
  const allowed = (value: string): boolean =>
    value === 'runtime/default' || value === 'docker/default' || value.startsWith('localhost/');
  const keys = [seccompPod, ...containersOf(spec).map(({ name = '' }) => `${seccompContainer}${name}`)];
  const bad = distinct(keys.filter((key) => Object.hasOwn(annotations, key)
    && !allowed(annotations[key] ?? '')).map((key) => `${key}=${JSON.stringify(annotations[key])}`));
  return bad.length === 0 ? null
    : { reason: 'seccompProfile', detail: `forbidden ${plural('annotation', bad.length)} ${bad.join(', ')}` };
}

/** By the version from which on they are taken for safe. */
const safeSysctls: ReadonlyMap<string, number> = new Map([
  ['kernel.shm_rmid_forced', 0], ['net.ipv4.ip_local_port_range', 0], ['net.ipv4.tcp_syncookies', 0],
  ['net.ipv4.ping_group_range', 0], ['net.ipv4.ip_unprivileged_port_start', 0],
  ['net.ipv4.ip_local_reserved_ports', 27],
  ['net.ipv4.tcp_keepalive_time', 29], ['net.ipv4.tcp_fin_timeout', 29],
  ['net.ipv4.tcp_keepalive_intvl', 29], ['net.ipv4.tcp_keepalive_probes', 29],
  ['net.ipv4.tcp_rmem', 32], ['net.ipv4.tcp_wmem', 32],
]);

function sysctls({ spec }: Subject, minor: number): Finding | null {
  const bad = (spec.securityContext?.sysctls ?? []).map(({ name = '' }) => name)
    .filter((name) => (safeSysctls.get(name) ?? Infinity) > minor || !safeSysctls.has(name));
  return bad.length === 0 ? null : { reason: 'forbidden sysctls', detail: bad.join(', ') };
}

function windowsHostProcess({ spec }: Subject): Finding | null {
  const bad = (context: SecurityContext | undefined): boolean =>
    context?.windowsOptions?.hostProcess === true;
  const who = settersOf(bad(spec.securityContext), namesOf(spec, (one) => bad(one.securityContext)));
  return who === '' ? null : {
    reason: 'hostProcess',
    detail: `${who} must not set securityContext.windowsOptions.hostProcess=true`,
  };
}

export const baselineChecks: readonly Check[] = [
  { id: 'appArmorProfile', since: 0, find: appArmorProfile },
  { id: 'capabilities_baseline', since: 0, find: capabilities },
  { id: 'hostNamespaces', since: 0, find: hostNamespaces },
  { id: 'hostPathVolumes', since: 0, find: hostPathVolumes },
  { id: 'hostPorts', since: 0, find: hostPorts },
  { id: 'hostProbesAndHostLifecycle', since: 34, find: hostsOfHandlers },
  { id: 'privileged', since: 0, find: privileged },
  { id: 'procMount', since: 0,
    find: (subject, minor) => hasOwnUsers(subject.spec, minor) ? null : procMount(subject) },
  { id: 'seLinuxOptions', since: 0, find: seLinuxOptions },
  { id: 'seccompProfile_baseline', since: 0, find: seccompBaseline },
  { id: 'sysctls', since: 0, find: sysctls },
  { id: 'windowsHostProcess', since: 0, find: windowsHostProcess },
];
