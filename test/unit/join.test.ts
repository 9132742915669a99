// The door: whoever knows the token gets in, whoever doesn't learns nothing and changes nothing.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Secret } from '../../cluster/api/types.ts';
import { index, peerId, term } from '../../cluster/ids.ts';
import type { PeerId } from '../../cluster/ids.ts';
import {
  createDoor, createJoiner, createNonce, parseToken, secretFromToken, stepDoor, stepJoiner, tokenFromSecret,
} from '../../cluster/join.ts';
import type { Door, DoorEffect, DoorEvent, Joiner, JoinerEffect, JoinToken } from '../../cluster/join.ts';
import { limits } from '../../cluster/limits.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { JoinMessage } from '../../cluster/messages.ts';
import { createRandom } from '../../cluster/random.ts';
import { decodeMessage, encodeMessage } from '../../cluster/wire.ts';

const doorId = peerId('12D3Door'), joinerId = peerId('12D3Joiner'), malloryId = peerId('12D3Mallory');
const token: JoinToken = { id: 'abc123', secret: '0123456789abcdef', expiresAtMs: 50_000 };
const text = 'abc123.0123456789abcdef';
const random = createRandom(5);
const members: LogMember[] = [
  { id: doorId, name: 'alice', addresses: ['a:1'], voter: true },
  { id: joinerId, name: 'carol', addresses: ['c:1'], voter: false },
];

const door = (find: (id: string) => JoinToken | null = (id) => (id === token.id ? token : null)): Door =>
  createDoor({ self: doorId, findToken: find });
/** By a door whose state is sure to be as new as the message, unless the event says otherwise. */
const at = (d: Door, event: Told, nowMs = 0, wallMs = 1_000): DoorEffect[] =>
  stepDoor(d, event.type === 'message' ? { sure: true, ...event } : event, nowMs, wallMs, random);
type Told = Exclude<DoorEvent, { type: 'message' }>
  | {
      readonly type: 'message'; readonly from: PeerId; readonly message: JoinMessage; readonly sure?: boolean;
    };
const joiner = (options: { token?: string; name?: string; self?: PeerId } = {}): Joiner => createJoiner({
  self: options.self ?? joinerId, name: options.name ?? 'carol', addresses: ['c:1'],
  token: options.token ?? text, nonce: createNonce(random),
});

const says = (effects: readonly (DoorEffect | JoinerEffect)[]): JoinMessage[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [overWire(effect.message)] : []));

const said = (effects: readonly DoorEffect[]): string => JSON.stringify(effects);

function overWire(message: JoinMessage): JoinMessage {
  const decoded = decodeMessage(encodeMessage({ kind: 'join', message }));
  if (!('kind' in decoded) || decoded.kind !== 'join') throw new Error('a join message was refused');
  return decoded.message;
}

interface Outcome { readonly log: string[]; readonly joined: JoinerEffect[]; readonly admits: DoorEffect[] }

/** Lets the two talk until they have nothing more to say; the log takes in whom the door lets in. */
function talk(d: Door, j: Joiner, from: PeerId = joinerId): Outcome {
  const log: string[] = [], joined: JoinerEffect[] = [], admits: DoorEffect[] = [];
  let toDoor = collect(stepJoiner(j, { type: 'connected', door: doorId }));
  function collect(effects: readonly JoinerEffect[]): JoinMessage[] {
    joined.push(...effects.filter(({ type }) => type === 'admitted' || type === 'failed'));
    return says(effects);
  }
  while (toDoor.length > 0) {
    const message = toDoor.shift()!;
    log.push(`joiner: ${message.type}`);
    let answers = at(d, { type: 'message', from, message });
    const admit = answers.filter(({ type }) => type === 'admit');
    admits.push(...admit);
    if (admit.length > 0) {
      answers = at(d,
        { type: 'admitted', peer: from, clusterId: 'c-1', term: term(3), index: index(7), members });
    }
    for (const answer of says(answers)) {
      log.push(`door: ${answer.type}`);
      toDoor.push(...collect(stepJoiner(j, { type: 'message', from: doorId, message: answer })));
    }
  }
  return { log, joined, admits };
}

test('with the token a stranger becomes a member, and the secret never travels', () => {
  const d = door();
  const outcome = talk(d, joiner());
  assert.equal(outcome.log, [
    'joiner: hello', 'door: challenge', 'joiner: request', 'door: admitted',
  ]);
  assert.equal(outcome.admits, [{ type: 'admit', peer: joinerId, name: 'carol', addresses: ['c:1'] }]);
  const admitted = { type: 'admitted', door: doorId, clusterId: 'c-1', term: term(3), index: index(7),
    members };
  assert.equal(outcome.joined, [admitted]);
  assert.is(d.guests.size, 0);
});

