// A user that lists and watches one resource, as an informer does: list, watch from there, start again where
// it broke off, list anew when the past is forgotten. Everything it is shown goes to the oracle.

import { objectKey, resourceName } from '../../cluster/ids.ts';
import type { ObjectKey } from '../../cluster/ids.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { Cursor, WatchEvent, WatchOracle } from '../check/watches.ts';
import type { UserClient } from './client.ts';

export interface WatcherOptions {
  /** `/api/v1/pods` … */
  readonly path: string;
  /** … whose keys begin with `core/pods/`. */
  readonly prefix: string;
  readonly oracle: WatchOracle;
}

interface List {
  readonly metadata: { readonly resourceVersion: string };
  readonly items: readonly KubeObject[];
}
interface Gone { readonly kind?: string; readonly code?: number }

const lifeMsMin = 200, lifeMsMax = 20_000;
const retryMsMin = 50, retryMsMax = 2_000;

export function startWatcher(client: UserClient, { path, prefix, oracle }: WatcherOptions): void {
  const { random, name: who } = client;
  const [group, plural] = prefix.split('/');
  const resource = resourceName(`${group}/${plural}`);
  const again = (work: () => void): void => client.later(random.between(retryMsMin, retryMsMax), work);

  function list(): void {
    const query = random.chance(1, 2) ? 'resourceVersion=0' : '';
    client.call({ method: 'GET', path, query }, (result) => {
      if (result === null || result.status !== 200) return again(list);
      const { metadata, items } = result.object as unknown as List;
      const revision = Number(metadata.resourceVersion);
      const shown = new Map(items.map((item): [ObjectKey, string] => [
        objectKey(resource, item.metadata.namespace ?? '', item.metadata.name), item.metadata.resourceVersion,
      ]));
      oracle.listed(prefix, revision, shown, who);
      watch({ revision, seen: Infinity });
    });
  }

  function watch(from: Cursor): void {
    let cursor = from, forgotten = false, over = false;
    if (from.seen !== Infinity) client.mark('watch-resumed');
    oracle.resumed(prefix, cursor, who);
    const open = client.watch(path, `watch=1&allowWatchBookmarks=true&resourceVersion=${from.revision}`, {
      line(text) {
        const { type, object } = JSON.parse(text) as { type: string; object: KubeObject };
        if (type === 'ERROR') forgotten = (object as unknown as Gone).code === 410;
        else cursor = oracle.watched(prefix, cursor, { type: type as WatchEvent['type'], object }, who);
      },
      ended: () => goOn(forgotten),
    }, (status) => {
      forgotten = status === 410;
      goOn(forgotten);
    });
    // An informer dies now and then; the next one goes on where it was, or knows nothing of it.
    if (random.chance(1, 4)) {
      client.later(random.between(lifeMsMin, lifeMsMax), () => {
        if (over) return;
        open.close();
        goOn(random.chance(1, 2));
      });
    }

    function goOn(anew: boolean): void {
      if (over) return;
      over = true;
      if (forgotten) client.mark('watch-expired');
      again(() => { if (anew) list(); else watch(cursor); });
    }
  }

  again(list);
}
