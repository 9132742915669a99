// What an evaluation may cost. Two counts run side by side: Kubernetes' own cost, by which an expression is
// refused where an API server would refuse it too, and steps of real work, because the former charges little
// for comparing large values, and an expression may not hold up a peer.
// Source of facts: k8s.io/apiserver pkg/apis/cel/config.go (per call, per request).

import { limits } from '../../limits.ts';
import { Fault } from './values.ts';
import type { Work } from './values.ts';

export const spent = new Fault('operation cancelled: actual cost limit exceeded');

export class Meter implements Work {
  #cost = 0;
  #steps = 0;
  #out = false;
  readonly #costMax: number;
  readonly #stepsMax: number;

  constructor(costMax: number = limits.celCallCostMax, stepsMax: number = limits.celStepsMax) {
    this.#costMax = costMax;
    this.#stepsMax = stepsMax;
  }

  get cost(): number { return this.#cost; }
  get steps(): number { return this.#steps; }
  /** Once over, nothing is evaluated any more. */
  get out(): boolean { return this.#out; }

  charge(cost: number): boolean {
    this.#cost += cost;
    if (this.#cost > this.#costMax) this.#out = true;
    return !this.#out;
  }

  spend(steps: number): boolean {
    this.#steps += steps;
    if (this.#steps > this.#stepsMax) this.#out = true;
    return !this.#out;
  }
}
