// Quantities: `250m`, `64Mi`, `1.5`, `2e3`. Exact arithmetic in billionths (BigInt), so that nothing is
// lost between parsing and comparing; what leaves as a number is rounded up and clamped to 2^53 - 1.
// Source: apimachinery pkg/api/resource (Quantity): finer than a nano rounds away from zero, binary values
// are capped at 2^63 - 1, and the canonical form has no fraction and the largest suffix that allows it.

import { limits } from '../limits.ts';
import type { ResourceList } from './types.ts';

export type QuantityFormat = 'decimal' | 'binary' | 'exponent';

export interface Quantity {
  /** The value in billionths. */
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

/** What a text that is no quantity is refused with. */
export const quantityFormatMessage =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const pattern = /^([+-]?)(\d*)(?:\.(\d*))?([eE][+-]?\d+|[numkMGTPE]|[KMGTPE]i|)$/;
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'] as const;
const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'] as const;
const nanosPerUnit = 10n ** 9n;
const binaryNanosMax = (2n ** 63n - 1n) * nanosPerUnit;
/** Exponents beyond it either way change nothing: the value is past any cap, or rounds to one nano. */
const exponentMax = 64;

/** The quantity that `text` writes, or null for what is none. */
export function parseQuantity(text: string): Quantity | null {
  if (text.length > limits.quantityLengthMax) return null;
  const match = pattern.exec(text.trim());
  if (match === null) return null;
  const [, sign = '', whole = '', fraction = '', suffix = ''] = match;
  if (whole === '' && fraction === '') return null;
  const digits = BigInt(`${whole}${fraction}` || '0');
  const { base, exponent, format } = interpret(suffix);
  const nano = base === 2
    ? min(roundAway(digits * nanosPerUnit * 2n ** BigInt(exponent), BigInt(fraction.length)), binaryNanosMax)
    : scaleTen(digits, 9 + exponent - fraction.length);
  return { nano: sign === '-' ? -nano : nano, format };
}

function interpret(suffix: string): { base: 2 | 10; exponent: number; format: QuantityFormat } {
  const binary = (binarySuffixes as readonly string[]).indexOf(suffix);
  if (binary > 0) return { base: 2, exponent: 10 * binary, format: 'binary' };
  const decimal = (decimalSuffixes as readonly string[]).indexOf(suffix);
  if (decimal >= 0) return { base: 10, exponent: 3 * (decimal - 3), format: 'decimal' };
  const exponent = Math.max(-exponentMax, Math.min(exponentMax, Number(suffix.slice(1))));
  return { base: 10, exponent, format: 'exponent' };
}

const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/** digits / 10^places, for digits ≥ 0, a remainder rounded up. */
function roundAway(digits: bigint, places: bigint): bigint {
  const divisor = 10n ** places;
  return (digits + divisor - 1n) / divisor;
}

function scaleTen(digits: bigint, power: number): bigint {
  return power >= 0 ? digits * 10n ** BigInt(power) : roundAway(digits, BigInt(-power));
}

/** Value × 1000, rounded up and clamped to ±(2^53 - 1); null for what is no quantity. */
export function quantityMilli(text: string): number | null {
  const quantity = parseQuantity(text);
  return quantity === null ? null : ceilNumber(quantity.nano, 1_000_000n);
}

/** Value in units, rounded up and clamped to ±(2^53 - 1); null for what is no quantity. */
export function quantityValue(text: string): number | null {
  const quantity = parseQuantity(text);
  return quantity === null ? null : ceilNumber(quantity.nano, nanosPerUnit);
}

/** Rounded away from zero, as Kubernetes' ScaledValue does. */
function ceilNumber(nano: bigint, divisor: bigint): number {
  const up = nano >= 0n ? (nano + divisor - 1n) / divisor : -((-nano + divisor - 1n) / divisor);
  const max = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(up > max ? max : up < -max ? -max : up);
}

/** `cpu` in thousandths of a core; 0 when absent. */
export function cpuMilli(list: ResourceList | undefined): number {
  return quantityMilli(String(list?.['cpu'] ?? '0')) ?? 0;
}

/** `memory` in bytes; 0 when absent. */
export function memoryBytes(list: ResourceList | undefined): number {
  return quantityValue(String(list?.['memory'] ?? '0')) ?? 0;
}

/** Less than, equal to or greater than 0, as a is to b; null where either is no quantity. */
export function compareQuantities(a: string, b: string): number | null {
  const left = parseQuantity(a), right = parseQuantity(b);
  if (left === null || right === null) return null;
  return left.nano < right.nano ? -1 : left.nano > right.nano ? 1 : 0;
}

/** The canonical form of what is written: `0.5` → `500m`, `1024Mi` → `1Gi`; what is no quantity stays. */
export function canonicalQuantity(text: string): string {
  const quantity = parseQuantity(text);
  return quantity === null ? text : formatQuantity(quantity);
}

/** The shortest text without a fraction, with the largest suffix of the quantity's own family. */
export function formatQuantity(quantity: Quantity): string {
  const { nano } = quantity;
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  const size = nano < 0n ? -nano : nano;
  const binary = quantity.format === 'binary' && size >= 1024n * nanosPerUnit && size % nanosPerUnit === 0n;
  return sign + (binary ? formatBinary(size / nanosPerUnit) : formatDecimal(size, quantity.format));
}

function formatBinary(units: bigint): string {
  let rest = units, step = 0;
  while (step < binarySuffixes.length - 1 && rest % 1024n === 0n) {
    rest /= 1024n;
    step += 1;
  }
  return `${rest}${binarySuffixes[step]}`;
}

function formatDecimal(nano: bigint, format: QuantityFormat): string {
  let rest = nano, step = 0;
  while (step < decimalSuffixes.length - 1 && rest % 1000n === 0n) {
    rest /= 1000n;
    step += 1;
  }
  if (format !== 'exponent') return `${rest}${decimalSuffixes[step]}`;
  return step === 3 ? `${rest}` : `${rest}e${3 * (step - 3)}`;
}
