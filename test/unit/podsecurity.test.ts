// The checks of the Pod Security Standards, as transcripts: a pod in, what each level says of it out.
//
//     check baseline:latest        the pod's `spec`, or the whole pod with `metadata` and `spec`; YAML
//     ----
//     reason (detail)              one line for each finding; `allowed` where there is none

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parse } from 'yaml';
import type { Subject } from '../../cluster/api/admission/podsecurity/checks.ts';
import { findings, policyOf, textOf } from '../../cluster/api/admission/podsecurity/levels.ts';
import type { Level } from '../../cluster/api/admission/podsecurity/levels.ts';
import type { KubeObject } from '../../cluster/api/types.ts';
import { transcripts } from '../transcript.ts';
import type { TranscriptCommand } from '../transcript.ts';

function session(): (command: TranscriptCommand) => string {
  return ({ words, input }) => words.map((word) => {
    const [level = '', version = ''] = word.split(':'), given = parse(input) as Partial<Subject>;
    const subject = given.spec === undefined ? { metadata: {}, spec: given as Subject['spec'] }
      : { metadata: given.metadata ?? {}, spec: given.spec };
    const found = findings({ level: level as Level, version }, subject);
    const head = words.length === 1 ? '' : `${word}\n`;
    return head + (found.map(({ reason, detail }) => `${reason} (${detail})`).join('\n') || 'allowed');
  }).join('\n');
}

transcripts((name, body) => test(`transcript podsecurity/${name}`, body), 'test/data/podsecurity', session);

test('labels that can not be read stand for the strictest level where it is enforced', () => {
  const labels = {
    'pod-security.kubernetes.io/enforce': 'none', 'pod-security.kubernetes.io/warn': 'none',
    'pod-security.kubernetes.io/audit-version': 'v1.04', __proto__: 'x',
    'pod-security.kubernetes.io/warn-version': 'v1.99999999999999999999',
  };
  const { enforce, audit, warn, errors } = policyOf({ metadata: { labels } } as unknown as KubeObject);
  assert.equal([enforce, audit, warn].map(textOf),
    ['restricted:latest', 'privileged:latest', 'privileged:latest']);
  assert.equal(errors.map(({ field }) => field), [
    'metadata.labels[pod-security.kubernetes.io/enforce]',
    'metadata.labels[pod-security.kubernetes.io/audit-version]',
    'metadata.labels[pod-security.kubernetes.io/warn]',
    'metadata.labels[pod-security.kubernetes.io/warn-version]',
  ]);
});

test.run();
