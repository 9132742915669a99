// ServiceAccount tokens: transcripts of who gets one, whom it stands for and when it ends; and what no
// transcript shows: that a forged token stands for nobody, and that a key is never shown.
//
//     request NAMESPACE/NAME as=WORD       POST …/token with the YAML below; prints the answer and the
//                                          claims, or, `quietly`, only that there is one
//     review WORD [audiences=A,B]          a TokenReview of that token; `review text=…` of any other text
//     who WORD                             whom the API's door takes its bearer for
//     create | delete PATH | rotate | wait seconds=N

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { stringify, parse, parseAllDocuments } from 'yaml';
import { p256 } from '@noble/curves/nist.js';
import { authenticate } from '../../cluster/api/access/authenticate.ts';
import { decodeBase64url, encodeBase64url } from '../../cluster/api/access/base64url.ts';
import { parseToken, signToken } from '../../cluster/api/access/jwt.ts';
import {
  foundingKeys, keyRingOf, newKey, rotateKeysOp, tokenKeysKey, tokenKeysResource,
} from '../../cluster/api/access/keys.ts';
import type { TokenKeys } from '../../cluster/api/access/keys.ts';
import { createOp, newborn } from '../../cluster/api/objects.ts';
import { resourceByKind } from '../../cluster/api/resources/index.ts';
import { isProblem } from '../../cluster/api/status.ts';
import { limits } from '../../cluster/limits.ts';
import { get } from '../../cluster/state/query.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';
import { createApiWorld } from './api-world.ts';
import type { ApiWorld } from './api-world.ts';

transcripts(test, new URL('../data/tokens', import.meta.url).pathname, session);

const json = { 'content-type': 'application/json' };
const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

interface Answered { readonly code: number; readonly value: Record<string, unknown> }

function ask(world: ApiWorld, method: string, path: string, body?: unknown): Answered {
  const answer = world.ask({ method, path, headers: json, body: body === undefined ? null : bytes(body) });
  if (answer.type !== 'response') throw new Error(`${method} ${path}: ${answer.type}`);
  const { status, body: text } = answer.response;
  return { code: status, value: JSON.parse(text) as Record<string, unknown> };
}

function createTokenWorld(): ApiWorld & { draw: () => string } {
  const world = createApiWorld();
  let drawn = 0;
  const draw = (): string => `chance-${(drawn += 1)}`;
  const keys = newborn(foundingKeys(draw, world.nowWallMs), { uid: 'keys', nowWallMs: world.nowWallMs });
  world.write([createOp(tokenKeysResource, keys)]);
  ask(world, 'POST', '/api/v1/namespaces', { metadata: { name: 'default' } });
  return Object.assign(world, { draw });
}

function session(): (command: TranscriptCommand) => string {
  const world = createTokenWorld(), tokens = new Map<string, string>();
  return ({ name, words, options, input }) => {
    const [first = ''] = words, token = tokens.get(first) ?? options['text'] ?? '';
    switch (name) {
      case 'create': return parseAllDocuments(input).map((each) => create(world, each.toJS())).join('\n');
      case 'delete': return shown(ask(world, 'DELETE', first), 'reason');
      case 'get': return `${first}\n${stringify(ask(world, 'GET', first).value)}`;
      case 'rotate': {
        const stored = get<TokenKeys>(world.state(), tokenKeysKey);
        if (stored === null) return 'no keys';
        const { op, dropped } = rotateKeysOp(stored, world.draw, world.nowWallMs);
        return `${world.write([op]).outcome.ok ? 'rotated' : 'refused'}, ${dropped.length} dropped`;
      }
      case 'wait':
        world.nowWallMs += Number(options['seconds']) * 1000;
        return new Date(world.nowWallMs).toISOString();
      case 'request': {
        const [namespace, account] = first.split('/');
        const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
        const answer = ask(world, 'POST', path, parse(input) as unknown ?? {});
        const { status } = answer.value as { status?: { token?: string } };
        if (status?.token === undefined) return shown(answer, 'message');
        tokens.set(options['as'] ?? '', status.token);
        if (words.includes('quietly')) return `${answer.code} a token`;
        const told = { ...answer.value, status: { ...status, token: '…' } };
        return stringify({ ...told, claims: parseToken(status.token)?.claims });
      }
      case 'review': return review(world, token, options['audiences']);
      case 'who': {
        const found = authenticate(token, world.state(), world.nowWallMs);
        return isProblem(found) ? `${found.problem.code} ${found.problem.message}` : stringify(found);
      }
      default: throw new Error(`no command ${name}`);
    }
  };
}

