// `shoal recover`: after the loss of a quorum for good. It asks every peer that is left how far its log goes,
// says what may be lost, and has the one with the longest log go on with the others, once a person agrees.
// What always holds: nothing is changed before the person agreed; of peers that answer, only the one with the
// longest log (by last term, then last index) is recovered through, unless another is named.

import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import type { PeerStatus } from '../../actors/peer/status.ts';
import type { Node } from '../../cluster/api/types.ts';
import { openClient } from './client.ts';
import type { Client, ClientFlags } from './client.ts';
import { table } from './status.ts';

export interface RecoverFlags extends ClientFlags { readonly through?: string; readonly yes?: boolean }

interface Survivor { readonly client: Client; readonly status: PeerStatus }

const leadsWithinMs = 30_000, lookEveryMs = 250;

export async function recover(flags: RecoverFlags): Promise<void> {
  const survivors = await ask(flags);
  const [first] = survivors;
  if (first === undefined) throw new Error('no peer answers');
  const led = survivors.find(({ status }) => status.leader !== null);
  if (led !== undefined) {
    const { leader, members } = led.status, name = members.find(({ id }) => id === leader)?.name ?? leader;
    throw new Error(`${name} leads: there is nothing to recover`);
  }
  const best = survivors.reduce((a, b) => (isLonger(b.status, a.status) ? b : a));
  const chosen = flags.through === undefined ? best
    : survivors.find(({ status }) => status.name === flags.through);
  if (chosen === undefined) throw new Error(`no peer named ${flags.through} answers`);
  console.log(page(survivors, chosen, best));
  if (flags.yes !== true && !await agrees(chosen.status.name)) throw new Error('nothing was changed');
  const members = survivors.map(({ status }) => status.name);
  const { message } = await chosen.client.json<{ message: string }>('POST', '/shoal/v1/recover', { members });
  console.log(message);
  await untilItLeads(chosen);
}

/** Every peer that answers: those of the kubeconfig, and those that the cluster's state names. */
async function ask(flags: RecoverFlags): Promise<Survivor[]> {
  const { contexts } = openClient(flags), found = new Map<string, Survivor>();
  const clients = contexts.map((context) => openClient({ ...flags, context }));
  for (const client of clients) await look(client, found);
  const [first] = found.values();
  const { items } = first === undefined ? { items: [] }
    : await first.client.json<{ items: Node[] }>('GET', '/api/v1/nodes?resourceVersion=0');
  for (const { metadata, status } of items) {
    const host = status?.addresses?.find(({ type }) => type === 'InternalIP')?.address;
    const port = metadata.annotations?.['shoal.dev/api-port'];
    if (found.has(metadata.name) || host === undefined || port === undefined) continue;
    await look(openClient({ ...flags, server: `https://${host}:${port}` }), found);
  }
  return [...found.values()].sort((a, b) => (a.status.name < b.status.name ? -1 : 1));
}

/** One that does not answer is one of those that are gone. */
async function look(client: Client, found: Map<string, Survivor>): Promise<void> {
  try {
    const status = await client.json<PeerStatus>('GET', '/shoal/v1/status');
    found.set(status.name, { client, status });
  } catch {
    return;
  }
}

function isLonger(a: PeerStatus, b: PeerStatus): boolean {
  return a.lastTerm > b.lastTerm || (a.lastTerm === b.lastTerm && a.lastIndex > b.lastIndex);
}

function page(survivors: readonly Survivor[], chosen: Survivor, best: Survivor): string {
  const rows = survivors.map(({ status }) => [
    status.name, String(status.term), `${status.lastTerm}/${status.lastIndex}`, String(status.applied),
    status.leaderlessMs === null ? 'not since it started'
      : `${Math.round(status.leaderlessMs / 1_000)} s ago`,
  ]);
  const names = new Set(survivors.map(({ status }) => status.name));
  const gone = chosen.status.members.map(({ name }) => name).filter((name) => !names.has(name)).sort();
  const lines = [
    table(['NAME', 'TERM', 'LAST ENTRY', 'APPLIED', 'HEARD A LEADER'], rows), '',
    `The cluster goes on from the log of ${chosen.status.name}, with ${[...names].join(', ')}.`,
    `What only ${gone.join(', ') || 'nobody'} held is lost: writes that were acknowledged after `
      + `entry ${chosen.status.lastIndex}, if there were any.`,
    `${gone.join(', ') || 'Nobody'} can come back only as a new member, emptied, with a token. If they are `
      + 'alive and see each other, there will be two clusters: stop them first.',
  ];
  if (chosen === best) return lines.join('\n');
  const warning =
    `The log of ${best.status.name} is longer: through ${chosen.status.name}, what it lacks is lost.`;
  return [...lines, pc.red(warning)].join('\n');
}

async function agrees(name: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new Error('nothing was changed: say --yes to go on without a question');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(`Type ${name} to go on: `)).trim() === name;
  } finally {
    terminal.close();
  }
}

async function untilItLeads({ client, status: { id, name } }: Survivor): Promise<void> {
  for (const deadlineMs = performance.now() + leadsWithinMs; performance.now() < deadlineMs;) {
    const { leader, term } = await client.json<PeerStatus>('GET', '/shoal/v1/status');
    if (leader === id) return console.log(pc.green(`${name} leads in term ${term}; the others follow.`));
    await sleep(lookEveryMs);
  }
  throw new Error(`${name} does not lead within ${leadsWithinMs / 1_000} s; see its log`);
}
