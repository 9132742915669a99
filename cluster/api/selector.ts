// Label and field selectors: what a list, a watch, a ReplicaSet or a Service picks its objects by.
//
// Source: Kubernetes, "Labels and Selectors" and "Field Selectors"; the grammar and the wording of errors are
// those of apimachinery's labels and fields packages, for clients show them to people.
// What always holds: parsing never throws, and matching looks at own properties only, so that a label named
// `constructor` is a label like any other.

import { unreachable } from '../assert.ts';
import { labelKeyError, labelValueError } from './names.ts';
import type { LabelSelector } from './types.ts';

export type Labels = Readonly<Record<string, string>>;

export type LabelOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

/** One condition on labels; all conditions of a selector must hold. `=` is In with one value. */
export interface Requirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string };

/** True where every requirement holds. No requirements: everything matches. */
export function matchesRequirements(
  requirements: readonly Requirement[], labels: Labels | undefined,
): boolean {
  for (const requirement of requirements) if (!matchesRequirement(requirement, labels)) return false;
  return true;
}

/**
 * A LabelSelector as objects hold it. An empty selector matches everything; a missing one, nothing.
 * An operator that Kubernetes does not know (validation keeps it out) matches nothing.
 */
export function matchesSelector(
  selector: LabelSelector | undefined | null, labels: Labels | undefined,
): boolean {
  if (selector === undefined || selector === null) return false;
  const own = selector.matchLabels ?? {};
  for (const key of Object.keys(own)) if (labelOf(labels, key) !== own[key]) return false;
  for (const expression of selector.matchExpressions ?? []) {
    const { key, operator, values = [] } = expression;
    if (!matchesRequirement({ key, operator, values }, labels)) return false;
  }
  return true;
}

/** A plain label map (a Service's selector). An empty or missing one matches nothing, as in Kubernetes. */
export function matchesLabels(selector: Labels | undefined, labels: Labels | undefined): boolean {
  const keys = Object.keys(selector ?? {});
  return keys.length > 0 && keys.every((key) => labelOf(labels, key) === selector?.[key]);
}

/** The selector as text that `parseLabelSelector` reads again: `app=web,tier in (a,b),!old`. Keys sorted. */
export function formatSelector(selector: LabelSelector | undefined | null): string {
  const parts: [string, string][] = [];
  const own = selector?.matchLabels ?? {};
  for (const key of Object.keys(own)) parts.push([key, `${key}=${own[key]}`]);
  for (const { key, operator, values = [] } of selector?.matchExpressions ?? []) {
    parts.push([key, formatRequirement({ key, operator, values })]);
  }
  parts.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
  return parts.map(([, text]) => text).join(',');
}

function formatRequirement({ key, operator, values }: Requirement): string {
  const set = `(${[...values].sort().join(',')})`;
  // `key in ()` would read as no values at all; the empty value alone is written with an operator.
  if (set === '()' && values.length === 1) return operator === 'In' ? `${key}=` : `${key}!=`;
  switch (operator) {
    case 'In': return `${key} in ${set}`;
    case 'NotIn': return `${key} notin ${set}`;
    case 'Exists': return key;
    case 'DoesNotExist': return `!${key}`;
    case 'Gt': return `${key}>${values[0] ?? ''}`;
    case 'Lt': return `${key}<${values[0] ?? ''}`;
    default: return unreachable(operator);
  }
}

