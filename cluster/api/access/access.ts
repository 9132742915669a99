// What a request is about, who it is by in the end, and whether it may be made: asked once, before anything
// else is looked at.

import type { State } from '../../state/state.ts';
import type { Query } from '../query.ts';
import type { ApiRequest, UserInfo } from '../request.ts';
import { isProblem } from '../status.ts';
import type { Problem } from '../status.ts';
import { attributesOf, isOfResource } from './attributes.ts';
import type { Attributes } from './attributes.ts';
import { authorize, mastersGroup } from './authorize.ts';
import type { Decision } from './authorize.ts';
import { forbid } from './forbid.ts';
import { impersonated } from './impersonate.ts';

export interface Access {
  readonly attributes: Attributes;
  /** Whom the sender acts as; null: as itself. */
  readonly acting: UserInfo | null;
  readonly decision: Decision;
}

/** A problem: the sender may not act as whom it names. */
export function accessOf(request: ApiRequest, query: Query, state: State): Access | Problem {
  const acting = impersonated(request, state);
  if (isProblem(acting)) return acting;
  const attributes = attributesOf(request, query);
  return { attributes, acting, decision: authorize(attributes, acting ?? request.user, state) };
}

/** The request as that of whom its sender acts as, or why it may not be made. */
export function permitted(request: ApiRequest, query: Query, state: State): ApiRequest | Problem {
  const acting = impersonated(request, state);
  if (isProblem(acting)) return acting;
  const asked = acting === null ? request : { ...request, user: acting }, { user } = asked;
  // What may do everything need not be looked at.
  if (user.groups.includes(mastersGroup)) return asked;
  for (const attributes of needed(attributesOf(request, query))) {
    const { allowed, reason } = authorize(attributes, user, state);
    if (!allowed) return forbid(attributes, user, reason);
  }
  return asked;
}

const streams = ['attach', 'exec', 'portforward'];

/**
 * What must be allowed. A WebSocket is opened with GET, yet whoever may look at a pod may not therefore run
 * something in it: `create` is asked for, too. Source: AuthorizePodWebsocketUpgradeCreatePermission, 1.35.
 */
function needed(attributes: Attributes): readonly Attributes[] {
  if (!isOfResource(attributes) || attributes.verb !== 'get') return [attributes];
  const { group, resource, subresource } = attributes;
  const opens = group === '' && resource === 'pods' && streams.includes(subresource);
  return opens ? [attributes, { ...attributes, verb: 'create' }] : [attributes];
}
