// What Kubernetes has no path for: `/shoal/v1/status`, `/shoal/v1/loop`, `/shoal/v1/leave`,
// `/shoal/v1/recover` and `/shoal/v1/rotate-token-keys`. For the cluster's administrators (`system:masters`)
// alone.

import type { PeerId } from '../../cluster/ids.ts';
import { failure } from '../../cluster/api/status.ts';
import type { ApiRequest, ApiResponse } from '../../cluster/api/request.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { Op } from '../../cluster/state/types.ts';
import type { SubmitOutcome } from '../services.ts';
import type { Core } from './core.ts';
import { recoveryOf } from './recovery.ts';
import { rotateTokenKeys } from './rotation.ts';
import type { PeerStatus } from './status.ts';

export interface AdminHooks {
  status(): PeerStatus;
  members(): readonly LogMember[];
  remove(peer: PeerId): void;
  /** The log goes on with these members, this peer their only voter. */
  recover(left: readonly LogMember[]): void;
  /** Why this member can't be taken out just now; null if it can. */
  obstacle(peer: PeerId): string | null;
  /** The names of the voters that can't be reached. */
  unreachable(): readonly string[];
  submit(ops: readonly Op[], done: (outcome: SubmitOutcome) => void): void;
  /** Calls back once the state is the newest; false where nobody could say. */
  fresh(done: (fresh: boolean) => void): void;
}

/** True where the request was one of these. */
export type Admin = (request: ApiRequest, respond: (response: ApiResponse) => void) => boolean;

export function createAdmin(core: Core, hooks: AdminHooks): Admin {
  const { loop } = core.config;

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

  function recover(names: readonly string[]): ApiResponse {
    const found = recoveryOf(hooks.status(), hooks.members(), names);
    if ('obstacle' in found) return failure(409, 'Conflict', `not recovered: ${found.obstacle}`);
    core.trace('log', 'recover', { members: found.members.map(({ name }) => name).join(',') });
    const before = hooks.status().epoch;
    hooks.recover(found.members);
    const { epoch } = hooks.status();
    // The log has the last word: it may have heard of a leader, or not be caught up.
    if (epoch === before) {
      return failure(409, 'Conflict', 'not recovered: the log of this peer is not fit for it');
    }
    return json({ message: `${core.config.name} goes on as the only voter, in epoch ${epoch}` }, 202);
  }

  return (request, respond) => {
    if (!request.path.startsWith('/shoal/v1/')) return false;
    // These paths are the cluster administrator's alone, whatever roles there are.
    if (!request.user.groups.includes('system:masters')) {
      respond(failure(403, 'Forbidden', `forbidden: User ${JSON.stringify(request.user.name)} cannot `
        + `${request.method.toLowerCase()} path ${JSON.stringify(request.path)}`));
    } else if (request.path === '/shoal/v1/status' && request.method === 'GET') {
      respond(json(hooks.status(), 200));
    } else if (request.path === '/shoal/v1/loop' && request.method === 'GET' && loop !== undefined) {
      respond(json(loop(), 200));
    } else if (request.path === '/shoal/v1/leave' && request.method === 'POST') {
      const name = nameIn(request.body);
      if (name === null) respond(failure(400, 'BadRequest', 'the body is no JSON object with a "name"'));
      else hooks.fresh((fresh) => respond(leave(name, fresh)));
    } else if (request.path === '/shoal/v1/recover' && request.method === 'POST') {
      const names = namesIn(request.body);
      if (names === null) respond(failure(400, 'BadRequest', 'the body is no JSON object with "members"'));
      else respond(recover(names));
    } else if (request.path === '/shoal/v1/rotate-token-keys' && request.method === 'POST') {
      rotateTokenKeys(core, hooks.submit, respond);
    } else respond(failure(404, 'NotFound', `no such path: ${request.method} ${request.path}`));
    return true;
  };
}

const json = (value: unknown, status: number): ApiResponse =>
  ({ status, headers: { 'content-type': 'application/json' }, body: `${JSON.stringify(value)}\n` });

/** Empty where none is given; null for what can't be read. */
function nameIn(body: Uint8Array | null): string | null {
  const value = objectIn(body);
  if (value === null || value['name'] === undefined) return value === null ? null : '';
  return typeof value['name'] === 'string' ? value['name'] : null;
}

function namesIn(body: Uint8Array | null): readonly string[] | null {
  const value = objectIn(body), names: unknown = value?.['members'] ?? [];
  if (value === null || !Array.isArray(names)) return null;
  return names.every((name): name is string => typeof name === 'string') ? names : null;
}

/** No body says as much as an empty object. */
function objectIn(body: Uint8Array | null): Readonly<Record<string, unknown>> | null {
  if (body === null || body.length === 0) return {};
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}
