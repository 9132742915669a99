// Ports of this machine that nobody listens at, for tests and benchmarks.

import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** `wanted` different ones; all are held until the last is found. */
export async function freePorts(wanted: number, host = '127.0.0.1'): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: wanted }, () => listen(host)));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((done) => { server.close(done); })));
  return ports;
}

export async function freePort(host?: string): Promise<number> {
  const [port = 0] = await freePorts(1, host);
  return port;
}

function listen(host: string): Promise<ReturnType<typeof createServer>> {
  const server = createServer();
  return new Promise((done, fail) => {
    server.once('error', fail);
    server.listen(0, host, () => done(server));
  });
}