const shown = ({ code, value }: Answered, field: string): string => `${code} ${String(value[field] ?? '')}`;

function create(world: ApiWorld, object: { apiVersion: string; kind: string; metadata: { name: string } }) {
  const resource = resourceByKind(object.apiVersion, object.kind);
  if (resource === null) throw new Error(`no kind ${object.kind}`);
  const base = resource.group === '' ? '/api/v1' : `/apis/${resource.group}/${resource.version}`;
  const place = resource.namespaced ? `${base}/namespaces/default` : base;
  const answer = ask(world, 'POST', `${place}/${resource.resource}`, object);
  return `${answer.code} ${object.kind} ${object.metadata.name}`;
}

function review(world: ApiWorld, token: string, audiences: string | undefined): string {
  const spec = { token, ...audiences === undefined ? {} : { audiences: audiences.split(',') } };
  const answer = ask(world, 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', {
    apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', metadata: {}, spec,
  });
  return answer.code === 201 ? stringify(answer.value['status']) : shown(answer, 'message');
}

function tokenOf(world: ApiWorld, account: string): string {
  ask(world, 'POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: account } });
  const path = `/api/v1/namespaces/default/serviceaccounts/${account}/token`;
  const { status } = ask(world, 'POST', path, {}).value as { status: { token: string } };
  return status.token;
}

const stands = (world: ApiWorld, token: string): boolean =>
  !isProblem(authenticate(token, world.state(), world.nowWallMs));

test('a token with anything of it changed stands for nobody', () => {
  const world = createTokenWorld(), token = tokenOf(world, 'a');
  assert.ok(stands(world, token));
  const [head = '', body = '', signature = ''] = token.split('.');
  const claims = parseToken(token)?.claims ?? {};
  const part = (value: unknown): string => encodeBase64url(bytes(value));
  const other = newKey(world.draw, world.nowWallMs);
  const foreign = { kid: keyRingOf(world.state())?.signing.kid ?? '', secret: decodeBase64url(other.secret) };
  const forged = [
    [head, part({ ...claims, sub: 'system:serviceaccount:kube-system:admin' }), signature].join('.'),
    [part({ alg: 'none' }), body, ''].join('.'),
    [part({ alg: 'HS256', kid: foreign.kid }), body, signature].join('.'),
    [head, body, encodeBase64url(new Uint8Array(64))].join('.'),
    [head, body, encodeBase64url(new Uint8Array(64).fill(255))].join('.'),
    [head, body, `${signature}A`].join('.'),
    [head, body].join('.'), [head, body, signature, signature].join('.'), '', '..', 'x'.repeat(100_000),
    signToken(claims, { kid: foreign.kid, secret: foreign.secret ?? new Uint8Array() }),
    signToken(claims, { kid: other.kid, secret: foreign.secret ?? new Uint8Array() }),
  ];
  for (const text of forged) assert.not.ok(stands(world, text), text.slice(0, 80));
  for (let at = 0; at < token.length; at += 7) {
    const letter = token[at] === 'A' ? 'B' : 'A';
    assert.not.ok(stands(world, `${token.slice(0, at)}${letter}${token.slice(at + 1)}`), `changed at ${at}`);
  }
});

test('claims named like parts of an object do no harm', () => {
  const world = createTokenWorld(), ring = keyRingOf(world.state());
  if (ring === null) throw new Error('no keys');
  const claims = parseToken(tokenOf(world, 'a'))?.claims ?? {};
  const strange = ['{"__proto__":{"serviceaccount":{}}}', '{"namespace":"a","constructor":{}}', '[]', '7'];
  for (const own of strange) {
    const token = signToken({ ...claims, 'kubernetes.io': JSON.parse(own) as never }, ring.signing);
    assert.not.ok(stands(world, token), own);
  }
});

test('the same claims give the same token, and others can verify it by the published keys', () => {
  const world = createTokenWorld(), token = tokenOf(world, 'a'), parsed = parseToken(token);
  const ring = keyRingOf(world.state());
  if (ring === null || parsed === null) throw new Error('no keys');
  assert.is(signToken(parsed.claims, ring.signing), token);
  const { value } = ask(world, 'GET', '/openid/v1/jwks');
  const [key] = value['keys'] as { kid: string; x: string; y: string }[];
  assert.is(key?.kid, parsed.kid);
  const point = Buffer.concat([Buffer.from([4]), Buffer.from(key?.x ?? '', 'base64url'),
    Buffer.from(key?.y ?? '', 'base64url')]);
  const cut = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(cut + 1), 'base64url');
  assert.ok(p256.verify(signature, Buffer.from(token.slice(0, cut)), point, { lowS: false }));
});

