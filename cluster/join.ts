// The join protocol: how a stranger becomes a member through any member's door, with a token that both know.
//
//     joiner → door   hello      which token, a nonce
//     door → joiner   challenge  a nonce, the door's proof (and which hello it answers)
//     joiner → door   request    the joiner's proof, its name and addresses (and which challenge it answers)
//     door → joiner   admitted   the cluster's id and members, once the log has taken the joiner in
//     (or, at any point, refused, with a reason for a person)
//
// A proof is an HMAC-SHA256 under the token's secret over the role, both peer ids (which the channel proves)
// and both nonces. What always holds: the secret never travels; neither side tells more before the other has
// proved itself; a proof is of no use in another handshake, by another peer, or in the other direction.
// Tokens are Kubernetes' bootstrap tokens: Secrets `bootstrap-token-<id>` in kube-system.
// Source: Kubernetes documentation, "Authenticating with Bootstrap Tokens".

import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import { unreachable } from './assert.ts';
import { decodeBase64, encodeBase64 } from './api/resources/base64.ts';
import { parseTime, rfc3339 } from './api/time.ts';
import type { Secret } from './api/types.ts';
import type { Index, PeerId, Term } from './ids.ts';
import { limits } from './limits.ts';
import type { LogMember } from './log/types.ts';
import type { JoinMessage } from './messages.ts';
import type { Random } from './random.ts';

// ── tokens ───────────────────────────────────────────────────────────────────────────────────────────────

export interface TokenText { readonly id: string; readonly secret: string }

/** A token as the state holds it. One that never expires has the largest safe integer. */
export interface JoinToken extends TokenText { readonly expiresAtMs: number }

const tokenShape = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;

/** `id.secret`, or null for what is no token. */
export function parseToken(text: string): TokenText | null {
  const [, id, secret] = tokenShape.exec(text.trim()) ?? [];
  return id === undefined || secret === undefined ? null : { id, secret };
}

/** The token that a Secret holds, or null: another kind of Secret, a broken one, one not for joining. */
export function tokenFromSecret(secret: Secret): JoinToken | null {
  if (secret.type !== tokenType) return null;
  const field = (name: string): string | undefined => {
    const encoded = secret.data?.[name];
    if (encoded === undefined) return undefined;
    const bytes = decodeBase64(encoded);
    return bytes === null ? '' : new TextDecoder().decode(bytes);
  };
  if (field('usage-bootstrap-authentication') !== 'true') return null;
  const token = parseToken(`${field('token-id')}.${field('token-secret')}`);
  if (token === null || secret.metadata.name !== `${tokenNamePrefix}${token.id}`) return null;
  const expiration = field('expiration');
  const expiresAtMs = expiration === undefined ? Number.MAX_SAFE_INTEGER : parseTime(expiration);
  return expiresAtMs === null ? null : { ...token, expiresAtMs };
}

/** The Secret to create for a token that is good until `expiresAtMs` (wall clock). */
export function secretFromToken(token: TokenText, expiresAtMs: number): NewSecret {
  const data = {
    'description': encodeBase64('lets peers join this cluster: shoal join'),
    'expiration': encodeBase64(rfc3339(expiresAtMs)),
    'token-id': encodeBase64(token.id),
    'token-secret': encodeBase64(token.secret),
    'usage-bootstrap-authentication': encodeBase64('true'),
  };
  const metadata = { name: `${tokenNamePrefix}${token.id}`, namespace: 'kube-system' };
  return { apiVersion: 'v1', kind: 'Secret', metadata, type: tokenType, data };
}

/** A Secret as a client sends it, before the API gives it a uid. */
export interface NewSecret {
  readonly apiVersion: 'v1'; readonly kind: 'Secret';
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly type: string; readonly data: Readonly<Record<string, string>>;
}

const tokenType = 'bootstrap.kubernetes.io/token';
const tokenNamePrefix = 'bootstrap-token-';

// ── proofs ───────────────────────────────────────────────────────────────────────────────────────────────

