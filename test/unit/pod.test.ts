// The life of a pod on its node, as transcripts: what is called, what its status says, which events come.

import { test } from 'uvu';
import { transcripts } from '../transcript.ts';
import { kubeletCommands } from './kubelet-commands.ts';

transcripts(test, 'test/data/pod', kubeletCommands);

test.run();
