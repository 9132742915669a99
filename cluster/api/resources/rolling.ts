// Amounts that are numbers or percentages, and how a DaemonSet may roll.
// Source: Kubernetes, pkg/apis/apps/validation (ValidatePositiveIntOrPercent,
// ValidateRollingUpdateDaemonSet).

import type { Fields } from './fields.ts';
import { invalid, nonNegativeMessage } from './validate.ts';
import type { Errors } from './validate.ts';

const percentWords = "a valid percent string must be a numeric string followed by an ending '%' "
  + "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";

/** A number of zero or more, or a percentage of at most 100. Whether it is of the right form. */
export function validateAmountOrPercent(
  errors: Errors, path: string, amount: unknown, percentMax = Number.POSITIVE_INFINITY,
): boolean {
  if (typeof amount === 'number') {
    if (amount < 0) invalid(errors, path, amount, nonNegativeMessage);
    return amount >= 0;
  }
  if (typeof amount !== 'string' || !/^[0-9]+%$/.test(amount)) {
    invalid(errors, path, amount, percentWords);
    return false;
  }
  if (Number.parseInt(amount, 10) > percentMax) {
    invalid(errors, path, amount, 'must not be greater than 100%');
  }
  return true;
}

/** The number of pods, or the percentage. */
const amountOf = (amount: unknown): number =>
  typeof amount === 'number' ? amount : Number.parseInt(String(amount), 10) || 0;

export function validateRolling(errors: Errors, rolling: Fields, path: string): void {
  const { maxUnavailable = 0, maxSurge = 0 } = rolling;
  validateAmountOrPercent(errors, `${path}.maxUnavailable`, maxUnavailable, 100);
  validateAmountOrPercent(errors, `${path}.maxSurge`, maxSurge, 100);
  const unavailable = amountOf(maxUnavailable), surge = amountOf(maxSurge);
  if (unavailable === 0 && surge === 0) {
    invalid(errors, `${path}.maxUnavailable`, maxUnavailable, 'cannot be 0 when maxSurge is 0');
  }
  if (unavailable !== 0 && surge !== 0) {
    invalid(errors, `${path}.maxSurge`, maxSurge, 'may not be set when maxUnavailable is non-zero');
  }
}
