// The page of a run without a browser: that recording changes nothing and fits together, that what the page
// computes from a recording is right, and that the page holds nothing but text of the run.

import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { oracles } from '../../sim/check/oracle.ts';
import { drawPlan } from '../../sim/faults.ts';
import type { Fault } from '../../sim/faults.ts';
import { pageScript, pageStyle } from '../../sim/page/bundle.ts';
import { groups } from '../../sim/page/data.ts';
import type { PeerState, Recording } from '../../sim/page/data.ts';
import {
  actorLines, chainOf, clampView, differences, filterItems, firstAtLeast, hueOf, itemAt, itemsIn, openRun,
  pastOf, rowsOf, stateAfter, sums, ticks, timeText, trafficIn, usAt, viewUsMin, xOf, zoomView,
} from '../../sim/page/model.ts';
import { embedded, escaped, pageBytesMax, pageText } from '../../sim/page/page.ts';
import { itemsMax, record } from '../../sim/page/record.ts';
import { cluesOf, namesIn, oraclesBySubject, rootsOf, storyOf } from '../../sim/page/story.ts';
import { namedPeers } from '../../sim/page/words.ts';
import { runPlan } from '../../sim/run.ts';

const plan = { ...drawPlan(11, { peers: 3, minutes: 1, classes: ['crash', 'partition'] }), faults: [
  { kind: 'crash', peers: [2], atMs: 6_000, forMs: 2_000 },
  { kind: 'partition', a: [1], b: [2, 3], direction: 'both', atMs: 10_000, forMs: 6_000 },
] satisfies Fault[] };
const everything = { peers: new Set([0, 1, 2]), groups: new Set(groups.keys()), words: '' };

test('a recorded run is the run itself', () => {
  const plain = runPlan(plan);
  const { recording, result } = record(plan, { run: {}, items: 1_000, untilMs: 12_000 });
  assert.is(result.hash, plain.hash);
  assert.is(recording.facts.find(([name]) => name === 'trace')?.[1], plain.hash);
});

test('a recording holds the last items before its end, and says what it leaves out', () => {
  const { recording } = record(plan, { run: {}, items: 500, untilMs: 12_000 });
  const run = openRun(recording);
  assert.is(recording.items.peer.length, 500);
  assert.ok(run.itemUs.at(-1) as number <= 12_000_000 && run.itemUs.at(-1) as number > 11_000_000);
  assert.is(recording.window.fromUs, run.itemUs[0]);
  assert.match(recording.leftOut[0] ?? '', /holds 500 events and notes; \d+ before them and \d+ after/);
  assert.is(recording.verdict, null);
  // What is of the whole run is whole.
  assert.ok(recording.lives.some(({ peer, untilUs, end }) =>
    peer === 1 && untilUs === 6_000_000 && end === 'killed'));
  assert.ok(recording.roles.some(({ role, fromUs }) => role === 'leader' && fromUs < 5_000_000));
  assert.equal(recording.faults.map(({ kind, network, peers }) => ({ kind, network, peers })), [
    { kind: 'crash', network: false, peers: [1] }, { kind: 'partition', network: true, peers: [0, 1, 2] },
  ]);
});

test('causes come before effects, and messages join the items that they were sent and arrive in', () => {
  const { recording } = record(plan, { run: {}, items: 20_000, untilMs: 14_000 });
  const run = openRun(recording), { items, messages } = recording;
  let joined = 0, lost = 0, writes = 0;
  items.cause.forEach((cause, item) => {
    assert.ok(cause < item);
    if (cause < 0) return;
    assert.ok(run.itemUs[cause] as number <= (run.itemUs[item] as number));
    if (recording.strings[items.kind[item] as number] === 'persisted') {
      writes += 1;
      assert.is(items.peer[cause], items.peer[item]);
    }
  });
  messages.arrivesIn.forEach((item, message) => {
    const from = messages.sentIn[message] as number;
    assert.is(items.peer[from], messages.from[message]);
    assert.ok(run.itemUs[from] as number <= (run.sentUs[message] as number));
    if (item < 0) return void (lost += 1);
    joined += 1;
    assert.is(items.cause[item], from);
    assert.is(items.peer[item], messages.to[message]);
    assert.is(items.group[item], messages.group[message]);
  });
  assert.ok(joined > 500 && writes > 50, `${joined} messages, ${writes} writes`);
  assert.ok(lost > 10, 'behind the partition messages are lost');
});

