// `sim campaign --manifest`: a swarm for a whole cluster, as an Indexed Job on any Kubernetes. Each pod takes
// its part of the seeds by its index. What always holds: it prints and applies nothing; every seed is in one
// part and in one only.

import { Command, Option } from 'commander';
import { stringify } from 'yaml';
import { packageVersion } from '../artefact.ts';
import { drawFlags, drawText, integer, range, workersOption } from './options.ts';
import type { DrawFlags } from './options.ts';
import { partsMax, partVariable } from './swarm.ts';

interface CampaignFlags extends DrawFlags {
  readonly manifest?: boolean;
  readonly seeds: readonly [number, number];
  readonly completions: number;
  readonly parallelism: number;
  readonly image: string;
  readonly name: string;
  readonly workers: number;
  readonly marks?: boolean;
}

const seedsDefault = [1, 100_000] as const;
/** Of one worker: what a run of five peers needs, and some. */
const cpuMilliPerWorker = 1_000, memoryMiPerWorker = 1_024;
/** Exit codes that running again would only repeat: a failure was found, the flags are wrong. */
const finalExitCodes = [1, 2] as const;
/** Other ends, as of a node that is drained, are tried again so often. */
const retriesPerIndex = 3;

export function campaignCommand(): Command {
  return drawFlags(new Command('campaign')
    .description('print an Indexed Job that runs a swarm on any Kubernetes')
    .option('--manifest', 'print it as YAML (there is nothing else that it can do: it applies nothing)')
    .addOption(new Option('--seeds <a..b>', 'which, both ends included')
      .argParser(range).default(seedsDefault, seedsDefault.join('..')))
    .option('--completions <n>', 'in how many parts, each a pod', integer(1, partsMax), 100)
    .option('--parallelism <n>', 'how many pods at a time', integer(1, partsMax), 10)
    .option('--image <image>', 'has `shoal` on its path', `shoal:${packageVersion().slice(1)}`)
    .option('--marks', 'each part must reach every rare state')
    .option('--name <name>', 'of the Job', 'shoal-sim')
    .option(...workersOption))
    .action((flags: CampaignFlags) => { process.stdout.write(manifestText(flags)); });
}

export function manifestText(flags: CampaignFlags): string {
  return [
    `# Runs seeds ${flags.seeds.join('..')} in ${flags.completions} parts: kubectl apply -f this.`,
    '# Needs Kubernetes 1.29 or later. An image with `shoal` on its path, after `npm pack`:',
    '#     FROM node:24-slim',
    '#     COPY shoal-*.tgz /tmp/',
    '#     RUN npm install --global /tmp/shoal-*.tgz',
    `# Which parts failed: kubectl get job ${flags.name} -o jsonpath='{.status.failedIndexes}'`,
    `# What failed in them: kubectl logs -l batch.kubernetes.io/job-name=${flags.name} --prefix --tail -1`,
    stringify(manifest(flags), { lineWidth: 0 }),
  ].join('\n');
}

function manifest(flags: CampaignFlags): unknown {
  const { name, completions, parallelism, image, seeds, workers, marks } = flags;
  const cpu = `${workers * cpuMilliPerWorker}m`, memory = `${workers * memoryMiPerWorker}Mi`;
  return {
    apiVersion: 'batch/v1', kind: 'Job', metadata: { name },
    spec: {
      completionMode: 'Indexed', completions, parallelism: Math.min(parallelism, completions),
      // One part that fails ends no other.
      backoffLimitPerIndex: retriesPerIndex, maxFailedIndexes: completions,
      podFailurePolicy: {
        rules: [
          { action: 'FailIndex', onExitCodes: { operator: 'In', values: [...finalExitCodes] } },
          { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
        ],
      },
      template: {
        spec: {
          restartPolicy: 'Never',
          containers: [{
            name: 'sim', image,
            command: [
              'shoal', 'sim', 'swarm', '--seeds', seeds.join('..'), '--parts', String(completions),
              '--workers', String(workers), '--keep-going', ...marks === true ? ['--marks'] : [],
              ...drawText(flags).split(' '),
            ],
            env: [{
              name: partVariable,
              valueFrom: {
                fieldRef: { fieldPath: 'metadata.annotations[\'batch.kubernetes.io/job-completion-index\']' },
              },
            }],
            resources: { requests: { cpu, memory } },
          }],
        },
      },
    },
  };
}
