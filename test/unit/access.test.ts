// Who may do what: transcripts of requests of several users, and how long a decision takes to find.
//
//     as jane dev                  who asks from here on: a name and its groups; nobody: the administrator
//     GET /api/v1/pods             impersonate-user=… as an option sends the header; `,` between its values
//     the body, if any, as YAML
//     ----
//     403 Forbidden: pods is forbidden: …
//
// Between requests: `bootstrap` lets the leader's controllers of roles and flows work until nothing is left
// to do, `rules NAME` shows the rules of a ClusterRole, `flow GET /path` the flow that a request belongs to,
// `forget KEY` takes an object away, `policy` sets the audit policy by its input; from then on the lines of
// the audit log are shown under each answer.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse, stringify } from 'yaml';
import { readAuditPolicy } from '../../cluster/api/access/auditpolicy.ts';
import { attributesOf } from '../../cluster/api/access/attributes.ts';
import { authorize } from '../../cluster/api/access/authorize.ts';
import { flowOf } from '../../cluster/api/access/flows.ts';
import { newborn, resources } from '../../cluster/api/objects.ts';
import type { ApiRequest, ApiResponse, UserInfo } from '../../cluster/api/request.ts';
import type { KubeObject, Role } from '../../cluster/api/types.ts';
import { objectKey, requestId } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import { createRandom } from '../../cluster/random.ts';
import { get, list } from '../../cluster/state/query.ts';
import type { Op } from '../../cluster/state/types.ts';
import type { ControllerDefinition } from '../../actors/controllers/controller.ts';
import { defaultFlowsController } from '../../actors/controllers/flows.ts';
import { aggregationController, defaultRolesController } from '../../actors/controllers/roles.ts';
import { createAuditing } from '../../actors/peer/auditing.ts';
import type { Auditing } from '../../actors/peer/auditing.ts';
import type { Core } from '../../actors/peer/core.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';
import { createApiWorld } from './api-world.ts';
import type { Answer, ApiWorld } from './api-world.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const administrator = { name: 'kubernetes-admin', groups: ['system:masters', 'system:authenticated'] };
const json = { 'content-type': 'application/json' };

function worldWith(...namespaces: readonly string[]): ApiWorld {
  const world = createApiWorld();
  for (const name of namespaces) {
    const body = bytes(JSON.stringify({ metadata: { name } }));
    world.ask({ method: 'POST', path: '/api/v1/namespaces', headers: json, body });
  }
  return world;
}

/** Rounds of the controllers of roles until none has anything to write; how many objects were written. */
function bootstrap(world: ApiWorld): string {
  let uids = 0;
  const context = {
    nowWallMs: world.nowWallMs, newUid: () => `role-uid-${(uids += 1)}`, suffix: () => 'bcdfg', refusal: null,
  };
  const count = { create: 0, update: 0, delete: 0 };
  const round = ({ allKeys, reconcile }: ControllerDefinition): number => {
    let written = 0;
    for (const key of allKeys(world.state())) {
      for (const { ops } of reconcile(world.state(), key, context).steps) {
        for (const { op } of ops) count[op] += 1;
        written += ops.length;
        assert.ok(world.write(ops).outcome.ok, 'the controllers are not refused');
      }
    }
    return written;
  };
  const controllers = [defaultRolesController, aggregationController, defaultFlowsController];
  for (let rounds = 0; controllers.map(round).some((written) => written > 0); rounds++) {
    assert.ok(rounds < 10, 'the controllers come to rest');
  }
  return `created ${count.create}, updated ${count.update}, deleted ${count.delete}`;
}

function session(): (command: TranscriptCommand) => string {
  const world = worldWith('default', 'team', 'kube-system');
  const audit = createAudit(world);
  let user: UserInfo | undefined;
  return (command) => {
    const { name, words } = command, [first = '', ...rest] = words;
    switch (name) {
      case 'as':
        user = first === 'nobody' ? undefined : { name: first, groups: [...rest, 'system:authenticated'] };
        return user === undefined ? 'the administrator' : `${user.name}, in ${user.groups.join(' ')}`;
      case 'bootstrap': return bootstrap(world);
      case 'policy': return audit.policy(parse(command.input));
      case 'flow': {
        const attributes = attributesOf({ method: first, path: rest[0] ?? '' }, new Map());
        const { schema, level, distinguisher } = flowOf(attributes, user ?? administrator, world.state());
        return `${schema?.metadata.name} of ${level?.metadata.name}, ${JSON.stringify(distinguisher)}`;
      }
      case 'rules': {
        const role = get<Role>(world.state(), objectKey(resources.clusterRoles, '', first));
        return (role?.rules ?? []).map((rule) => JSON.stringify(rule)).join('\n') || 'none';
      }
      case 'forget': {
        const { outcome } = world.write([{ op: 'delete', key: first as ObjectKey }]);
        return outcome.ok ? `@${world.state().revision}` : outcome.refusal.message;
      }
      default: {
        const answer = request(world, command, user, audit.heard), lines = audit.lines();
        return lines === '' ? answer : `${answer}\n${lines}`;
      }
    }
  };
}