function labelOf(labels: Labels | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function matchesRequirement({ key, operator, values }: Requirement, labels: Labels | undefined): boolean {
  const label = labelOf(labels, key);
  switch (operator) {
    case 'In': return label !== undefined && values.includes(label);
    case 'NotIn': return label === undefined || !values.includes(label);
    case 'Exists': return label !== undefined;
    case 'DoesNotExist': return label === undefined;
    case 'Gt': return compares(label, values[0], (a, b) => a > b);
    case 'Lt': return compares(label, values[0], (a, b) => a < b);
    // An unknown operator can come out of a stored object that an older version let in: it picks nothing.
    default: return false;
  }
}

function compares(
  label: string | undefined, bound: string | undefined, holds: (a: bigint, b: bigint) => boolean,
): boolean {
  if (label === undefined || bound === undefined || !isInteger(label) || !isInteger(bound)) return false;
  return holds(BigInt(label), BigInt(bound));
}

const isInteger = (text: string): boolean => /^-?[0-9]{1,19}$/.test(text);

// ── the grammar of label selectors ───────────────────────────────────────────────────────────────────────

type TokenKind =
  'identifier' | 'in' | 'notin' | '=' | '==' | '!=' | '!' | '>' | '<' | '(' | ')' | ',' | 'end' | 'error';
interface Token { readonly kind: TokenKind; readonly text: string }

const special = '=!(),><';
const symbols: readonly TokenKind[] = ['=', '==', '!=', '!', '>', '<', '(', ')', ','];
const words: readonly TokenKind[] = ['identifier', 'in', 'notin'];
const operatorNames = 'in, notin, =, ==, !=, gt, lt';

/** Parses `labelSelector`: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`. */
export function parseLabelSelector(text: string): Parsed<readonly Requirement[]> {
  const tokens = lex(text);
  let at = 0;
  const requirements: Requirement[] = [];
  const fail = (message: string): Parsed<never> => ({ ok: false, message });
  const peek = (): Token => tokens[at] ?? { kind: 'end', text: '' };
  const isIdentifier = (token: Token): boolean =>
    token.kind === 'identifier' || token.kind === 'in' || token.kind === 'notin';
  for (;;) {
    const token = peek();
    if (token.kind === 'end') return { ok: true, value: requirements };
    if (!isIdentifier(token) && token.kind !== '!') {
      return fail(`found '${token.text}', expected: !, identifier, or 'end of string'`);
    }
    const parsed = parseRequirement(tokens, at);
    if (!parsed.ok) return fail(`unable to parse requirement: ${parsed.message}`);
    requirements.push(parsed.value.requirement);
    at = parsed.value.next;
    const after = peek();
    if (after.kind === 'end') return { ok: true, value: requirements };
    if (after.kind !== ',') return fail(`found '${after.text}', expected: ',' or 'end of string'`);
    at += 1;
    const next = peek();
    if (!isIdentifier(next) && next.kind !== '!') {
      return fail(`found '${next.text}', expected: identifier after ','`);
    }
  }
}

type Step = Parsed<{ readonly requirement: Requirement; readonly next: number }>;

function parseRequirement(tokens: readonly Token[], from: number): Step {
  let at = from;
  const take = (): Token => tokens[at++] ?? { kind: 'end', text: '' };
  const done = (requirement: Requirement): Step => ({ ok: true, value: { requirement, next: at } });
  const fail = (message: string): Step => ({ ok: false, message });
  let first = take();
  const negated = first.kind === '!';
  if (negated) first = take();
  if (!words.includes(first.kind)) return fail(`found '${first.text}', expected: identifier`);
  const key = first.text;
  const wrong = labelKeyError(key);
  if (wrong !== null) return fail(`<nil>: Invalid value: ${JSON.stringify(key)}: ${wrong}`);
  if (negated) return done({ key, operator: 'DoesNotExist', values: [] });
  const next = tokens[at];
  if (next === undefined || next.kind === 'end' || next.kind === ',') {
    return done({ key, operator: 'Exists', values: [] });
  }
  const operator = take();
  if (operator.kind === 'in' || operator.kind === 'notin') {
    const list = parseValues(tokens, at);
    if (!list.ok) return list;
    at = list.value.next;
    return finish({ key, operator: operator.kind === 'in' ? 'In' : 'NotIn', values: list.value.values }, at);
  }
  if (!['=', '==', '!=', '>', '<'].includes(operator.kind)) {
    return fail(`found '${operator.text}', expected: ${operatorNames}`);
  }
  const value = tokens[at] ?? { kind: 'end', text: '' };
  const empty = value.kind === 'end' || value.kind === ',';
  if (!empty && !words.includes(value.kind)) {
    return fail(`found '${value.text}', expected: identifier`);
  }
  if (!empty) at += 1;
  const kind = operator.kind;
  const meant: LabelOperator = kind === '!=' ? 'NotIn' : kind === '>' ? 'Gt' : kind === '<' ? 'Lt' : 'In';
  return finish({ key, operator: meant, values: [empty ? '' : value.text] }, at);
}

/** Checks the values of a requirement that is complete otherwise. */
function finish(requirement: Requirement, next: number): Step {
  const { key, operator, values } = requirement;
  if (operator === 'Gt' || operator === 'Lt') {
    if (!isInteger(values[0] ?? '')) {
      const shown = JSON.stringify(values[0] ?? '');
      const wrong = "for 'Gt', 'Lt' operators, the value must be an integer";
      return { ok: false, message: `values[0]: Invalid value: ${shown}: ${wrong}` };
    }
    return { ok: true, value: { requirement, next } };
  }
  if (values.length === 0) {
    const wrong = "for 'in', 'notin' operators, values set can't be empty";
    return { ok: false, message: `values: Invalid value: []: ${wrong}` };
  }
  for (const [i, value] of values.entries()) {
    const wrong = labelValueError(value);
    if (wrong !== null) {
      const shown = JSON.stringify(value);
      return { ok: false, message: `values[${i}][${key}]: Invalid value: ${shown}: ${wrong}` };
    }
  }
  return { ok: true, value: { requirement, next } };
}

/** `( a, b )`. An empty place between commas is the empty value. */
function parseValues(tokens: readonly Token[], from: number): Parsed<{ values: string[]; next: number }> {
  let at = from;
  const end: Token = { kind: 'end', text: '' };
  const open = tokens[at++] ?? end;
  if (open.kind !== '(') return { ok: false, message: `found '${open.text}' expected: '('` };
  const values: string[] = [];
  const add = (value: string): void => { if (!values.includes(value)) values.push(value); };
  if ((tokens[at] ?? end).kind === ')') return { ok: true, value: { values, next: at + 1 } };
  for (;;) {
    const token = tokens[at] ?? end;
    if (token.kind === 'identifier' || token.kind === 'in' || token.kind === 'notin') {
      add(token.text);
      at += 1;
    } else if (token.kind === ',' || token.kind === ')') {
      add('');
    } else {
      return { ok: false, message: `found '${token.text}', expected: ',', ')' or identifier` };
    }
    const after = tokens[at++] ?? end;
    if (after.kind === ')') return { ok: true, value: { values, next: at } };
    if (after.kind !== ',') return { ok: false, message: `found '${after.text}', expected: ',' or ')'` };
  }
}

function lex(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const ch = text.charAt(at);
    if (isSpace(ch)) { at += 1; continue; }
    if (!special.includes(ch)) {
      const start = at;
      while (at < text.length && !isSpace(text.charAt(at)) && !special.includes(text.charAt(at))) at += 1;
      const word = text.slice(start, at);
      tokens.push({ kind: word === 'in' || word === 'notin' ? word : 'identifier', text: word });
      continue;
    }
    const two = text.slice(at, at + 2);
    const symbol = symbols.find((s) => s === two) ?? symbols.find((s) => s === ch) ?? 'error';
    tokens.push({ kind: symbol, text: symbol === 'error' ? ch : symbol });
    at += symbol === 'error' ? 1 : symbol.length;
  }
  tokens.push({ kind: 'end', text: '' });
  return tokens;
}

