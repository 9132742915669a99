// Marks that a peer's note of itself tells.

import type { Note } from '../ports/trace.ts';
import type { MarkName } from './names.ts';

/** By `area/what`. */
const plain: Readonly<Record<string, MarkName>> = {
  'commands/not-appended': 'command-not-appended', 'commands/turned-away': 'command-not-appended',
  'controller/refused': 'reconcile-refused', 'join/again': 'join-tried-again',
  'kubelet/orphan': 'orphan-swept', 'kubelet/status-refused': 'status-refused',
  'scheduler/refused': 'placement-refused', 'wire/stranger': 'stranger-heard',
};

/** Null for most. */
export function markOfNote({ area, what, fields }: Note): MarkName | null {
  const name = plain[`${area}/${what}`];
  if (name !== undefined) return name;
  switch (`${area}/${what}`) {
    case 'gossip/liveness': return fields['status'] === 'dead' ? 'declared-dead' : null;
    case 'kubelet/adopted': return Number(fields['pods']) > 0 ? 'pods-adopted' : null;
    case 'kubelet/runtime': return fields['up'] === false ? 'runtime-down' : null;
    case 'log/refused': return fields['what'] === 'read' ? 'read-refused' : null;
    default: return null;
  }
}
