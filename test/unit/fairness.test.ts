// Seats for requests: nobody starves, nobody waits for ever, and who may not wait is told so.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createFairness, place } from '../../actors/peer/fairness.ts';
import type { Fairness, Placed } from '../../actors/peer/fairness.ts';
import type { Core } from '../../actors/peer/core.ts';
import type { PriorityLevel } from '../../cluster/api/access/flows.ts';
import type { ApiRequest } from '../../cluster/api/request.ts';
import { requestId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { createRandom } from '../../cluster/random.ts';
import { createState } from '../../cluster/state/state.ts';

interface Hall {
  readonly fairness: Fairness;
  /** What became of each request, in order: `+name` seated, `-name` refused. */
  readonly log: string[];
  /** Who is seated, and has not left. */
  readonly seated: Set<string>;
  ask(user: string, name: string, more?: Partial<ApiRequest>, flow?: Partial<Placed['flow']>): void;
  leave(name: string): void;
  pass(ms: number): void;
}

function createHall(): Hall {
  const armed = new Map<string, { readonly atMs: number; readonly work: () => void }>();
  let nowMs = 0;
  const state = createState();
  const core = {
    now: () => nowMs, state,
    arm: (key: string, ms: number, work: () => void) => { armed.set(key, { atMs: nowMs + ms, work }); },
  } as unknown as Core;
  const fairness = createFairness(core), log: string[] = [], seated = new Set<string>();
  return {
    fairness, log, seated,
    ask(user, name, more = {}, flow = {}) {
      const request: ApiRequest = {
        id: requestId(name), method: 'GET', path: '/api/v1/namespaces/a/pods/b', query: '', headers: {},
        body: null, user: { name: user, groups: ['system:authenticated'] }, ...more,
      };
      const placed = place(request, state);
      fairness.enter(request, { ...placed, flow: { ...placed.flow, ...flow } }, () => {
        log.push(`+${name}`);
        seated.add(name);
      }, () => { log.push(`-${name}`); });
    },
    leave(name) {
      seated.delete(name);
      fairness.leave(requestId(name));
    },
    pass(ms) {
      const untilMs = nowMs + ms;
      for (;;) {
        const [due] = [...armed].filter(([, { atMs }]) => atMs <= untilMs)
          .sort((a, b) => a[1].atMs - b[1].atMs);
        if (due === undefined) break;
        armed.delete(due[0]);
        nowMs = due[1].atMs;
        due[1].work();
      }
      nowMs = untilMs;
    },
  };
}

/** The noisy user takes all seats and fills its queue. */
function fill(hall: Hall): number {
  const asked = limits.readSeatsMax + limits.waitingPerUserMax + 100;
  for (let n = 0; n < asked; n++) hall.ask('noisy', `noisy-${n}`);
  for (let turns = 0; turns < limits.readSeatsMax / limits.turnSeatsMax; turns++) hall.pass(1);
  return asked;
}

test('a user alone gets every seat, and what is too many is refused', () => {
  const hall = createHall();
  for (let n = 0; n < limits.turnSeatsMax + 10; n++) hall.ask('noisy', `n${n}`);
  assert.is(hall.seated.size, limits.turnSeatsMax, 'no more than a turn at once');
  hall.pass(1);
  assert.is(hall.seated.size, limits.turnSeatsMax + 10);
  const full = createHall();
  const asked = fill(full);
  const refused = full.log.filter((line) => line.startsWith('-')).length;
  assert.is(full.seated.size, limits.readSeatsMax);
  const kept = full.seated.size + full.fairness.waiting();
  assert.is(refused, asked - kept, 'each is seated, waits, or is refused');
  assert.ok(full.fairness.waiting() > 0);
});

test('who asks for little is served next, however many somebody else asks for', () => {
  const hall = createHall();
  fill(hall);
  hall.ask('quiet', 'quiet-1');
  assert.not.ok(hall.seated.has('quiet-1'), 'all seats are taken');
  hall.leave('noisy-0');
  hall.pass(1);
  assert.is(hall.log.at(-1), '+quiet-1', 'the first seat that is free is its own');
  // A third one as well, and then the shares even out.
  for (let n = 0; n < 300; n++) hall.ask('other', `other-${n}`);
  for (let n = 1; n <= 200; n++) {
    hall.leave(`noisy-${n}`);
    hall.pass(1);
  }
  const count = (user: string): number => [...hall.seated].filter((name) => name.startsWith(user)).length;
  assert.is(count('noisy') + count('quiet') + count('other'), limits.readSeatsMax);
  assert.ok(Math.abs(count('noisy') - count('other')) <= 2, `${count('noisy')} and ${count('other')}`);
});

test('writes that hang keep no read waiting, and the administrator waits for nobody', () => {
  const hall = createHall();
  for (let n = 0; n < limits.writeSeatsMax * 2; n++) hall.ask('noisy', `w${n}`, { method: 'PUT' });
  for (let turns = 0; turns < 10; turns++) hall.pass(1);
  assert.is(hall.seated.size, limits.writeSeatsMax);
  hall.ask('noisy', 'read');
  assert.is(hall.log.at(-1), '+read');
  fill(hall);
  hall.ask('root', 'root', { user: { name: 'root', groups: ['system:masters'] } });
  assert.is(hall.log.at(-1), '+root');
  hall.ask('probe', 'probe', { path: '/readyz' });
  assert.is(hall.log.at(-1), '+probe');
  hall.leave('root');
  hall.leave('never-seen');
});

test('levels get seats by their shares, and what a schema exempts or refuses does not wait', () => {
  const hall = createHall();
  const flow = (spec: PriorityLevel['spec'], name: string): Partial<Placed['flow']> =>
    ({ level: { metadata: { name } as never, apiVersion: '', kind: '', spec } });
  const limited = (shares: number, type = 'Queue'): PriorityLevel['spec'] =>
    ({ type: 'Limited', limited: { nominalConcurrencyShares: shares, limitResponse: { type } } });
  for (let n = 0; n < 400; n++) {
    hall.ask('small', `small-${n}`, {}, flow(limited(20), 'small'));
    hall.ask('large', `large-${n}`, {}, flow(limited(100), 'large'));
  }
  for (let turns = 0; turns < 20; turns++) hall.pass(1);
  const count = (user: string): number => [...hall.seated].filter((name) => name.startsWith(user)).length;
  assert.is(hall.seated.size, limits.readSeatsMax, 'all seats are taken');
  assert.ok(Math.abs(count('large') - 5 * count('small')) < 40, `${count('large')} and ${count('small')}`);
  hall.ask('probe', 'exempt', {}, flow({ type: 'Exempt' }, 'exempt'));
  assert.is(hall.log.at(-1), '+exempt');
  hall.ask('rest', 'refused', {}, flow(limited(5, 'Reject'), 'rest'));
  assert.is(hall.log.at(-1), '-refused');
});

test('nobody waits for ever, and who went away is not served', () => {
  const hall = createHall();
  fill(hall);
  hall.ask('quiet', 'gone');
  hall.ask('quiet', 'late');
  hall.leave('gone');
  hall.pass(limits.seatWaitMsMax);
  assert.is(hall.fairness.waiting(), 0);
  assert.ok(hall.log.includes('-late'));
  assert.not.ok(hall.log.some((line) => line.endsWith('gone')));
  hall.leave('noisy-1');
  hall.ask('quiet', 'again');
  hall.pass(1);
  assert.ok(hall.seated.has('again'));
});

test('whatever comes and goes, each request is seated or refused once, and seats are never overdrawn', () => {
  const random = createRandom(7), hall = createHall(), known: string[] = [];
  for (let n = 0; n < 20_000; n++) {
    const what = random.below(10);
    if (what < 6) {
      const name = `${n}`;
      known.push(name);
      const writes = random.below(3) === 0 ? { method: 'POST' } : {};
      hall.ask(`user-${random.below(4) * random.below(4)}`, name, writes);
    } else if (what < 9) hall.leave(known[random.below(known.length || 1)] ?? '');
    else hall.pass(random.below(50));
    assert.ok(hall.seated.size <= limits.readSeatsMax + limits.writeSeatsMax);
  }
  const told = hall.log.map((line) => line.slice(1));
  assert.is(new Set(told).size, told.length, 'once each');
  for (const name of [...hall.seated]) hall.leave(name);
  for (let turns = 0; turns < 1_000 && hall.fairness.waiting() > 0; turns++) {
    hall.pass(1);
    for (const name of [...hall.seated]) hall.leave(name);
  }
  assert.is(hall.fairness.waiting(), 0);
  const refused = hall.log.filter((line) => line.startsWith('-'));
  assert.ok(refused.length < known.length);
});

test.run();
