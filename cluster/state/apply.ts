// Applies committed entries to the state: the only place that changes it.
//
// What always holds: what an entry does is a function of the entry and the state before it, so every member does
// the same; all operations of a command take effect at one revision, or none does; a refusal is an outcome like
// any other, and the same everywhere.
// Messages and codes: apimachinery api/errors, apiserver registry/generic/registry/store.go.

import { revision as asRevision, splitKey } from '../ids.ts';
import type { ObjectKey, Revision } from '../ids.ts';
import { unreachable } from '../assert.ts';
import { limits } from '../limits.ts';
import { resources } from '../api/objects.ts';
import type { KubeObject, Namespace, Service } from '../api/types.ts';
import type { Entry } from '../log/types.ts';
import { decodeCommand, isRefusal } from '../wire.ts';
import { allocate } from './allocate.ts';
import { digested } from './digest.ts';
import { place } from './indexes.ts';
import { sameObject } from './same.ts';
import { mutable } from './state.ts';
import type { MutableState, State } from './state.ts';
import type { Applied, Change, Command, Expectation, Op, Outcome, Refusal } from './types.ts';
import { enter } from './windows.ts';

/** Applies the entry that follows the state's revision. `state` is changed. */
export function applyEntry(state: State, entry: Entry): Applied {
  const target = mutable(state);
  target.revision = asRevision(entry.index);
  target.term = entry.term;
  if (entry.kind !== 'command') return nothing(entry);
  const command = decodeCommand(entry.data);
  if (isRefusal(command)) {
    return { ...nothing(entry), outcome: refused({ reason: 'Invalid', message: `unreadable command: ${command.refused}` }) };
  }
  const seen = enter(target, command.id);
  if (seen !== 'new') {
    const message = seen === 'duplicate' ? 'this command was applied before' : 'this command is too old to be applied';
    return {
      index: entry.index, id: command.id, duplicate: seen === 'duplicate', changes: [],
      outcome: refused({ reason: 'TooOld', message }),
    };
  }
  const { outcome, changes } = applyCommand(target, command, entry);
  return { index: entry.index, id: command.id, duplicate: false, outcome, changes };
}

function nothing(entry: Entry): Applied {
  const outcome: Outcome = { ok: true, revision: asRevision(entry.index), objects: [] };
  return { index: entry.index, id: null, duplicate: false, outcome, changes: [] };
}

const refused = (refusal: Refusal): Outcome => ({ ok: false, refusal });

interface Effects { readonly outcome: Outcome; readonly changes: readonly Change[] }

function applyCommand(state: MutableState, command: Command, entry: Entry): Effects {
  if (command.fence !== undefined && command.fence !== entry.term) {
    const message = `made by the leader of term ${command.fence}, but this is term ${entry.term}`;
    return { outcome: refused({ reason: 'Fenced', message }), changes: [] };
  }
  // Work on a draft, so that a refusal of a later operation leaves no trace of an earlier one.
  const draft = new Draft(state);
  const objects: KubeObject[] = [];
  for (const op of command.ops) {
    const result = draft.carryOut(op);
    if (isRefused(result)) return { outcome: refused(result), changes: [] };
    objects.push(result);
  }
  const changes = draft.changes();
  for (const change of changes) {
    place(state, change.key, change.type === 'DELETED' ? null : change.object);
    remember(state, change);
  }
  return { outcome: { ok: true, revision: state.revision, objects }, changes };
}

function remember(state: MutableState, change: Change): void {
  state.changes.push(change);
  state.digest = digested(state.digest, change);
  // Cut in large steps: one move per `changesKept` changes.
  if (state.changes.length <= 2 * limits.changesKept) return;
  const cut = state.changes.length - limits.changesKept;
  state.forgotten = (state.changes[cut - 1] as Change).revision;
  state.changes = state.changes.slice(cut);
}

/** By what a refusal lacks: an Event, which is an object, has a `reason` too. */
const isRefused = (result: KubeObject | Refusal): result is Refusal => !('metadata' in result);

/** What the operations of one command add up to, before any of it takes effect. */
class Draft {
  readonly state: MutableState;
  readonly revision: Revision;
  /** By key, in the order of first touch; null: deleted. */
  readonly touched = new Map<ObjectKey, { readonly before: KubeObject | null; now: KubeObject | null; last: KubeObject }>();
  /** Services allocate one after the other: a second one in the same command must see the first. */
  readonly services: ObjectKey[] = [];

  constructor(state: MutableState) {
    this.state = state;
    this.revision = state.revision;
  }

  carryOut(op: Op): KubeObject | Refusal {
    const current = this.touched.has(op.key) ? this.touched.get(op.key)?.now ?? null : this.state.objects.get(op.key) ?? null;
    switch (op.op) {
      case 'create': return this.create(op.key, op.object, current);
      case 'update': return this.update(op.key, op.object, op.expect, current);
      case 'delete': return this.remove(op.key, op.expect, current);
      default: return unreachable(op);
    }
  }

