// Stops and removes every container that the peer of a directory owns, the peer itself being down.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readSettings } from '../settings.ts';
import type { ContainersEvent, RuntimeCall } from '../../cluster/ports.ts';
import { openContainers } from '../ports/containers.ts';
import { createNetworkIdentity } from '../ports/libp2p.ts';
import { removeTable } from '../ports/nftables.ts';

export async function removePods(dir: string, log: (line: string) => void): Promise<void> {
  const settings = readSettings(dir);
  if (settings === null || !existsSync(join(dir, 'identity.key'))) return;
  const owner = await createNetworkIdentity(dir);
  await removeTableOf(dir);
  const waiting = new Map<string, (event: ContainersEvent) => void>();
  const containers = await openContainers({
    choice: settings.runtime, dir: join(dir, 'runtime'), owner, hostIP: settings.hostIP, log: () => undefined,
    deliver: (event) => {
      if (event.type === 'runtime-done' || event.type === 'runtime-failed') waiting.get(event.op)?.(event);
    },
  });
  const call = (op: string, what: RuntimeCall): Promise<ContainersEvent> =>
    new Promise((done) => {
      waiting.set(op, done);
      containers.call(op, what);
    });
  const found = await call('list', { call: 'list' });
  if (found.type === 'runtime-done') {
    const sandboxes = found.list?.sandboxes ?? [];
    const removed = await Promise.all(sandboxes.map(({ id }) => call(id, { call: 'remove-sandbox', id })));
    for (const event of removed) if (event.type === 'runtime-failed') log(`not removed: ${
      event.failure.message}`);
  } else if (found.type === 'runtime-failed') {
    log(`its containers can't be listed: ${found.failure.message}`);
  }
  await containers.close();
}

/** The routes of a peer that is down. */
export async function removeTableOf(dir: string): Promise<void> {
  if (existsSync(join(dir, 'identity.key'))) await removeTable(await createNetworkIdentity(dir));
}
