// `shoal status`: who is in the cluster, who leads, how far each has got, and what it can still lose.

import pc from 'picocolors';
import type { PeerStatus } from '../../actors/peer/status.ts';
import { openClient } from './client.ts';
import type { ClientFlags } from './client.ts';

export async function status(flags: ClientFlags & { readonly output: 'text' | 'json' }): Promise<void> {
  const found = await ask(flags);
  console.log(flags.output === 'json' ? JSON.stringify(found, null, 2) : page(found));
}

/** Asks the current peer, then the others of the kubeconfig: any peer can tell. */
async function ask(flags: ClientFlags): Promise<PeerStatus> {
  const first = openClient(flags);
  const names = flags.context === undefined ? first.contexts : [flags.context];
  const failures: string[] = [];
  for (const context of names) {
    try {
      return await openClient({ ...flags, context }).json<PeerStatus>('GET', '/shoal/v1/status');
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
    }
  }
  throw new Error(`no peer answers: ${failures.join('; ')}`);
}

/** For people: members by name, columns as wide as their longest cell. */
function page(found: PeerStatus): string {
  const members = [...found.members].sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
  const rows = members.map((member) => [
    member.name, member.leader ? 'leader' : member.voter ? 'voter' : 'learner', member.liveness,
    member.applied === null ? '-' : String(member.applied), member.addresses.join(' '),
  ]);
  const leader = found.members.find((member) => member.leader)?.name ?? 'none';
  return [
    table(['NAME', 'ROLE', 'LIVENESS', 'APPLIED', 'ADDRESSES'], rows), '',
    `Leader: ${leader}, term ${found.term}. This peer (${found.name}) has applied ${found.applied}.`,
    verdict(found),
  ].join('\n');
}

function verdict(found: PeerStatus): string {
  if (!found.quorum) return pc.red('No quorum: writes are refused until enough voters are back.');
  const { survives } = found;
  const text = survives === 0 ? 'The loss of one more voter would stop writes.'
    : `The cluster survives ${survives} more failure${survives === 1 ? '' : 's'} at once.`;
  return survives === 0 ? pc.yellow(text) : pc.green(text);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => (row[at] ?? '').length)));
  return [head, ...rows].map((row) => row.map((cell, at) =>
    cell.padEnd(widths[at] ?? 0)).join('   ').trimEnd()).join('\n');
}
