// How an event of a run is put into words for a page: what it is about, what kind it is, what it says.
// What always holds: peers are called by their names, not by their identities; a text has at most
// `textLengthMax` characters.

import { unreachable } from '../../cluster/assert.ts';
import type { PeerEvent } from '../../cluster/ports.ts';
import { decodeFeed, decodeMessage, isRefusal } from '../../cluster/wire.ts';
import type { Fault } from '../faults.ts';
import { faultText, fieldsText } from '../report.ts';
import type { FaultSpan, Group } from './data.ts';

export interface Words { readonly group: Group; readonly kind: string; readonly text: string }

/** Characters of one text. */
export const textLengthMax = 180;

export function wordsOfEvent(event: PeerEvent): Words {
  const text = cut(fieldsText(event));
  switch (event.type) {
    case 'message': case 'join-message': {
      const { group, kind } = wordsOfFrame(event.type, event.frame);
      // Who it is from is said by the line that leads here; the kind stands beside the text.
      return { group, kind, text: text.replace(/^from \S+ (log|gossip|repair|join) type=\S+ ?/, '') };
    }
    case 'feed': return { ...wordsOfFrame('feed', event.frame), text };
    case 'dialled': case 'disconnected': return { group: 'link', kind: event.type, text };
    case 'persisted': case 'snapshot-saved': case 'disk-failed':
      return { group: 'disk', kind: event.type, text };
    case 'timer': return { group: 'timer', kind: 'timer', text };
    case 'request': case 'request-closed': case 'request-drained':
    case 'flow-opened': case 'flow-input': case 'flow-drained': case 'flow-closed':
      return { group: 'client', kind: event.type, text };
    case 'runtime-done': case 'runtime-failed': case 'container-changed': case 'container-gone':
    case 'sandbox-changed': case 'sandbox-gone': case 'runtime-health': case 'log-chunk': case 'log-end':
    case 'flow-output': case 'flow-taken': case 'flow-end':
      return { group: 'runtime', kind: event.type, text };
    case 'outbound-done': return { group: 'client', kind: event.type, text };
    default: return unreachable(event);
  }
}

/** What a frame on its way is. */
export function wordsOfFrame(
  plane: 'message' | 'feed' | 'join-message', frame: Uint8Array,
): Omit<Words, 'text'> {
  if (plane === 'feed') {
    const batch = decodeFeed(frame);
    return { group: 'feed', kind: isRefusal(batch) ? 'feed unreadable' : 'feed' };
  }
  const message = decodeMessage(frame);
  if (isRefusal(message)) return { group: 'call', kind: 'unreadable' };
  switch (message.kind) {
    case 'log': case 'gossip': case 'repair': case 'join':
      return { group: message.kind, kind: message.message.type };
    case 'admit': case 'remove': return { group: 'join', kind: message.kind };
    default: return { group: 'call', kind: message.kind };
  }
}

export function cut(text: string): string {
  const named = withNames(text);
  return named.length > textLengthMax ? `${named.slice(0, textLengthMax - 1)}…` : named;
}

/** Peers by their names; one that took another's place has a number more. */
export const withNames = (text: string): string =>
  text.replace(/12D3Sim(\d+)(?:r(\d+))?/g, (_, number: string, later?: string) =>
    `peer-${number}${later === undefined ? '' : `-${later}`}`);

/** Peers by number, from 1, that a message of an oracle names. */
export function namedPeers(message: string, peers: number): number[] {
  const found = [...message.matchAll(/\bpeer-(\d+)\b|\b12D3Sim(\d+)(?:r\d+)?\b/g)]
    .map((hit) => Number(hit[1] ?? hit[2]));
  return [...new Set(found)].filter((n) => n >= 1 && n <= peers).sort((a, b) => a - b);
}

/** Null for a fault that the run did not live to see. */
export function spanOfFault(fault: Fault, endMs: number): FaultSpan | null {
  if (fault.atMs > endMs) return null;
  const peers = peersOf(fault);
  return {
    kind: fault.kind, text: cut(faultText(fault)), fromUs: us(fault.atMs),
    untilUs: us(fault.atMs + fault.forMs),
    peers: peers.map((number) => number - 1), network: !('peer' in fault) && !('peers' in fault),
  };
}

function peersOf(fault: Fault): number[] {
  const all: number[] = [];
  if ('peer' in fault) all.push(fault.peer);
  if ('peers' in fault) all.push(...fault.peers);
  if ('a' in fault) all.push(...fault.a, ...fault.b);
  if ('links' in fault) all.push(...fault.links.flat());
  if ('order' in fault) all.push(...fault.order);
  if ('clogs' in fault) all.push(...fault.clogs);
  return [...new Set(all)].sort((a, b) => a - b);
}

/** Whole microseconds. */
export const us = (ms: number): number => Math.round(ms * 1_000);