interface Audit {
  policy(value: unknown): string;
  readonly heard: (request: ApiRequest, answer: Answer) => void;
  /** What was written since. */
  lines(): string;
}

/** The audit log of a peer beside the world's. */
function createAudit(world: ApiWorld): Audit {
  let auditing: Auditing | null = null, written = '', ids = 0;
  return {
    policy(value) {
      const found = readAuditPolicy(value);
      if (!('rules' in found)) return found.join('\n');
      const ports = {
        audit: { write: (line: string): void => { written += line; } },
        clock: { wallMs: () => world.nowWallMs },
      };
      const core = { config: { audit: found }, ports, random: { u32: () => (ids += 1) } };
      Object.defineProperty(core, 'state', { get: () => world.state() });
      auditing = createAuditing(core as unknown as Core);
      return `${found.rules.length} rules`;
    },
    heard(request, answer) {
      if (auditing === null) return;
      auditing.received(request);
      auditing.judged(request);
      auditing.noted(request.id, answer.type === 'response' ? answer.audit : undefined);
      if (answer.type !== 'response') auditing.started(request.id);
      auditing.completed(request.id, answer.type === 'response' ? answer.response : null);
    },
    lines() {
      const text = written.replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, 'ID').trim();
      written = '';
      for (const line of text.split('\n')) if (line !== '') JSON.parse(line);
      return text;
    },
  };
}

function request(
  world: ApiWorld, { name, words, options, input }: TranscriptCommand, user: UserInfo | undefined,
  heard: Audit['heard'],
): string {
  const split = Object.entries(options).filter(([key]) => key.startsWith('/'));
  const target = [...words, ...split.map(([key, value]) => `${key}=${value}`)].join('');
  const cut = target.indexOf('?');
  const headers: Record<string, string> = input === '' ? {} : {
    'content-type': options['content-type'] ?? 'application/yaml',
  };
  for (const [key, value] of Object.entries(options)) {
    if (key.startsWith('impersonate-')) headers[key] = value.replaceAll(',', '\n');
  }
  if (options['user-agent'] !== undefined) headers['user-agent'] = options['user-agent'];
  const given = {
    method: name, path: cut < 0 ? target : target.slice(0, cut), query: cut < 0 ? '' : target.slice(cut + 1),
    headers, body: input === '' ? null : bytes(input), user: user ?? administrator,
  };
  const answer = world.ask(given);
  heard({ ...given, id: requestId('r'), sourceIP: '10.0.0.1' }, answer);
  if (answer.type !== 'response') return `a ${answer.type}`;
  if (answer.response.status >= 400) assert.is(answer.changed, 0, 'a refused request changes nothing');
  return shown(answer.response, options['show']);
}

interface Shown {
  readonly kind?: string; readonly status?: unknown; readonly reason?: string; readonly message?: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
  readonly details?: unknown; readonly items?: readonly Shown[];
  readonly rows?: readonly { readonly cells: readonly unknown[] }[];
}

function shown({ status, headers, body }: ApiResponse, fields: string | undefined): string {
  if (headers['content-type']?.startsWith('text/') === true) return `${status} ${body}`;
  const object = parse(body) as Shown, { kind = 'no kind', metadata: { name, namespace } = {} } = object;
  if (fields !== undefined) return `${status} ${kind}\n${stringify(at(object, fields), { lineWidth: 0 })}`;
  if (kind === 'Status' && status >= 400) {
    return `${status} ${object.reason}: ${object.message}\n${JSON.stringify(object.details)}`;
  }
  if (kind.endsWith('Review')) return `${status} ${JSON.stringify(object.status)}`;
  const where = name === undefined ? '' : ` ${namespace === undefined ? '' : `${namespace}/`}${name}`;
  return `${status} ${kind}${where}${object.items === undefined ? '' : `, ${object.items.length} items`}`;
}

const at = (object: unknown, path: string): unknown => path.split('.').reduce<unknown>((value, name) =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined, object);

transcripts((name, body) => test(`transcript ${name}`, body), 'test/data/access', session);

// ── many bindings ────────────────────────────────────────────────────────────────────────────────────────

const rbac = 'rbac.authorization.k8s.io';
const birth = { uid: 'u', nowWallMs: 0 };

