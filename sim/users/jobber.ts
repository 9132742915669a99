// A user that runs things once: pods of their own, without a controller, that end by themselves, and are
// deleted at some time after.

import type { Pod } from '../../cluster/api/types.ts';
import type { UserClient } from './client.ts';

export interface JobberOptions {
  readonly name: string;
  readonly cpuMilli: number;
  readonly untilMs: number;
  readonly nowMs: () => number;
}

const pods = '/api/v1/namespaces/default/pods';
const thinkMsMin = 1_000, thinkMsMax = 20_000;

export function startJobber(client: UserClient, options: JobberOptions): void {
  const { random } = client;
  let made = 0;
  let current: string | null = null;

  function next(): void {
    if (options.nowMs() >= options.untilMs) return;
    client.later(random.between(thinkMsMin, thinkMsMax), act);
  }

  function act(): void {
    const { name } = options;
    if (current === null) {
      const job = `${name}-${(made += 1)}`;
      client.call({ method: 'POST', path: pods, body: podOf(job, options.cpuMilli, client) }, () => {
        current = job;
        next();
      });
      return;
    }
    const path = `${pods}/${current}`;
    client.call({ method: 'GET', path }, (result) => {
      if (result?.status === 404) {
        current = null;
        return next();
      }
      const phase = result?.status === 200 ? (result.object as Pod).status?.phase : undefined;
      const over = phase === 'Succeeded' || phase === 'Failed';
      if (!over && random.chance(3, 4)) return next();
      client.call({ method: 'DELETE', path }, next);
    });
  }

  next();
}

function podOf(name: string, cpuMilli: number, { random }: UserClient): unknown {
  const env = [
    { name: 'SIM_EXIT_AFTER_MS', value: String(random.between(100, 15_000)) },
    { name: 'SIM_EXIT_CODE', value: random.chance(1, 4) ? '3' : '0' },
  ];
  const restartPolicy = random.chance(1, 4) ? 'OnFailure' : 'Never';
  return {
    apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { job: name } },
    spec: {
      restartPolicy, terminationGracePeriodSeconds: 2,
      containers: [{
        name: 'job', image: 'shoal/job:1', resources: { requests: { cpu: `${cpuMilli}m` } },
        env: restartPolicy === 'Never' ? env : env.slice(0, 1),
      }],
    },
  };
}
