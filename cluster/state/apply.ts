// Applies committed entries to the state: the only place that changes it.
//
// What always holds: what an entry does is a function of the entry and the state before it, so every member
// does the same; all operations of a command take effect at one revision, or none does; a refusal is an
// outcome like any other, and the same everywhere.

import { revision as asRevision } from '../ids.ts';
import { assert } from '../assert.ts';
import { limits } from '../limits.ts';
import type { KubeObject } from '../api/types.ts';
import type { Entry } from '../log/types.ts';
import { eachTime } from '../ports.ts';
import type { OncePort } from '../ports.ts';
import { decodeCommand, isRefusal } from '../wire.ts';
import { digested } from './digest.ts';
import { Draft } from './draft.ts';
import { place } from './indexes.ts';
import { isRefused } from './refusals.ts';
import { mutable } from './state.ts';
import type { MutableState, State } from './state.ts';
import type { Applied, Change, Command, Outcome, Refusal } from './types.ts';
import { enter } from './windows.ts';

/** Applies the entry that follows the state's revision. `state` is changed. */
export function applyEntry(state: State, entry: Entry, once: OncePort = eachTime): Applied {
  const { index, term } = entry, target = mutable(state);
  assert(index === state.revision + 1, `entry ${index} does not follow revision ${state.revision}`);
  assert(term >= state.term, `entry ${index} is of term ${term}, after one of term ${state.term}`);
  target.revision = asRevision(index);
  target.term = term;
  if (entry.kind !== 'command') return nothing(entry);
  const command = once(entry, () => 'command', () => decodeCommand(entry.data));
  if (isRefusal(command)) {
    const message = `unreadable command: ${command.refused}`;
    return { ...nothing(entry), outcome: refused({ reason: 'Invalid', message }) };
  }
  const { id } = command, seen = enter(target, id);
  if (seen !== 'new') {
    const duplicate = seen === 'duplicate';
    const message = duplicate ? 'this command was applied before' : 'this command is too old to be applied';
    return { index, id, duplicate, outcome: refused({ reason: 'TooOld', message }), changes: [] };
  }
  // States of one digest are one state.
  const effects = once(command, () => `upon ${state.revision} ${target.digest.join()}`,
    () => effectsOf(target, command, entry));
  takeEffect(target, effects);
  return { index, id, duplicate: false, outcome: effects.outcome, changes: effects.changes };
}

function nothing(entry: Entry): Applied {
  const outcome: Outcome = { ok: true, revision: asRevision(entry.index), objects: [] };
  return { index: entry.index, id: null, duplicate: false, outcome, changes: [] };
}

const refused = (refusal: Refusal): Outcome => ({ ok: false, refusal });

interface Effects {
  readonly outcome: Outcome;
  readonly changes: readonly Change[];
  /** The state's, after them. */
  readonly digest: MutableState['digest'];
}

/** What the command comes to; but for addresses and ports given out, nothing of it has taken effect yet. */
function effectsOf(state: MutableState, command: Command, entry: Entry): Effects {
  const none = { changes: [], digest: state.digest };
  if (command.fence !== undefined && command.fence !== entry.term) {
    const message = `made by the leader of term ${command.fence}, but this is term ${entry.term}`;
    return { outcome: refused({ reason: 'Fenced', message }), ...none };
  }
  const draft = new Draft(state), objects: KubeObject[] = [];
  for (const op of command.ops) {
    const result = draft.carryOut(op);
    if (isRefused(result)) {
      draft.giveUp();
      return { outcome: refused(result), ...none };
    }
    objects.push(result);
  }
  const over = draft.settle();
  if (over !== null) {
    draft.giveUp();
    return { outcome: refused(over), ...none };
  }
  const changes = draft.changes(), digest = changes.reduce(digested, state.digest);
  return { outcome: { ok: true, revision: state.revision, objects }, changes, digest };
}

function takeEffect(state: MutableState, { changes, digest }: Effects): void {
  for (const change of changes) {
    place(state, change.key, change.type === 'DELETED' ? null : change.object);
    remember(state, change);
  }
  state.digest = digest;
}

function remember(state: MutableState, change: Change): void {
  state.changes.push(change);
  // Cut in large steps: one move per `changesKept` changes.
  if (state.changes.length <= 2 * limits.changesKept) return;
  const cut = state.changes.length - limits.changesKept;
  state.forgotten = (state.changes[cut - 1] as Change).revision;
  state.changes = state.changes.slice(cut);
}
