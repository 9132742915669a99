// How an answer looks: as the object, as a Table, as metadata alone; in JSON or YAML, by what the client accepts.
//
// What always holds: an object is turned into JSON once for all who ask for it, as objects never change; a list is
// the concatenation of those texts.

import { stringify } from 'yaml';
import { limits } from '../limits.ts';
import { notAcceptable } from './status.ts';
import type { Problem } from './status.ts';
import type { Query } from './query.ts';
import type { ApiResponse } from './request.ts';
import type { Resource } from './resource.ts';
import type { KubeObject, Status } from './types.ts';

export interface Form {
  readonly as: 'object' | 'Table' | 'PartialObjectMetadata';
  readonly encoding: 'json' | 'yaml';
  /** For Table: what the rows carry of their objects. */
  readonly include: 'Metadata' | 'Object' | 'None';
}

const offered = 'application/json, application/yaml';

/** The best form of those accepted, in the client's order of preference. */
export function negotiate(accept: string | undefined, query: Query): Form | Problem {
  const wanted = query.get('includeObject');
  const include = wanted === 'Object' || wanted === 'None' ? wanted : 'Metadata';
  const ranges = ranked(accept === undefined || accept.trim() === '' ? '*/*' : accept);
  for (const { type, parameters } of ranges) {
    const encoding = encodingOf(type);
    if (encoding === null) continue;
    const as = parameters.get('as');
    if (as === undefined) return { as: 'object', encoding, include };
    const single = as.replace(/List$/, '');
    const known = parameters.get('g') === 'meta.k8s.io' && (parameters.get('v') === 'v1' || parameters.get('v') === 'v1beta1');
    if (known && (single === 'Table' || single === 'PartialObjectMetadata')) return { as: single, encoding, include };
  }
  return notAcceptable(offered);
}

export interface MediaRange { readonly type: string; readonly parameters: ReadonlyMap<string, string>; readonly q: number }

export function ranked(accept: string): MediaRange[] {
  const ranges = accept.split(',').slice(0, 32).map((part): MediaRange => {
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

function encodingOf(type: string): 'json' | 'yaml' | null {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  return type === 'application/yaml' ? 'yaml' : null;
}

// ── texts ────────────────────────────────────────────────────────────────────────────────────────────────

const texts = new WeakMap<object, string>();

/** The object's JSON, made once. */
export function jsonOf(object: object): string {
  let text = texts.get(object);
  if (text === undefined) texts.set(object, text = JSON.stringify(object));
  return text;
}

export interface ListMeta { readonly resourceVersion: string; readonly continue?: string; readonly remainingItemCount?: number }

export function objectText(object: KubeObject, resource: Resource, form: Form, nowWallMs: number): string {
  switch (form.as) {
    case 'object': return jsonOf(object);
    case 'PartialObjectMetadata': return partialText(object);
    case 'Table': return tableText([object], resource, form, { resourceVersion: object.metadata.resourceVersion }, nowWallMs);
  }
}

export function listText(objects: readonly KubeObject[], resource: Resource, form: Form, meta: ListMeta, nowWallMs: number): string {
  if (form.as === 'Table') return tableText(objects, resource, form, meta, nowWallMs);
  const partial = form.as === 'PartialObjectMetadata';
  const head = partial ? '"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1"'
    : `"kind":"${resource.kind}List","apiVersion":"${apiVersionOf(resource)}"`;
  const items = objects.map((object) => partial ? partialText(object) : jsonOf(object));
  return `{${head},"metadata":${JSON.stringify(meta)},"items":[${items.join(',')}]}`;
}

export const apiVersionOf = ({ group, version }: Resource): string => group === '' ? version : `${group}/${version}`;

function partialText(object: KubeObject): string {
  return `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":${jsonOf(object.metadata)}}`;
}

function tableText(objects: readonly KubeObject[], resource: Resource, form: Form, meta: ListMeta, nowWallMs: number): string {
  const columns = resource.columns.map(({ name, type, format, description, priority }) => ({ name, type, format, description, priority }));
  const rows = objects.map((object) => {
    const cells = resource.columns.map((column) => column.value(object, nowWallMs));
    const carried = form.include === 'Object' ? jsonOf(object) : partialText(object);
    return `{"cells":${JSON.stringify(cells)}${form.include === 'None' ? '' : `,"object":${carried}`}}`;
  });
  return `{"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":${JSON.stringify(meta)},`
    + `"columnDefinitions":${JSON.stringify(columns)},"rows":[${rows.join(',')}]}`;
}

// ── responses ────────────────────────────────────────────────────────────────────────────────────────────

/** `warnings` go into Warning headers, as kubectl prints them. */
export function respond(status: number, json: string, encoding: Form['encoding'], warnings: readonly string[] = []): ApiResponse {
  const type = encoding === 'yaml' ? 'application/yaml' : 'application/json';
  const warning = warnings.slice(0, limits.warningsMax).map((text) => `299 - "${text.replace(/["\\]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?')}"`);
  return {
    status, body: encoding === 'yaml' ? stringify(JSON.parse(json)) : `${json}\n`,
    headers: {
      'content-type': type, 'cache-control': 'no-cache, private',
      ...warning.length === 0 ? {} : { warning: warning.join(', ') },
    },
  };
}

export function respondStatus(status: Status, code: number, encoding: Form['encoding']): ApiResponse {
  return respond(code, JSON.stringify(status), encoding);
}