test('the state after each item is the state that the peer had', () => {
  const { recording } = record(plan, { run: {}, items: 20_000, untilMs: 14_000 });
  const run = openRun(recording);
  const at = (seconds: number): PeerState[] => [0, 1, 2].map((peer) =>
    stateAfter(run, peer, itemAt(run, seconds * 1e6)) as PeerState);
  assert.equal(at(5).map(({ phase }) => phase), ['running', 'running', 'running']);
  assert.is(at(5).filter(({ role }) => role === 'leader').length, 1);
  assert.equal(at(7).map(({ phase }) => phase), ['running', null, 'running']);
  assert.is(at(9)[1]?.phase, 'running');
  const leader = at(5).findIndex(({ role }) => role === 'leader');
  assert.ok(at(5).every((state) => state.leader === leader));
  const actors = actorLines(run, at(5)[leader] as PeerState).join('\n');
  assert.match(actors, /^peer: running$/m);
  assert.match(actors, /^nodes\/peer-3: ready$/m);
  assert.match(actors, /^scheduler: resting$/m);
  assert.match(actors, /^controllers\/deployment: \w+$/m);
  const pods = at(14).flatMap((state) => actorLines(run, state));
  assert.ok(pods.some((line) => /^pod\/[^/]+\/[^/]+\/[^/]+: running$/.test(line)), pods.join('\n'));
  assert.match(recording.strings[at(5)[0]?.members ?? -1] ?? '', /^peer-2 voter alive$/m);
  assert.ok(at(14).some(({ pods }) => / app running/.test(recording.strings[pods] ?? '')));
});

test('a violation names its peers, and its story ends with it', () => {
  const { recording, result } = record(drawPlan(7, { peers: 5, minutes: 2 }),
    { run: { canary: 'acknowledge-early' }, items: 20_000, untilMs: null });
  const { verdict } = recording, run = openRun(recording);
  assert.is(verdict?.oracle, result.violation?.oracle);
  assert.is(verdict?.claim, oracles[result.violation?.oracle ?? 'no-crash']);
  if (verdict === null) return;
  assert.not.match(verdict.message, /12D3Sim/);
  const roots = rootsOf(run), story = storyOf(run, roots, cluesOf(verdict), 30);
  assert.ok(roots.length > 0);
  assert.is(story.led.at(-1), roots.at(-1));
  assert.ok(story.chain.length > 0 && story.chain.length <= 30 && story.led.length <= 30);
});

// ── what the page computes ───────────────────────────────────────────────────────────────────────────────

type Made = readonly [peer: number, cause: number];

/** Two items a millisecond; where the cause is another peer's, a message joins them. */
function made(items: readonly Made[], part: Partial<Recording> = {}): Recording {
  const sent = items.flatMap(([to, cause], item) =>
    (cause < 0 || items[cause]?.[0] === to ? [] : [{ to, cause, item }]));
  const state = { phase: 'running', role: 'follower', term: 1, leader: 0, commit: 0, applied: 0, last: 0,
    quorum: true, members: 0, pods: 0, actors: 0 };
  return {
    version: 1, title: 'made', verdict: null, facts: [], leftOut: [], peers: ['peer-1', 'peer-2', 'peer-3'],
    endUs: items.length * 500, healUs: 0, window: { fromUs: 0, untilUs: items.length * 500 }, lives: [],
    roles: [], faults: [], sent: { stepUs: 1_000, counts: [[], [], []] }, before: [0, 0, 0],
    items: {
      number: items.map((_, at) => at + 1), atUs: items.map((_, at) => (at === 0 ? 0 : 500)),
      peer: items.map(([peer]) => peer), group: items.map(() => 0), kind: items.map(() => 1),
      text: items.map(() => 0), cause: items.map(([, cause]) => cause), state: items.map(() => 0),
    },
    messages: {
      from: sent.map(({ cause }) => items[cause]?.[0] as number), to: sent.map(({ to }) => to),
      group: sent.map(() => 0), kind: sent.map(() => 1),
      sentUs: differences(sent.map(({ cause }) => cause * 500)), sentIn: sent.map(({ cause }) => cause),
      arrivesIn: sent.map(({ item }) => item),
    },
    states: [state, { ...state, term: 2, role: 'leader' }], strings: ['', 'append', 'vote', 'started'],
    ...part,
  };
}

test('differences and sums undo each other', () => {
  const list = [5, 5, 9, 20, 21];
  assert.equal(sums(differences(list)), list);
  assert.equal([0, 5, 6, 21, 22].map((n) => firstAtLeast(list, n)), [0, 0, 2, 4, 5]);
});

