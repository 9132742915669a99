// Why a call came to nothing, in the words that Kubernetes' clients (client-go, Go's net/http) have for it.
//
// Source of facts: client-go rest/request.go (transformResponse, newUnstructuredResponseError), apimachinery
// api/errors (NewGenericServerResponse), Go's net/url Error and net OpError.
// What always holds: nothing that the other side says gets into a message longer than a bounded part of it.

import { unreachable } from '../../assert.ts';
import { limits } from '../../limits.ts';
import type { OutboundFailure } from '../../ports.ts';
import { isObject } from '../body.ts';
import type { Json } from '../body.ts';
import type { Target } from './target.ts';

/** `Post "https://a.b.svc:443/path?timeout=10s": …` */
export function failedCall({ authority }: Pick<Target, 'authority'>, method: string, path: string,
  why: string): string {
  const verb = `${method.slice(0, 1)}${method.slice(1).toLowerCase()}`;
  return `${verb} "https://${authority}${path}": ${why}`;
}

export function failureText(failure: OutboundFailure): string {
  const { host, port } = failure.address, at = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  switch (failure.reason) {
    case 'refused': return `dial tcp ${at}: connect: connection refused`;
    case 'unreachable': return `dial tcp ${at}: connect: no route to host`;
    case 'unknown-host': return `dial tcp: lookup ${host}: no such host`;
    case 'untrusted': return `tls: failed to verify certificate: x509: ${failure.detail}`;
    case 'timeout': return 'context deadline exceeded';
    case 'too-large': return `the answer is larger than ${limits.calloutAnswerBytesMax} bytes`;
    case 'broken': return failure.detail === '' ? 'EOF' : failure.detail;
    default: return unreachable(failure.reason);
  }
}

/** Why an answer of this status is no answer; null: it is one. */
export function statusFailure(status: number, text: string, body: Json | undefined): string | null {
  if (status >= 200 && status < 300) return null;
  const said = isObject(body) && body['kind'] === 'Status' ? body['message'] : undefined;
  if (typeof said === 'string' && said !== '') return said.slice(0, limits.calloutMessageCharsMax);
  switch (status) {
    case 400: return 'the server rejected our request for an unknown reason';
    case 401: return 'the server has asked for the client to provide credentials';
    case 403: return text.trim() === '' ? 'forbidden' : shown(text);
    case 404: return 'the server could not find the requested resource';
    case 405: return 'the server does not allow this method on the requested resource';
    case 409: return 'the server reported a conflict';
    case 415:
      return 'the body of the request was in an unknown format - accepted media types include: '
        + shown(text);
    case 422: return 'the server rejected our request due to an error in our request';
    case 429: return 'the server has received too many requests and has asked us to try again later';
    case 503: return 'the server is currently unable to handle the request';
    case 504:
      return 'the server was unable to return a response in the time allotted, but may still be '
        + 'processing the request';
    default:
      return status >= 500
        ? `an error on the server (${JSON.stringify(shown(text) || 'unknown')}) has prevented the request `
          + 'from succeeding'
        : `the server responded with the status code ${status} but did not return more information`;
  }
}

const shown = (text: string): string => text.trim().slice(0, limits.calloutMessageCharsMax);
