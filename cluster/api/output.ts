// How an answer looks: as the object, as a Table, as metadata alone; in JSON or YAML, by what the client
// accepts.
//
// What always holds: an object is turned into JSON once for all who ask for it, as objects never change; a
// list is the concatenation of those texts.
// Source: Kubernetes API Concepts, "Receiving resources as Tables", "Resource metadata fetches", "Warnings".

import { stringify } from 'yaml';
import { limits } from '../limits.ts';
import { unreachable } from '../assert.ts';
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

const texts = new WeakMap<object, string>();

/** The object's JSON, made once and kept: for what many ask for, lists and watches. */
export function jsonOf(object: object): string {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const text = JSON.stringify(object);
  texts.set(object, text);
  return text;
}

/** The object's JSON, not kept: for what one client asks for. Whatever is kept costs garbage collection. */
export function jsonOnce(object: object): string { return texts.get(object) ?? JSON.stringify(object); }

export interface ListMeta {
  /** Of what is stored. */
  readonly resourceVersion?: string;
  readonly continue?: string;
  readonly remainingItemCount?: number;
}

type Columns = Pick<Resource, 'columns' | 'rowOrder'>;

export function objectText(object: KubeObject, resource: Columns, form: Form, nowWallMs: number): string {
  switch (form.as) {
    case 'object': return jsonOf(object);
    case 'PartialObjectMetadata': return partialText(object);
    case 'Table': {
      const { resourceVersion } = object.metadata;
      return tableText([object], resource, form, { resourceVersion }, nowWallMs);
    }
    default: return unreachable(form.as);
  }
}

export function listText(
  objects: readonly KubeObject[], resource: Resource, form: Form, meta: ListMeta, nowWallMs: number,
): string {
  if (form.as === 'Table') return tableText(objects, resource, form, meta, nowWallMs);
  const partial = form.as === 'PartialObjectMetadata';
  const head = partial ? '"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1"'
    : `"kind":"${resource.listKind ?? `${resource.kind}List`}","apiVersion":"${apiVersionOf(resource)}"`;
  const items = objects.map((object) => partial ? partialText(object) : jsonOf(object));
  return `{${head},"metadata":${JSON.stringify(meta)},"items":[${items.join(',')}]}`;
}

export const apiVersionOf = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? version : `${group}/${version}`;

function partialText(object: KubeObject): string {
  const metadata = jsonOf(object.metadata);
  return `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":${metadata}}`;
}

function tableText(
  objects: readonly KubeObject[], resource: Columns, form: Form, meta: ListMeta, nowWallMs: number,
): string {
  const { rowOrder } = resource, sorted = rowOrder === undefined ? objects : objects.toSorted(rowOrder);
  const rows = sorted.map((object) => {
    const cells = JSON.stringify(resource.columns.map((column) => column.value(object, nowWallMs)));
    if (form.include === 'None') return `{"cells":${cells}}`;
    return `{"cells":${cells},"object":${form.include === 'Object' ? jsonOf(object) : partialText(object)}}`;
  });
  return `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":${JSON.stringify(meta)},`
    + `"columnDefinitions":${columnsText(resource)},"rows":[${rows.join(',')}]}`;
}

/** Made once per kind: the list of columns never changes. */
function columnsText({ columns }: Columns): string {
  const known = texts.get(columns);
  if (known !== undefined) return known;
  const shown = columns.map(({ name, type, format, description, priority }) =>
    ({ name, type, format, description, priority }));
  const text = JSON.stringify(shown);
  texts.set(columns, text);
  return text;
}

// ── responses ────────────────────────────────────────────────────────────────────────────────────────────

/** `warnings` go into a Warning header, as kubectl prints them. */
export function respond(
  status: number, json: string, form: Form, warnings: readonly string[] = [],
): ApiResponse {
  const warning = warnings.slice(0, limits.warningsMax).map(warningText).join(', ');
  return {
    status, body: encoded(json, form),
    headers: {
      'content-type': form.encoding === 'yaml' ? 'application/yaml' : 'application/json',
      'cache-control': 'no-cache, private', ...warning === '' ? {} : { warning },
    },
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

/** Code 299: miscellaneous, and to be shown to people. A header holds plain ASCII. */
export function warningText(text: string): string {
  const cut = text.slice(0, limits.warningCharsMax).replace(/[^\x20-\x7e]/g, '?');
  return `299 - "${cut.replace(/["\\]/g, '\\$&')}"`;
}
