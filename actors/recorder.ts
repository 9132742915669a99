// Writes core/v1 Events: what happened to an object, for `kubectl describe` and `kubectl get events`.
//
// The same thing said again (object, type, reason, message) raises the count of the Event that is there: its
// name follows from what it says, so the next leader goes on counting where the last one stopped. Per object
// there is a burst and then a trickle, as in client-go's spam filter, or a crash loop would fill the log.
// What always holds: an Event is a courtesy. One that can't be written is dropped, never waited for.

import { get } from '../cluster/state/query.ts';
import type { Op } from '../cluster/state/types.ts';
import type { Term } from '../cluster/ids.ts';
import { createOp, keyOf, newborn, resources, updateOp } from '../cluster/api/objects.ts';
import type { KubeEvent, KubeObject, ObjectReference } from '../cluster/api/types.ts';
import { rfc3339 } from '../cluster/api/time.ts';
import { limits } from '../cluster/limits.ts';
import { hashText } from '../cluster/random.ts';
import type { PeerServices, SubmitOutcome } from './services.ts';

export interface Recorder {
  /** `fieldPath` names a part of the object, e.g. `spec.containers{web}`. */
  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string,
    fence?: Term | null, fieldPath?: string): void;
  /** Drops what is not written yet. */
  stop(): void;
}

/** Said `times` times since it was last written. */
interface Note {
  readonly involved: ObjectReference;
  readonly namespace: string;
  readonly name: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly fence: Term | null;
  readonly firstWallMs: number;
  lastWallMs: number;
  times: number;
  attempts: number;
}

const messageLengthMax = 1024;

/** `component`: who says it, e.g. `kubelet`; `host`: the node it runs on. */
export function createRecorder(services: PeerServices, component: string, host?: string): Recorder {
  const filter = createSpamFilter();
  /** By Event name; those being written are in `writing` as well, and may be said again meanwhile. */
  const waiting = new Map<string, Note>();
  const writing = new Set<string>();
  let timer: unknown = null;
  let stopped = false;

  function flushSoon(): void {
    if (timer === null && !stopped) timer = services.clock.setTimeout(flush, 0);
  }

  function flush(): void {
    timer = null;
    const ready = [...waiting.values()].filter((note) => !writing.has(keyText(note)));
    for (const batch of batches(ready)) {
      for (const note of batch) {
        waiting.delete(keyText(note));
        writing.add(keyText(note));
      }
      submit(batch);
    }
  }

  function submit(batch: readonly Note[]): void {
    const ops = batch.map((note) => opFor(services, note, component, host));
    services.submit(ops, batch[0]?.fence ?? null, (outcome) => settle(batch, outcome));
  }

  function settle(batch: readonly Note[], outcome: SubmitOutcome): void {
    if (stopped) return;
    for (const note of batch) writing.delete(keyText(note));
    if (!outcome.ok && worthRetry(outcome)) {
      for (const note of batch) {
        if (note.attempts + 1 >= limits.recorderRetriesMax) continue;
        // From now on alone: one Event that can't be written must not hold back the others of its command.
        const again = waiting.get(keyText(note));
        waiting.set(keyText(note), {
          ...note,
          attempts: note.attempts + 1,
          times: note.times + (again?.times ?? 0),
        });
      }
    }
    if (waiting.size > 0) flushSoon();
  }

  return {
    event(object, type, reason, message, fence = null, fieldPath) {
      if (stopped || !filter.admits(objectText(object), services.nowMs())) return;
      const note = newNote(object, type, reason, message, fence, fieldPath, services.wallMs());
      const known = waiting.get(keyText(note));
      if (known !== undefined) {
        known.times += 1;
        known.lastWallMs = note.lastWallMs;
      } else if (waiting.size + writing.size < limits.recorderPendingMax) waiting.set(keyText(note), note);
      else services.trace('events', 'dropped', { reason, object: objectText(object) });
      flushSoon();
    },
    stop() {
      stopped = true;
      waiting.clear();
      if (timer !== null) services.clock.clearTimeout(timer);
      timer = null;
    },
  };
}

const keyText = (note: Note): string => `${note.namespace}/${note.name}`;

const objectText = ({ kind, metadata }: KubeObject): string =>
  `${kind}/${metadata.namespace ?? ''}/${metadata.name}/${metadata.uid}`;