interface Handshake {
  readonly door: PeerId;
  readonly joiner: PeerId;
  readonly doorNonce: string;
  readonly joinerNonce: string;
}

function proofOf(role: 'door' | 'joiner', secret: string, h: Handshake): string {
  // None of the parts can hold a line end, so no two handshakes give the same text.
  const text = ['shoal-join-1', role, h.door, h.joiner, h.doorNonce, h.joinerNonce].join('\n');
  return bytesToHex(hmac(sha256, utf8ToBytes(secret), utf8ToBytes(text)));
}

/** Compares in a time that tells nothing of where two texts differ. */
function equalProofs(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

const nonceShape = /^[0-9a-f]{32}$/;

/** 128 random bits as text, for one handshake. */
export function createNonce(random: Random): string {
  return Array.from({ length: 4 }, () => random.u32().toString(16).padStart(8, '0')).join('');
}

// ── the joiner ───────────────────────────────────────────────────────────────────────────────────────────

export interface JoinerConfig {
  readonly self: PeerId;
  readonly name: string;
  readonly addresses: readonly string[];
  /** As a person typed it. */
  readonly token: string;
  /** From `createNonce`, fresh for each attempt. */
  readonly nonce: string;
}

export interface Joiner {
  readonly config: JoinerConfig;
  stage: 'idle' | 'greeted' | 'requested' | 'over';
  door: PeerId | null;
}

export type JoinerEvent =
  /** A channel to the door is open; it proves who the door is. */
  | { readonly type: 'connected'; readonly door: PeerId }
  | { readonly type: 'message'; readonly from: PeerId; readonly message: JoinMessage }
  | { readonly type: 'disconnected'; readonly peer: PeerId }
  | { readonly type: 'timer' };

export type JoinerEffect =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: JoinMessage }
  | { readonly type: 'arm'; readonly timer: 'join'; readonly ms: number }
  | { readonly type: 'disarm'; readonly timer: 'join' }
  | {
      readonly type: 'admitted'; readonly door: PeerId; readonly clusterId: string; readonly term: Term;
      readonly index: Index; readonly members: readonly LogMember[];
    }
  /** Over: `retry` says whether the same attempt may succeed later, or through another door. */
  | { readonly type: 'failed'; readonly reason: string; readonly retry: boolean };

export function createJoiner(config: JoinerConfig): Joiner {
  return { config, stage: 'idle', door: null };
}

/** Updates `j` in place. One attempt: after `admitted` or `failed` nothing more comes. */
export function stepJoiner(j: Joiner, event: JoinerEvent): JoinerEffect[] {
  if (j.stage === 'over') return [];
  switch (event.type) {
    case 'connected': return j.stage === 'idle' ? greet(j, event.door) : [];
    case 'message': return event.from === j.door ? hearDoor(j, event.from, event.message) : [];
    case 'disconnected': return event.peer === j.door ? fail(j, 'the connection was lost', true) : [];
    case 'timer': return fail(j, 'no answer in time', true);
    default: return unreachable(event);
  }
}

function greet(j: Joiner, door: PeerId): JoinerEffect[] {
  const token = parseToken(j.config.token);
  if (token === null) {
    return fail(j, 'a token looks like abcdef.0123456789abcdef; `shoal token create` makes one', false);
  }
  j.stage = 'greeted';
  j.door = door;
  return [
    { type: 'send', to: door, message: { type: 'hello', tokenId: token.id, nonce: j.config.nonce } },
    { type: 'arm', timer: 'join', ms: limits.joinTimeoutMs },
  ];
}

function hearDoor(j: Joiner, door: PeerId, message: JoinMessage): JoinerEffect[] {
  switch (message.type) {
    case 'challenge': {
      const answers = j.stage === 'greeted' && message.greeting === j.config.nonce;
      return answers ? onChallenge(j, door, message.nonce, message.proof) : [];
    }
    case 'admitted': {
      if (j.stage !== 'requested') return fail(j, 'the door did not prove that it knows the token', false);
      const { clusterId, term, index, members } = message;
      if (!members.some(({ id }) => id === j.config.self)) {
        return fail(j, 'the door says admitted, but its members do not include this peer', true);
      }
      j.stage = 'over';
      return [{ type: 'disarm', timer: 'join' }, { type: 'admitted', door, clusterId, term, index, members }];
    }
    case 'refused': return fail(j, message.reason, message.retry);
    case 'hello': case 'request': case 'ask': case 'stranger': return [];
    default: return unreachable(message);
  }
}

