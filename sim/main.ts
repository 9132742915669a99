// The simulator's command: `npm run sim -- …`, and `shoal sim …`. Each subcommand is in a file of its own.
// What always holds: exit code 0 passed, 1 a failure was found, 2 called wrongly, with a line that says how.

import { Command } from 'commander';
import { BadInput } from './artefact.ts';
import { campaignCommand } from './cli/campaign.ts';
import { checkCommand } from './cli/check.ts';
import { mutantsCommand } from './cli/mutants.ts';
import { replayCommand } from './cli/replay.ts';
import { reportCommand } from './cli/report.ts';
import { runCommand } from './cli/run.ts';
import { scaleCommand } from './cli/scale.ts';
import { shrinkCommand } from './cli/shrink.ts';
import { swarmCommand } from './cli/swarm.ts';
import { serve } from './worker.ts';

const program = new Command('sim')
  .description('Runs whole Shoal clusters in a simulated world: the peers\' own code, with faults drawn from '
    + 'a seed, and oracles that look after every event. One seed is one run, always and everywhere.')
  .usage('[command] [options]')
  .addHelpText('after', `
Without a command, \`run\`: its flags are listed by \`sim run --help\`.

Exit codes: 0 passed, 1 an oracle found something, 2 called wrongly.

Examples
  sim run --seed 7 --peers 5 --minutes 10             the drawn faults, then a verdict
  sim swarm --seeds 1..1000 --workers 2 --save-failures failures
  sim replay failures/seed-7.json --trace             the same run again, a line per event
  sim shrink failures/seed-7.json                     fewer faults, users and peers that still fail
  sim report failures/seed-7.json --out seed-7.html   a page: who said what to whom, and what led to it
`)
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'sim: ')) })
  .showHelpAfterError('(--help lists commands and flags)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

// Whoever read the output may be gone: `sim run --trace | head`.
for (const out of [process.stdout, process.stderr]) out.on('error', () => process.exit());

const commands = [
  swarmCommand, replayCommand, shrinkCommand, reportCommand, checkCommand, campaignCommand, mutantsCommand,
  scaleCommand,
];
add(runCommand(), { isDefault: true });
for (const make of commands) add(make());
add(new Command('worker').description('serve another process').action(serve), { hidden: true });

try {
  const [word] = process.argv.slice(2);
  if (word !== undefined && /^[a-z]/.test(word) && word !== 'help'
    && !program.commands.some((each) => each.name() === word)) {
    throw new BadInput(`there is no command "${word}" (--help lists them)`);
  }
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof BadInput)) throw error;
  process.stderr.write(`sim: ${error.message}\n`);
  process.exitCode = 2;
}

function add(command: Command, options: { isDefault?: boolean; hidden?: boolean } = {}): void {
  program.addCommand(command.copyInheritedSettings(program), options);
}