/** A refusal of one op refuses its command, so the innocent are tried again too, each alone. */
function worthRetry(outcome: SubmitOutcome & { ok: false }): boolean {
  switch (outcome.refusal.reason) {
    case 'Conflict': case 'AlreadyExists': case 'NotFound': case 'Forbidden': case 'Invalid': return true;
    // Fenced: another leader speaks now. Unavailable: nobody hears. Better silent than late.
    default: return false;
  }
}

/** Notes that share a command: same fence, and none that failed before. */
function batches(notes: readonly Note[]): Note[][] {
  const out: Note[][] = [];
  let open: Note[] = [];
  for (const note of notes) {
    if (note.attempts > 0) {
      out.push([note]);
      continue;
    }
    if (open.length >= limits.recorderPerCommand || (open[0] !== undefined && open[0].fence !== note.fence)) {
      out.push(open);
      open = [];
    }
    open.push(note);
  }
  if (open.length > 0) out.push(open);
  return out;
}

function newNote(
  object: KubeObject, type: Note['type'], reason: string, message: string, fence: Term | null,
  fieldPath: string | undefined, wallMs: number,
): Note {
  const { metadata, apiVersion, kind } = object;
  const text = message.length <= messageLengthMax ? message : `${message.slice(0, messageLengthMax - 3)}...`;
  const involved: ObjectReference = {
    kind, apiVersion, name: metadata.name, uid: metadata.uid, resourceVersion: metadata.resourceVersion,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
    ...(fieldPath === undefined ? {} : { fieldPath }),
  };
  return {
    involved,
    namespace: metadata.namespace ?? 'default',
    name: eventName(object, type, reason, text, fieldPath ?? ''),
    type,
    reason,
    message: text,
    fence,
    firstWallMs: wallMs,
    lastWallMs: wallMs,
    times: 1,
    attempts: 0,
  };
}

/** `<object>.<hex>`, the same for the same words about the same object. Names end at 253 characters. */
function eventName(
  object: KubeObject,
  type: string,
  reason: string,
  message: string,
  fieldPath: string,
): string {
  const text = [object.kind, object.metadata.uid, fieldPath, type, reason, message].join('\n');
  const hex = (n: number): string => n.toString(16).padStart(8, '0');
  return `${object.metadata.name.slice(0, 236)}.${hex(hashText(text))}${hex(hashText(text, 0x9747b28c))}`;
}

function opFor(services: PeerServices, note: Note, component: string, host: string | undefined): Op {
  const key = keyOf(resources.events, { metadata: note });
  const stored = get<KubeEvent>(services.state(), key);
  const lastTimestamp = rfc3339(note.lastWallMs);
  if (stored !== null) {
    const { involvedObject } = stored;
    return updateOp(resources.events, stored, {
      ...stored, count: (stored.count ?? 1) + note.times, lastTimestamp,
      involvedObject: { ...involvedObject, resourceVersion: note.involved.resourceVersion ?? '' },
    });
  }
  const event: Omit<KubeEvent, 'metadata'> & { metadata: { name: string; namespace: string } } = {
    apiVersion: 'v1', kind: 'Event', metadata: { name: note.name, namespace: note.namespace },
    involvedObject: note.involved, reason: note.reason, message: note.message, type: note.type,
    source: host === undefined ? { component } : { component, host },
    firstTimestamp: rfc3339(note.firstWallMs), lastTimestamp, count: note.times,
    reportingComponent: component, reportingInstance: host ?? services.self.name,
  };
  return createOp(resources.events, newborn(event, { uid: services.newUid(), nowWallMs: services.wallMs() }));
}

/** A token bucket per object; the object that spoke least recently is forgotten beyond the bound. */
function createSpamFilter(): { admits(object: string, nowMs: number): boolean } {
  const buckets = new Map<string, { tokens: number; atMs: number }>();
  return {
    admits(object, nowMs) {
      const known = buckets.get(object) ?? { tokens: limits.recorderBurst, atMs: nowMs };
      const refilled = Math.floor((nowMs - known.atMs) / limits.recorderRefillMs);
      const full = known.tokens + refilled >= limits.recorderBurst;
      const tokens = full ? limits.recorderBurst : known.tokens + refilled;
      const atMs = full ? nowMs : known.atMs + refilled * limits.recorderRefillMs;
      buckets.delete(object);
      buckets.set(object, { tokens: Math.max(0, tokens - 1), atMs });
      const oldest = buckets.keys().next();
      if (buckets.size > limits.recorderObjectsMax && oldest.done !== true) buckets.delete(oldest.value);
      return tokens >= 1;
    },
  };
}
