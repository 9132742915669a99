// Where tests of the HTTP server meet it: over real sockets, with a CA, an administrator and all events kept.

import 'reflect-metadata'; // x509 asks for it
import type { ApiRequest } from '../../cluster/api/request.ts';
import type { ClientsEvent } from '../../cluster/ports.ts';
import { createAuthority, issueClient, issueServing } from '../../runtime/http/certificates.ts';
import type { KeyPair } from '../../runtime/http/certificates.ts';
import { createClients } from '../../runtime/http/server.ts';
import type { Clients } from '../../runtime/http/server.ts';
import { freePort } from '../ports.ts';

export interface Served {
  readonly ca: KeyPair; readonly admin: KeyPair; readonly port: number; readonly clients: Clients;
  readonly events: ClientsEvent[];
}

export async function serveClients(onRequest: (request: ApiRequest) => void): Promise<Served> {
  const ca = await createAuthority('test'), events: ClientsEvent[] = [];
  const serving = await issueServing(ca, 'peer', ['localhost'], ['127.0.0.1']);
  const clients = createClients((event) => {
    events.push(event);
    if (event.type === 'request') onRequest(event.request);
  });
  const port = await freePort();
  await clients.listen({ host: '127.0.0.1', port, ca: ca.cert, serving });
  const admin = await issueClient(ca, 'kubernetes-admin', ['system:masters']);
  return { ca, admin, port, clients, events };
}
