// Rules for the names inside objects: ports, environment variables, keys of ConfigMaps, addresses, labels of
// templates and selectors. The names of objects, label keys and label values: `cluster/api/names.ts`.
//
// Source: apimachinery util/validation. Each function gives the messages for what is wrong; none: right.

import { labelKeyError, labelValueError, nameError } from '../names.ts';
import type { NameRule } from '../names.ts';
import { invalid, rangeMessage, sortedEntries } from './validate.ts';
import type { Errors } from './validate.ts';

export function portNumberErrors(port: number): readonly string[] {
  return Number.isInteger(port) && port >= 1 && port <= 65_535 ? [] : [rangeMessage(1, 65_535)];
}

/** An IANA service name: at most 15 of `a-z0-9-`, with a letter. */
export function portNameErrors(name: string): readonly string[] {
  const errors: string[] = [];
  if (name.length > 15) errors.push('must be no more than 15 characters');
  if (!/^[-a-z0-9]+$/.test(name)) {
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)');
  if (name.includes('--')) errors.push('must not contain consecutive hyphens');
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen');
  return errors;
}

/** Any printable ASCII but `=`, as since Kubernetes 1.32. */
export function envNameErrors(name: string): readonly string[] {
  if (name === '') return ['environment variable name must be non-empty'];
  return /^[\x20-\x3c\x3e-\x7e]+$/.test(name) ? [] : [
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
  ];
}

/** A key of a ConfigMap or a Secret. */
export function configKeyErrors(key: string): readonly string[] {
  const errors: string[] = [];
  if (key.length > 253) errors.push('must be no more than 253 characters');
  if (!/^[-._a-zA-Z0-9]+$/.test(key)) {
    errors.push("a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
      + "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
  }
  if (key === '.') errors.push("must not be '.'");
  else if (key === '..') errors.push("must not be '..'");
  else if (key.startsWith('..')) errors.push("must not start with '..'");
  return errors;
}

export function nameErrors(name: string, rule: NameRule): readonly string[] {
  const error = nameError(name, rule);
  return error === null ? [] : [error];
}

export function labelKeyErrors(key: string): readonly string[] {
  const error = labelKeyError(key);
  return error === null ? [] : [error];
}

export function labelValueErrors(value: string): readonly string[] {
  const error = labelValueError(value);
  return error === null ? [] : [error];
}

/** A map of labels: keys and values. Errors are put on the map, as Kubernetes does. */
export function validateLabels(
  errors: Errors, field: string, labels: Readonly<Record<string, string | undefined>> | undefined,
): void {
  for (const [key, value] of sortedEntries(labels)) {
    for (const message of labelKeyErrors(key)) invalid(errors, field, key, message);
    for (const message of labelValueErrors(value ?? '')) invalid(errors, field, value, message);
  }
}

/** Annotation keys are label keys in which case does not matter for the prefix. */
export function validateAnnotations(
  errors: Errors, field: string, annotations: Readonly<Record<string, string | undefined>> | undefined,
): void {
  for (const [key] of sortedEntries(annotations)) {
    for (const message of labelKeyErrors(key.toLowerCase())) invalid(errors, field, key, message);
  }
}

export const ipMessage = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';

/** Dotted decimal, no leading zeros: the four bytes, or null. */
export function parseIpv4(text: string): readonly number[] | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return null;
  const parts = match.slice(1);
  if (parts.some((part) => part.length > 1 && part.startsWith('0'))) return null;
  const bytes = parts.map(Number);
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

/** The eight 16-bit groups of an IPv6 address, or null. An IPv4 tail (`::ffff:10.0.0.1`) is understood. */
export function parseIpv6(text: string): readonly number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = groupsOf(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? groupsOf(halves[1] ?? '', true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  return [...head, ...Array.from({ length: missing }, () => 0), ...tail];
}

function groupsOf(text: string, last: boolean): number[] | null {
  if (text === '') return [];
  const groups: number[] = [];
  const parts = text.split(':');
  for (const [i, part] of parts.entries()) {
    const v4 = last && i === parts.length - 1 && part.includes('.') ? parseIpv4(part) : null;
    if (v4 !== null) {
      const [a = 0, b = 0, c = 0, d = 0] = v4;
      groups.push(a * 256 + b, c * 256 + d);
    } else if (/^[0-9a-fA-F]{1,4}$/.test(part)) groups.push(Number.parseInt(part, 16));
    else return null;
  }
  return groups;
}

/** The shortest text of an address, as RFC 5952 has it; the text itself where it is none. */
export function canonicalIp(text: string): string {
  const groups = parseIpv4(text) === null ? parseIpv6(text) : null;
  if (groups === null) return text;
  // The longest run of zeros, the first of equals, gives way to `::`; one alone does not.
  let from = -1, length = 1;
  for (let at = 0; at < 8; at++) {
    let end = at;
    while (end < 8 && groups[end] === 0) end += 1;
    if (end - at > length) [from, length] = [at, end - at];
  }
  const hex = groups.map((group) => group.toString(16));
  return from < 0 ? hex.join(':') : `${hex.slice(0, from).join(':')}::${hex.slice(from + length).join(':')}`;
}

export const isIp = (text: string): boolean => parseIpv4(text) !== null || parseIpv6(text) !== null;

/** Of an address by its parsed forms (empty where it has no such form): whether others can't reach it. */
export const specialAddressErrors = (v4: readonly number[], v6: readonly number[]): readonly string[] =>
  (v4.length > 0 ? specialV4(v4) : v6.length > 0 ? specialV6(v6) : []);

/** Addresses that lead nowhere from another machine. */
function specialV4([a = 0, b = 0, c = 0, d = 0]: readonly number[]): readonly string[] {
  if (a === 0 && b === 0 && c === 0 && d === 0) return ['may not be unspecified (0.0.0.0 or ::)'];
  if (a === 127) return ['may not be in the loopback range (127.0.0.0/8, ::1/128)'];
  if (a === 169 && b === 254) return ['may not be in the link-local range (169.254.0.0/16, fe80::/10)'];
  const multicast = a === 224 && b === 0 && c === 0;
  return multicast ? ['may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'] : [];
}

function specialV6(groups: readonly number[]): readonly string[] {
  const [first = 0] = groups, last = groups[7] ?? 0;
  if (groups.slice(0, 7).every((group) => group === 0)) {
    if (last === 0) return ['may not be unspecified (0.0.0.0 or ::)'];
    if (last === 1) return ['may not be in the loopback range (127.0.0.0/8, ::1/128)'];
  }
  if ((first & 0xffc0) === 0xfe80) return ['may not be in the link-local range (169.254.0.0/16, fe80::/10)'];
  const multicast = (first & 0xff0f) === 0xff02;
  return multicast ? ['may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'] : [];
}
