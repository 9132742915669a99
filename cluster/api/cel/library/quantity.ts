// Quantities and semantic versions.
//
// Source of facts: k8s.io/apiserver pkg/cel/library/quantity.go and semverlib.go, semver.org for the order.

import { formatQuantity, parseQuantity } from '../../quantity.ts';
import type { Quantity } from '../../quantity.ts';
import { global, method, traversal } from '../functions.ts';
import type { Overload } from '../functions.ts';
import { Fault, isFault, isInt, Opaque } from '../values.ts';
import type { Value } from '../values.ts';

const unit = 1_000_000_000n;

// ── quantities ───────────────────────────────────────────────────────────────────────────────────────────

const quantity = (value: Quantity): Opaque => new Opaque('kubernetes.Quantity', value, String(value.nano));
const nanos = (value: Opaque): bigint => (value.data as Quantity).nano;

/** How Kubernetes writes it: quantities are told apart by what they count, not by how they were written. */
export const quantityText = (value: Opaque): string => formatQuantity(value.data as Quantity);

const malformed =
  new Fault("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");

function readQuantity(text: string): Value | Fault {
  const found = parseQuantity(text);
  return found === null ? malformed : quantity(found);
}

const isWhole = (value: Opaque): boolean => nanos(value) % unit === 0n && isInt(nanos(value) / unit);

const plus = (sign: bigint) => (a: Opaque, b: Opaque | bigint): Opaque => {
  const more = typeof b === 'bigint' ? b * unit : nanos(b);
  return quantity({ ...a.data as Quantity, nano: nanos(a) + sign * more });
};

const sign = (difference: bigint): bigint => difference < 0n ? -1n : difference > 0n ? 1n : 0n;

const quantities: readonly Overload[] = [
  global('quantity(string) kubernetes.Quantity', readQuantity, traversal()),
  global('isQuantity(string) bool', (text: string) => parseQuantity(text) !== null, traversal()),
  global('sign(kubernetes.Quantity) int', (a: Opaque) => sign(nanos(a))),
  method('kubernetes.Quantity.isGreaterThan(kubernetes.Quantity) bool', (a: Opaque, b: Opaque) =>
    nanos(a) > nanos(b)),
  method('kubernetes.Quantity.isLessThan(kubernetes.Quantity) bool', (a: Opaque, b: Opaque) =>
    nanos(a) < nanos(b)),
  method('kubernetes.Quantity.compareTo(kubernetes.Quantity) int', (a: Opaque, b: Opaque) =>
    sign(nanos(a) - nanos(b))),
  method('kubernetes.Quantity.asApproximateFloat() double', (a: Opaque) => Number(nanos(a)) / 1e9),
  method('kubernetes.Quantity.asInteger() int', (a: Opaque) =>
    isWhole(a) ? nanos(a) / unit : new Fault('cannot convert value to integer')),
  method('kubernetes.Quantity.isInteger() bool', isWhole),
  method('kubernetes.Quantity.add(kubernetes.Quantity) kubernetes.Quantity', plus(1n)),
  method('kubernetes.Quantity.add(int) kubernetes.Quantity', plus(1n)),
  method('kubernetes.Quantity.sub(kubernetes.Quantity) kubernetes.Quantity', plus(-1n)),
  method('kubernetes.Quantity.sub(int) kubernetes.Quantity', plus(-1n)),
];

// ── versions ─────────────────────────────────────────────────────────────────────────────────────────────

interface Version { readonly numbers: readonly [bigint, bigint, bigint]; readonly pre: readonly string[] }

const part = '(0|[1-9]\\d{0,19})', words = '[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*';
const form = new RegExp(`^${part}\\.${part}\\.${part}(?:-(${words}))?(?:\\+(${words}))?$`);

function readVersion(text: string): Opaque | Fault {
  const found = text.length > 256 ? null : form.exec(text);
  if (found === null) return new Fault(whyNoVersion(text));
  const [, major = '0', minor = '0', patch = '0', pre = ''] = found;
  const numbers = [BigInt(major), BigInt(minor), BigInt(patch)] as const;
  const parts = pre === '' ? [] : pre.split('.');
  if (parts.some((each) => /^0\d+$/.test(each))) {
    return new Fault('Numeric PreRelease version must not contain leading zeroes '
      + JSON.stringify(parts.find((each) => /^0\d+$/.test(each))));
  }
  return new Opaque('kubernetes.Semver', { numbers, pre: parts } satisfies Version,
    `${numbers.join('.')}${pre === '' ? '' : `-${pre}`}`);
}

