// Webhooks for transcripts: each path of a server answers as the transcript says, and what it was asked is
// written down.
//
//     answers /mutate            what it says, in YAML; with a `patch`, as JSON, it becomes the base64 of one
//     answers /slow fail=timeout it is not heard
//     answers /odd status=500    an answer of this status, with the input as its body
//     converts /convert          as that of the conformance test: `hostPort` of v1, `host` and `port` of v2;
//                                with `fail=TEXT` it says so, with `drop=FIELD` of the metadata it lacks

import { parse } from 'yaml';
import type { Callout } from '../../cluster/api/callout/call.ts';
import type { OutboundFailure, OutboundResult } from '../../cluster/ports.ts';
import type { TranscriptCommand } from '../transcript.ts';

export interface Answering {
  set(command: TranscriptCommand): string;
  outbound(call: Callout): OutboundResult;
  /** What was asked since this was read last, a line each. */
  asked(): string;
}

interface Review {
  readonly kind: string; readonly apiVersion: string;
  readonly request: {
    readonly uid: string; readonly operation: string; readonly name?: string; readonly namespace?: string;
    readonly kind: { readonly kind: string; readonly version: string }; readonly subResource?: string;
    readonly requestKind: { readonly version: string }; readonly dryRun: boolean;
    readonly object: { readonly metadata?: { readonly labels?: object } } | null;
    readonly oldObject: object | null;
  };
}

interface Custom {
  readonly apiVersion: string; readonly metadata: { readonly name: string };
  readonly hostPort?: string; readonly host?: string; readonly port?: string;
}

interface ConversionReview {
  readonly kind: string; readonly apiVersion: string;
  readonly request: { readonly uid: string; readonly desiredAPIVersion: string;
    readonly objects: readonly Custom[] };
}

function toFirst({ host, port, ...rest }: Custom): Custom {
  return host === undefined ? rest : { ...rest, hostPort: `${host}:${port}` };
}

function toSecond({ hostPort, ...rest }: Custom): Custom {
  const [host = '', port = ''] = (hostPort ?? '').split(':');
  return hostPort === undefined ? rest : { ...rest, host, port };
}

export function createAnswering(): Answering {
  const paths = new Map<string, TranscriptCommand>();
  let lines: string[] = [];

  function said({ request: { path, authority } }: Callout, review: Review): void {
    const { operation, name = '?', namespace = '', kind, ...rest } = review.request;
    const { subResource = '', dryRun } = rest;
    const below = subResource === '' ? '' : `/${subResource}`;
    const place = namespace === '' ? '' : `${namespace}/`;
    const as = rest.requestKind.version === kind.version ? '' : ` (asked as ${rest.requestKind.version})`;
    const has = `${rest.object === null ? '' : ' object'}${rest.oldObject === null ? '' : ' oldObject'}`;
    const labels = rest.object?.metadata?.labels, shown = labels === undefined ? ''
      : ` ${JSON.stringify(labels)}`;
    lines.push(`→ ${authority}${path} ${operation} ${kind.version} ${kind.kind}${below} ${place}${name}${as}:`
      + `${has}${shown}${dryRun ? ' dry run' : ''}`);
  }

  function converting({ request: { path, authority, body } }: Callout): OutboundResult {
    const { kind, apiVersion, request: { uid, desiredAPIVersion, objects } } =
      JSON.parse(String(body)) as ConversionReview;
    lines.push(`→ ${authority}${path} ${objects.map(({ metadata, apiVersion: from }) =>
      `${metadata.name} ${from.slice(from.indexOf('/') + 1)}`).join(', ')} to ${desiredAPIVersion}`);
    const { options = {} } = paths.get(path.replace(/\?.*/, '')) ?? {}, { fail, drop } = options;
    const convertedObjects = objects.map((each) => {
      const made = structuredClone(desiredAPIVersion.endsWith('/v1') ? toFirst(each) : toSecond(each));
      if (drop !== undefined) delete (made.metadata as Record<string, unknown>)[drop];
      return { ...made, apiVersion: desiredAPIVersion };
    });
    const result = fail === undefined ? { status: 'Success' }
      : { status: 'Failure', message: fail.replaceAll('_', ' ') };
    return {
      ok: true, status: 200, headers: {}, body: new TextEncoder().encode(JSON.stringify(
        { kind, apiVersion, response: { uid, result, convertedObjects } })),
    };
  }

  return {
    set(command) {
      paths.set(command.words[0] ?? '', command);
      return 'ready';
    },
    outbound(call) {
      const [address = { host: '', port: 0 }] = call.addresses, { path, body } = call.request;
      if (path.includes('convert')) return converting(call);
      const review = JSON.parse(String(body)) as Review, command = paths.get(path.replace(/\?.*/, ''));
      const failed = (reason: OutboundFailure['reason'], detail = ''): OutboundResult =>
        ({ ok: false, failure: { reason, address, detail } });
      said(call, review);
      if (command === undefined) return failed('refused');
      const { options, input } = command, { fail, status = '200' } = options;
      if (fail !== undefined) {
        return failed(fail as OutboundFailure['reason'],
          fail === 'untrusted' ? 'certificate signed by unknown authority' : '');
      }
      const answer = (text: string): OutboundResult => ({
        ok: true, status: Number(status), headers: { 'content-type': 'application/json' },
        body: new TextEncoder().encode(text),
      });
      if (options['raw'] !== undefined || status !== '200') return answer(input);
      const given = parse(input) as { patch?: unknown };
      const patch = given.patch === undefined ? {} : {
        patch: Buffer.from(typeof given.patch === 'string' ? given.patch : JSON.stringify(given.patch))
          .toString('base64'),
        patchType: 'JSONPatch',
      };
      const { kind, apiVersion } = review;
      return answer(JSON.stringify({ kind, apiVersion, response: { uid: review.request.uid, ...given,
        ...patch } }));
    },
    asked() {
      const text = lines.map((line) => `${line}\n`).join('');
      lines = [];
      return text;
    },
  };
}
