// Reviews: what webhooks of admission and of conversion are asked, and the part of their answers that both
// have in common. A review is JSON of a kind and version that both sides know, sent by POST.
//
// Source of facts: k8s.io/apiserver pkg/util/webhook, apiextensions-apiserver pkg/apiserver/conversion.
// What always holds: equal reviews have equal keys, whatever uid they carry.

import type { OutboundResult } from '../../ports.ts';
import { isObject } from '../body.ts';
import type { JsonObject } from '../body.ts';
import { parseJson } from '../json.ts';
import { isProblem } from '../status.ts';
import type { Callout } from './call.ts';
import { statusFailure } from './failure.ts';
import type { Target } from './target.ts';

/** The first version of reviews that both sides know. */
export const reviewVersionOf = (offered: readonly string[]): string | null =>
  offered.find((each) => each === 'v1' || each === 'v1beta1') ?? null;

/** The server is told how long it has. */
export const reviewPath = ({ path }: Pick<Target, 'path'>, timeoutMs: number): string =>
  `${path}?timeout=${timeoutMs / 1_000}s`;

export interface Review {
  readonly kind: string;
  /** Group and version. */
  readonly apiVersion: string;
  readonly uid: string;
  /** The JSON of the other fields of the request. */
  readonly fields: string;
}

export function reviewCall(target: Target, timeoutMs: number, review: Review): Callout {
  const { addresses, serverName, authority, caBundle } = target, { kind, apiVersion, uid, fields } = review;
  const path = reviewPath(target, timeoutMs);
  const head = `{"kind":"${kind}","apiVersion":"${apiVersion}","request":{`;
  return {
    key: `${authority}${path} ${caBundle ?? ''}\n${head}${fields}`, uid, addresses,
    request: {
      method: 'POST', serverName, authority, path, caBundle, timeoutMs,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: `${head}"uid":${JSON.stringify(uid)},${fields}}}`,
    },
  };
}

export type ReviewAnswer =
  | { readonly value: JsonObject }
  /** `status`: the server refused; `text`: what it said is no JSON object. */
  | { readonly wrong: 'status' | 'text'; readonly why: string };

export function readAnswer({ status, body }: Extract<OutboundResult, { ok: true }>): ReviewAnswer {
  const text = new TextDecoder().decode(body), parsed = parseJson(text);
  const value = isProblem(parsed) ? undefined : parsed.value;
  const refused = statusFailure(status, text, value);
  if (refused !== null) return { wrong: 'status', why: refused };
  if (isObject(value)) return { value };
  return {
    wrong: 'text', why: isProblem(parsed) ? parsed.problem.message ?? '' : 'the answer is no object',
  };
}
