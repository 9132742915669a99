#!/usr/bin/env -S node --disable-warning=ExperimentalWarning --max-semi-space-size=8
// The command line: `shoal start|join|token|status|leave|recover|dev|sim`. Flags and help here, the doing in
// the siblings. What runs peers is read in only by the commands that do: the others answer three times as
// fast.
// What always holds: exit code 0 done, 1 failed (with one line that says why), 2 called wrongly.

import { Command, InvalidArgumentError, Option } from 'commander';
import { version } from '../version.ts';
import { defaultDir } from '../settings.ts';
import type { DevFlags } from './dev.ts';
import { leave } from './leave.ts';
import { recover } from './recover.ts';
import type { StartFlags } from './start.ts';
import { status } from './status.ts';
import { createToken, deleteToken, listTokens, rotateKeys } from './token.ts';

const program = new Command('shoal')
  .description('Kubernetes without a master: every machine runs the same peer')
  .version(version)
  // What follows `sim` is the simulator's.
  .enablePositionalOptions()
  .showHelpAfterError('(shoal --help lists the commands)')
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'shoal: ')) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

// Whoever read the output may be gone: `shoal status | head -1`.
for (const out of [process.stdout, process.stderr]) out.on('error', () => undefined);

function number(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError(`not a whole number: ${text}`);
  return value;
}

/** Flags of a peer, for `start` and `join`. Without one, what the directory keeps holds, else the default. */
function peerFlags(command: Command): Command {
  return command
    .option('--dir <dir>', 'where the peer lives', defaultDir())
    .option('--name <name>', 'the node\'s name (default: this machine\'s)')
    .option('--node-ip <ip>', 'the address that others know this node by (default: its first)')
    .option('--listen <host:port>', 'where other peers connect (default: 0.0.0.0:7443)')
    .option('--api-host <host...>', 'where the Kubernetes API listens (default: 0.0.0.0)')
    .option('--api-port <port>', 'its port (default: 6443)', number)
    .option('--cpu <milli>', 'what pods may request in all, in thousandths of a core', number)
    .option('--memory <bytes>', 'what pods may request in all', number)
    .option('--encryption-key-file <file>',
      'the keys that its data is encrypted with (default: disk.key in --dir)')
    .addOption(new Option('--runtime <name>', 'what runs containers (default: auto)')
      .choices(['auto', 'docker', 'process']))
    .option('--audit-policy-file <file>', 'which requests are written down: an audit.k8s.io/v1 Policy')
    .option('--audit-log-path <file>', 'where to; - is the standard output, empty for no more')
    .option('--audit-log-maxsize <MB>', 'how large the file gets before the next is begun (default: 100)',
      number)
    .option('--audit-log-maxbackup <n>', 'how many such files are kept (default: all)', number);
}

/** Where to find a running peer. */
function clientFlags(command: Command): Command {
  return command
    .option('--kubeconfig <file>',
      'default: $KUBECONFIG, .shoal/kubeconfig, or that of the peer on this machine')
    .option('--context <name>', 'which of its peers to ask');
}

peerFlags(program.command('start').description(
  'run a peer: a new cluster\'s first, or the one that lives in --dir'))
  .action(async (flags: StartFlags) => (await import('./start.ts')).start(flags));

peerFlags(program.command('join').description('run a new peer that joins a cluster')
  .argument('<address>', 'host:port where any peer of the cluster listens for peers')
  .requiredOption('--token <token>', 'made by `shoal token create`'))
  .action(async (address: string, flags: StartFlags & { token: string }) =>
    (await import('./start.ts')).join(address, flags));

const token = program.command('token').description('tokens that let new peers in');
clientFlags(token.command('create').description('make one and print it')
  .option('--ttl <duration>', 'how long it is good for: 30m, 24h', '24h'))
  .action(createToken);
clientFlags(token.command('list').description('what tokens there are')).action(listTokens);
clientFlags(token.command('delete').description('make one void').argument('<id>', 'its part before the dot'))
  .action(deleteToken);
clientFlags(token.command('rotate-keys').description('have another key sign the tokens of ServiceAccounts'))
  .action(rotateKeys);

clientFlags(program.command('status').description(
  'members, leader, and how many more failures the cluster survives')
  .addOption(new Option('-o, --output <format>').choices(['text', 'json']).default('text')))
  .action(status);

clientFlags(program.command('leave').description('take a peer out of the cluster, for good')
  .argument('[name]', 'a peer that is gone (default: the peer that is asked)'))
  .action(leave);

clientFlags(program.command('recover').description(
  'after the loss of a quorum for good: show what is left, and go on with it')
  .option('--through <name>', 'the peer whose log counts (default: the one whose log is the longest)')
  .option('-y, --yes', 'do not ask'))
  .action(recover);

program.command('dev').description('a cluster of several peers on this machine')
  .option('--peers <n>', 'how many', number, 3)
  .option('--dir <dir>', 'where they live', '.shoal')
  .addOption(new Option('--runtime <name>', 'what runs containers').choices(['auto', 'docker',
    'process']).default('auto'))
  .option('--api-port <port>', 'the first peer\'s; the next has the next', number, 6_443)
  .option('--hello', 'apply the example and fetch its page')
  .action(async (flags: DevFlags) => (await import('./dev.ts')).dev(flags));

program.command('sim').description('the simulator: whole clusters with faults, judged by oracles')
  .usage('[command] [options]').argument('[args...]')
  .helpOption(false).allowUnknownOption().passThroughOptions()
  .action(async (args: string[]) => {
    process.exitCode = await (await import('./sim.ts')).sim(args);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`shoal: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
