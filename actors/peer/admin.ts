// What Kubernetes has no path for: `/shoal/v1/status` and `/shoal/v1/leave`.

import type { PeerId } from '../../cluster/ids.ts';
import { failure } from '../../cluster/api/status.ts';
import type { ApiRequest, ApiResponse } from '../../cluster/api/request.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { Core } from './core.ts';
import type { PeerStatus } from './status.ts';

export interface AdminHooks {
  status(): PeerStatus;
  members(): readonly LogMember[];
  remove(peer: PeerId): void;
  /** Why this member can't be taken out just now; null if it can. */
  obstacle(peer: PeerId): string | null;
  /** The names of the voters that can't be reached. */
  unreachable(): readonly string[];
  /** Calls back once the state is the newest; false where nobody could say. */
  fresh(done: (fresh: boolean) => void): void;
}

/** True where the request was one of these. */
export type Admin = (request: ApiRequest, respond: (response: ApiResponse) => void) => boolean;

export function createAdmin(core: Core, hooks: AdminHooks): Admin {
  function leave(name: string, fresh: boolean): ApiResponse {
    const wanted = name === '' ? core.config.name : name;
    const member = hooks.members().find((each) => each.name === wanted);
    if (member === undefined) return failure(404, 'NotFound', `no member is named "${wanted}"`);
    if (!fresh) {
      return failure(503, 'ServiceUnavailable',
        `no leader; voters out of reach: ${hooks.unreachable().join(', ') || 'none known'}`);
    }
    const obstacle = hooks.obstacle(member.id);
    if (obstacle !== null) return failure(409, 'Conflict', `${wanted} cannot leave: ${obstacle}`);
    hooks.remove(member.id);
    return json({ message: `${wanted} leaves the cluster` }, 202);
  }

  return (request, respond) => {
    if (!request.path.startsWith('/shoal/v1/')) return false;
    if (request.path === '/shoal/v1/status' && request.method === 'GET') respond(json(hooks.status(), 200));
    else if (request.path === '/shoal/v1/leave' && request.method === 'POST') {
      const name = nameIn(request.body);
      if (name === null) respond(failure(400, 'BadRequest', 'the body is no JSON object with a "name"'));
      else hooks.fresh((fresh) => respond(leave(name, fresh)));
    } else respond(failure(404, 'NotFound', `no such path: ${request.method} ${request.path}`));
    return true;
  };
}

const json = (value: unknown, status: number): ApiResponse =>
  ({ status, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(value)}\n` });

/** Empty where none is given; null for what can't be read. */
function nameIn(body: Uint8Array | null): string | null {
  if (body === null || body.length === 0) return '';
  try {
    const value = JSON.parse(new TextDecoder().decode(body)) as { name?: unknown } | null;
    if (typeof value !== 'object' || value === null) return null;
    return value.name === undefined ? '' : typeof value.name === 'string' ? value.name : null;
  } catch {
    return null;
  }
}
