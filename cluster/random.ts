// Seeded random integers. The core draws only from a generator handed to it, so a run is a function of its
// seed. PCG-like quality is not needed; equal sequences on every machine are: 32-bit integer arithmetic only.
// Source: sfc32 (Chris Doty-Humphrey, PractRand) seeded by splitmix32.

export interface Random {
  /** A uniform integer in [0, 2^32). */
  u32(): number;
  /** A uniform integer in [0, bound); bound in 1 … 2^32. */
  below(bound: number): number;
  /** A uniform integer in [low, high], both included. */
  between(low: number, high: number): number;
  /** True in `numerator` of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean;
}

/** A generator whose whole sequence follows from `seed` (any safe integer ≥ 0). */
export function createRandom(seed: number): Random {
  const mix = splitmix32(seed);
  let a = mix(), b = mix(), c = mix(), d = 1;
  function u32(): number {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  }
  for (let i = 0; i < 12; i++) u32();
  return fromU32(u32);
}

/** The same interface over any source of 32-bit integers. */
export function fromU32(u32: () => number): Random {
  const below = (bound: number): number => Math.floor((u32() / 0x1_0000_0000) * bound);
  return {
    u32,
    below,
    between: (low, high) => low + below(high - low + 1),
    chance: (numerator, denominator) => below(denominator) < numerator,
  };
}

/** A 32-bit hash of integers: the same inputs give the same fate, whatever else was drawn. */
export function hash32(...words: number[]): number {
  let h = 0x9e3779b9;
  for (const word of words) {
    h = Math.imul(h ^ (word >>> 0), 0x85ebca6b);
    h ^= h >>> 13;
    h = Math.imul(h ^ Math.floor(word / 0x1_0000_0000), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return h >>> 0;
}

/** A 32-bit hash of a text (FNV-1a over UTF-16 units), for seeds and digests, not for secrets. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

function splitmix32(seed: number): () => number {
  let state = hash32(seed);
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}