function onChallenge(j: Joiner, door: PeerId, doorNonce: string, proof: string): JoinerEffect[] {
  const { self, name, addresses, nonce } = j.config;
  const secret = parseToken(j.config.token)?.secret ?? '';
  const handshake = { door, joiner: self, doorNonce, joinerNonce: nonce };
  if (!nonceShape.test(doorNonce) || !equalProofs(proof, proofOf('door', secret, handshake))) {
    return fail(j, 'the door does not know this token: a peer of another cluster, or a wrong token', false);
  }
  j.stage = 'requested';
  const request = {
    type: 'request', challenge: doorNonce, proof: proofOf('joiner', secret, handshake), name, addresses,
  } as const;
  return [
    { type: 'send', to: door, message: request },
    { type: 'arm', timer: 'join', ms: limits.joinTimeoutMs },
  ];
}

function fail(j: Joiner, reason: string, retry: boolean): JoinerEffect[] {
  j.stage = 'over';
  return [{ type: 'disarm', timer: 'join' }, { type: 'failed', reason, retry }];
}

// ── the door ─────────────────────────────────────────────────────────────────────────────────────────────

export interface Door {
  readonly self: PeerId;
  readonly findToken: (id: string) => JoinToken | null;
  /** Strangers on their way in. */
  readonly guests: Map<PeerId, Guest>;
}

interface Guest {
  readonly tokenId: string;
  readonly handshake: Handshake;
  /** The request was good; the owner is having the log take the guest in. */
  readonly proved: boolean;
  readonly deadlineMs: number;
}

export type DoorEvent =
  /** `sure`: all that was acknowledged before the message came is in the state. */
  | {
      readonly type: 'message'; readonly from: PeerId; readonly message: JoinMessage; readonly sure: boolean;
    }
  /** The log has taken the guest in. */
  | {
      readonly type: 'admitted'; readonly peer: PeerId; readonly clusterId: string; readonly term: Term;
      readonly index: Index; readonly members: readonly LogMember[];
    }
  /** The owner can't or won't admit it. */
  | { readonly type: 'refuse'; readonly peer: PeerId; readonly reason: string; readonly retry: boolean };

export type DoorEffect =
  | { readonly type: 'send'; readonly to: PeerId; readonly message: JoinMessage }
  /** The token is unknown, and may be newer than the state: give the message again when that is sure. */
  | { readonly type: 'confirm'; readonly from: PeerId; readonly message: JoinMessage }
  /** The guest knows the token: propose it to the log, then give `admitted` or `refuse`. */
  | {
      readonly type: 'admit'; readonly peer: PeerId; readonly name: string;
      readonly addresses: readonly string[];
    };

/** `findToken` looks into the state; an expired token is refused here. */
export function createDoor(
  config: { readonly self: PeerId; readonly findToken: (id: string) => JoinToken | null },
): Door {
  return { ...config, guests: new Map() };
}

/** Updates `d` in place. `nowMs` is monotonic; `wallMs` is what tokens expire by. */
export function stepDoor(
  d: Door, event: DoorEvent, nowMs: number, wallMs: number, random: Random,
): DoorEffect[] {
  for (const [peer, guest] of d.guests) if (guest.deadlineMs <= nowMs) d.guests.delete(peer);
  switch (event.type) {
    case 'message': return hearGuest(d, event, nowMs, wallMs, random);
    case 'admitted': {
      if (!d.guests.delete(event.peer)) return [];
      const { clusterId, term, index, members } = event;
      const message = { type: 'admitted', clusterId, term, index, members } as const;
      return [{ type: 'send', to: event.peer, message }];
    }
    case 'refuse': return d.guests.has(event.peer) ? refuse(d, event.peer, event.reason, event.retry) : [];
    default: return unreachable(event);
  }
}

