// A user that reads and writes a ConfigMap which others read and write too, and remembers what it was told:
// the evidence for linearizability. Every write carries a mark of its own.

import { objectKey } from '../../cluster/ids.ts';
import { resources } from '../../cluster/api/objects.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import type { Begun, ClientsOracle } from '../check/clients.ts';
import type { Operation } from '../check/linearizability.ts';
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
    else if (random.chance(1, 8)) remove(register);
    else read(register, (seen) => { if (seen === null) next(); else write(register, seen); });
  }

  function read(register: string, done: (seen: KubeObject | null) => void): void {
    const begun = oracle.begin(keyOf(register));
    client.call({ method: 'GET', path: `${path}/${register}` }, (result) => {
      // A peer without a quorum says how old its answer is: that is no linearizable read.
      if (result === null || result.warning !== null) return done(null);
      const found = result.status === 200 ? result.object : null;
      if (found !== null || result.status === 404) {
        oracle.read(begun, found, said(result));
        oracle.ended(begun, { op: 'read', value: markerOf(found) }, said(result));
      }
      if (result.status === 404) return create(register);
      done(result.status === 200 ? result.object : null);
    });
  }

  function create(register: string): void {
    const marker = mark();
    change(register, marker, null, { op: 'create', value: marker, answer: 'unknown' },
      { method: 'POST', path, body: objectOf(register, marker) });
  }

  /** With `seen`: only if nobody was faster. */
  function write(register: string, seen: KubeObject | null): void {
    const marker = mark();
    const body = seen === null ? objectOf(register, marker) : { ...seen, data: { marker } };
    const from = markerOf(seen);
    change(register, marker, seen, from === null ? { op: 'write', value: marker, answer: 'unknown' }
      : { op: 'swap', from, value: marker, answer: 'unknown' },
    { method: 'PUT', path: `${path}/${register}`, body });
  }

  function patch(register: string): void {
    const marker = mark();
    change(register, marker, null, { op: 'write', value: marker, answer: 'unknown' }, {
      method: 'PATCH', path: `${path}/${register}`, patch: 'merge', body: { data: { marker } },
    });
  }

  function remove(register: string): void {
    const begun = oracle.begin(keyOf(register)), operation = { op: 'delete', answer: 'unknown' } as const;
    client.call({ method: 'DELETE', path: `${path}/${register}`, ...haste() }, (result) => {
      conclude(begun, operation, result);
      next();
    });
  }

  /** What the answer says of the operation; nothing of one that was refused and certainly had no effect. */
  function conclude(begun: Begun, operation: Operation, result: Result | null): void {
    const told = answerOf(operation, result);
    if (told === null) return;
    if ('answer' in told && told.answer === 'conflict') client.mark('swap-conflict');
    oracle.ended(begun, told, result === null ? who : said(result));
  }

  /** Some clients do not wait: they die with the request under way. */
  const haste = (): { readonly diesAfterMs?: number } =>
    random.chance(1, 6) ? { diesAfterMs: random.between(1, 400) } : {};

  function change(
    register: string, marker: string, seen: KubeObject | null, operation: Operation, call: Call,
  ): void {
    const key = keyOf(register), begun = oracle.begin(key);
    client.call({ ...call, ...haste() }, (result) => {
      conclude(begun, operation, result);
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

const markerOf = (object: KubeObject | null): string | null =>
  (object as { readonly data?: { readonly marker?: string } } | null)?.data?.marker ?? null;

/** The operation with what its client knows of its effect; null: it had none, and that tells nothing. */
function answerOf(operation: Operation, result: Result | null): Operation | null {
  if (result === null || operation.op === 'read') return operation;
  const { status } = result;
  if (status === 200 || status === 201) return { ...operation, answer: 'ok' };
  if (!isFinal(result)) return operation;
  switch (operation.op) {
    case 'create': return status === 409 ? { ...operation, answer: 'exists' } : null;
    case 'write': case 'delete': return status === 404 ? { ...operation, answer: 'absent' } : null;
    case 'swap': return status === 409 || status === 404 ? { ...operation, answer: 'conflict' } : null;
  }
}

/** The answer says that nothing was changed, and that nothing will be. */
function isFinal(result: Result): boolean {
  if (result.status === 503) return !messageOf(result).includes('was applied');
  return result.status >= 400 && result.status < 500;
}
