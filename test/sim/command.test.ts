// The simulator's command as it is called: exit codes, messages, files that it writes and reads again, and
// `shoal sim` in front of it. Runs that must pass are calm, so that they don't hang on what is found one day.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readArtefact } from '../../sim/artefact.ts';
import type { Artefact } from '../../sim/artefact.ts';

const folder = mkdtempSync(join(tmpdir(), 'shoal-sim-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

const quiet = '--disable-warning=ExperimentalWarning';

function sim(args: string, file = 'sim/main.ts'): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } =
    spawnSync(process.execPath, [quiet, file, ...args.split(' ').filter((each) => each !== '')],
      { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024 });
  return { status, out: stdout, err: stderr };
}

for (const [args, pattern] of [
  ['frobnicate', /^sim: there is no command "frobnicate"/],
  ['run --seed x', /'--seed <n>' argument 'x' is invalid. It must be a whole number/],
  ['--peers 0', /'--peers <n>' argument '0' is invalid. It must be a whole number, 1 to 200/],
  ['run --minutes -1', /more than 0/],
  ['run --classes crash,flood', /"flood" is none of partition/],
  ['run --canary tweety', /"tweety" is none of acknowledge-early/],
  ['run --plan /nowhere/plan.json', /^sim: \/nowhere\/plan.json can't be read/],
  ['run --frob', /unknown option '--frob'/],
  ['swarm', /required option '--seeds <a..b>' not specified/],
  ['swarm --seeds 5..1', /two numbers with two dots/],
  ['swarm --seeds 1..10 --parts 3', /--parts 3 needs --part, or JOB_COMPLETION_INDEX/],
  ['replay', /missing required argument 'file'/],
  ['replay package.json', /^sim: package.json has version "\d/],
  ['shrink /nowhere.json', /can't be read/],
  ['check --seeds 1..2 --share 200%', /It must be a share/],
  ['run --mutant nobody', /^sim: there is no mutant "nobody"/],
] as const) {
  test(`wrong flags are exit code 2 and a line that says why: sim ${args}`, () => {
    const { status, out, err } = sim(args);
    assert.match(err, pattern);
    assert.is(status, 2);
    assert.is(out, '');
    assert.not.match(err, /\n\s+at /, 'no stack');
  });
}

test('help names every command, and each has its own', () => {
  const { status, out } = sim('--help');
  assert.is(status, 0);
  for (const name of ['run', 'swarm', 'replay', 'shrink', 'check', 'campaign']) {
    assert.match(out, new RegExp(`^  ${name} .*\\S`, 'm'));
    const own = sim(`${name} --help`);
    assert.is(own.status, 0);
    assert.match(own.out, new RegExp(`^Usage: sim ${name} `));
  }
  assert.not.match(out, /^  worker/m);
});

const flags = '--peers 3 --minutes 1 --classes slow-disk,clocks';

test('without a command it runs a seed: the plan, events if wanted, the verdict', () => {
  const plain = sim(`--seed 7 ${flags}`);
  assert.is(plain.status, 0, plain.out);
  assert.match(plain.out, /^seed 7: 3 peers, 1 minutes/);
  assert.match(plain.out, /\nPASS  .*\ntrace [0-9a-f]{16}\n$/);
  const traced = sim(`run --seed 7 ${flags} --trace`);
  assert.match(traced.out, /#1 peer-1 /);
  assert.is(traced.out.split('\n').at(-2), plain.out.split('\n').at(-2));
});

test('a failure is exit code 1; it is saved, replays bit for bit, and shrinks', () => {
  const file = join(folder, 'failed.json'), least = join(folder, 'least.json');
  const failed = sim(`run --seed 2 --peers 3 --minutes 1 --canary acknowledge-early --save ${file}`);
  assert.is(failed.status, 1, failed.out);
  assert.match(failed.out, /FAIL  committed-is-durable: /);
  assert.match(failed.out, /again: sim run --seed 2 --peers 3 .* --canary acknowledge-early --trace/);
  const again = sim(`replay ${file}`);
  assert.is(again.status, 1);
  assert.match(again.out, /the same trace as recorded, bit for bit\n$/);
  const shrunk = sim(`shrink ${file} --out ${least}`);
  assert.is(shrunk.status, 0, shrunk.err);
  assert.match(shrunk.out, /\n  to \d faults?, \d+ users?, \d peers?, in \d+ runs/);
  assert.ok(readArtefact(least).plan.faults.length < readArtefact(file).plan.faults.length);
  const replayed = sim(`replay ${least}`);
  assert.is(replayed.status, 1);
  assert.match(replayed.out, /bit for bit\n$/);
});

test('a mutant is in the processes that are told to have it, and in its artefacts', () => {
  const file = join(folder, 'mutant.json'), mutant = 'candidate-forgets-own-vote';
  const failed = sim(`run --seed 7 ${flags} --mutant ${mutant} --save ${file}`);
  assert.is(failed.status, 1, failed.out);
  assert.match(failed.out, /FAIL  promises-are-durable: /);
  assert.is(readArtefact(file).mutant, mutant);
  const again = sim(`replay ${file}`);
  assert.is(again.status, 1);
  assert.match(again.out, /bit for bit\n$/);
  const swarm = sim(`swarm --seeds 7..7 ${flags} --mutant ${mutant}`);
  assert.is(swarm.status, 1);
  assert.match(swarm.out, /^promises-are-durable: 1, seeds 7$/m);
});

test('what passes can\'t be shrunk; what is edited is another trace', () => {
  const file = join(folder, 'passed.json');
  assert.is(sim(`run --seed 7 ${flags} --save ${file}`).status, 0);
  const refused = sim(`shrink ${file}`);
  assert.is(refused.status, 2);
  assert.match(refused.err, /its run passes: there is nothing to shrink/);
  const saved = JSON.parse(readFileSync(file, 'utf8')) as Artefact;
  const edited = join(folder, 'edited.json');
  writeFileSync(edited, JSON.stringify({ ...saved, plan: { ...saved.plan, faults: [] } }));
  assert.match(sim(`replay ${edited}`).out, /another trace than recorded/);
});

test('a swarm is exit code 1 if a seed fails, and writes an artefact of each that does', () => {
  const failures = join(folder, 'failures');
  const { status, out } = sim(`swarm --seeds 3..5 --workers 2 --keep-going ${flags} `
    + `--canary acknowledge-early --save-failures ${failures}`);
  assert.is(status, 1, out);
  assert.match(out, /\ncommitted-is-durable: 3, seeds 3 4 5\n3 seeds, 3 failed/);
  assert.match(out, /again: sim run --seed 4 --peers 3 .* --canary acknowledge-early --trace/);
  const saved = readArtefact(join(failures, 'seed-4.json'));
  assert.is(saved.plan.seed, 4);
  assert.is(sim(`run --plan ${join(failures, 'seed-4.json')}`).out.trim().split(' ').at(-1), saved.hash);
  const passing = sim(`--seeds 7..8 --workers 2 ${flags}`);
  assert.is(passing.status, 0, passing.out);
  assert.match(passing.out, /2 seeds, 0 failed/);
});

test('a swarm that must reach every mark fails by those that it does not', () => {
  const { status, out } = sim(`swarm --seeds 7..7 ${flags} --marks`);
  assert.is(status, 1, out);
  assert.match(out, /^1 seeds, 0 failed, .*\n\d+ of \d+ marks reached\n/m);
  assert.match(out, /\n +never  \S+: /);
});

test('a check runs seeds in fresh processes and finds them the same', () => {
  const { status, out } = sim(`check --seeds 1..4 --share 50% --workers 2 ${flags}`);
  assert.is(status, 0, out);
  assert.match(out, /seeds run twice, 0 differ, \d{4,} events the same/);
});

test('`shoal sim` passes flags, output and exit codes through', () => {
  const shoal = (args: string): ReturnType<typeof sim> => sim(`sim ${args}`, 'runtime/cli/shoal.ts');
  assert.equal(shoal('--help'), sim('--help'));
  assert.equal(shoal('--seed 7 --peers x'), sim('--seed 7 --peers x'));
  assert.is(shoal(`run --seed 2 ${flags} --canary acknowledge-early`).status, 1);
  assert.is(shoal('campaign --manifest').out, sim('campaign').out);
});

test.run();
