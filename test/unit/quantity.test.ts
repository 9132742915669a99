// Quantities: what Kubernetes' own documentation and tests say of them, and properties over random texts.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  canonicalQuantity, compareQuantities, cpuMilli, formatQuantity, memoryBytes, parseQuantity, quantityMilli,
  quantityValue,
} from '../../cluster/api/quantity.ts';
import { limits } from '../../cluster/limits.ts';

test('canonical forms', () => {
  const forms: readonly (readonly [string, string])[] = [
    ['0', '0'], ['-0', '0'], ['0Ki', '0'], ['1', '1'], ['0.5', '500m'], ['.5', '500m'], ['1.', '1'],
    ['1000m', '1'], ['1500m', '1500m'], ['1.5', '1500m'], ['0.001', '1m'], ['100k', '100k'],
    ['100000', '100k'], ['1000', '1k'], ['1024', '1024'], ['1Ki', '1Ki'], ['0.5Ki', '512'],
    ['1024Mi', '1Gi'], ['1.5Gi', '1536Mi'], ['1025Ki', '1025Ki'], ['1.1Ki', '1126400m'], ['100u', '100u'],
    ['0.1n', '1n'], ['-1.5', '-1500m'], ['1e3', '1e3'], ['1E3', '1e3'], ['2e4', '20e3'], ['12E', '12E'],
    ['1e0', '1'], ['1e-3', '1e-3'], ['+3', '3'], ['00012', '12'], ['9Ei', '9223372036854775807'],
  ];
  for (const [text, canonical] of forms) assert.is(canonicalQuantity(text), canonical, text);
});

test('what is no quantity', () => {
  const wrong = [
    '', '.', '+', '1 Gi', '1i', '1gi', '1KI', '1e', '1e1.5', '--1', '1.2.3', 'Ki', '1kk', 'NaN', '0x1',
  ];
  for (const text of wrong) {
    assert.is(parseQuantity(text), null, text);
    assert.is(quantityMilli(text), null, text);
    assert.is(quantityValue(text), null, text);
    assert.is(compareQuantities(text, '1'), null, text);
  }
  assert.is(parseQuantity('1'.repeat(limits.quantityLengthMax + 1)), null);
});

test('numbers are rounded up, and clamped where a number can no longer hold them', () => {
  assert.is(quantityMilli('0.1'), 100);
  assert.is(quantityMilli('0.0001'), 1);
  assert.is(quantityValue('100m'), 1);
  assert.is(quantityValue('1.1Ki'), 1127);
  assert.is(quantityValue('-100m'), -1);
  assert.is(quantityValue('8191Ti'), 8191 * 2 ** 40);
  assert.is(quantityValue('1E'), Number.MAX_SAFE_INTEGER);
  assert.is(quantityMilli('1e60'), Number.MAX_SAFE_INTEGER);
  assert.is(quantityMilli('-1e999999999'), -Number.MAX_SAFE_INTEGER);
  assert.is(quantityMilli('1e-999999999'), 1);
  assert.is(cpuMilli({ cpu: '250m' }), 250);
  assert.is(cpuMilli(undefined), 0);
  assert.is(cpuMilli({ memory: '1Gi' }), 0);
  assert.is(memoryBytes({ memory: '64Mi' }), 64 * 2 ** 20);
  assert.is(memoryBytes({}), 0);
});

/** A small generator of its own, so that the test depends on nothing it tests. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

const suffixes = [
  '', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'P', 'E', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei', 'e3', 'e-3', 'E2',
];

function randomText(next: (below: number) => number): string {
  const sign = next(8) === 0 ? '-' : '';
  const fraction = next(3) === 0 ? `.${next(1_000)}` : '';
  return `${sign}${next(next(2) === 0 ? 20 : 100_000)}${fraction}${suffixes[next(suffixes.length)]}`;
}

test('canonical texts mean the same, and are their own canonical form', () => {
  const next = generator(7);
  for (let i = 0; i < 20_000; i++) {
    const text = randomText(next);
    const canonical = canonicalQuantity(text);
    assert.is(compareQuantities(text, canonical), 0, `${text} ${canonical}`);
    assert.is(canonicalQuantity(canonical), canonical, text);
    const parsed = parseQuantity(text);
    assert.ok(parsed !== null && formatQuantity(parsed) === canonical, text);
  }
});

test('ordering is total, agrees with the numbers, and turns over with the sign', () => {
  const next = generator(11);
  for (let i = 0; i < 20_000; i++) {
    const a = randomText(next), b = randomText(next);
    const order = compareQuantities(a, b) ?? Number.NaN;
    assert.is(compareQuantities(b, a), order === 0 ? 0 : -order, `${a} ${b}`);
    const milli = (quantityMilli(a) ?? 0) - (quantityMilli(b) ?? 0);
    if (order < 0) assert.ok(milli <= 0, `${a} ${b}`);
    if (order > 0) assert.ok(milli >= 0, `${a} ${b}`);
    const flip = (text: string): string => (text.startsWith('-') ? text.slice(1) : `-${text}`);
    assert.is(compareQuantities(flip(a), flip(b)) ?? 0, order === 0 ? 0 : -order, `${a} ${b}`);
  }
});

test.run();