const isSpace = (ch: string): boolean => ch === ' ' || ch === '\t' || ch === '\r' || ch === '\n';

// ── field selectors ──────────────────────────────────────────────────────────────────────────────────────

/** One condition on a field; all must hold. */
export interface FieldTerm { readonly field: string; readonly equal: boolean; readonly value: string }

/** Parses `fieldSelector`: `status.phase=Running,spec.nodeName!=n1`. `\` escapes `,`, `=` and itself. */
export function parseFieldSelector(text: string): Parsed<readonly FieldTerm[]> {
  const terms: FieldTerm[] = [];
  for (const term of splitTerms(text)) {
    if (term === '') continue;
    const split = splitTerm(term);
    if (split === null) {
      return { ok: false, message: `invalid selector: '${text}'; can't understand '${term}'` };
    }
    const value = unescape(split.value);
    if (value === null) {
      const wrong = 'invalid escape sequence or unescaped character in value';
      return { ok: false, message: `invalid field selector: ${wrong}: ${split.value}` };
    }
    terms.push({ ...split, value });
  }
  return { ok: true, value: terms };
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === ',') {
      terms.push(text.slice(start, at));
      start = at + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function splitTerm(term: string): { field: string; equal: boolean; value: string } | null {
  for (let at = 0; at < term.length; at++) {
    const equal = !term.startsWith('!=', at);
    if (equal && term[at] !== '=') continue;
    const width = !equal || term.startsWith('==', at) ? 2 : 1;
    return { field: term.slice(0, at), equal, value: term.slice(at + width) };
  }
  return null;
}

function unescape(text: string): string | null {
  let out = '';
  for (let at = 0; at < text.length; at++) {
    const ch = text.charAt(at);
    if (ch === '=' || ch === ',') return null;
    if (ch !== '\\') { out += ch; continue; }
    const next = text[at + 1];
    if (next !== '\\' && next !== ',' && next !== '=') return null;
    out += next;
    at += 1;
  }
  return out;
}