test('a chain goes from trigger to trigger, a past over everything that may have mattered', () => {
  //                     0        1        2        3        4        5
  const run = openRun(made([[0, -1], [1, 0], [2, -1], [1, -1], [0, 1], [2, -1]]));
  assert.equal(chainOf(run, 4, 10), [4, 1, 0]);
  assert.equal(chainOf(run, 4, 2), [4, 1]);
  assert.equal(pastOf(run, [4]), [true, true, false, false, true, false]);
  assert.equal(pastOf(run, [3]), [true, true, false, true, false, false]);
  assert.equal(run.previous, [-1, -1, -1, 1, 0, 2]);
  // A note belongs to the event in which it was made.
  const base = made([[0, -1], [1, 0], [1, -1]]);
  const noted = { ...base.items, group: [0, 0, groups.indexOf('note')] };
  assert.equal(chainOf(openRun({ ...base, items: noted }), 2, 10), [2, 1, 0]);
});

test('a story holds what is notable and nothing that can have had no part', () => {
  const base = made([[0, -1], [1, 0], [2, -1], [1, -1], [2, 3], [0, 1]]);
  const recording = { ...base, items: {
    ...base.items, kind: [1, 2, 2, 1, 1, 1], state: [0, 0, 0, 0, 1, 0],
    group: [groups.indexOf('life'), 0, 0, 0, 0, 0],
  } };
  const clues = { areas: [], kinds: ['vote'], words: [] };
  // The start, the vote that was received, and the end; what peer-3 did had no part in it.
  assert.equal(storyOf(openRun(recording), [5], clues, 9), { chain: [0, 1, 5], led: [0, 1, 5] });
  // Of peer-3 itself: its vote, and that it leads.
  assert.equal(storyOf(openRun(recording), [4], clues, 9).led, [0, 1, 2, 4]);
  assert.equal(storyOf(openRun(recording), [4], clues, 2).led, [2, 4]);
});

test('what a message names is found: objects and peers', () => {
  assert.equal(namesIn('pod default/app-1-5ff6bd445-4qn7j moves from peer-1'), ['app-1-5ff6bd445-4qn7j']);
  assert.equal(namesIn('app-2-76498fc7bf-cgdnk starts'), ['app-2-76498fc7bf-cgdnk']);
  assert.equal(namesIn('core/configmaps/default/register-1 is not found'), ['register-1']);
  assert.equal(namedPeers('12D3Sim3 and peer-1 both lead, peer-9 does not', 5), [1, 3]);
});

test('subjects are of oracles that exist', () => {
  const unknown = Object.values(oraclesBySubject).flat().filter((name) => !Object.hasOwn(oracles, name));
  assert.equal(unknown, []);
});

test('views stay within the run, and zooming keeps what is under the pointer there', () => {
  assert.equal(clampView({ fromUs: -50, untilUs: 950 }, 10_000), { fromUs: 0, untilUs: 1_000 });
  assert.equal(clampView({ fromUs: 9_500, untilUs: 10_500 }, 10_000), { fromUs: 9_000, untilUs: 10_000 });
  assert.equal(clampView({ fromUs: 0, untilUs: 1e9 }, 10_000), { fromUs: 0, untilUs: 10_000 });
  const view = { fromUs: 2_000, untilUs: 6_000 }, near = zoomView(view, 0.5, 3_000, 10_000);
  assert.equal(near, { fromUs: 2_500, untilUs: 4_500 });
  assert.is(xOf(view, 800, 3_000), xOf(near, 800, 3_000));
  assert.is(usAt(view, 800, xOf(view, 800, 3_000)), 3_000);
  const nearest = zoomView(view, 1e-9, 3_000, 10_000);
  assert.is(nearest.untilUs - nearest.fromUs, viewUsMin);
});

test('ticks are round, apart, and told apart', () => {
  for (const [fromUs, untilUs] of [[0, 60_000_000], [1_234_567, 1_234_987], [0, 2_500_000]] as const) {
    const found = ticks({ fromUs, untilUs }, 1_000, 100), labels = found.map(({ label }) => label);
    assert.ok(found.length >= 3 && found.length <= 11, `${found.length} ticks`);
    assert.is(new Set(labels).size, labels.length);
    const wrong = found.filter(({ us, label }) => Math.abs(Number.parseFloat(label) * 1e6 - us) > 0.5);
    assert.equal(wrong, []);
  }
  assert.is(timeText(1_234_567), '1.234567 s');
});

