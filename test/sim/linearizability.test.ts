// The search for one order of all operations: small histories whose answer is known, many random ones whose
// answer a search without any cleverness gives too, and the oracle that asks it.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { resources } from '../../cluster/api/objects.ts';
import { objectKey } from '../../cluster/ids.ts';
import { createRandom } from '../../cluster/random.ts';
import type { Random } from '../../cluster/random.ts';
import { checkLinearizable } from '../../sim/check/linearizability.ts';
import type { Operation, Timed, Value } from '../../sim/check/linearizability.ts';
import { stage } from './stage.ts';

const at = (calledMs: number, returnedMs: number, operation: Operation): Timed =>
  ({ operation, who: 'one', calledMs, returnedMs });
const read = (value: Value): Operation => ({ op: 'read', value });
const create = (value: string, answer: 'ok' | 'exists' | 'unknown' = 'ok'): Operation =>
  ({ op: 'create', value, answer });
const write = (value: string, answer: 'ok' | 'absent' | 'unknown' = 'ok'): Operation =>
  ({ op: 'write', value, answer });
const swap = (from: string, value: string, answer: 'ok' | 'conflict' | 'unknown' = 'ok'): Operation =>
  ({ op: 'swap', from, value, answer });
const remove = (answer: 'ok' | 'absent' | 'unknown' = 'ok'): Operation => ({ op: 'delete', answer });
const holds = (...history: readonly Timed[]): boolean | null => checkLinearizable(history).linearizable;

test('reads while a write is under way may see it or not, but never go back', () => {
  const before = [at(0, 1, create('a')), at(4, 9, write('b'))];
  assert.is(holds(...before, at(5, 6, read('a')), at(7, 8, read('b'))), true);
  assert.is(holds(...before, at(5, 6, read('b')), at(7, 8, read('a'))), false);
  assert.is(holds(...before, at(10, 11, read('a'))), false);
  assert.is(holds(), true);
});

test('a write of unknown fate takes effect late, early, or never; not twice, and not before its call', () => {
  const before = [at(0, 1, create('a')), at(4, Infinity, write('b', 'unknown'))];
  assert.is(holds(...before, at(5, 6, read('a')), at(50, 60, read('b'))), true);
  assert.is(holds(...before, at(5, 6, read('b'))), true);
  assert.is(holds(...before, at(50, 60, read('a'))), true);
  assert.is(holds(...before, at(5, 6, read('b')), at(7, 8, write('c')), at(9, 10, read('b'))), false);
  assert.is(holds(...before, at(2, 3, read('b'))), false);
});

test('create, swap and delete say what was there', () => {
  assert.is(holds(at(0, 1, create('a')), at(2, 3, create('b', 'exists'))), true);
  assert.is(holds(at(0, 1, create('a')), at(2, 3, create('b'))), false);
  const swapped = [at(0, 1, create('a')), at(2, 3, swap('a', 'b'))];
  assert.is(holds(...swapped, at(4, 5, swap('a', 'c', 'conflict'))), true);
  assert.is(holds(...swapped, at(4, 5, swap('a', 'c'))), false);
  assert.is(holds(at(0, 1, create('a')), at(2, 3, swap('a', 'b', 'conflict'))), false);
  assert.is(holds(at(0, 1, create('a')), at(2, 3, remove()), at(4, 5, write('b', 'absent'))), true);
  assert.is(holds(at(0, 1, create('a')), at(2, 3, remove()), at(4, 5, read('a'))), false);
  assert.is(holds(at(0, 1, write('a', 'absent')), at(2, 3, read(null))), true);
  assert.is(holds(at(0, 1, write('a', 'absent')), at(2, 3, read('a'))), false);
});

test('what no order explains is named', () => {
  const { stuckAt } = checkLinearizable([at(0, 1, create('a')), at(2, 3, write('b')), at(4, 5, read('a'))]);
  assert.equal(stuckAt?.operation, read('a'));
});

/** Every order that respects time, one by one. */
function bruteForce(left: readonly Timed[], value: Value): boolean {
  if (left.every(({ returnedMs }) => returnedMs === Infinity)) return true;
  const firstReturn = left.reduce((least, { returnedMs }) => Math.min(least, returnedMs), Infinity);
  return left.some((one) => {
    if (one.calledMs > firstReturn) return false;
    const rest = left.filter((each) => each !== one);
    return effects(one.operation, value).some((next) => bruteForce(rest, next));
  });
}

/** The values that may be there after it; none: it can't be next. */
function effects(operation: Operation, value: Value): readonly Value[] {
  if (operation.op === 'read') return operation.value === value ? [value] : [];
  const { op, answer } = operation;
  const works = op === 'create' ? value === null : op === 'swap' ? value === operation.from : value !== null;
  if (answer === 'unknown') return works ? [op === 'delete' ? null : operation.value] : [value];
  if (answer !== 'ok') return works ? [] : [value];
  return works ? [op === 'delete' ? null : operation.value] : [];
}

function drawHistory(random: Random): Timed[] {
  const values = ['a', 'b', 'c'] as const, some = (): string => values[random.below(3)] ?? 'a';
  return Array.from({ length: random.between(2, 6) }, (): Timed => {
    const calledMs = random.below(12), returnedMs = calledMs + random.between(1, 6);
    const lost = random.chance(1, 5);
    const answer = <T extends string>(refused: T): 'ok' | 'unknown' | T =>
      (lost ? 'unknown' : random.chance(1, 3) ? refused : 'ok');
    const what = random.below(5);
    const operation = what === 0 ? read(random.chance(1, 4) ? null : some())
      : what === 1 ? create(some(), answer('exists')) : what === 2 ? write(some(), answer('absent'))
        : what === 3 ? swap(some(), some(), answer('conflict')) : remove(answer('absent'));
    const isLost = 'answer' in operation && operation.answer === 'unknown';
    return at(calledMs, isLost ? Infinity : returnedMs, operation);
  });
}

test('random histories: the same answer as by trying every order', () => {
  const random = createRandom(7), seen = { true: 0, false: 0 };
  for (let n = 0; n < 3_000; n += 1) {
    const history = drawHistory(random), expected = bruteForce(history, null);
    assert.is(checkLinearizable(history).linearizable, expected, JSON.stringify(history));
    seen[`${expected}`] += 1;
  }
  assert.ok(seen.true > 300 && seen.false > 300, JSON.stringify(seen));
});

test('a long history is checked soon; one that would take too long is given up, not condemned', () => {
  const history = [at(0, 1, create('v0'))];
  for (let n = 1; n < 1_000; n += 1) {
    const ms = n * 6;
    if (n % 10 === 0) history.push(at(ms, Infinity, write(`u${n}`, 'unknown')));
    history.push(at(ms, ms + 3, write(`v${n}`)), at(ms + 4, ms + 5, read(`v${n}`)));
  }
  assert.is(holds(...history), true);
  assert.is(holds(...history, at(9_000, 9_001, read('v5'))), null);
});

test('linearizable-history: the oracle is told of operations, and speaks at the end', () => {
  const key = objectKey(resources.configMaps, 'default', 'm');
  const good = stage(), { clients } = good.checker;
  clients.ended(clients.begin(key), create('a'), 'one');
  clients.ended(clients.begin(key), write('b', 'unknown'), 'two');
  clients.ended(clients.begin(key), read('b'), 'one');
  clients.finish();
  assert.equal(good.said, []);
  clients.ended(clients.begin(key), create('c'), 'three');
  clients.finish();
  assert.equal(good.said, ['linearizable-history']);
});

test.run();
