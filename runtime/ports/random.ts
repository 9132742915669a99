// Random bits from the operating system, taken a page at a time: a call into the kernel for each would cost
// more than all the rest.

import type { RandomPort } from '../../cluster/ports.ts';

const wordsPerRefill = 1_024;

export function createRandomPort(): RandomPort {
  const words = new Uint32Array(wordsPerRefill);
  let next = wordsPerRefill;
  return {
    u32() {
      if (next === wordsPerRefill) {
        crypto.getRandomValues(words);
        next = 0;
      }
      const word = words[next] ?? 0;
      words[next] = 0;
      next += 1;
      return word;
    },
  };
}
