// The formats that a schema may ask of text and that are checked; any other is ignored, as the specification
// of OpenAPI wants it.
// Source: apiextensions-apiserver pkg/apiserver/validation/formats.go, kube-openapi pkg/validation/strfmt.

import { parseIpv4, parseIpv6 } from '../resources/names.ts';
import { parseTime, rfc3339 } from '../time.ts';
import { nameError } from '../names.ts';
import type { JsonSchema } from './definition.ts';
import { matches } from './pattern.ts';

const numberFormats: Readonly<Record<string, readonly string[]>> = {
  integer: ['int32', 'int64'], number: ['float', 'double'],
};

/** The format that is checked; empty where there is none, or none that is known for this type. */
export function formatOf({ type = '', format = '' }: JsonSchema): string {
  if (format === '') return '';
  if (type !== '' && type !== 'string') return numberFormats[type]?.includes(format) === true ? format : '';
  return checks.has(plain(format)) ? format : '';
}

/** Formats of text are the same with and without dashes. */
const plain = (format: string): string => format.replaceAll('-', '');

export function fitsFormat(format: string, text: string): boolean {
  return checks.get(plain(format))?.(text) ?? true;
}

/** A UUID with one digit of its version and one of its variant. */
const uuid = (version: string, variant: string): RegExp =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?${variant}[0-9a-f]{3}-?[0-9a-f]{12}$`, 'i');
const hex = '[0-9a-f]', laterVariant = '[89ab]';

const is = (pattern: RegExp) => (text: string): boolean => pattern.test(text);

/** One label, with a dash at most as its second letter; or several and a last one of letters alone. */
const letter = '[a-zA-Z0-9\\p{S}\\p{L}]', inner = '[a-zA-Z0-9-\\p{S}\\p{L}]';
const hostname = `^(?:${letter}(?:-?${letter}{0,62})?|(?:${letter}(?:${inner}{0,61}${letter})?\\.)+`
  + '[a-zA-Z\\p{L}]{2,63})$';

const isHostname = (text: string): boolean => text.length <= 255 && matches(hostname, text) === true
  && text.split('.').every((label) => label.length <= 63);

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...more] = text.split('/');
  if (more.length > 0 || !/^\d{1,3}$/.test(bits)) return false;
  if (parseIpv4(address) !== null) return Number(bits) <= 32;
  return parseIpv6(address) !== null && Number(bits) <= 128;
}

function isMac(text: string): boolean {
  const pairs =
    /^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}(?:(?:\1[0-9a-f]{2}){2}|(?:\1[0-9a-f]{2}){14})?$/i;
  const quads = /^[0-9a-f]{4}(?:\.[0-9a-f]{4}){2}(?:\.[0-9a-f]{4}|(?:\.[0-9a-f]{4}){7})?$/i;
  return pairs.test(text) || quads.test(text);
}

/** `Name <local@domain>` or `local@domain`. */
function isEmail(text: string): boolean {
  const address = /^[^<>]{0,256}<([^<>]{1,320})>$/.exec(text.trim())?.[1] ?? text.trim();
  return /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9\u00a1-\uffff.-]{1,255}$/.test(address)
    && !/^\.|\.\.|\.@|@[.]|\.$/.test(address);
}

function isUri(text: string): boolean {
  if (/[\x00-\x20\x7f]/.test(text) || /%(?![0-9a-fA-F]{2})/.test(text)) return false;
  return /^[A-Za-z][A-Za-z0-9+.-]*:(?:\/\/[^/?#]*)?\//.test(text) || text.startsWith('/')
    || /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?#]+/.test(text);
}

const digitsOf = (text: string): readonly number[] => [...text.replaceAll(/[\s-]/g, '')].map(Number);

function isIsbn10(text: string): boolean {
  const plainText = text.replaceAll(/[\s-]/g, '');
  if (!/^\d{9}[\dX]$/.test(plainText)) return false;
  const sum = [...plainText].reduce((all, digit, at) =>
    all + (at + 1) * (digit === 'X' ? 10 : Number(digit)), 0);
  return sum % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = digitsOf(text);
  if (digits.length !== 13 || digits.some(Number.isNaN)) return false;
  return digits.reduce((all, digit, at) => all + digit * (at % 2 === 0 ? 1 : 3), 0) % 10 === 0;
}

const cards = new RegExp('^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}'
  + '|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\\d{3})\\d{11})$');

function isCreditCard(text: string): boolean {
  const digits = text.replaceAll(/[^0-9]/g, '');
  if (!cards.test(digits)) return false;
  const sum = [...digits].reverse().map(Number)
    .reduce((all, digit, at) => all + (at % 2 === 0 ? digit : digit > 4 ? digit * 2 - 9 : digit * 2), 0);
  return sum % 10 === 0;
}

/** `1h30m`, `-1.5h`, and as Scala writes them: `22 ns`, `3 days`. */
function isDuration(text: string): boolean {
  const units = 'ns|us|µs|μs|ms|s|m|h';
  const parts = new RegExp(`^[+-]?(?:(?:\\d+(?:\\.\\d*)?|\\.\\d+)(?:${units}))+$`);
  if (text === '0' || parts.test(text)) return true;
  const words = 'ns|nano|nanos|nanosecond|nanoseconds|us|µs|micro|micros|microsecond|microseconds|ms|milli|'
    + 'millis|millisecond|milliseconds|s|sec|secs|second|seconds|m|min|mins|minute|minutes|h|hr|hrs|hour|'
    + 'hours|d|day|days|w|wk|wks|week|weeks';
  return new RegExp(`^\\d+\\s*(?:${words})$`).test(text);
}

function isDate(text: string): boolean {
  const ms = /^\d{4}-\d\d-\d\d$/.test(text) ? parseTime(`${text}T00:00:00Z`) : null;
  // The 30th of February would come out as a day of March.
  return ms !== null && rfc3339(ms).startsWith(text);
}

const isDateTime = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:?\d\d)$/.test(text)
  && isDate(text.slice(0, 10));

const checks: ReadonlyMap<string, (text: string) => boolean> = new Map([
  ['bsonobjectid', is(/^[0-9a-f]{24}$/i)],
  ['uri', isUri],
  ['email', isEmail],
  ['hostname', isHostname],
  ['ipv4', (text: string) => parseIpv4(text) !== null],
  ['ipv6', (text: string) => parseIpv6(text) !== null],
  ['cidr', isCidr],
  ['mac', isMac],
  ['uuid', is(uuid(hex, hex))],
  ['uuid3', is(uuid('3', hex))],
  ['uuid4', is(uuid('4', laterVariant))],
  ['uuid5', is(uuid('5', laterVariant))],
  ['isbn', (text: string) => isIsbn10(text) || isIsbn13(text)],
  ['isbn10', isIsbn10],
  ['isbn13', isIsbn13],
  ['creditcard', isCreditCard],
  ['ssn', is(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/)],
  ['hexcolor', is(/^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/)],
  ['rgbcolor', is(new RegExp(`^rgb\\(${Array.from({ length: 3 }, () =>
    '\\s*(?:0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])\\s*').join(',')}\\)$`))],
  ['byte', (text: string) => text.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(text)],
  ['password', () => true],
  ['date', isDate],
  ['duration', isDuration],
  ['datetime', isDateTime],
  ['k8sshortname', (text: string) => nameError(text, 'label') === null],
  ['k8slongname', (text: string) => nameError(text, 'subdomain') === null],
]);