/** `count` bindings of one user each, and one that nobody else has anything to do with. */
function manyBindings(count: number): ApiWorld {
  const world = worldWith('default');
  const ops: Op[] = [];
  const put = (resource: keyof typeof resources, namespace: string, object: object): void => {
    const made = newborn(object as KubeObject, birth), { name } = made.metadata;
    ops.push({ op: 'create', key: objectKey(resources[resource], namespace, name), object: made });
  };
  const roleRef = { apiGroup: rbac, kind: 'ClusterRole', name: 'reader' };
  put('clusterRoles', '', {
    apiVersion: `${rbac}/v1`, kind: 'ClusterRole', metadata: { name: 'reader' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get', 'list'] }],
  });
  for (let n = 0; n < count; n++) {
    put('clusterRoleBindings', '', {
      apiVersion: `${rbac}/v1`, kind: 'ClusterRoleBinding', metadata: { name: `b${n}` }, roleRef,
      subjects: [{ apiGroup: rbac, kind: 'User', name: `user-${n}` }],
    });
  }
  for (let from = 0; from < ops.length; from += 500) {
    assert.ok(world.write(ops.slice(from, from + 500)).outcome.ok);
  }
  return world;
}

const listing = (namespace: string) =>
  ({ verb: 'list', group: '', version: 'v1', resource: 'pods', subresource: '', namespace, name: '' });

test('a decision looks at the bindings of its user alone, and other writes leave the index as it is', () => {
  const world = manyBindings(1_000), state = world.state();
  const someone = { name: 'user-700', groups: ['system:authenticated'] };
  assert.equal(authorize(listing('default'), someone, state), {
    allowed: true,
    reason: 'RBAC: allowed by ClusterRoleBinding "b700" of ClusterRole "reader" to User "user-700"',
  });
  assert.equal(authorize(listing('default'), { name: 'stranger', groups: [] }, state).allowed, false);
  const before = list(state, resources.clusterRoleBindings);
  world.ask({
    method: 'POST', path: '/api/v1/namespaces/default/configmaps', headers: json,
    body: bytes('{"metadata":{"name":"a"}}'),
  });
  assert.is(list(state, resources.clusterRoleBindings), before, 'an unrelated write leaves the list alone');
  world.write([{ op: 'delete', key: objectKey(resources.clusterRoleBindings, '', 'b700') }]);
  assert.is(authorize(listing('default'), someone, state).allowed, false, 'what went grants nothing');
  const rounds = 20_000, started = performance.now();
  for (let n = 0; n < rounds; n++) {
    authorize(listing('default'), { name: `user-${n % 700}`, groups: [] }, state);
  }
  console.log(`\nFIGURE a decision among 1,000 bindings: ${
    ((performance.now() - started) * 1000 / rounds).toFixed(2)} µs`);
});

// ── hostile requests ─────────────────────────────────────────────────────────────────────────────────────

test('a role that multiplies beyond measure is refused, quickly', () => {
  const world = worldWith('default'), jane = { name: 'jane', groups: ['system:authenticated'] };
  const ask = (path: string, object: object, user?: UserInfo): ApiResponse => {
    const answer = world.ask({
      method: 'POST', path: `/apis/${rbac}/v1/${path}`, headers: json, body: bytes(JSON.stringify(object)),
      ...user === undefined ? {} : { user },
    });
    assert.is(answer.type, 'response');
    return (answer as Answer & { type: 'response' }).response;
  };
  const rules = [{ apiGroups: [rbac], resources: ['clusterroles'], verbs: ['create'] }];
  ask('clusterroles', { metadata: { name: 'maker' }, rules });
  ask('clusterrolebindings', {
    metadata: { name: 'maker' }, roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'maker' },
    subjects: [{ kind: 'User', name: 'jane' }],
  });
  const many = Array.from({ length: 20_000 }, (_, n) => `x${n}`);
  const huge = { metadata: { name: 'huge' }, rules: [{ apiGroups: many, resources: many, verbs: many }] };
  const started = performance.now(), { status, body } = ask('clusterroles', huge, jane);
  assert.is(status, 400);
  assert.match(body, 'the rules come to more permissions than can be compared');
  assert.ok(performance.now() - started < 5_000);
});

test('whatever paths and headers strangers send, they get a Status and change nothing', () => {
  const world = worldWith('default'), random = createRandom(11), before = world.state().revision;
  const words = [
    'api', 'apis', 'v1', 'namespaces', 'default', 'pods', '__proto__', 'constructor', '%2e%2e', '%zz', '..',
    '', 'watch', 'proxy', 'status', 'rbac.authorization.k8s.io', 'clusterroles', 'log', 'exec', '%00', 'é',
    'authorization.k8s.io', 'subjectaccessreviews', 'namespaces', '\ud800',
  ];
  const pick = (): string => words[random.below(words.length)] ?? '';
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS', ''];
  for (let n = 0; n < 20_000; n++) {
    const path = `/${Array.from({ length: random.below(8) }, pick).join('/')}`;
    const headers: Record<string, string> = { ...json };
    if (random.below(3) === 0) headers['impersonate-user'] = `system:serviceaccount:${pick()}:${pick()}`;
    if (random.below(3) === 0) headers['impersonate-group'] = `${pick()}\n${pick()}`;
    if (random.below(3) === 0) headers[`impersonate-extra-${pick()}`] = pick();
    const answer = world.ask({
      method: methods[random.below(methods.length)] ?? '', path, headers,
      query: `fieldSelector=${pick()}%3D${pick()}&watch`,
      body: random.below(2) === 0 ? null : bytes(`{"spec":{"${pick()}":"${pick()}"}}`),
      user: { name: pick(), groups: [pick(), 'system:authenticated'] },
    });
    assert.is(answer.type, 'response');
    const { response } = answer as Answer & { type: 'response' };
    if (response.status === 200) continue;
    const status = JSON.parse(response.body) as { kind: string; code: number };
    assert.is(status.kind, 'Status', path);
    assert.is(status.code, response.status);
  }
  assert.is(world.state().revision, before);
});

test.run();
