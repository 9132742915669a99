// Rare states that a campaign must have met, or it has shown less than it seems to: each with a name, each
// recognised from what the world tells anyway: notes of peers, their messages, roles, writes, and what
// entries did to the state. After FoundationDB's `TEST` macros and the `sometimes` of Antithesis.
//
// What always holds: recognising changes nothing in a run and judges nothing. A mark whose state can't come
// about any more, because the core has changed, is taken out of the list: a campaign that misses one fails.

import type { PeerId } from '../cluster/ids.ts';
import type { LogMember } from '../cluster/log/types.ts';
import type { DiskWrite } from '../cluster/ports.ts';
import type { Applied, Change } from '../cluster/state/types.ts';
import { frameKinds, isReadRefused, kindOf, logNumbers, logTypes } from './check/frames.ts';
import { markOfChange } from './marks/objects.ts';
import { markOfNote } from './marks/notes.ts';
import { marks } from './marks/names.ts';
import type { MarkName } from './marks/names.ts';
import { createRoleMarks } from './marks/roles.ts';
import type { RoleMarks } from './marks/roles.ts';
import type { Note } from './ports/trace.ts';

export { marks };
export type { MarkName };

export type MarkCounts = Readonly<Partial<Record<MarkName, number>>>;

export interface Marks extends RoleMarks {
  /** For states that are known where they come about. */
  reach(name: MarkName): void;
  /** How often each was reached; those that never were are not there. */
  counts(): MarkCounts;
  noted(note: Note): void;
  sent(frame: Uint8Array): void;
  /** By the peer of this name. */
  heard(name: string, frame: Uint8Array): void;
  wrote(write: DiskWrite): void;
  /** The first to apply it leads in `term`, or follows who does. */
  applied(applied: Applied, entryTerm: number, term: number): void;
  /** A membership is committed, after the one before it. */
  members(now: readonly LogMember[], before: readonly LogMember[]): void;
}

/** Types of repair's messages by their number on the wire. */
const repairTypes = { range: 1, 'snapshot-chunk': 3 } as const;

export function createMarks(leaderOf: (term: number) => PeerId | null): Marks {
  const counts = new Map<MarkName, number>();
  const reach = (name: MarkName): void => { counts.set(name, (counts.get(name) ?? 0) + 1); };
  /** Where the piece of a snapshot came from that each peer heard last. */
  const source = new Map<string, 'append' | 'repair'>();
  /** What a peer believes of another. */
  const beliefs = new Map<string, string>();
  const roles = createRoleMarks(reach, leaderOf);

  return {
    reach,
    counts: () => Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    noted(note) {
      if (note.area === 'gossip' && note.what === 'liveness') believed(note);
      if (note.area === 'state' && note.what === 'installed') {
        reach(source.get(note.peer) === 'repair' ? 'snapshot-by-repair' : 'snapshot-by-append');
      }
      const name = markOfNote(note);
      if (name !== null) reach(name);
    },
    sent(frame) {
      if (isReadRefused(frame)) return reach('read-refused');
      const [type, , third] = kindOf(frame) === frameKinds.log ? logNumbers(frame, 3) ?? [] : [];
      if (type === logTypes['timeout-now']) reach('leadership-transferred');
      else if (type === logTypes['append-reply'] && third === 0) reach('append-refused');
    },
    heard(name, frame) {
      const kind = kindOf(frame);
      if (kind === frameKinds.log && frame[3] === logTypes.snapshot) source.set(name, 'append');
      if (kind !== frameKinds.repair) return;
      if (frame[3] === repairTypes.range) reach('gap-repaired-from-a-member');
      else if (frame[3] === repairTypes['snapshot-chunk']) source.set(name, 'repair');
    },
    wrote({ truncateAfter }) {
      if (truncateAfter !== undefined) reach('entries-given-up');
    },
    ...roles,
    members(now, before) {
      for (const { id, voter } of before) {
        const next = now.find((each) => each.id === id);
        if (next === undefined) reach('member-taken-out');
        else if (next.voter !== voter) reach(voter ? 'voter-demoted' : 'voter-promoted');
      }
    },
    applied({ outcome, duplicate, changes }, entryTerm, term) {
      if (entryTerm < term) reach('committed-in-a-later-term');
      if (duplicate) reach('command-recognised-as-duplicate');
      else if (!outcome.ok) {
        const { reason } = outcome.refusal;
        if (reason === 'Fenced') reach('command-fenced-off');
        else if (reason === 'Conflict') reach('command-lost-a-race');
      }
      for (const change of changes) note(change);
    },
  };

  function believed({ peer, fields }: Note): void {
    const who = `${peer} of ${String(fields['peer'])}`, was = beliefs.get(who), { status } = fields;
    beliefs.set(who, String(status));
    if (status !== 'alive') return;
    if (was === 'suspect') reach('suspicion-refuted');
    else if (was === 'dead') reach('death-refuted');
  }

  function note(change: Change): void {
    const name = markOfChange(change);
    if (name !== null) reach(name);
  }
}
