// What a check of the Pod Security Standards is: a pod's specification in, a finding out.
//
// Source of facts: k8s.io/pod-security-admission policy (checks.go, visitor.go, helpers.go).
// What always holds: containers come in Kubernetes' order (init containers, containers, ephemeral ones);
// names are told as they are, in double quotes.

import type { ObjectMeta } from '../../types.ts';

export interface SecurityContext {
  readonly privileged?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly procMount?: string;
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly seLinuxOptions?: { readonly type?: string; readonly user?: string; readonly role?: string };
  readonly seccompProfile?: { readonly type?: string };
  readonly appArmorProfile?: { readonly type?: string };
  readonly windowsOptions?: { readonly hostProcess?: boolean };
  /** Of a pod only. */
  readonly sysctls?: readonly { readonly name?: string }[];
}

interface Handler {
  readonly httpGet?: { readonly host?: string };
  readonly tcpSocket?: { readonly host?: string };
}

export interface SecuredContainer {
  readonly name?: string;
  readonly image?: string;
  readonly securityContext?: SecurityContext;
  readonly ports?: readonly { readonly hostPort?: number }[];
  readonly livenessProbe?: Handler;
  readonly readinessProbe?: Handler;
  readonly startupProbe?: Handler;
  readonly lifecycle?: { readonly postStart?: Handler; readonly preStop?: Handler };
}

export interface SecuredSpec {
  readonly containers?: readonly SecuredContainer[];
  readonly initContainers?: readonly SecuredContainer[];
  readonly ephemeralContainers?: readonly SecuredContainer[];
  readonly securityContext?: SecurityContext;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly hostIPC?: boolean;
  readonly hostUsers?: boolean;
  readonly os?: { readonly name?: string };
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
}

/** A pod, or a template of pods. */
export interface Subject { readonly metadata: Partial<ObjectMeta>; readonly spec: SecuredSpec }

/** Why a pod is not as a level wants it: in a few words, and where. */
export interface Finding { readonly reason: string; readonly detail: string }

export interface Check {
  readonly id: string;
  /** The minor version of Kubernetes 1 from which on policies know it. */
  readonly since: number;
  /** Of the restricted level: the check of the baseline that it stands in for. */
  readonly replaces?: string;
  /** `minor`: that of the policy, which `latest` has beyond every number. */
  readonly find: (subject: Subject, minor: number) => Finding | null;
}

export const containersOf = ({ initContainers, containers, ephemeralContainers }: SecuredSpec):
  readonly SecuredContainer[] =>
  [...initContainers ?? [], ...containers ?? [], ...ephemeralContainers ?? []];

/** Names of the containers that are so. */
export const namesOf = (
  spec: SecuredSpec, is: (container: SecuredContainer) => boolean,
): readonly string[] => containersOf(spec).filter(is).map(({ name = '' }) => name);

export const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');

/** Each once, sorted. */
export const distinct = (values: readonly string[]): readonly string[] => [...new Set(values)].sort();

export const plural = (one: string, count: number, many = `${one}s`): string => count === 1 ? one : many;

export const containersNamed = (names: readonly string[]): string =>
  `${plural('container', names.length)} ${quoted(names)}`;

/** `pod and containers "a", "b"`; empty: nobody. */
export function settersOf(pod: boolean, names: readonly string[]): string {
  const who = [...pod ? ['pod'] : [], ...names.length === 0 ? [] : [containersNamed(names)]];
  return who.join(' and ');
}

export const isWindows = ({ os }: SecuredSpec): boolean => os?.name === 'windows';

/** From 1.35 on a pod with users of its own may be root there. */
export const hasOwnUsers = ({ hostUsers }: SecuredSpec, minor: number): boolean =>
  minor >= 35 && hostUsers === false;
