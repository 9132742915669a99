// Watches of this peer's clients, fed from the state as it is applied.
//
// What always holds: a watch gets each change after its start revision once, in order, or it ends with 410 so
// that its client lists again; what one event brings goes out as one chunk per watch, and is encoded once for
// all watches that ask for the same in the same form; a watch of a custom kind ends when that is defined
// anew, and its client goes on with another one.

import type { ObjectKey, RequestId, Revision } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { outdatedBy } from '../../cluster/api/custom/outdated.ts';
import type { WatchRequest } from '../../cluster/api/request.ts';
import { changesSince } from '../../cluster/state/watch.ts';
import type { Change } from '../../cluster/state/types.ts';
import type { Callouts, Thinking } from './callouts.ts';
import { createConverted } from './converted.ts';
import type { Converted } from './converted.ts';
import type { Core } from './core.ts';

/** Watches that all get the same: what they are sent is encoded once. */
interface Group {
  readonly watch: WatchRequest;
  readonly members: Set<RequestId>;
  outgoing: string;
  /** Where its lines depend on what others answer; such a group has one member. */
  converted: Converted | null;
}

interface Open { readonly id: RequestId; readonly watch: WatchRequest; readonly group: Group }

export interface Watches {
  /** False: there are too many. `headers`: besides those of the watch. */
  open(id: RequestId, watch: WatchRequest, headers?: Readonly<Record<string, string>>): boolean;
  close(id: RequestId): void;
  applied(changes: readonly Change[]): void;
  /** The state was replaced: nobody can tell which changes were skipped. */
  expireAll(): void;
  count(): number;
}

export interface WatchHooks {
  /** This peer has ended it. */
  ended(id: RequestId): void;
  readonly callouts: Callouts;
  readonly think: (id: RequestId) => Thinking;
}

export function createWatches(core: Core, { ended, callouts, think }: WatchHooks): Watches {
  const open = new Map<RequestId, Open>();
  /** By resource (`core/pods/`), so that a change is shown to those only that may want it. */
  const byResource = new Map<string, Set<Group>>();
  const unsent = new Set<Group>();

  function start(id: RequestId, watch: WatchRequest, headers: WatchRequest['headers'] = {}): boolean {
    if (open.size >= limits.watchesMax) return false;
    core.ports.clients.open(id, 200, { ...watch.headers, ...headers }, watch.initial);
    const missed = changesSince(core.state, watch.from, watch.prefix);
    if (missed === 'expired') {
      core.ports.clients.chunk(id, expiredLine(watch.from));
      end(id);
      return true;
    }
    const { later } = watch, nowWallMs = core.ports.clock.wallMs();
    const first = later !== undefined ? '' : missed.map((change) => watch.encode(change, nowWallMs)).join('');
    if (open.size === 0) core.arm('watches/bookmark', limits.bookmarkIntervalMs, bookmarks);
    const group = groupOf(watch);
    open.set(id, { id, watch, group });
    group.members.add(id);
    core.arm(`watch/${id}`, watch.timeoutMs, () => finish(id));
    if (first !== '') core.ports.clients.chunk(id, first);
    if (later === undefined) return true;
    group.converted = createConverted(id, later, {
      callouts, think: () => think(id), told: (lines) => tell(group, lines),
      over: (line) => finish(id, line),
    });
    for (const change of missed) pass(group, group.converted, change);
    return true;
  }

  function tell(group: Group, text: string): void {
    if (text === '') return;
    if (unsent.size === 0) core.defer(flush);
    unsent.add(group);
    group.outgoing += text;
  }

  function pass({ members, watch }: Group, converted: Converted, change: Change): void {
    if (converted.push(change)) return;
    for (const id of [...members]) finish(id, expiredLine(watch.from));
  }

  /** That of the watches like this one; what they have not been sent yet is not for it. */
  function groupOf(watch: WatchRequest): Group {
    const resource = resourcePrefix(watch.prefix);
    let groups = byResource.get(resource);
    if (groups === undefined) byResource.set(resource, groups = new Set());
    for (const group of groups) {
      if (group.watch.of !== watch.of || group.watch.same !== watch.same) continue;
      send(group);
      return group;
    }
    const made: Group = { watch, members: new Set(), outgoing: '', converted: null };
    groups.add(made);
    return made;
  }

  function applied(changes: readonly Change[]): void {
    for (const change of changes) {
      for (const group of byResource.get(resourcePrefix(change.key)) ?? []) {
        if (!change.key.startsWith(group.watch.prefix)) continue;
        if (group.converted !== null) pass(group, group.converted, change);
        else tell(group, group.watch.encode(change, core.ports.clock.wallMs()));
      }
      const outdated = outdatedBy(change);
      for (const group of outdated === null ? [] : [...byResource.get(outdated) ?? []]) {
        for (const id of [...group.members]) finish(id);
      }
    }
  }

  function flush(): void {
    for (const group of unsent) send(group);
    unsent.clear();
  }

  function send(group: Group): void {
    const text = group.outgoing;
    group.outgoing = '';
    if (text !== '') core.ports.clients.tell([...group.members], text);
  }

  function bookmarks(): void {
    flush();
    for (const { id, watch, group } of open.values()) {
      if (group.converted?.idle() === false) continue;
      const line = watch.bookmark(core.state.revision);
      if (line !== '') core.ports.clients.chunk(id, line);
    }
    if (open.size > 0) core.arm('watches/bookmark', limits.bookmarkIntervalMs, bookmarks);
  }

  function forget(id: RequestId): void {
    const entry = open.get(id);
    if (entry === undefined) return;
    const { group } = entry, resource = resourcePrefix(group.watch.prefix), groups = byResource.get(resource);
    open.delete(id);
    core.disarm(`watch/${id}`);
    group.members.delete(id);
    if (group.members.size > 0) return;
    group.converted?.close();
    groups?.delete(group);
    unsent.delete(group);
    if (groups?.size === 0) byResource.delete(resource);
  }

  function finish(id: RequestId, last = ''): void {
    const entry = open.get(id);
    if (entry !== undefined) send(entry.group);
    forget(id);
    if (last !== '') core.ports.clients.chunk(id, last);
    end(id);
  }

  function end(id: RequestId): void {
    core.ports.clients.end(id);
    ended(id);
  }

  return {
    open: start, close: forget, applied,
    expireAll() {
      for (const { id, watch } of [...open.values()]) finish(id, expiredLine(watch.from));
    },
    count: () => open.size,
  };
}

/** `core/pods/` of `core/pods/default/x` or of any prefix that long. */
function resourcePrefix(key: string | ObjectKey): string {
  const second = key.indexOf('/', key.indexOf('/') + 1);
  return key.slice(0, second + 1);
}

function expiredLine(from: Revision): string {
  const object = {
    kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', code: 410, reason: 'Expired',
    message: `too old resource version: ${from}`,
  };
  return `${JSON.stringify({ type: 'ERROR', object })}\n`;
}
