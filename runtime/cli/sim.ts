// `shoal sim …`: the simulator, as a process of its own: the real and the pretend world never meet in one.
// What always holds: arguments, input, output and exit code go through unchanged; a signal reaches it.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Exit codes from here on say which signal ended a process. */
const signalBase = 128;
const passedOn = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** The exit code. As shells have it, 128 and the signal's number where one ended it. */
export async function sim(args: readonly string[]): Promise<number> {
  const file = fileURLToPath(new URL(`../../sim/main${extname(import.meta.url)}`, import.meta.url));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args],
    { stdio: 'inherit' });
  for (const signal of passedOn) {
    process.on(signal, () => {
      // A terminal tells both of Ctrl-C: once is enough, but somebody must wait for the end.
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (code, signal) => {
      done(code ?? signalBase + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}
