// Who uses the cluster in a run: users with applications, with namespaces, with jobs; users that share
// registers; readers of logs, informers, an operator; a crowd, a family, a rival, a balancer. What always
// holds: what they ask for in the end fits the machines, even while a rollout has pods to spare, so that
// everything wanted can come about once faults are over.

import { createRandom, hash32, hashText } from '../cluster/random.ts';
import { machineCapacity } from './machine.ts';
import { startBalancer } from './users/balancer.ts';
import { startBlunderer } from './users/blunderer.ts';
import { createUserClient } from './users/client.ts';
import type { UserClient } from './users/client.ts';
import { startCrowd } from './users/crowd.ts';
import { startDeployer } from './users/deployer.ts';
import { startFamily } from './users/family.ts';
import { startJobber } from './users/jobber.ts';
import { startOperator } from './users/operator.ts';
import { startReader } from './users/reader.ts';
import { startRegistrar } from './users/registrar.ts';
import { startRival } from './users/rival.ts';
import { startTenant } from './users/tenant.ts';
import { startWatcher } from './users/watcher.ts';
import type { World } from './world.ts';

const deployers = 3, jobbers = 2, registrars = 3, tenants = 1, readers = 1;
/** Of all machines' processors: what applications ask for together. The rest is for jobs and rollouts. */
const applicationsPercent = 60;
const jobCpuMilli = 100;
/** Pods of a crowd's wave: with what is there already more than fits on a few machines. */
const crowdMax = 12;
const registers = ['register-1', 'register-2'] as const;

const watched = [
  ['/api/v1/pods', 'core/pods/'],
  ['/apis/apps/v1/namespaces/default/deployments', 'apps/deployments/default/'],
  ['/api/v1/namespaces/default/configmaps', 'core/configmaps/default/'],
] as const;

/** Starts the users that the world's plan names, all if it names none, and says which. */
export function startUsers(world: World): readonly string[] {
  const { plan, heap, checker } = world;
  const started: string[] = [];
  // Each draws from a generator of its own, so that leaving one out moves no other.
  const user = (name: string, start: (client: UserClient) => void): void => {
    if (plan.users !== undefined && !plan.users.includes(name)) return;
    started.push(name);
    start(createUserClient(world, name, createRandom(hash32(plan.seed, hashText(name)))));
  };
  const during = { untilMs: plan.healMs, nowMs: heap.nowMs };
  // What is left in the end must hold it all.
  const peers = plan.core?.length ?? plan.peers;
  const share = Math.floor(peers * machineCapacity.cpuMilli * applicationsPercent / 100 / deployers);
  const applications = Array.from({ length: deployers }, (_, i) => `app-${i + 1}`);
  for (let n = 1; n <= deployers; n += 1) {
    user(`deployer-${n}`, (client) => {
      const cpuMilli = [100, 200, 300][client.random.below(3)] ?? 100;
      // One pod more than wanted during a rollout, and ten millicores of a sidecar each.
      const replicasMax = Math.min(8, Math.floor(share / (cpuMilli + 10)) - 1);
      startDeployer(client, { name: `app-${n}`, cpuMilli, replicasMax: Math.max(1, replicasMax), ...during });
    });
  }
  for (let n = 1; n <= jobbers; n += 1) {
    const options = { name: `job-${n}`, cpuMilli: jobCpuMilli, ...during };
    user(`jobber-${n}`, (client) => startJobber(client, options));
  }
  for (let n = 1; n <= registrars; n += 1) {
    user(`registrar-${n}`,
      (client) => startRegistrar(client, { registers, oracle: checker.clients, ...during }));
  }
  for (let n = 1; n <= tenants; n += 1) {
    const options = { name: `tenant-${n}`, cpuMilli: jobCpuMilli, ...during };
    user(`tenant-${n}`, (client) => startTenant(client, options));
  }
  for (let n = 1; n <= readers; n += 1) {
    user(`reader-${n}`, (client) => startReader(client, { report: world.report, ...during }));
  }
  const waves = Math.min(crowdMax, 2 * peers + 1);
  user('crowd', (client) => startCrowd(client, { countMax: waves, ...during }));
  user('blunderer', (client) =>
    startBlunderer(client, { name: 'blunder', cpuMilli: jobCpuMilli, ...during }));
  user('family', (client) => startFamily(client, { name: 'family', ...during }));
  user('rival', (client) => startRival(client, { application: 'app-1', ...during }));
  user('balancer', (client) => startBalancer(client, {
    names: applications, history: checker.history, report: world.report, ...during,
  }));
  // With one machine to cordon there would be nowhere to go.
  const nodes = world.machines.map(({ name }) => name);
  if (nodes.length > 1) user('operator', (client) => startOperator(client, { nodes, ...during }));
  watched.forEach(([path, prefix], n) => {
    user(`watcher-${n + 1}`, (client) => startWatcher(client, { path, prefix, oracle: checker.watches }));
  });
  return started;
}
