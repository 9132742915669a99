// The API server as a function: transcripts of requests and what a client sees of the answers.
//
//     POST /api/v1/namespaces/default/configmaps?dryRun=All      content-type=…, accept=… as options
//     the body, if any; YAML where nothing else is said
//     ----
//     201 ConfigMap default/a @3         `show=spec.replicas,status` adds these fields, `show=all` all,
//                                        `show=owners` who owns which fields
//
// Between requests: `write KEY` somebody else touches the object, `race KEY` does so while the next one is
// under way, `restart` goes on from a snapshot, `wait ms=N` lets time pass, `unready REASON`,
// `settle` lets the controller of CustomResourceDefinitions work, `settle quotas` that of ResourceQuotas,
// `usage` says what nodes use by their peers, `answers` how a webhook answers
// (`answering.ts`); `→` is what one was asked.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, stringify } from 'yaml';
import { pathText } from '../../cluster/api/apply/elements.ts';
import { pathsOf } from '../../cluster/api/apply/fields.ts';
import type { Managed } from '../../cluster/api/apply/managers.ts';
import type { ApiResponse, LogsRequest, StreamsRequest } from '../../cluster/api/request.ts';
import type { NodeUsage } from '../../cluster/usage.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';
import { createAnswering } from './answering.ts';
import { createApiWorld, disturb, sent } from './api-world.ts';
import type { ApiWorld, OpenWatch } from './api-world.ts';
import { settle } from './custom-world.ts';
import type { ControllerDefinition } from '../../actors/controllers/controller.ts';
import { quotaController } from '../../actors/controllers/quota.ts';

const controllers: Readonly<Record<string, ControllerDefinition>> = { quotas: quotaController };

interface Shown {
  readonly kind?: string; readonly apiVersion?: string; readonly reason?: string; readonly message?: string;
  readonly status?: unknown; readonly code?: number;
  readonly details?: { readonly causes?: readonly { reason: string; message: string; field?: string }[] };
  readonly metadata?: {
    readonly name?: string; readonly namespace?: string; readonly resourceVersion?: string;
    readonly continue?: string; readonly remainingItemCount?: number;
    readonly managedFields?: readonly Managed[];
  };
  readonly items?: readonly Shown[];
  readonly columnDefinitions?: readonly { readonly name: string; readonly priority: number }[];
  readonly rows?: readonly { readonly cells: readonly unknown[]; readonly object?: Shown }[];
}

const mediaTypes: Readonly<Record<string, string>> = {
  json: 'application/json', yaml: 'application/yaml', apply: 'application/apply-patch+yaml',
  'json-patch': 'application/json-patch+json', merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json', table: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  partial: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  partials: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io',
  protobuf: 'application/vnd.kubernetes.protobuf',
};