  create(key: ObjectKey, object: KubeObject, current: KubeObject | null): KubeObject | Refusal {
    if (current !== null) return { reason: 'AlreadyExists', key, message: `${nameOf(key)} already exists` };
    const closed = this.namespaceClosed(key);
    if (closed !== null) return closed;
    const ready = this.allocated(key, object, null);
    return isRefused(ready) ? ready : this.put(key, null, ready);
  }

  update(key: ObjectKey, object: KubeObject, expect: Expectation | undefined, current: KubeObject | null): KubeObject | Refusal {
    if (current === null) return notFound(key);
    const conflict = mismatch(key, current, { ...expect, uid: object.metadata.uid as never });
    if (conflict !== null) return conflict;
    const ready = this.allocated(key, object, current);
    if (isRefused(ready)) return ready;
    if (isFinished(ready)) return this.drop(key, ready);
    if (sameObject(ready, current)) return current;
    return this.put(key, current, ready);
  }

  remove(key: ObjectKey, expect: Expectation | undefined, current: KubeObject | null): KubeObject | Refusal {
    if (current === null) return notFound(key);
    return mismatch(key, current, expect) ?? this.drop(key, current);
  }

  put(key: ObjectKey, current: KubeObject | null, object: KubeObject): KubeObject {
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.revision) } };
    this.touch(key, current, stored, stored);
    return stored;
  }

  drop(key: ObjectKey, object: KubeObject): KubeObject {
    const last = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.revision) } };
    this.touch(key, object, null, last);
    return last;
  }

  touch(key: ObjectKey, current: KubeObject | null, now: KubeObject | null, last: KubeObject): void {
    const known = this.touched.get(key);
    if (known === undefined) this.touched.set(key, { before: this.state.objects.get(key) ?? current, now, last });
    else Object.assign(known, { now, last });
  }

  allocated(key: ObjectKey, object: KubeObject, current: KubeObject | null): KubeObject | Refusal {
    if (splitKey(key).resource !== resources.services) return object;
    if (this.services.length > 0 && !this.services.includes(key)) {
      return { reason: 'Invalid', key, message: 'one command may create or change one Service only' };
    }
    this.services.push(key);
    return allocate(this.state.allocations, key, object as Service, current as Service | null);
  }

  namespaceClosed(key: ObjectKey): Refusal | null {
    const { namespace } = splitKey(key);
    if (namespace === '') return null;
    const parent = `${resources.namespaces}//${namespace}` as ObjectKey;
    const object = (this.touched.has(parent) ? this.touched.get(parent)?.now : this.state.objects.get(parent)) as
      Namespace | null | undefined;
    if (object === null || object === undefined) return { ...notFound(parent), key };
    if (object.metadata.deletionTimestamp === undefined) return null;
    const message = `${nameOf(key)} is forbidden: unable to create new content in namespace ${namespace} `
      + 'because it is being terminated';
    return { reason: 'Forbidden', key, message };
  }

  changes(): readonly Change[] {
    const { revision } = this, found: Change[] = [];
    for (const [key, { before, now, last }] of this.touched) {
      if (before === null && now === null) continue;
      const type = before === null ? 'ADDED' : now === null ? 'DELETED' : 'MODIFIED';
      found.push({ type, key, revision, object: last, previous: before });
    }
    return found;
  }
}

/** Deletion was asked for, nothing holds the object back, and its grace is over. */
function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = object.metadata;
  if (deletionTimestamp === undefined || finalizers.length > 0 || deletionGracePeriodSeconds > 0) return false;
  return object.kind !== 'Namespace' || ((object as Namespace).spec?.finalizers ?? []).length === 0;
}

function mismatch(key: ObjectKey, current: KubeObject, expect: Expectation | undefined): Refusal | null {
  const prefix = `Operation cannot be fulfilled on ${nameOf(key)}: `;
  if (expect?.uid !== undefined && expect.uid !== current.metadata.uid) {
    const message = `${prefix}Precondition failed: UID in precondition: ${expect.uid}, `
      + `UID in object meta: ${current.metadata.uid}`;
    return { reason: 'Conflict', key, message };
  }
  if (expect?.revision !== undefined && String(expect.revision) !== current.metadata.resourceVersion) {
    const message = `${prefix}the object has been modified; please apply your changes to the latest version and try again`;
    return { reason: 'Conflict', key, message };
  }
  return null;
}

function notFound(key: ObjectKey): Refusal {
  return { reason: 'NotFound', key, message: `${nameOf(key)} not found` };
}

/** `pods "x"`, `deployments.apps "x"`: as Kubernetes names an object in its messages. */
export function nameOf(key: ObjectKey): string {
  const { resource, name } = splitKey(key);
  const cut = resource.indexOf('/'), group = resource.slice(0, cut), plural = resource.slice(cut + 1);
  return `${group === 'core' ? plural : `${plural}.${group}`} "${name}"`;
}