test('messages are drawn each while they are few, else in bundles that leave none out', () => {
  const items: [number, number][] = [[0, -1]];
  for (let n = 0; n < 400; n += 1) items.push([1 + (n % 2), 0]);
  const run = openRun(made(items)), view = { fromUs: 0, untilUs: 400_000 };
  const bounds = { eachMax: 500, steps: 10, bundlesMax: 50 };
  assert.equal(trafficIn(run, view, everything, bounds).kind, 'each');
  const traffic = trafficIn(run, view, everything, { ...bounds, eachMax: 100 });
  assert.is(traffic.kind, 'bundled');
  if (traffic.kind === 'bundled') assert.is(traffic.bundles.reduce((sum, { count }) => sum + count, 0), 400);
  const nobody = { ...everything, groups: new Set<number>() };
  assert.equal(trafficIn(run, view, nobody, bounds), { kind: 'each', messages: [] });
  // Sent before the view, arriving in it: still a line.
  const later = trafficIn(run, { fromUs: 199_000, untilUs: 199_600 }, everything, bounds);
  assert.is(later.kind === 'each' && later.messages.length > 0, true);
});

test('the filter is by peer, by kind and by words', () => {
  const base = made([[0, -1], [1, 0], [2, -1], [1, -1]]);
  const run = openRun({ ...base, items: { ...base.items, kind: [1, 2, 1, 1], group: [0, 0, 3, 0] } });
  assert.equal(filterItems(run, everything), [0, 1, 2, 3]);
  assert.equal(filterItems(run, { ...everything, peers: new Set([1]) }), [1, 3]);
  assert.equal(filterItems(run, { ...everything, groups: new Set([3]) }), [2]);
  assert.equal(filterItems(run, { ...everything, words: 'VOT' }), [1]);
  assert.equal(itemsIn(run, { fromUs: 500, untilUs: 1_000 }, [0, 1, 2, 3], 10), [1, 2]);
  assert.equal(itemsIn(run, { fromUs: 0, untilUs: 9_000 }, [0, 1, 2, 3], 3), []);
});

test('faults that overlap lie in rows of their own, up to a number of rows', () => {
  const fault = (fromUs: number, untilUs: number) =>
    ({ kind: 'clog', text: '', fromUs, untilUs, peers: [0], network: true });
  const rows = rowsOf([fault(0, 10), fault(5, 15), fault(10, 20), fault(12, 30)], 2);
  assert.equal(rows.map((row) => row.map(({ fromUs }) => fromUs)), [[0, 10], [5, 12]]);
});

test('no term has the colour of a violation', () => {
  for (let term = 0; term < 500; term += 1) assert.ok(hueOf(term) >= 60 && hueOf(term) <= 330);
  assert.ok(Math.abs(hueOf(4) - hueOf(5)) > 40);
});

// ── the page ─────────────────────────────────────────────────────────────────────────────────────────────

test('what a run says is text in the page, and the page asks nobody for anything', () => {
  const nasty = '</script><img src=x onerror=alert(1)>\u2028';
  const recording = made([[0, -1]], {
    title: nasty, strings: ['', nasty], leftOut: [nasty],
    verdict: { oracle: nasty, claim: nasty, message: nasty, atUs: 0, event: 1, peers: [0] },
  });
  const page = pageText({ recording, script: pageScript(), style: pageStyle() });
  assert.not.match(page, /<img/);
  assert.is(page.match(/<\/script>/g)?.length, 2);
  const json = /<script type="application\/json" id="recording">([^<]*)<\/script>/.exec(page)?.[1] ?? '';
  assert.equal(JSON.parse(json), recording);
  assert.not.match(page.replaceAll('http://www.w3.org/2000/svg', ''), /https?:|@import|url\((?!#)/);
  assert.match(page, /default-src 'none'/);
  assert.is(escaped('<a "b">&'), '&lt;a &quot;b&quot;&gt;&amp;');
  assert.is(embedded(['<']), '["\\u003c"]');
});

test('the script is plain JavaScript without imports and exports', () => {
  const script = pageScript();
  assert.not.match(script, /^\s*(import|export)\b/m);
  assert.not.match(script, /\binterface\s+\w+\s*\{/);
  // A syntax error, or a name that two modules share, would throw here.
  new Function(script);
  assert.ok(Buffer.byteLength(script) < 100_000);
});

test('a page of the most events that are kept stays within its bound', () => {
  const { recording } = record(drawPlan(3, { peers: 5, minutes: 2 }),
    { run: {}, items: 20_000, untilMs: 66_000 });
  const bytes = Buffer.byteLength(JSON.stringify(recording)), items = recording.items.peer.length;
  assert.ok(items > 2_000, `${items} items`);
  assert.ok(bytes / items * itemsMax < pageBytesMax, `${bytes} bytes for ${items} items`);
});

test.run();
