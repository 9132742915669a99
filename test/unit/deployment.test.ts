// Deployments and their ReplicaSets, round by round: what is written until everything is as it should be.

import { test } from 'uvu';
import { transcripts } from '../transcript.ts';
import { commands } from './leader-commands.ts';

transcripts(test, new URL('../data/deployment', import.meta.url).pathname, () => commands());

test.run();
