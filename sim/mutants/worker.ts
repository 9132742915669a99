// The process in which a mutant lives: it runs batches of seeds until the oracle that is named for the mutant
// speaks. It is started with `hook.ts` before it and ends with whoever started it.

import { serveBatches } from './batch.ts';

serveBatches();
