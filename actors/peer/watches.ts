// Watches of this peer's clients, fed from the state as it is applied.
//
// What always holds: a watch gets each change after its start revision once, in order, or it ends with 410 so
// that its client lists again; what one event brings goes out as one chunk per watch.

import type { ObjectKey, RequestId, Revision } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import type { WatchRequest } from '../../cluster/api/request.ts';
import { changesSince } from '../../cluster/state/watch.ts';
import type { Change } from '../../cluster/state/types.ts';
import type { Core } from './core.ts';

interface Open { readonly id: RequestId; readonly watch: WatchRequest; outgoing: string }

export interface Watches {
  /** False: there are too many. `headers`: besides those of the watch. */
  open(id: RequestId, watch: WatchRequest, headers?: Readonly<Record<string, string>>): boolean;
  close(id: RequestId): void;
  applied(changes: readonly Change[]): void;
  /** The state was replaced: nobody can tell which changes were skipped. */
  expireAll(): void;
  count(): number;
}

export function createWatches(core: Core, ended: (id: RequestId) => void): Watches {
  const open = new Map<RequestId, Open>();
  /** By resource (`core/pods/`), so that a change is shown to those only that may want it. */
  const byResource = new Map<string, Set<Open>>();
  const unsent = new Set<Open>();

  function start(id: RequestId, watch: WatchRequest, headers: WatchRequest['headers'] = {}): boolean {
    if (open.size >= limits.watchesMax) return false;
    const entry: Open = { id, watch, outgoing: watch.initial.join('') };
    core.ports.clients.open(id, 200, { ...watch.headers, ...headers });
    const missed = changesSince(core.state, watch.from, watch.prefix);
    if (missed === 'expired') {
      core.ports.clients.chunk(id, expiredLine(watch.from));
      end(id);
      return true;
    }
    for (const change of missed) entry.outgoing += watch.encode(change, core.ports.clock.wallMs());
    if (open.size === 0) core.arm('watches/bookmark', limits.bookmarkIntervalMs, bookmarks);
    open.set(id, entry);
    const resource = resourcePrefix(watch.prefix);
    byResource.set(resource, (byResource.get(resource) ?? new Set()).add(entry));
    core.arm(`watch/${id}`, watch.timeoutMs, () => finish(entry));
    if (entry.outgoing !== '') core.ports.clients.chunk(id, take(entry));
    return true;
  }

  function applied(changes: readonly Change[]): void {
    for (const change of changes) {
      for (const entry of byResource.get(resourcePrefix(change.key)) ?? []) {
        if (!change.key.startsWith(entry.watch.prefix)) continue;
        const text = entry.watch.encode(change, core.ports.clock.wallMs());
        if (text === '') continue;
        if (unsent.size === 0) core.defer(flush);
        unsent.add(entry);
        entry.outgoing += text;
      }
    }
  }

  function flush(): void {
    for (const entry of unsent) if (open.has(entry.id)) core.ports.clients.chunk(entry.id, take(entry));
    unsent.clear();
  }

  function bookmarks(): void {
    for (const entry of open.values()) {
      const line = entry.watch.bookmark(core.state.revision);
      if (line !== '') core.ports.clients.chunk(entry.id, take(entry) + line);
    }
    if (open.size > 0) core.arm('watches/bookmark', limits.bookmarkIntervalMs, bookmarks);
  }

  function forget(id: RequestId): void {
    const entry = open.get(id);
    if (entry === undefined) return;
    open.delete(id);
    unsent.delete(entry);
    core.disarm(`watch/${id}`);
    const resource = resourcePrefix(entry.watch.prefix), group = byResource.get(resource);
    group?.delete(entry);
    if (group?.size === 0) byResource.delete(resource);
  }

  function finish(entry: Open, last = ''): void {
    const text = take(entry) + last;
    forget(entry.id);
    if (text !== '') core.ports.clients.chunk(entry.id, text);
    end(entry.id);
  }

  function end(id: RequestId): void {
    core.ports.clients.end(id);
    ended(id);
  }

  return {
    open: start, close: forget, applied,
    expireAll() {
      for (const entry of [...open.values()]) finish(entry, expiredLine(entry.watch.from));
    },
    count: () => open.size,
  };
}

function take(entry: Open): string {
  const text = entry.outgoing;
  entry.outgoing = '';
  return text;
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
