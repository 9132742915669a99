// Owners and what they own, made by hand: ConfigMaps that refer to another by uid, whose deletion takes them
// along, waits for them, or lets go of them. It brings out what a collector of garbage misses.

import type { KubeObject } from '../../cluster/api/types.ts';
import type { Call, Result, UserClient } from './client.ts';

export interface FamilyOptions {
  readonly name: string;
  readonly untilMs: number;
  readonly nowMs: () => number;
}

const path = '/api/v1/namespaces/default/configmaps';
const thinkMsMin = 100, thinkMsMax = 3_000, retryMsMax = 1_000;
const children = ['first', 'second'] as const;
const policies = ['Background', 'Background', 'Foreground', 'Orphan'] as const;

export function startFamily(client: UserClient, { name, untilMs, nowMs }: FamilyOptions): void {
  const { random } = client;
  let generation = 0;

  /** Tries again until somebody answers for good. */
  function attempt(call: Call, done: (result: Result) => void): void {
    if (nowMs() >= untilMs) return;
    client.call(call, (result) => {
      if (result !== null && result.status !== 429 && result.status < 500) return done(result);
      client.later(random.between(50, retryMsMax), () => attempt(call, done));
    });
  }

  const think = (work: () => void): void => client.later(random.between(thinkMsMin, thinkMsMax), work);

  function found(): void {
    generation += 1;
    const parent = `${name}-${generation}`;
    attempt({ method: 'POST', path, body: mapOf(parent, name, null) }, () => {
      // It may be there from an attempt whose answer was lost: only its uid tells which it is.
      attempt({ method: 'GET', path: `${path}/${parent}` }, ({ status, object }) => {
        if (status !== 200) return think(found);
        bear(object, [...children]);
      });
    });
  }

  function bear(parent: KubeObject, left: string[]): void {
    const child = left.shift();
    if (child === undefined) return think(() => part(parent));
    const body = mapOf(`${parent.metadata.name}-${child}`, name, parent);
    attempt({ method: 'POST', path, body }, () => bear(parent, left));
  }

  function part({ metadata }: KubeObject): void {
    const propagationPolicy = policies[random.below(policies.length)] ?? 'Background';
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy };
    attempt({ method: 'DELETE', path: `${path}/${metadata.name}`, body }, () => {
      if (propagationPolicy !== 'Orphan') return think(found);
      // Who was let go of is on its own: an orphan or, while it is being let go of, a child.
      think(() => {
        for (const child of children) {
          attempt({ method: 'DELETE', path: `${path}/${metadata.name}-${child}` }, () => undefined);
        }
        think(found);
      });
    });
  }

  think(found);
}

function mapOf(name: string, family: string, owner: KubeObject | null): unknown {
  const ownerReferences = owner === null ? [] : [{
    apiVersion: 'v1', kind: 'ConfigMap', name: owner.metadata.name, uid: owner.metadata.uid,
    blockOwnerDeletion: true,
  }];
  return {
    apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels: { family }, ownerReferences },
    data: { of: family },
  };
}
