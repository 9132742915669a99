// Which level of which version a namespace's labels ask for, and what a pod lacks for it.
//
// Source of facts: k8s.io/pod-security-admission api (helpers.go: labels, messages), policy (registry.go:
// which checks a version has, and in which order).
// What always holds: a label that can't be read is told of, and stands for the strictest level where it is
// enforced and for none where it only warns or is written down.

import { invalid } from '../../resources/validate.ts';
import type { Errors } from '../../resources/validate.ts';
import type { KubeObject, StatusCause } from '../../types.ts';
import { baselineChecks } from './baseline.ts';
import type { Check, Finding, Subject } from './checks.ts';
import { restrictedChecks } from './restricted.ts';

export type Level = 'privileged' | 'baseline' | 'restricted';

export interface LevelVersion {
  readonly level: Level;
  /** `latest` or `v1.N`. */
  readonly version: string;
}

export interface SecurityPolicy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
  readonly errors: readonly StatusCause[];
}

const levels: readonly Level[] = ['privileged', 'baseline', 'restricted'];

/** Higher is stricter. */
export const strictness = ({ level }: LevelVersion): number => levels.indexOf(level);

export const sameLevel = (a: LevelVersion, b: LevelVersion): boolean => textOf(a) === textOf(b);

export const textOf = ({ level, version }: LevelVersion): string => `${level}:${version}`;

// ── labels ───────────────────────────────────────────────────────────────────────────────────────────────

export const prefix = 'pod-security.kubernetes.io/';
const open: LevelVersion = { level: 'privileged', version: 'latest' };
const unlabelled: SecurityPolicy = { enforce: open, audit: open, warn: open, errors: [] };

/** By the labels of a stored namespace, which are the same object until something changes them. */
const known = new WeakMap<object, SecurityPolicy>();

export function policyOf({ metadata: { labels } }: KubeObject): SecurityPolicy {
  if (labels === undefined) return unlabelled;
  let policy = known.get(labels);
  if (policy === undefined) known.set(labels, policy = parsed(labels));
  return policy;
}

function parsed(labels: Readonly<Record<string, string>>): SecurityPolicy {
  const errors: Errors = [];
  const read = (mode: 'enforce' | 'audit' | 'warn', otherwise: Level): LevelVersion => {
    const label = `${prefix}${mode}`, stated = valueOf(labels, label);
    const versioned = valueOf(labels, `${label}-version`);
    const level = stated === undefined ? 'privileged' : levels.find((one) => one === stated);
    if (level === undefined) {
      invalid(errors, `metadata.labels[${label}]`, stated, `must be one of ${levels.join(', ')}`);
    }
    const version = versioned === undefined || isVersion(versioned) ? versioned ?? 'latest' : null;
    if (version === null) {
      invalid(errors, `metadata.labels[${label}-version]`, versioned, 'must be "latest" or "v1.x"');
    }
    return { level: level ?? otherwise, version: version ?? 'latest' };
  };
  const enforce = read('enforce', 'restricted'), audit = read('audit', 'privileged');
  return { enforce, audit, warn: read('warn', 'privileged'), errors };
}

const valueOf = (labels: Readonly<Record<string, string>>, key: string): string | undefined =>
  Object.hasOwn(labels, key) ? labels[key] : undefined;

const isVersion = (text: string): boolean => text === 'latest'
  // As large as Go's integers are.
  || (/^v1\.(?:\d|[1-9]\d*)$/.test(text) && BigInt(text.slice(3)) < 2n ** 63n);

// ── findings ─────────────────────────────────────────────────────────────────────────────────────────────

/** What the pod has that the level does not allow, or lacks that it wants. */
export function findings({ level, version }: LevelVersion, subject: Subject): readonly Finding[] {
  const minor = version === 'latest' ? Infinity : Number(version.slice(3));
  return checksOf(level, minor).map(({ find }) => find(subject, minor)).filter((found) => found !== null);
}

function checksOf(level: Level, minor: number): readonly Check[] {
  if (level === 'privileged') return [];
  const known = (check: Check): boolean => check.since <= minor;
  const baseline = baselineChecks.filter(known);
  if (level === 'baseline') return baseline;
  const restricted = restrictedChecks.filter(known);
  const replaced = restricted.map(({ replaces }) => replaces);
  return [...baseline.filter(({ id }) => !replaced.includes(id)), ...restricted];
}

export const reasonsOf = (found: readonly Finding[]): string => found.map(({ reason }) => reason).join(', ');

export const detailsOf = (found: readonly Finding[]): string =>
  found.map(({ reason, detail }) => `${reason} (${detail})`).join(', ');
