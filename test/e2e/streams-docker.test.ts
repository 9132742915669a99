// exec, attach, cp and port-forward into containers of Docker.

import Dockerode from 'dockerode';
import { test } from 'uvu';
import { busybox, needingDocker } from '../docker.ts';
import { clusterTests } from './cluster.ts';
import { streams } from './streams.ts';

const register = await needingDocker(test);
streams(clusterTests(test, { peers: 2, runtime: 'docker' }, register), 'docker');
// After the cluster, which uses it.
test.after(async () => { await new Dockerode().getImage(busybox).remove().catch(() => undefined); });

test.run();