test('tokens of old keys stand until their key is dropped; a signature is verified once', () => {
  const world = createTokenWorld(), token = tokenOf(world, 'a');
  for (let n = 1; n < limits.tokenKeysMax; n += 1) {
    const stored = get<TokenKeys>(world.state(), tokenKeysKey);
    if (stored === null) throw new Error('no keys');
    const { op, dropped } = rotateKeysOp(stored, world.draw, world.nowWallMs);
    assert.equal(dropped, []);
    assert.ok(world.write([op]).outcome.ok);
    assert.ok(stands(world, token), `after ${n} rotations`);
  }
  assert.is(keyRingOf(world.state())?.verified.size, 1);
  const stored = get<TokenKeys>(world.state(), tokenKeysKey);
  if (stored === null) throw new Error('no keys');
  const { op, dropped } = rotateKeysOp(stored, world.draw, world.nowWallMs);
  assert.is(dropped.length, 1);
  world.write([op]);
  assert.not.ok(stands(world, token));
  assert.ok(stands(world, tokenOf(world, 'b')));
});

test('what is remembered of signatures is bounded', () => {
  const world = createTokenWorld(), ring = keyRingOf(world.state());
  if (ring === null) throw new Error('no keys');
  const token = tokenOf(world, 'a');
  for (let n = 0; n < limits.tokensVerifiedMax; n += 1) ring.verified.set(`other ${n}`, {});
  assert.ok(stands(world, token));
  assert.is(ring.verified.size, limits.tokensVerifiedMax);
  assert.not.ok(ring.verified.has('other 0'));
});

test('forged tokens are known again, within bounds, and what stands for nobody is not verified', () => {
  const world = createTokenWorld(), ring = keyRingOf(world.state());
  if (ring === null) throw new Error('no keys');
  const token = tokenOf(world, 'a'), [head = '', body = ''] = token.split('.');
  const forged = `${head}.${body}.${'A'.repeat(86)}`;
  assert.not.ok(stands(world, forged));
  assert.equal([...ring.forged], [forged]);
  for (let n = 0; n < limits.tokensForgedMax; n += 1) ring.forged.add(`other ${n}`);
  assert.not.ok(stands(world, `${head}.${body}.${'B'.repeat(85)}A`));
  assert.is(ring.forged.size, limits.tokensForgedMax + 1, 'one in, one out');
  assert.not.ok(ring.forged.has(forged));
  // Whoever does not know the account's uid makes nobody look at a signature.
  const claims = parseToken(token)?.claims ?? {}, own = claims['kubernetes.io'];
  const guess = { ...own as object, serviceaccount: { name: 'a', uid: 'guessed' } };
  const before = [...ring.forged];
  const { kid } = ring.signing, secret = new Uint8Array(32).fill(7);
  const other = signToken({ ...claims, 'kubernetes.io': guess }, { kid, secret });
  for (let n = 0; n < 100; n += 1) assert.not.ok(stands(world, `${other.slice(0, -2)}${n % 10}A`));
  assert.equal([...ring.forged], before);
});

test('no path of the API leads to the keys', () => {
  const world = createTokenWorld();
  const secret = get<TokenKeys>(world.state(), tokenKeysKey)?.keys[0]?.secret ?? '';
  assert.ok(secret.length > 40);
  const paths = [
    '/apis/_shoal/v1/tokenkeys', '/apis/_shoal/v1/tokenkeys/service-accounts', '/api/v1/tokenkeys',
    '/apis/shoal.dev/v1/tokenkeys', '/openid/v1/jwks', '/api/v1/secrets', '/apis', '/',
  ];
  for (const path of paths) {
    const answer = world.ask({ method: 'GET', path });
    assert.is(answer.type, 'response');
    if (answer.type === 'response') assert.not.ok(answer.response.body.includes(secret), path);
  }
});

test('base64url reads only what it writes', () => {
  for (let length = 0; length < 20; length += 1) {
    const data = Uint8Array.from({ length }, (_, at) => at * 37 + length * 11);
    const text = encodeBase64url(data);
    assert.is(text, Buffer.from(data).toString('base64url'));
    assert.equal(decodeBase64url(text), data);
  }
  for (const text of ['A', 'AB', 'AAB', 'A=', 'AA==', 'A+', 'A/', 'é', 'AA A', 'AAAAA']) {
    assert.is(decodeBase64url(text), null, text);
  }
});

test.run();
