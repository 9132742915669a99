// A user that reads and writes a ConfigMap which others read and write too, and remembers what it was told:
// the evidence for linearizability. Every write carries a mark of its own.

import { objectKey } from '../../cluster/ids.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { ClientsOracle } from '../check/clients.ts';
import { messageOf } from './client.ts';
import type { Call, Result, UserClient } from './client.ts';

export interface RegistrarOptions {
  /** Names of the ConfigMaps that it shares with others. */
  readonly registers: readonly string[];
  readonly untilMs: number;
  readonly nowMs: () => number;
  readonly oracle: ClientsOracle;
}

const path = '/api/v1/namespaces/default/configmaps';
const thinkMsMin = 20, thinkMsMax = 2_500;

export function startRegistrar(client: UserClient, options: RegistrarOptions): void {
  const { registers, untilMs, nowMs, oracle } = options;
  const { random, name: who } = client;
  let writes = 0;

  function next(): void {
    if (nowMs() >= untilMs) return;
    client.later(random.between(thinkMsMin, thinkMsMax), act);
  }

  function act(): void {
    const register = registers[random.below(registers.length)] ?? 'register';
    const what = random.below(10);
    if (what < 5) read(register, next);
    else if (what < 7) write(register, null);
    else if (what < 8) patch(register);
    else read(register, (seen) => { if (seen === null) next(); else write(register, seen); });
  }

  function read(register: string, done: (seen: KubeObject | null) => void): void {
    const begun = oracle.begin(keyOf(register));
    client.call({ method: 'GET', path: `${path}/${register}` }, (result) => {
      // A peer without a quorum says how old its answer is: that is no linearizable read.
      if (result === null || result.warning !== null) return done(null);
      if (result.status === 404) oracle.read(begun, null, said(result));
      else if (result.status === 200) oracle.read(begun, result.object, said(result));
      if (result.status === 404) return create(register);
      done(result.status === 200 ? result.object : null);
    });
  }

  function create(register: string): void {
    const marker = mark();
    change(register, marker, null, { method: 'POST', path, body: objectOf(register, marker) });
  }

  /** With `seen`: only if nobody was faster. */
  function write(register: string, seen: KubeObject | null): void {
    const marker = mark();
    const body = seen === null ? objectOf(register, marker) : { ...seen, data: { marker } };
    change(register, marker, seen, { method: 'PUT', path: `${path}/${register}`, body });
  }

  function patch(register: string): void {
    const marker = mark();
    change(register, marker, null, {
      method: 'PATCH', path: `${path}/${register}`, patch: 'merge', body: { data: { marker } },
    });
  }

  function change(register: string, marker: string, seen: KubeObject | null, call: Call): void {
    const key = keyOf(register), begun = oracle.begin(key);
    client.call(call, (result) => {
      if (result === null) return next();
      if (result.status === 200 || result.status === 201) {
        oracle.wrote(begun, result.object, seen?.metadata.resourceVersion ?? null, said(result));
      } else if (isFinal(result)) oracle.refused(key, marker, said(result));
      next();
    });
  }

  const mark = (): string => `${who}-${(writes += 1)};`;
  const said = (result: Result): string => `${who} on ${result.peer}`;
  next();
}

const keyOf = (register: string) => objectKey(resources.configMaps, 'default', register);

const objectOf = (name: string, marker: string): unknown =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { marker } });

/** The answer says that nothing was changed, and that nothing will be. */
function isFinal(result: Result): boolean {
  if (result.status === 503) return !messageOf(result).includes('was applied');
  return result.status >= 400 && result.status < 500;
}
