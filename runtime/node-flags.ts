// How Node is to run a peer. The first line of `cli/shoal.ts` says the same, for whoever starts it by name.

export const nodeFlags = [
  '--disable-warning=ExperimentalWarning',
  // MB. A peer at rest takes 150 MB instead of 175; under load it does as much (measured, `npm run bench`).
  '--max-semi-space-size=8',
] as const;
