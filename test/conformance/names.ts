// The conformance tests of Kubernetes v1.36, and which of them a test of an older suite is: tests have been
// moved from one SIG to another, and some were renamed, but what they ask is the same.
//
// What always holds: a test of the list has one key, and no two share it.
// Source: test/conformance/testdata/conformance.yaml of Kubernetes v1.20 and v1.36.

import { readFileSync } from 'node:fs';

export interface ConformanceTest {
  readonly tier: string;
  readonly name: string;
  /** The release that made it a conformance test. */
  readonly since: string;
}

const file = new URL('../data/conformance/tests-1.36.txt', import.meta.url);

export function conformanceTests(): readonly ConformanceTest[] {
  return readFileSync(file, 'utf8').split('\n').filter((line) => /^T\d\t/.test(line)).map((line) => {
    const [tier = '', name = '', since = ''] = line.split('\t');
    return { tier, name, since };
  });
}

/** What was renamed since v1.20: the key then, and now. */
const renamed: ReadonlyMap<string, string> = new Map([
  ['Services should provide secure master service', 'API Server should provide secure master service'],
  ['Services should test the lifecycle of an Endpoint', 'Endpoints should test the lifecycle of an Endpoint'],
  ['Events should ensure that an event can be fetched, patched, deleted, and listed',
    'Events should manage the lifecycle of an event'],
  ['Docker Containers should be able to override the image\'s default command and arguments',
    'Containers should be able to override the image\'s default command and arguments'],
  ['Docker Containers should use the image defaults if command and args are blank',
    'Containers should use the image defaults if command and args are blank'],
  ['Docker Containers should be able to override the image\'s default command (docker entrypoint)',
    'Containers should be able to override the image\'s default command (container entrypoint)'],
  ['Docker Containers should be able to override the image\'s default arguments (docker cmd)',
    'Containers should be able to override the image\'s default arguments (container cmd)'],
  ['Kubectl client Kubectl logs should be able to retrieve and filter logs',
    'Kubectl logs logs should be able to retrieve and filter logs'],
]);

/** What stays of a name over the releases: without SIGs and labels in brackets. */
export function keyOf(name: string): string {
  const bare = name.replace(/\[[^\]]*\]/g, ' ').replace(/\s+/g, ' ').trim();
  return renamed.get(bare) ?? bare;
}

/** The SIG that a test belongs to: `sig-node`. */
export function sigOf(name: string): string { return /^\[([^\]]*)\]/.exec(name)?.[1] ?? ''; }
