// A crowd: pods without a controller that come in waves, ask for more than there is, end slowly and make way
// for the next wave at once. It brings out what goes wrong only on nodes that are full. What always holds: it
// has all its pods deleted once faults are over, so that everybody else finds room.

import type { Pod } from '../../cluster/api/types.ts';
import type { UserClient } from './client.ts';

export interface CrowdOptions {
  /** Pods of a wave, at most. */
  readonly countMax: number;
  readonly untilMs: number;
  readonly nowMs: () => number;
}

const pods = '/api/v1/namespaces/default/pods';
const stayMsMin = 1_500, stayMsMax = 9_000, cleanEveryMs = 1_000;
/** Its last wave comes so long before the end that nothing of it is still on its way then. */
const lastWaveMs = 3_000;

export function startCrowd(client: UserClient, { countMax, untilMs, nowMs }: CrowdOptions): void {
  const { random } = client;
  let wave = 0, standing: readonly string[] = [];

  function come(): void {
    if (nowMs() >= untilMs - lastWaveMs) return client.later(untilMs - nowMs(), clean);
    wave += 1;
    const leaving = standing;
    standing = Array.from({ length: random.between(2, countMax) }, (_, i) => `crowd-${wave}-${i + 1}`);
    // Whoever leaves and whoever comes want the same places at the same time.
    for (const name of leaving) client.call({ method: 'DELETE', path: `${pods}/${name}` }, () => undefined);
    for (const name of standing) {
      client.call({ method: 'POST', path: pods, body: podOf(name, client) }, () => undefined);
    }
    client.later(random.between(stayMsMin, stayMsMax), come);
  }

  /** Until somebody says that none is left. */
  function clean(): void {
    client.call({ method: 'DELETE', path: pods, query: 'labelSelector=crowd' }, () => {
      client.call({ method: 'GET', path: pods, query: 'labelSelector=crowd' }, (result) => {
        const items = result?.status === 200 && result.warning === null
          ? (result.object as unknown as { items: readonly Pod[] }).items : null;
        if (items === null || items.length > 0) client.later(cleanEveryMs, clean);
      });
    });
  }

  client.later(random.between(stayMsMin, stayMsMax), come);
}

function podOf(name: string, { random }: UserClient): unknown {
  const env = random.chance(1, 2) ? [{ name: 'SIM_IGNORE_TERM', value: '1' }] : [];
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { crowd: 'yes' } },
    spec: {
      terminationGracePeriodSeconds: random.between(1, 8),
      containers: [{
        name: 'one', image: 'shoal/crowd:1', env,
        resources: { requests: { cpu: `${random.between(2, 8) * 100}m` } },
      }],
    },
  };
}
