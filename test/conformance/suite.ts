// The official suite's program: which tests it holds, and what it says of those that it is told to run. A run
// goes in chunks, each a process of its own, so that one that hangs costs no other its verdict: what a chunk
// has not said is asked again, one test at a time.
//
// What always holds: a test has one verdict, taken from what the program reports of it; what it never
// reported hung, or was skipped; whatever was started is ended with all that it started.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Verdict = 'passed' | 'failed' | 'hung' | 'skipped';

export interface SuiteRun {
  readonly program: string;
  readonly kubeconfig: string;
  readonly kubectl: string;
  /** Nodes that may be missing: a killed peer's is. */
  notReadyNodes(): number;
  readonly perTestMs: number;
  readonly chunk: number;
  verdict(name: string, verdict: Verdict, why: string): void;
}

const running = new Set<ChildProcess>();

export function endSuites(): void { for (const child of running) endGroup(child); }

/** Every conformance test of the program, as it names them. */
export async function suiteTests(program: string): Promise<readonly string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'shoal-conformance-'));
  try {
    const flags = ['-ginkgo.dryRun', '-ginkgo.focus=\\[Conformance\\]', `-report-dir=${dir}`];
    await run(program, flags, 120_000, () => undefined);
    const report = readFileSync(join(dir, 'junit_01.xml'), 'utf8');
    return [...report.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)]
      .filter(([, , inside = '']) => !inside.includes('<skipped')).map(([, name = '']) => unescape(name))
      .sort();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

export async function runSuite(names: readonly string[], options: SuiteRun): Promise<void> {
  const alone: string[] = [];
  for (let at = 0; at < names.length; at += options.chunk) {
    alone.push(...await runChunk(names.slice(at, at + options.chunk), options));
  }
  for (const name of alone) {
    const [left] = await runChunk([name], options);
    if (left !== undefined) options.verdict(left, 'hung', `nothing said for ${options.perTestMs / 1_000} s`);
  }
}

/** Gives the tests that it has no verdict of. */
async function runChunk(names: readonly string[], options: SuiteRun): Promise<readonly string[]> {
  const left = new Map(names.map((name) => [squeezed(name), name])), missing = options.notReadyNodes();
  const flags = [
    '-ginkgo.noColor', '-ginkgo.seed=1', `-ginkgo.focus=${focusOf(names)}`, '-provider=skeleton',
    `-kubeconfig=${options.kubeconfig}`, `-kubectl-path=${options.kubectl}`,
    '-e2e-verify-service-account=false', '-node-schedulable-timeout=1m', '-system-pods-startup-timeout=1m',
    `-allowed-not-ready-nodes=${missing}`,
  ];
  let why = '';
  const ended = await run(options.program, flags, options.perTestMs, (line) => {
    // What is said of the cause: the line that fails, or what follows it.
    const failure = /FAIL: (.*)/.exec(line)?.[1] ?? /^ *(?:s|Message): "(.*)",?$/.exec(line)?.[1];
    if (failure !== undefined && (why === '' || why.startsWith('Unexpected error'))) why = failure;
    const said = /\{"msg":"(PASSED|FAILED) ((?:[^"\\]|\\.)*)"/.exec(line);
    if (said === null) return false;
    const name = left.get(squeezed(JSON.parse(`"${said[2] ?? ''}"`) as string));
    if (name === undefined) return true;
    left.delete(squeezed(name));
    const passed = said[1] === 'PASSED';
    options.verdict(name, passed ? 'passed' : 'failed', passed ? '' : why.slice(0, 300));
    why = '';
    return true;
  });
  if (ended === 'ended' && names.length === 1) {
    // It ran to its end and reported nothing: the test found that it does not apply here.
    for (const name of left.values()) options.verdict(name, 'skipped', '');
    return [];
  }
  return [...left.values()];
}

/** `heard` gives whether a line is progress; without any for `quietMs` the program is ended. */
function run(
  program: string, flags: readonly string[], quietMs: number, heard: (line: string) => boolean | undefined,
): Promise<'ended' | 'quiet'> {
  return new Promise((done, fail) => {
    const child = spawn(program, flags, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let quiet = false, rest = '';
    const late = (): void => {
      quiet = true;
      endGroup(child);
    };
    let timer = setTimeout(late, quietMs);
    const take = (data: Buffer): void => {
      const lines = `${rest}${data.toString()}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (heard(line) !== true) continue;
        clearTimeout(timer);
        timer = setTimeout(late, quietMs);
      }
    };
    running.add(child);
    child.stdout.on('data', take);
    child.stderr.resume();
    child.on('error', fail);
    child.on('close', () => {
      clearTimeout(timer);
      running.delete(child);
      done(quiet ? 'quiet' : 'ended');
    });
  });
}

/** The program and what it started: kubectl, mostly. */
function endGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch { /* it has ended by itself */ }
}

/** Ginkgo joins the words of a test's containers with spaces and looks for the expression in them. */
export function focusOf(names: readonly string[]): string {
  return names.map((name) => `${name.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/ +/g, ' +')} *$`)
    .join('|');
}

const squeezed = (name: string): string => name.replace(/\s+/g, ' ').trim();

function unescape(text: string): string {
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&quot;/g, '"').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
}