test('the secret is in no message', () => {
  const d = door(), j = joiner();
  const sent: JoinMessage[] = says(stepJoiner(j, { type: 'connected', door: doorId }));
  sent.push(...says(at(d, { type: 'message', from: joinerId, message: sent[0]! })));
  sent.push(...says(stepJoiner(j, { type: 'message', from: doorId, message: sent[1]! })));
  assert.is(sent.length, 3);
  assert.not.match(JSON.stringify(sent), /0123456789abcdef/);
});

const failure = (outcome: Outcome): JoinerEffect | undefined => outcome.joined[0];

test('an unknown, an expired and a wrong token are refused, and nobody is admitted', () => {
  const unknown = talk(door(() => null), joiner());
  assert.equal(failure(unknown), { type: 'failed', reason: 'unknown or expired token', retry: false });
  const expired = talk(door(() => ({ ...token, expiresAtMs: 1_000 })), joiner());
  assert.equal(failure(expired), { type: 'failed', reason: 'unknown or expired token', retry: false });
  const wrong = talk(door(), joiner({ token: 'abc123.ffffffffffffffff' }));
  assert.match(JSON.stringify(failure(wrong)), /does not know this token/);
  const malformed = talk(door(), joiner({ token: 'abc' }));
  assert.equal(malformed.log, []);
  assert.match(JSON.stringify(failure(malformed)), /shoal token create/);
  for (const outcome of [unknown, expired, wrong, malformed]) assert.equal(outcome.admits, []);
});

// A token that was made through another peer a moment ago was refused for good by a door that lagged behind.
test('an unknown token is refused only once the state is sure to be new enough', () => {
  let known: JoinToken | null = null;
  const d = door(() => known);
  const [hello] = says(stepJoiner(joiner(), { type: 'connected', door: doorId }));
  const first = at(d, { type: 'message', from: joinerId, message: hello!, sure: false });
  assert.equal(first, [{ type: 'confirm', from: joinerId, message: hello }]);
  assert.is(d.guests.size, 0);
  assert.match(said(at(d, { type: 'message', from: joinerId, message: hello!, sure: true })), /unknown/);
  known = token;
  const [now] = says(at(d, { type: 'message', from: joinerId, message: hello!, sure: false }));
  assert.is(now?.type, 'challenge');
});

test('a joiner without the secret, who skips the door\'s proof, is refused', () => {
  const d = door();
  const hello: JoinMessage = { type: 'hello', tokenId: 'abc123', nonce: createNonce(random) };
  const [asked] = says(at(d, { type: 'message', from: malloryId, message: hello }));
  const request: JoinMessage = {
    type: 'request', challenge: nonceOf(asked), proof: 'ab'.repeat(32), name: 'mallory', addresses: [],
  };
  const effects = at(d, { type: 'message', from: malloryId, message: request });
  assert.equal(effects.map(({ type }) => type), ['send']);
  assert.match(JSON.stringify(says(effects)), /secret is wrong/);
  assert.is(d.guests.size, 0, 'each guess costs a handshake');
});

test('a proof is of no use in another handshake, by another peer, or the other way round', () => {
  const d = door(), j = joiner();
  const [hello] = says(stepJoiner(j, { type: 'connected', door: doorId }));
  const [challenge] = says(at(d, { type: 'message', from: joinerId, message: hello! }));
  const [request] = says(stepJoiner(j, { type: 'message', from: doorId, message: challenge! }));
  // Mallory, in between, passes everything on as if it were hers.
  const [own] = says(at(d, { type: 'message', from: malloryId, message: hello! }));
  assert.equal(at(d, { type: 'message', from: malloryId, message: request! }), [], 'it answers no challenge');
  const stolen = at(d, { type: 'message', from: malloryId, message: answering(request, own) });
  assert.equal(stolen.map(({ type }) => type), ['send'], 'the proof names the joiner');
  // A joiner that talks to Mallory does not take the true door's proof from her.
  const victim = joiner();
  stepJoiner(victim, { type: 'connected', door: malloryId });
  const passedOn = { ...challenge, greeting: victim.config.nonce } as JoinMessage;
  const fooled = stepJoiner(victim, { type: 'message', from: malloryId, message: passedOn });
  assert.ok(fooled.some(({ type }) => type === 'failed'));
  // The door's own proof is not the joiner's.
  const proof = (challenge as { proof: string }).proof;
  const mirrored: JoinMessage = {
    type: 'request', challenge: nonceOf(challenge), proof, name: 'carol', addresses: [],
  };
  assert.match(said(at(d, { type: 'message', from: joinerId, message: mirrored })), /secret is wrong/);
  // A recorded request fits no later handshake.
  const [later] = says(at(d, { type: 'message', from: joinerId, message: hello! }));
  assert.equal(at(d, { type: 'message', from: joinerId, message: request! }), []);
  const again = at(d, { type: 'message', from: joinerId, message: answering(request, later) });
  assert.match(said(again), /secret is wrong/);
});

