// A user that makes mistakes: a pod whose image is nowhere, or whose program ends at once, again and again.
// It looks at it for a while and has it deleted. It brings out what waits longer and longer. What always
// holds: nothing of it stays, however late what it asked for may come about.

import type { UserClient } from './client.ts';

export interface BlundererOptions {
  readonly name: string;
  readonly cpuMilli: number;
  readonly untilMs: number;
  readonly nowMs: () => number;
}

const pods = '/api/v1/namespaces/default/pods';
const thinkMsMin = 1_000, thinkMsMax = 15_000, stayMsMin = 6_000, stayMsMax = 30_000, retryMs = 1_000;
/** A pod that was asked for, and of which nobody has heard, comes about within this long or never. */
const lateMsMax = 45_000, lookEveryMs = 3_000;

export function startBlunderer(client: UserClient, options: BlundererOptions): void {
  const { random } = client, { name, untilMs, nowMs } = options;

  function next(): void {
    if (nowMs() < untilMs) client.later(random.between(thinkMsMin, thinkMsMax), act);
    else tidyUp();
  }

  function act(): void {
    if (nowMs() >= untilMs) return tidyUp();
    client.call({ method: 'POST', path: pods, body: podOf(options, random.chance(1, 2)) }, () => {
      client.later(random.between(stayMsMin, stayMsMax), remove);
    });
  }

  function remove(): void {
    client.call({ method: 'DELETE', path: `${pods}/${name}` }, (result) => {
      if (result?.status === 404) return next();
      client.later(retryMs, remove);
    });
  }

  function tidyUp(): void {
    client.call({ method: 'DELETE', path: `${pods}/${name}` }, (result) => {
      if (result?.status !== 404 || nowMs() < untilMs + lateMsMax) client.later(lookEveryMs, tidyUp);
    });
  }

  next();
}

function podOf({ name, cpuMilli }: BlundererOptions, isMissing: boolean): unknown {
  const env = [{ name: 'SIM_EXIT_AFTER_MS', value: '200' }, { name: 'SIM_EXIT_CODE', value: '1' }];
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { blunder: name } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{
        name: 'blunder', image: isMissing ? 'missing/blunder:1' : 'shoal/blunder:1',
        resources: { requests: { cpu: `${cpuMilli}m` } }, env: isMissing ? [] : env,
      }],
    },
  };
}
