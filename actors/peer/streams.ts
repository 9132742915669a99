// Log streams: from the container runtime of the peer that runs the pod, through this peer, to a client.
//
// What always holds: no more than the granted credit is under way, so a slow client holds up its own stream
// and nothing else; a stream whose chunks don't arrive in order ends with an error rather than with a hole.

import { objectKey, peerId } from '../../cluster/ids.ts';
import type { PeerId, RequestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { failure } from '../../cluster/api/status.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { ApiResponse, LogsRequest } from '../../cluster/api/request.ts';
import type { Node } from '../../cluster/api/types.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import { get } from '../../cluster/state/query.ts';
import type { Core } from './core.ts';

type LogsMessage = Extract<PeerMessage, { kind: `logs-${string}` }>;

/** A stream to one of our own clients. `from` null: the pod runs here. */
interface Reading {
  readonly id: RequestId;
  readonly from: PeerId | null;
  readonly logs: LogsRequest;
  readonly respond: (response: ApiResponse) => void;
  opened: boolean;
  expected: number;
  sentBytes: number;
}

export interface LogStreams {
  open(id: RequestId, logs: LogsRequest, respond: (response: ApiResponse) => void): void;
  drained(id: RequestId, bytes: number): void;
  close(id: RequestId): void;
  /** From the containers port. */
  chunk(stream: string, data: Uint8Array): void;
  ended(stream: string, error: string | null): void;
  message(from: PeerId, message: LogsMessage): void;
  disconnected(peer: PeerId): void;
}

export interface StreamHooks {
  send(to: PeerId, message: PeerMessage): void;
  /** The container whose log is wanted, on this peer; null: there is none (yet). */
  container(logs: LogsRequest): string | null;
  /** This peer has ended a client's stream. */
  ended(id: RequestId): void;
}

export function createLogStreams(core: Core, hooks: StreamHooks): LogStreams {
  const readings = new Map<RequestId, Reading>();
  /** Streams that we serve to other peers: `peer/stream` → the reader and its next sequence number. */
  const serving = new Map<string, { readonly to: PeerId; readonly stream: string; sequence: number }>();

  /** Ids of requests begin anew with each run of a peer; the names that others know must not. */
  const nameOf = (id: RequestId): string => `${core.incarnation}/${id}`;

  function open(id: RequestId, logs: LogsRequest, respond: (response: ApiResponse) => void): void {
    if (readings.size >= limits.logStreamsMax) {
      respond(failure(429, 'TooManyRequests', 'too many log streams on this peer; try another'));
      return;
    }
    const here = logs.node === core.config.name;
    const from = here ? null : peerOf(core, logs.node);
    if (!here && from === null) {
      respond(failure(500, 'InternalError', `node "${logs.node}" is not known, so its logs cannot be read`));
      return;
    }
    readings.set(id, { id, from, logs, respond, opened: false, expected: 0, sentBytes: 0 });
    if (from === null) openHere(`client/${id}`, logs, (error) => finish(id, error));
    else {
      hooks.send(from, { kind: 'logs-open', stream: nameOf(id), logs, credit: windowBytes });
      core.arm(`logs/${id}`, answerMs, () => finish(id, `peer ${logs.node} does not answer`));
    }
  }

  function openHere(stream: string, logs: LogsRequest, failed: (error: string) => void): void {
    const container = hooks.container(logs);
    if (container === null) {
      const which = logs.previous ? 'previous terminated ' : '';
      core.defer(() => failed(`${which}container "${logs.container}" in pod "${podName(logs)}" not found`));
      return;
    }
    const sinceMs = logs.sinceSeconds === null ? null : core.ports.clock.wallMs() - logs.sinceSeconds * 1000;
    const options = { follow: logs.follow, timestamps: logs.timestamps, tailLines: logs.tailLines, sinceMs };
    core.ports.containers.openLog(stream, container, options, windowBytes);
  }

  /** One chunk for a client, cut at `limitBytes`. */
  function deliver(reading: Reading, data: Uint8Array): void {
    begin(reading);
    const room = (reading.logs.limitBytes ?? Infinity) - reading.sentBytes;
    const part = data.length > room ? data.subarray(0, room) : data;
    reading.sentBytes += part.length;
    if (part.length > 0) core.ports.clients.chunk(reading.id, part);
    if (part.length < data.length || room === data.length) {
      cancel(reading);
      finish(reading.id, null);
    }
  }

  function begin(reading: Reading): void {
    core.disarm(`logs/${reading.id}`);
    if (reading.opened) return;
    reading.opened = true;
    core.ports.clients.open(reading.id, 200, { 'content-type': 'text/plain' });
  }

  function finish(id: RequestId, error: string | null): void {
    const reading = readings.get(id);
    if (reading === undefined) return;
    readings.delete(id);
    core.disarm(`logs/${id}`);
    if (error !== null && !reading.opened) {
      reading.respond(failure(error.includes('not found') ? 400 : 500,
        error.includes('not found') ? 'BadRequest' : 'InternalError', error));
      return;
    }
    begin(reading);
    if (error !== null) core.ports.clients.chunk(id, `shoal: the log stream broke: ${error}\n`);
    core.ports.clients.end(id);
    hooks.ended(id);
  }

  function cancel(reading: Reading): void {
    if (reading.from === null) core.ports.containers.closeLog(`client/${reading.id}`);
    else hooks.send(reading.from, { kind: 'logs-close', stream: nameOf(reading.id) });
  }

  function serve(from: PeerId, message: Extract<LogsMessage, { kind: 'logs-open' }>): void {
    const stream = `peer/${from}/${message.stream}`;
    if (serving.has(stream)) return;
    dropServed((served) => served.to === from && runOf(served.stream) !== runOf(message.stream));
    if (serving.size >= limits.logStreamsMax) {
      hooks.send(from, { kind: 'logs-end', stream: message.stream,
        error: 'too many log streams on that peer' });
      return;
    }
    serving.set(stream, { to: from, stream: message.stream, sequence: 0 });
    openHere(stream, message.logs, (error) => endServed(stream, error));
  }

  function dropServed(which: (served: { readonly to: PeerId; readonly stream: string }) => boolean): void {
    for (const [stream, served] of [...serving]) {
      if (!which(served)) continue;
      serving.delete(stream);
      core.ports.containers.closeLog(stream);
    }
  }

  function endServed(stream: string, error: string | null): void {
    const served = serving.get(stream);
    if (served === undefined) return;
    serving.delete(stream);
    hooks.send(served.to, { kind: 'logs-end', stream: served.stream, error });
  }

  function message(from: PeerId, incoming: LogsMessage): void {
    const stream = `peer/${from}/${incoming.stream}`;
    if (incoming.kind === 'logs-open') return serve(from, incoming);
    if (incoming.kind === 'logs-credit') {
      if (serving.has(stream)) return core.ports.containers.logCredit(stream, incoming.credit);
      // This peer has started anew since.
      return hooks.send(from, { kind: 'logs-end', stream: incoming.stream, error: 'the stream was lost' });
    }
    if (incoming.kind === 'logs-close') {
      if (serving.delete(stream)) core.ports.containers.closeLog(stream);
      return;
    }
    const reading = readings.get(incoming.stream.slice(incoming.stream.indexOf('/') + 1) as RequestId);
    if (reading === undefined || reading.from !== from || incoming.stream !== nameOf(reading.id)) return;
    if (incoming.kind === 'logs-end') return finish(reading.id, incoming.error);
    if (incoming.sequence !== reading.expected) {
      cancel(reading);
      return finish(reading.id, 'a part was lost on the way; please try again');
    }
    reading.expected += 1;
    deliver(reading, incoming.data);
  }

  return {
    open, message,
    drained(id, bytes) {
      const reading = readings.get(id);
      if (reading === undefined) return;
      if (reading.from === null) core.ports.containers.logCredit(`client/${id}`, bytes);
      else hooks.send(reading.from, { kind: 'logs-credit', stream: nameOf(id), credit: bytes });
    },
    close(id) {
      const reading = readings.get(id);
      if (reading === undefined) return;
      readings.delete(id);
      core.disarm(`logs/${id}`);
      cancel(reading);
    },
    chunk(stream, data) {
      const served = serving.get(stream);
      if (served !== undefined) {
        hooks.send(served.to, { kind: 'logs-chunk', stream: served.stream, sequence: served.sequence, data });
        served.sequence += 1;
        return;
      }
      const reading = readings.get(stream.slice('client/'.length) as RequestId);
      if (reading !== undefined) deliver(reading, data);
    },
    ended(stream, error) {
      if (serving.has(stream)) endServed(stream, error);
      else finish(stream.slice('client/'.length) as RequestId, error);
    },
    disconnected(peer) {
      for (const reading of [...readings.values()]) {
        if (reading.from === peer) finish(reading.id, `peer ${reading.logs.node} went away`);
      }
      dropServed((served) => served.to === peer);
    },
  };
}

/** Bytes under way per stream. */
const windowBytes = 8 * limits.logChunkBytes;
/** The first part, or the end, of a remote log must come within this. */
const answerMs = 10_000;

/** The peer whose node it is. */
export function peerOf(core: Core, node: string): PeerId | null {
  const object = get<Node>(core.state, objectKey(resources.nodes, '', node));
  const id = object?.metadata.annotations?.['shoal.dev/peer-id'];
  return id === undefined ? null : peerId(id);
}

/** The run of a peer that a stream's name is of. */
const runOf = (stream: string): string => stream.slice(0, stream.indexOf('/'));

const podName = (logs: LogsRequest): string => logs.pod.slice(logs.pod.lastIndexOf('/') + 1);
