// Somebody who reads logs of pods, wherever they run, through any peer.

import type { Pod } from '../../cluster/api/types.ts';
import type { Report } from '../check/oracle.ts';
import { printed } from './deployer.ts';
import type { UserClient } from './client.ts';

export interface ReaderOptions {
  readonly untilMs: number;
  readonly nowMs: () => number;
  readonly report: Report;
}

const pods = '/api/v1/namespaces/default/pods';
const thinkMsMin = 500, thinkMsMax = 10_000;
/** How a stream says that it broke off. */
const brokenMark = 'the log stream broke';

export function startReader(client: UserClient, { untilMs, nowMs, report }: ReaderOptions): void {
  const { random } = client;
  const whole = printed.map((line) => `${line}\n`).join('');

  function next(): void {
    if (nowMs() < untilMs) client.later(random.between(thinkMsMin, thinkMsMax), choose);
  }

  function choose(): void {
    client.call({ method: 'GET', path: pods, query: 'labelSelector=app&resourceVersion=0' }, (result) => {
      const items = result?.status === 200 ? (result.object as unknown as { items: readonly Pod[] }).items
        : [];
      const pod = items[random.below(Math.max(1, items.length))];
      if (pod === undefined) return next();
      read(pod.metadata.name);
    });
  }

  function read(pod: string): void {
    client.stream(`${pods}/${pod}/log`, 'container=app', {
      whole(text) {
        const upTo = text.indexOf(`shoal: ${brokenMark}`);
        const shown = upTo < 0 ? text : text.slice(0, upTo);
        if (!whole.startsWith(shown)) {
          report('logs-are-true', `${client.name} reads of ${pod}: ${JSON.stringify(text)}`);
        }
        next();
      },
      none: next,
    });
  }

  next();
}