const nonceOf = (message: JoinMessage | undefined): string =>
  message?.type === 'challenge' ? message.nonce : '';

/** The same proof, as if it were for this challenge. */
function answering(request: JoinMessage | undefined, challenge: JoinMessage | undefined): JoinMessage {
  return { ...request, challenge: nonceOf(challenge) } as JoinMessage;
}

// A joiner gave up on a challenge that came late, and got it in its next attempt: it took the door for a
// liar.
test('a challenge that answers an earlier greeting is not heeded', () => {
  const d = door(), first = joiner(), second = joiner();
  const [hello] = says(stepJoiner(first, { type: 'connected', door: doorId }));
  const [late] = says(at(d, { type: 'message', from: joinerId, message: hello! }));
  const [greeting] = says(stepJoiner(second, { type: 'connected', door: doorId }));
  assert.equal(stepJoiner(second, { type: 'message', from: doorId, message: late! }), []);
  const [answer] = says(at(d, { type: 'message', from: joinerId, message: greeting! }));
  const [request] = says(stepJoiner(second, { type: 'message', from: doorId, message: answer! }));
  assert.is(request?.type, 'request');
});

// A joiner answers the first challenge; a second one, for the same greeting, made its answer a wrong one.
test('a greeting that is heard twice gets one challenge', () => {
  const d = door(), j = joiner();
  const [hello] = says(stepJoiner(j, { type: 'connected', door: doorId }));
  const [challenge] = says(at(d, { type: 'message', from: joinerId, message: hello! }));
  const [repeated] = says(at(d, { type: 'message', from: joinerId, message: hello! }));
  assert.equal(repeated, challenge);
  const [request] = says(stepJoiner(j, { type: 'message', from: doorId, message: challenge! }));
  const admitted = at(d, { type: 'message', from: joinerId, message: request! });
  assert.equal(admitted.map(({ type }) => type), ['admit']);
  const third = at(d, { type: 'message', from: joinerId, message: hello! });
  assert.equal(third, [], 'and none once it has proved itself');
});

test('a door that does not prove itself is not believed', () => {
  for (const message of [
    { type: 'admitted', clusterId: 'x', term: term(1), index: index(7), members },
    { type: 'challenge', greeting: '', nonce: '0'.repeat(32), proof: '0'.repeat(64) },
    { type: 'challenge', greeting: '', nonce: 'short', proof: '' },
  ] as const satisfies JoinMessage[]) {
    const j = joiner();
    stepJoiner(j, { type: 'connected', door: doorId });
    const said = message.type === 'challenge' ? { ...message, greeting: j.config.nonce } : message;
    const effects = stepJoiner(j, { type: 'message', from: doorId, message: said });
    assert.equal(effects.map(({ type }) => type), ['disarm', 'failed']);
    assert.equal(stepJoiner(j, { type: 'timer' }), [], 'it is over');
  }
});

test('a door that admits a peer which is none of its members is not believed either', () => {
  const j = joiner();
  const [hello] = says(stepJoiner(j, { type: 'connected', door: doorId }));
  const [challenge] = says(at(door(), { type: 'message', from: joinerId, message: hello! }));
  stepJoiner(j, { type: 'message', from: doorId, message: challenge! });
  const others = members.filter(({ id }) => id !== joinerId);
  const message: JoinMessage = { type: 'admitted', clusterId: 'c', term: term(1), index: index(7),
    members: others };
  const effects = stepJoiner(j, { type: 'message', from: doorId, message });
  assert.equal(effects.map(({ type }) => type), ['disarm', 'failed']);
});

test('the joiner gives up without an answer or a connection, and may try again', () => {
  for (const event of [{ type: 'timer' }, { type: 'disconnected', peer: doorId }] as const) {
    const j = joiner();
    const [, armed] = stepJoiner(j, { type: 'connected', door: doorId });
    assert.equal(armed, { type: 'arm', timer: 'join', ms: limits.joinTimeoutMs });
    assert.equal(stepJoiner(j, { type: 'disconnected', peer: malloryId }), []);
    const effects = stepJoiner(j, event);
    assert.ok(effects.some((effect) => effect.type === 'failed' && effect.retry));
  }
});

