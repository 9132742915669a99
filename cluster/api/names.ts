// The rules for names, label keys and label values, with the words in which Kubernetes refuses them.
// Source: apimachinery util/validation. Each function gives null for what is right, else what is wrong.

const labelPart = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const label1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedPart = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const labelValue = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;

export type NameRule = 'subdomain' | 'label' | 'label-1035' | 'path-segment';

const alphanumeric = 'an alphanumeric character';
const subdomainWords = 'a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '
  + `'-' or '.', and must start and end with ${alphanumeric} (e.g. 'example.com', regex used for `
  + "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const labelWords = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
  + `and must start and end with ${alphanumeric} (e.g. 'my-name',  or '123-abc', regex used for validation `
  + "is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const label1035Words = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start "
  + `with an alphabetic character, and end with ${alphanumeric} (e.g. 'my-name',  or 'abc-123', regex used `
  + "for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const qualifiedRule = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with `
  + `${alphanumeric} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is `
  + "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const valueWords = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
  + `'.', and must start and end with ${alphanumeric} (e.g. 'MyValue',  or 'my_value',  or '12345', regex `
  + "used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

/** What is wrong with an object's name, or null. `prefix`: a generateName, to which a suffix comes. */
export function nameError(name: string, rule: NameRule, prefix = false): string | null {
  // A prefix may end in a dash, for letters follow it.
  const text = prefix && name.endsWith('-') ? `${name.slice(0, -1)}a` : name;
  switch (rule) {
    case 'subdomain': return within(text, 253, subdomain, subdomainWords);
    case 'label': return within(text, 63, labelPart, labelWords);
    case 'label-1035': return within(text, 63, label1035, label1035Words);
    case 'path-segment': return pathSegmentError(text);
  }
}

function pathSegmentError(text: string): string | null {
  if (text === '.' || text === '..') return `may not be '${text}'`;
  if (text.includes('/')) return "may not contain '/'";
  if (text.includes('%')) return "may not contain '%'";
  // etcd takes names of any length; here a name is a part of the state's key, so it is bounded.
  return text.length > 253 ? tooLong(253) : null;
}

function within(text: string, max: number, pattern: RegExp, words: string): string | null {
  if (text.length > max) return tooLong(max);
  return pattern.test(text) ? null : words;
}

const tooLong = (max: number): string => `must be no more than ${max} characters`;

/** A label key, an annotation key or a finalizer: `[DNS subdomain/]name`. */
export function labelKeyError(key: string): string | null {
  const parts = key.split('/');
  if (parts.length > 2) {
    return `a qualified name ${qualifiedRule} with an optional DNS subdomain prefix and '/' (e.g. `
      + "'example.com/MyName')";
  }
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') return 'prefix part must be non-empty';
    const wrong = nameError(prefix, 'subdomain');
    if (wrong !== null) return `prefix part ${wrong}`;
  }
  const name = parts[parts.length - 1] ?? '';
  if (name === '') return 'name part must be non-empty';
  if (name.length > 63) return `name part ${tooLong(63)}`;
  return qualifiedPart.test(name) ? null : `name part ${qualifiedRule}`;
}

export function labelValueError(value: string): string | null {
  if (value.length > 63) return tooLong(63);
  return labelValue.test(value) ? null : valueWords;
}

/** As Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols, and the space. */
export const isPrintable = (character: string): boolean =>
  /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character);