function hearGuest(
  d: Door, { from, message, sure }: Extract<DoorEvent, { type: 'message' }>, nowMs: number, wallMs: number,
  random: Random,
): DoorEffect[] {
  switch (message.type) {
    case 'hello':
      if (!sure && d.findToken(message.tokenId) === null) return [{ type: 'confirm', from, message }];
      return challenge(d, from, message.tokenId, message.nonce, nowMs, wallMs, random);
    case 'request': return onRequest(d, from, message, nowMs, wallMs);
    // What a door says, nobody says to a door.
    case 'challenge': case 'admitted': case 'refused': case 'stranger': return [];
    // Is answered by who knows the members.
    case 'ask': return [];
    default: return unreachable(message);
  }
}

function challenge(
  d: Door, from: PeerId, tokenId: string, joinerNonce: string, nowMs: number, wallMs: number, random: Random,
): DoorEffect[] {
  const known = d.guests.get(from);
  const again = known?.tokenId === tokenId && known.handshake.joinerNonce === joinerNonce ? known : null;
  if (again?.proved === true) return [];
  // A guest that greets anew begins anew, and its first handshake is forgotten.
  d.guests.delete(from);
  const token = goodToken(d, tokenId, wallMs);
  if (token === null) return refuse(d, from, 'unknown or expired token', false);
  if (!nonceShape.test(joinerNonce)) return refuse(d, from, 'the nonce is not 32 hexadecimal digits', false);
  if (d.guests.size >= limits.doorHandshakesMax) {
    return refuse(d, from, 'too many peers are joining through this door; try again', true);
  }
  // One greeting, heard twice, gets one answer: the guest may have answered that already.
  const doorNonce = again?.handshake.doorNonce ?? createNonce(random);
  const handshake = { door: d.self, joiner: from, doorNonce, joinerNonce };
  d.guests.set(from, { tokenId, handshake, proved: false, deadlineMs: nowMs + limits.doorHandshakeMs });
  const proof = proofOf('door', token.secret, handshake);
  const message = { type: 'challenge', greeting: joinerNonce, nonce: doorNonce, proof } as const;
  return [{ type: 'send', to: from, message }];
}

function onRequest(
  d: Door, from: PeerId, request: Extract<JoinMessage, { type: 'request' }>, nowMs: number, wallMs: number,
): DoorEffect[] {
  const guest = d.guests.get(from);
  if (guest === undefined) return refuse(d, from, 'the handshake took too long; try again', true);
  // One that answers an earlier challenge comes late.
  if (guest.proved || request.challenge !== guest.handshake.doorNonce) return [];
  const token = goodToken(d, guest.tokenId, wallMs);
  if (token === null) return refuse(d, from, 'unknown or expired token', false);
  if (!equalProofs(request.proof, proofOf('joiner', token.secret, guest.handshake))) {
    return refuse(d, from, 'the token\'s secret is wrong', false);
  }
  const { name, addresses } = request;
  if (name.length > limits.nodeNameLengthMax || !nameShape.test(name)) {
    return refuse(d, from, `the node name ${JSON.stringify(name)} is not a DNS name in lower case`, false);
  }
  d.guests.set(from, { ...guest, proved: true, deadlineMs: nowMs + limits.doorHandshakeMs });
  return [{ type: 'admit', peer: from, name, addresses }];
}

/** A DNS subdomain (RFC 1123), as Kubernetes wants node names. */
const nameShape = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;

function goodToken(d: Door, id: string, wallMs: number): JoinToken | null {
  const token = d.findToken(id);
  return token === null || token.id !== id || token.expiresAtMs <= wallMs ? null : token;
}

function refuse(d: Door, peer: PeerId, reason: string, retry: boolean): DoorEffect[] {
  d.guests.delete(peer);
  return [{ type: 'send', to: peer, message: { type: 'refused', reason, retry } }];
}
