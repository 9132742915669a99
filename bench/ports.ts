// Ports of this machine that nobody listens at.

import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** `wanted` different ones; all are held until the last is found. */
export async function freePorts(wanted: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: wanted }, () => listen()));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => { server.close(done); })));
  return ports;
}

function listen(): Promise<ReturnType<typeof createServer>> {
  const server = createServer();
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => done(server));
  });
}
