// Named formats: `format.dns1123Label().validate(name)` gives none where the name is right, and else why not.
//
// Source of facts: k8s.io/apiserver pkg/cel/library/format.go and apimachinery's validation, kube-openapi's
// strfmt for uuid, byte, date and datetime.

import { decodeBase64 } from '../../resources/base64.ts';
import { labelKeyError, labelValueError, nameError } from '../../names.ts';
import { global, method, sizeOf } from '../functions.ts';
import type { Cost, Overload } from '../functions.ts';
import { parseTimestamp } from '../time.ts';
import { List, Opaque, Optional } from '../values.ts';
import { readUrl } from './net.ts';
import type { Value } from '../values.ts';
import { Fault } from '../values.ts';

type Validate = (text: string) => readonly string[];

const none = new Optional(undefined);
const said = (message: string | null): readonly string[] => message === null ? [] : [message];

/** A name that `generateName` may be: it may end in a dash, for something follows. */
const prefixed = (rule: 'label' | 'subdomain' | 'label-1035'): Validate => (text) =>
  said(nameError(text.length > 1 && text.endsWith('-') ? `${text.slice(0, -2)}a` : text, rule));

const isDate = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) && parseTimestamp(`${text}T00:00:00Z`) !== null;

const formats: Readonly<Record<string, Validate>> = {
  dns1123Label: (text) => said(nameError(text, 'label')),
  dns1123Subdomain: (text) => said(nameError(text, 'subdomain')),
  dns1035Label: (text) => said(nameError(text, 'label-1035')),
  qualifiedName: (text) => said(labelKeyError(text)),
  dns1123LabelPrefix: prefixed('label'),
  dns1123SubdomainPrefix: prefixed('subdomain'),
  dns1035LabelPrefix: prefixed('label-1035'),
  labelValue: (text) => said(labelValueError(text)),
  uri: (text) => {
    const found = readUrl(text);
    return found instanceof Fault
      ? [found.message.replace('URL parse error during conversion from string: ', '')] : [];
  },
  uuid: (text) => /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i.test(text) ? []
    : ['does not match the UUID format'],
  byte: (text) => decodeBase64(text) === null ? ['invalid base64'] : [],
  date: (text) => isDate(text) ? [] : ['invalid date'],
  datetime: (text) => parseTimestamp(text) === null ? ['invalid datetime'] : [],
};

/** How long the pattern of a format is taken to be, where it is not 30 characters. */
const patternSizes: Readonly<Record<string, number>> = {
  dns1123Subdomain: 60, dns1123SubdomainPrefix: 60, qualifiedName: 60, labelValue: 40, uri: 1_100, uuid: 72,
  byte: 80, date: 140, datetime: 140,
};

const ofFormat: Cost = ([of, text]) =>
  Math.ceil(sizeOf(text) * 0.1) * Math.ceil((patternSizes[(of as Opaque).text] ?? 30) * 0.25);

const format = (name: string): Opaque => new Opaque('kubernetes.NamedFormat', formats[name], name);

function validate(of: Opaque, text: string): Value {
  const messages = (of.data as Validate)(text);
  return messages.length === 0 ? none : new Optional(new List(messages));
}

export const formatFunctions: readonly Overload[] = [
  ...Object.keys(formats).map(
    (name) => global(`format.${name}() kubernetes.NamedFormat`, () => format(name))),
  global('format.named(string) optional(kubernetes.NamedFormat)', (name: string) =>
    Object.hasOwn(formats, name) ? new Optional(format(name)) : none),
  method('kubernetes.NamedFormat.validate(string) optional(list(string))', validate, ofFormat),
];
