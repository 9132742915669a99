// Two of three voters left, were emptied, and joined again. Their log, as they learned it anew, first told of
// the days when they were voters; by that membership they were a quorum, and elected one of themselves,
// without what had been committed since. Found by `leader-completeness`, seed 57 of 3 peers × 2 minutes, when
// leaving became a fault.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { index, peerId, term } from '../../cluster/ids.ts';
import { createLog, describe, emptyRecovery, step } from '../../cluster/log/log.ts';
import type { Log } from '../../cluster/log/log.ts';
import type { Entry, LogEffect, LogMember } from '../../cluster/log/types.ts';
import { createRandom } from '../../cluster/random.ts';
import { encodeMembers } from '../../cluster/wire.ts';

const [a, b, c] = [peerId('a'), peerId('b'), peerId('c')];
const member = (id: typeof a,
  voter: boolean): LogMember => ({ id, name: `node-${id}`, addresses: [], voter });

const config = (at: number, members: readonly LogMember[]): Entry =>
  ({ index: index(at), term: term(1), kind: 'config', data: encodeMembers(members) });

/** What `b` learns anew: all three voted; it and `c` went; both came back as learners. */
const history: readonly Entry[] = [
  config(1, [member(a, true), member(b, true), member(c, true)]),
  config(2, [member(a, true), member(b, true)]),
  config(3, [member(a, true)]),
  config(4, [member(a, true), member(b, false)]),
  config(5, [member(a, true), member(b, false), member(c, false)]),
  config(6, [member(a, true), member(b, true), member(c, false)]),
];

function newcomer(nowMs: number): Log {
  const log = createLog({ self: b }, emptyRecovery(), createRandom(1));
  step(log, { type: 'start' }, nowMs);
  step(log, { type: 'joined', term: term(3), index: index(5) }, nowMs);
  return log;
}

const answers = (effects: readonly LogEffect[]): string[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.message.type] : []));

test('a newcomer votes by no membership of the time before it joined', () => {
  const log = newcomer(0);
  assert.is(describe(log).term, 3, 'nor follows a leader of that time');
  step(log, { type: 'learned', entries: history.slice(0, 1) }, 10);
  assert.is(describe(log).role, 'learner');
  const asked = step(log, {
    type: 'message', from: c,
      message: { type: 'pre-vote', term: term(4), lastIndex: index(1), lastTerm: term(1) },
  }, 10_000);
  assert.equal(answers(asked), []);
  const elected = step(log, { type: 'timer', timer: 'election' }, 20_000);
  assert.equal(answers(elected), []);
  assert.is(describe(log).role, 'learner');
});

test('once it has come as far as it joined, it votes when it is made a voter', () => {
  const log = newcomer(0);
  step(log, { type: 'learned', entries: history.slice(0, 5) }, 10);
  assert.is(describe(log).role, 'learner');
  step(log, { type: 'learned', entries: history.slice(5) }, 20);
  assert.is(describe(log).role, 'follower');
});

test.run();