test('the owner\'s refusal reaches the joiner; a wrong node name never reaches the owner', () => {
  const d = door(), j = joiner();
  const [hello] = says(stepJoiner(j, { type: 'connected', door: doorId }));
  const [challenge] = says(at(d, { type: 'message', from: joinerId, message: hello! }));
  const [request] = says(stepJoiner(j, { type: 'message', from: doorId, message: challenge! }));
  at(d, { type: 'message', from: joinerId, message: request! });
  assert.equal(at(d, { type: 'message', from: joinerId, message: request! }), [], 'admitted once');
  const reason = 'node name "carol" is taken by another member';
  const refusal = at(d, { type: 'refuse', peer: joinerId, reason, retry: false });
  const told = stepJoiner(j, { type: 'message', from: doorId, message: says(refusal)[0]! });
  assert.equal(told.at(-1), { type: 'failed', reason, retry: false });
  assert.equal(at(d, { type: 'refuse', peer: joinerId, reason, retry: false }), []);
  for (const name of ['', 'Carol', 'a_b', '-a', 'a..b', 'x'.repeat(253)]) {
    const outcome = talk(door(), joiner({ name }));
    if (name.startsWith('x')) assert.is(outcome.admits.length, 1, '253 characters are allowed');
    else assert.match(JSON.stringify(failure(outcome)), /not a DNS name/, name);
  }
});

test('handshakes are bounded and expire', () => {
  const d = door();
  const hello = (i: number, now: number): DoorEffect[] => at(d, {
    type: 'message', from: peerId(`g${i}`),
    message: { type: 'hello', tokenId: 'abc123', nonce: createNonce(random) },
  }, now);
  for (let i = 0; i < limits.doorHandshakesMax; i++) assert.is(says(hello(i, 0))[0]!.type, 'challenge');
  assert.match(JSON.stringify(says(hello(999, 0))), /too many peers .*"retry":true/);
  assert.is(says(hello(3, 0))[0]!.type, 'challenge', 'a guest may begin again');
  assert.is(says(hello(999, limits.doorHandshakeMs))[0]!.type, 'challenge');
  assert.is(d.guests.size, 1);
  const late: JoinMessage = { type: 'request', challenge: '', proof: '', name: 'x', addresses: [] };
  assert.match(said(at(d, { type: 'message', from: peerId('g1'), message: late })), /took too long/);
  assert.equal(at(d,
    { type: 'admitted', peer: peerId('g1'), clusterId: 'c', term: term(1), index: index(7), members }), []);
});

test('a token revoked in the middle of a handshake is void', () => {
  let known: JoinToken | null = token;
  const d = door(() => known), j = joiner();
  const [hello] = says(stepJoiner(j, { type: 'connected', door: doorId }));
  const [challenge] = says(at(d, { type: 'message', from: joinerId, message: hello! }));
  const [request] = says(stepJoiner(j, { type: 'message', from: doorId, message: challenge! }));
  known = null;
  assert.match(said(at(d, { type: 'message', from: joinerId, message: request! })), /unknown or expired/);
});

test('tokens are Kubernetes\' bootstrap token Secrets', () => {
  assert.equal(parseToken(` ${text}\n`), { id: token.id, secret: token.secret });
  const hyphen = text.replace('.', '-'), upper = text.toUpperCase();
  for (const bad of ['', 'abc123', 'abc123.', upper, `${text}0`, `x${text}`, hyphen]) {
    assert.is(parseToken(bad), null, bad);
  }
  const made = secretFromToken(token, Date.UTC(2026, 10, 24, 8));
  assert.is(made.metadata.name, 'bootstrap-token-abc123');
  assert.is(Buffer.from(made.data['expiration']!, 'base64').toString(), '2026-11-24T08:00:00Z');
  const creationTimestamp = '2026-11-24T07:00:00Z';
  const metadata = { ...made.metadata, uid: 'u', resourceVersion: '1', creationTimestamp };
  const stored: Secret = { ...made, metadata };
  const back = { id: token.id, secret: token.secret, expiresAtMs: Date.UTC(2026, 10, 24, 8) };
  assert.equal(tokenFromSecret(stored), back);
  const without = (name: string): Secret => {
    const entries = Object.entries(stored.data ?? {}).filter(([key]) => key !== name);
    return { ...stored, data: Object.fromEntries(entries) };
  };
  assert.is(tokenFromSecret(without('expiration'))?.expiresAtMs, Number.MAX_SAFE_INTEGER);
  for (const name of ['token-id', 'token-secret', 'usage-bootstrap-authentication']) {
    assert.is(tokenFromSecret(without(name)), null, name);
  }
  assert.is(tokenFromSecret({ ...stored, type: 'Opaque' }), null);
  assert.is(tokenFromSecret({ ...stored, metadata: { ...metadata, name: 'bootstrap-token-zzz999' } }), null);
  assert.is(tokenFromSecret({ ...stored, data: { ...stored.data, expiration: '!' } }), null);
});

test.run();