function whyNoVersion(text: string): string {
  if (text === '') return 'Version string empty';
  const parts = text.split('.');
  if (parts.length < 3) return 'No Major.Minor.Patch elements found';
  for (const [at, name] of ['major', 'minor', 'patch'].entries()) {
    const given = at === 2 ? (parts[2] ?? '').split(/[-+]/)[0] ?? '' : parts[at] ?? '';
    const title = `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
    if (!/^\d+$/.test(given)) return `Invalid character(s) found in ${name} number ${JSON.stringify(given)}`;
    if (/^0\d/.test(given)) return `${title} number must not contain leading zeroes ${JSON.stringify(given)}`;
  }
  return 'Invalid character(s) found in version';
}

/** Without a `v`, with three numbers, without leading zeros. */
function normal(text: string): string {
  const bare = text.replace(/^v/, ''), cut = bare.search(/[-+]/);
  const core = cut < 0 ? bare : bare.slice(0, cut), parts = core.split('.');
  while (parts.length < 3) parts.push('0');
  return parts.map((each) => each.replace(/^0+(?=\d)/, '')).join('.') + (cut < 0 ? '' : bare.slice(cut));
}

const versionOf = (value: Opaque): Version => value.data as Version;

function compareVersions(a: Opaque, b: Opaque): bigint {
  const left = versionOf(a), right = versionOf(b);
  for (const [at, number] of left.numbers.entries()) {
    const difference = sign(number - (right.numbers[at] ?? 0n));
    if (difference !== 0n) return difference;
  }
  if (left.pre.length === 0 || right.pre.length === 0) {
    return left.pre.length === right.pre.length ? 0n : left.pre.length === 0 ? 1n : -1n;
  }
  for (const [at, word] of left.pre.entries()) {
    const other = right.pre[at];
    if (other === undefined) return 1n;
    const difference = compareWords(word, other);
    if (difference !== 0n) return difference;
  }
  return left.pre.length < right.pre.length ? -1n : 0n;
}

/** Numbers before words, numbers by what they count. */
function compareWords(a: string, b: string): bigint {
  const numbers = [a, b].map((word) => /^\d+$/.test(word));
  if (numbers[0] === true && numbers[1] === true) return sign(BigInt(a) - BigInt(b));
  if (numbers[0] !== numbers[1]) return numbers[0] === true ? -1n : 1n;
  return a < b ? -1n : a > b ? 1n : 0n;
}

const versions: readonly Overload[] = [
  global('semver(string) kubernetes.Semver', readVersion, traversal()),
  global('semver(string, bool) kubernetes.Semver', (text: string, normalize: boolean) =>
    readVersion(normalize ? normal(text) : text), traversal()),
  global('isSemver(string) bool', (text: string) => !isFault(readVersion(text)), traversal()),
  global('isSemver(string, bool) bool', (text: string, normalize: boolean) =>
    !isFault(readVersion(normalize ? normal(text) : text)), traversal()),
  method('kubernetes.Semver.isGreaterThan(kubernetes.Semver) bool', (a: Opaque, b: Opaque) =>
    compareVersions(a, b) > 0n),
  method('kubernetes.Semver.isLessThan(kubernetes.Semver) bool', (a: Opaque, b: Opaque) =>
    compareVersions(a, b) < 0n),
  method('kubernetes.Semver.compareTo(kubernetes.Semver) int', compareVersions),
  method('kubernetes.Semver.major() int', (a: Opaque) => versionOf(a).numbers[0]),
  method('kubernetes.Semver.minor() int', (a: Opaque) => versionOf(a).numbers[1]),
  method('kubernetes.Semver.patch() int', (a: Opaque) => versionOf(a).numbers[2]),
];

export const quantityFunctions: readonly Overload[] = [...quantities, ...versions];
