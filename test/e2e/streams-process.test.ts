// exec, attach, cp and port-forward into containers that are processes.

import { test } from 'uvu';
import { clusterTests } from './cluster.ts';
import { streams } from './streams.ts';

streams(clusterTests(test, { peers: 2, runtime: 'process' }), 'process');

test.run();
