// Runs the test files, each in a process of its own, two at a time (four cores would take more; files that
// need the machine for themselves are in `alone`), prints what fails whole and what passes in a line, and
// ends with `N passed, N failed, N skipped`.
//
//     node test/run.ts [--only WORD] [--skip WORD]     WORD: a part of the file's path
//     node test/run.ts --rewrite                       redraws the transcripts: only the files that hold some

import { spawn } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

interface Result { passed: number; failed: number; skipped: number; output: string; seconds: number }

const fileTimeoutMs = 8 * 60_000;
/** These start peers of their own and would be disturbed by neighbours. */
const alone = ['test/e2e/', 'test/sim/'];

const argument = (name: string): string | undefined => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};

async function main(): Promise<void> {
  const only = argument('--only'), skip = argument('--skip');
  const rewrite = process.argv.includes('--rewrite');
  if (rewrite) process.env['REWRITE'] = '1';
  const files = globSync('test/**/*.test.ts').sort()
    .filter((file) => !rewrite || /\b(t|laterT)ranscripts\(/.test(readFileSync(file, 'utf8')))
    .filter((file) => only === undefined || file.includes(only))
    .filter((file) => skip === undefined || !file.includes(skip));
  const total = { passed: 0, failed: 0, skipped: 0 };
  const together = files.filter((file) => !alone.some((prefix) => file.startsWith(prefix)));
  const apart = files.filter((file) => !together.includes(file));
  await runAll(together, Math.max(1, Math.min(4, availableParallelism())), total);
  await runAll(apart, 1, total);
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
  process.exit(total.failed > 0 || total.passed === 0 ? 1 : 0);
}

async function runAll(files: string[], width: number,
  total: { passed: number; failed: number; skipped: number }): Promise<void> {
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const result = await runFile(file);
      total.passed += result.passed;
      total.failed += result.failed;
      total.skipped += result.skipped;
      report(file, result);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

function report(file: string, result: Result): void {
  const counts = `${result.passed} passed${result.failed ? `, ${result.failed} failed` : ''}`
    + `${result.skipped ? `, ${result.skipped} skipped` : ''}`;
  console.log(`${result.failed ? 'FAIL' : '  ok'} ${file}  ${counts}  ${result.seconds.toFixed(1)} s`);
  const reasons = result.output.split('\n').filter((line) => /^(SKIP|FIGURE) /.test(line));
  if (result.failed) console.log(result.output);
  else for (const line of reasons) console.log(`     ${line}`);
}

function runFile(file: string): Promise<Result> {
  return new Promise((done) => {
    const started = performance.now();
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file],
      { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (data: Buffer): void => { output += data.toString(); };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const timer = setTimeout(() => {
      output += `\n${file}: no end after ${fileTimeoutMs / 1000} s\n`;
      child.kill('SIGKILL');
    }, fileTimeoutMs);
    child.on('close', (code) => {
      clearTimeout(timer);
      done({ ...count(output, code), output, seconds: (performance.now() - started) / 1000 });
    });
  });
}

/** uvu's closing lines of one file; a file that ends badly, or runs no test, counts as one failure. */
function count(output: string, code: number | null): { passed: number; failed: number; skipped: number } {
  const number = (name: string): number => {
    let sum = 0;
    for (const match of output.matchAll(new RegExp(`^\\s+${name}:\\s+(\\d+)`, 'gm'))) sum += Number(match[1]);
    return sum;
  };
  const total = number('Total'), passed = number('Passed'), skipped = number('Skipped');
  const failed = Math.max(total - passed, code === 0 ? 0 : 1, total + skipped === 0 ? 1 : 0);
  return { passed, failed, skipped };
}

await main();