function session(): (command: TranscriptCommand) => string {
  const world = createApiWorld(), open = new Map<string, OpenWatch>(), others = createAnswering();
  world.outbound = (call) => others.outbound(call);
  world.ask({
    method: 'POST', path: '/api/v1/namespaces', headers: { 'content-type': 'application/json' },
    body: bytes('{"metadata":{"name":"default"}}'),
  });
  let token = '';
  return (command) => {
    const { name, words, options } = command;
    switch (name) {
      case 'write': disturb(world, words[0] ?? ''); return `@${world.state().revision}`;
      case 'race': world.beforeNext = () => disturb(world, words[0] ?? ''); return 'ready';
      case 'restart': world.restore(); return `@${world.state().revision}`;
      case 'wait': world.nowWallMs += Number(options['ms']); return new Date(world.nowWallMs).toISOString();
      case 'answers': case 'converts': return others.set(command);
      case 'settle': return `${settle(world, controllers[words[0] ?? ''])} changes`;
      case 'usage': {
        world.usage = new Map(Object.entries(parse(command.input) as Record<string, NodeUsage>));
        return `of ${[...world.usage.keys()].join(', ')}`;
      }
      case 'unready': world.notReady = words.join(' '); return world.notReady === '' ? 'ready' : 'not ready';
      case 'watched': {
        const text = [...open].map(([id, one]) => events(id, sent(world, one))).join('');
        return `${others.asked()}${text}` || 'nothing';
      }
      default: {
        const answer = request(world, command, token, open), text = `${others.asked()}${answer}`;
        token = /continue=(\S+)/.exec(text)?.[1] ?? token;
        return text.replace(/continue=\S+/, 'continue').replaceAll(/hash=[0-9A-F]{32}/g, 'hash=…');
      }
    }
  };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function request(
  world: ApiWorld, { name, words, options, input }: TranscriptCommand, token: string,
  open: Map<string, OpenWatch>,
): string {
  const [target = '', ...rest] = targetOf(words, options), cut = target.indexOf('?');
  assert.equal(rest, [], 'one path');
  const path = cut < 0 ? target : target.slice(0, cut);
  const query = cut < 0 ? '' : target.slice(cut + 1).replace('CONTINUE', token);
  const headers: Record<string, string> = {};
  const type = options['content-type'] ?? (input === '' ? '' : 'yaml'), accept = options['accept'];
  if (options['upgrade'] !== undefined) headers['upgrade'] = options['upgrade'];
  if (type !== '') headers['content-type'] = mediaTypes[type] ?? type;
  if (options['agent'] !== undefined) headers['user-agent'] = options['agent'];
  if (accept !== undefined) {
    headers['accept'] = accept.split(',').map((each) => mediaTypes[each] ?? each).join(',');
  }
  const { hex } = options, body = hex === undefined ? bytes(input) : Uint8Array.from(Buffer.from(hex, 'hex'));
  const before = world.state().revision;
  const answer = world.ask({ method: name, path, query, headers, body: body.length === 0 ? null : body });
  switch (answer.type) {
    case 'response': {
      const { response } = answer;
      if (response.status >= 400) assert.is(answer.changed, 0, 'a refused request changes nothing');
      return `${show(response, options['show'])}${silent(world, before, answer.changed)}`;
    }
    case 'watch': {
      const id = `watch ${open.size + 1}`, { from, initial, timeoutMs } = answer.watch;
      open.set(id, { watch: answer.watch, seen: from });
      return `${id} from ${from}, for ${timeoutMs / 1000} s\n${events(id, [...initial ?? []].join(''))}`;
    }
    case 'logs': return logs(answer.logs);
    case 'streams': return streams(answer.streams);
  }
}

/** A write that was answered well and changed nothing says so. */
function silent(world: ApiWorld, before: number, changed: number): string {
  return world.state().revision > before && changed === 0 ? '\nno change' : '';
}

/** The path, which the transcript's reader takes for options where its query has a `=`. */
function targetOf(words: readonly string[], options: Readonly<Record<string, string>>): string[] {
  const split = Object.entries(options).filter(([key]) => key.startsWith('/'));
  return [...words, ...split.map(([key, value]) => `${key}=${value}`)];
}

function logs({ pod, node, container, ...rest }: LogsRequest): string {
  const options = Object.entries(rest)
    .filter(([name, value]) => name !== 'podUid' && value !== null && value !== false);
  const head = `logs of ${container} in ${pod} on ${node}`;
  return [head, ...options.map(([name, value]) => `${name} ${value}`)].join('\n');
}

function streams({ kind, pod, node, container, command, ports, ...rest }: StreamsRequest): string {
  const where = container === '' ? pod : `${container} in ${pod}`;
  const ways = Object.entries(rest).filter(([, value]) => value === true).map(([name]) => name);
  return [
    `${kind} of ${where} on ${node}`, ...command.map((word) => `word ${word}`),
    ...ports.map((port) => `port ${port}`), ways.join(' '),
  ].join('\n');
}

function events(id: string, lines: string): string {
  return lines.split('\n').filter((line) => line !== '').map((line) => {
    const { type, object } = JSON.parse(line) as { type: string; object: Shown };
    const end = JSON.stringify(object).includes('k8s.io/initial-events-end') ? ' end of initial events' : '';
    const cells = object.rows?.map((row) => ` ${row.cells.join(' ')}`).join(';') ?? '';
    return `${id}: ${type} ${headline(object)}${cells}${end}\n`;
  }).join('');
}

function show({ status, headers, body }: ApiResponse, fields: string | undefined): string {
  const type = headers['content-type'] ?? '', warning = headers['warning'];
  const lines = warning === undefined ? [] : [`warning: ${warning}`];
  if (type.startsWith('text/')) return [`${status} ${type}`, ...lines, body].join('\n');
  if (type.endsWith('protobuf')) return `${status} ${type}\n${JSON.stringify(body)}`;
  const object = (type === 'application/yaml' ? parse(body) : JSON.parse(body)) as Shown;
  assert.ok(status < 400 || object.kind === 'Status', 'every refusal is a Status');
  const retry = headers['retry-after'] === undefined ? '' : `, retry after ${headers['retry-after']} s`;
  const named = type === 'application/json' ? '' : ` (${type})`;
  return [`${status}${named} ${headline(object)}${retry}`, ...lines, ...detail(object, fields)].join('\n');
}

function headline(object: Shown): string {
  const { kind = 'no kind', metadata = {} } = object;
  if (kind === 'Status') {
    const more = metadata.continue === undefined ? '' : ` continue=${metadata.continue}`;
    if (object.status === 'Success') return 'Success';
    return `${object.reason ?? 'no reason'}: ${object.message}${more}`;
  }
  const namespace = metadata.namespace === undefined ? '' : `${metadata.namespace}/`;
  const name = metadata.name === undefined ? '' : ` ${namespace}${metadata.name}`;
  const revision = metadata.resourceVersion === undefined ? '' : ` @${metadata.resourceVersion}`;
  const left = metadata.remainingItemCount === undefined ? '' : `, ${metadata.remainingItemCount} left`;
  const more = metadata.continue === undefined ? '' : `, continue=${metadata.continue}`;
  return `${kind}${name}${revision}${left}${more}`;
}

function detail(object: Shown, fields: string | undefined): string[] {
  if (fields === 'all') return [stringify(object, { lineWidth: 0 })];
  if (fields !== undefined) {
    return fields.split(',').flatMap((path) =>
      path === 'owners' ? owners(object) : `${path}: ${JSON.stringify(at(object, path))}`);
  }
  if (object.kind === 'Status') {
    const { causes = [] } = object.details ?? {};
    return causes.map(({ reason, field, message }) => `  ${reason} ${field ?? ''}: ${message}`);
  }
  if (object.kind === 'Table') return table(object);
  return (object.items ?? []).map((item) => `  ${headline(item)}`);
}

/** `kubectl Update apps/v1 status 08:00:00: .status.replicas`, one line for each manager. */
function owners(object: Shown): string[] {
  return (object.metadata?.managedFields ?? []).map((entry) => {
    const { manager, operation, apiVersion, subresource, time, fieldsV1 } = entry;
    const head = [manager, operation, apiVersion, subresource, time?.slice(11, -1)];
    const words = head.filter((word) => word !== undefined).join(' ');
    return `  ${words}: ${pathsOf(fieldsV1).map(pathText).join(' ')}`;
  });
}

/** `spec.replicas`; with slashes where names have dots, and `~` for a slash in a name. */
function at(object: unknown, path: string): unknown {
  return path.split(path.includes('/') ? '/' : '.').map((name) => name.replaceAll('~', '/'))
    .reduce<unknown>((value, name) => typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)[name] : undefined, object);
}

function table({ columnDefinitions = [], rows = [] }: Shown): string[] {
  const shown = columnDefinitions.map(({ priority }, n) => priority === 0 ? n : -1).filter((n) => n >= 0);
  const titles = columnDefinitions.map(({ name }) => name.toUpperCase());
  const lines = [titles, ...rows.map(({ cells }) => cells.map(String))]
    .map((cells) => shown.map((n) => cells[n] ?? ''));
  const widths = shown.map((_, n) => Math.max(...lines.map((cells) => (cells[n] ?? '').length)));
  const carried = rows.map(({ object }) => object === undefined ? '-' : object.kind);
  return lines.map((cells, n) => {
    const text = cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ');
    return `  ${text}   ${n === 0 ? '' : carried[n - 1]}`.trimEnd();
  });
}

transcripts((name, body) => test(`transcript ${name}`, body), 'test/data/api', session);
transcripts((name, body) => test(`transcript apply/${name}`, body), 'test/data/apply', session);

test.run();
