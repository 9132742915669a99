// How an answer looks: as the object, as a Table, as metadata alone; in JSON or YAML, by what the client
// accepts.
//
// What always holds: an object is turned into JSON once for all who ask for it (`encoded.ts`), as objects
// never change. Lists are in `listing.ts`.
// Source: Kubernetes API Concepts, "Receiving resources as Tables", "Resource metadata fetches", "Warnings".

import { stringify } from 'yaml';
import { limits } from '../limits.ts';
import { unreachable } from '../assert.ts';
import { jsonOf, jsonOnce } from './encoded.ts';
import { flag } from './query.ts';
import type { Query } from './query.ts';
import type { ApiResponse } from './request.ts';
import type { Resource } from './resource.ts';
import { notAcceptable } from './status.ts';
import type { Problem } from './status.ts';
import type { KubeObject } from './types.ts';

export interface Form {
  readonly as: 'object' | 'Table' | 'PartialObjectMetadata';
  readonly encoding: 'json' | 'yaml';
  /** For Table: what the rows carry of their objects. */
  readonly include: 'Metadata' | 'Object' | 'None';
  /** Indented, for people. */
  readonly pretty: boolean;
}

export const plainJson: Form = { as: 'object', encoding: 'json', include: 'Metadata', pretty: false };

const offered = 'application/json, application/yaml';

/** The best form of those accepted, in the client's order of preference; a Table only where there is one. */
export function negotiate(accept: string | undefined, query: Query, tables = true): Form | Problem {
  const wanted = query.get('includeObject');
  const include = wanted === 'Object' || wanted === 'None' ? wanted : 'Metadata';
  const pretty = flag(query, 'pretty');
  for (const { type, parameters } of ranked(accept)) {
    const encoding = encodingOf(type);
    if (encoding === null) continue;
    const as = parameters.get('as');
    if (as === undefined) return { as: 'object', encoding, include, pretty };
    const single = as.replace(/List$/, ''), version = parameters.get('v');
    if (parameters.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) continue;
    if (single !== 'Table' && single !== 'PartialObjectMetadata') continue;
    if (single === 'Table' && !tables) continue;
    return { as: single, encoding, include, pretty };
  }
  return notAcceptable(offered);
}

export interface MediaRange {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly q: number;
}

/** The media ranges of an Accept header, best first; equal ones in the order of the header. */
export function ranked(accept: string | undefined): MediaRange[] {
  const text = accept === undefined || accept.trim() === '' ? '*/*' : accept;
  const ranges = text.split(',').slice(0, limits.mediaRangesMax).map((part): MediaRange => {
    const [type = '', ...rest] = part.split(';').map((each) => each.trim());
    const parameters = new Map(rest.map((each) => {
      const cut = each.indexOf('=');
      return cut < 0 ? [each, ''] as const : [each.slice(0, cut), each.slice(cut + 1)] as const;
    }));
    const q = Number(parameters.get('q') ?? 1);
    return { type: type.toLowerCase(), parameters, q: Number.isNaN(q) ? 0 : q };
  });
  return ranges.filter(({ q }) => q > 0).sort((a, b) => b.q - a.q);
}

/** Whether the range of the header covers JSON. */
export const coversJson = (type: string): boolean =>
  type === 'application/json' || type === '*/*' || type === 'application/*';

function encodingOf(type: string): 'json' | 'yaml' | null {
  if (coversJson(type)) return 'json';
  return type === 'application/yaml' ? 'yaml' : null;
}

// ── texts ────────────────────────────────────────────────────────────────────────────────────────────────

export interface ListMeta {
  /** Of what is stored. */
  readonly resourceVersion?: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

type Columns = Pick<Resource, 'columns'>;

/** `lasts`: the state holds this very object, so that its JSON is worth keeping. */
export function objectText(
  object: KubeObject, resource: Columns, form: Form, nowWallMs: number, lasts = false,
): string {
  switch (form.as) {
    case 'object': return lasts ? jsonOf(object) : jsonOnce(object);
    case 'PartialObjectMetadata': return partialText(object);
    case 'Table': {
      const { resourceVersion } = object.metadata, row = rowText(object, resource, form, nowWallMs);
      const head = JSON.stringify({ ...tableKind, metadata: { resourceVersion } }).slice(0, -1);
      return `${head},"columnDefinitions":${columnsText(resource)},"rows":[${row}]}`;
    }
    default: return unreachable(form.as);
  }
}

export const apiVersionOf = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? version : `${group}/${version}`;

export const tableKind = { kind: 'Table', apiVersion: 'meta.k8s.io/v1' } as const;

export function partialText({ metadata }: KubeObject): string {
  const text = JSON.stringify(metadata);
  return `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":${text}}`;
}

/** An object as a row of a Table. */
export function rowText(object: KubeObject, { columns }: Columns, form: Form, nowWallMs: number): string {
  const cells = JSON.stringify(columns.map((column) => column.value(object, nowWallMs)));
  if (form.include === 'None') return `{"cells":${cells}}`;
  return `{"cells":${cells},"object":${form.include === 'Object' ? jsonOnce(object) : partialText(object)}}`;
}

const columnTexts = new WeakMap<object, string>();

/** Made once per kind: the list of columns never changes. */
export function columnsText({ columns }: Columns): string {
  const known = columnTexts.get(columns);
  if (known !== undefined) return known;
  const text = JSON.stringify(columns.map(({ name, type, format, description, priority }) =>
    ({ name, type, format, description, priority })));
  columnTexts.set(columns, text);
  return text;
}

// ── responses ────────────────────────────────────────────────────────────────────────────────────────────

/** `warnings` go into a Warning header, as kubectl prints them. */
export function respond(
  status: number, json: string, form: Form, warnings: readonly string[] = [],
): ApiResponse {
  return { status, body: encoded(json, form), headers: headersOf(form, warnings) };
}

export function headersOf(form: Form, warnings: readonly string[] = []): ApiResponse['headers'] {
  const warning = warnings.slice(0, limits.warningsMax).map(warningText).join(', ');
  return {
    'content-type': form.encoding === 'yaml' ? 'application/yaml' : 'application/json',
    'cache-control': 'no-cache, private', ...warning === '' ? {} : { warning },
  };
}

function encoded(json: string, form: Form): string {
  if (form.encoding === 'yaml') return stringify(JSON.parse(json), { aliasDuplicateObjects: false });
  return form.pretty ? `${JSON.stringify(JSON.parse(json), null, 2)}\n` : `${json}\n`;
}

/** The JSON response in this form instead. */
export function inForm(response: ApiResponse, form: Form): ApiResponse {
  if (form.encoding !== 'yaml' || response.headers['content-type'] !== 'application/json') return response;
  const headers = { ...response.headers, 'content-type': 'application/yaml' };
  return { ...response, headers, body: encoded(response.body, form) };
}

/** With warnings before those that it has. */
export function warnedResponse(response: ApiResponse, warnings: readonly string[]): ApiResponse {
  if (warnings.length === 0) return response;
  const { headers } = response, others = headers['warning'];
  const own = warnings.slice(0, limits.warningsMax).map(warningText).join(', ');
  return { ...response, headers: { ...headers, warning: others === undefined ? own : `${own}, ${others}` } };
}

/** Code 299: miscellaneous, and to be shown to people. A header holds plain ASCII. */
export function warningText(text: string): string {
  const cut = text.slice(0, limits.warningCharsMax).replace(/[^\x20-\x7e]/g, '?');
  return `299 - "${cut.replace(/["\\]/g, '\\$&')}"`;
}
