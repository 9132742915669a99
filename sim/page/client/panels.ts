// The words around the diagram: what each peer is at the cursor, and what led to the violation.
// What always holds: the state shown is the one after the item that the cursor stands on.

import { groups } from '../data.ts';
import type { PeerState } from '../data.ts';
import { actorLines, hueOf, stateAfter, timeText } from '../model.ts';
import type { Run } from '../model.ts';
import { cluesOf, rootsOf, storyOf } from '../story.ts';
import { make, part } from './dom.ts';
import type { Store } from './store.ts';

/** Lines of each list of the story. */
const storyMax = 40;

export function startPanels(run: Run, store: Store): void {
  const table = part('states');
  /** Which peers' details are unfolded. */
  const unfolded = new Set<number>(run.recording.verdict?.peers.slice(0, 1));
  let shown = '';
  store.onChange(({ item, cursorUs }) => {
    const { peers, window } = run.recording;
    const outside = cursorUs < window.fromUs || cursorUs > window.untilUs;
    const key = `${item} ${outside}`;
    if (key === shown) return;
    shown = key;
    table.replaceChildren(...peers.flatMap((name, peer) =>
      rowsOfPeer(run, name, peer, outside ? null : stateAfter(run, peer, item), unfolded)));
    part('outside').hidden = !outside;
  });
  startStory(run, store);
}

function rowsOfPeer(
  run: Run, name: string, peer: number, state: PeerState | null, unfolded: Set<number>,
): HTMLElement[] {
  const { strings, peers } = run.recording;
  const cell = (text: string | number): HTMLElement => make('td', {}, String(text));
  if (state === null) {
    return [make('tr', {}, make('th', { scope: 'row' }, name), make('td', { colspan: 6 }, '–'))];
  }
  const pods = lines(strings[state.pods]);
  const details = make('tr', { class: 'details' }, make('td', { colspan: 7 }, make('div', {},
    list('Members, as it sees them', lines(strings[state.members])),
    list('Pods on its machine', pods), list('Actors', actorLines(run, state)))));
  details.hidden = !unfolded.has(peer);
  const button = make('button', { 'type': 'button', 'aria-expanded': String(!details.hidden) }, name);
  button.addEventListener('click', () => {
    details.hidden = !details.hidden;
    button.setAttribute('aria-expanded', String(!details.hidden));
    if (details.hidden) unfolded.delete(peer);
    else unfolded.add(peer);
  });
  const head = make('th', { scope: 'row' }, button), podCount = cell(pods.length);
  if (state.phase === null) {
    return [make('tr', { class: 'down' }, head, make('td', { colspan: 5 }, 'no process'), podCount), details];
  }
  const role = make('span', { class: `role ${state.role}`, style: `--hue:${hueOf(state.term)}` }, state.role);
  return [
    make('tr', { class: state.quorum ? '' : 'alone' }, head, make('td', {}, role), cell(state.term),
      cell(state.leader < 0 ? 'none' : peers[state.leader] ?? ''),
      cell(`${state.applied} / ${state.commit} / ${state.last}`), cell(state.phase), podCount),
    details,
  ];
}

const lines = (text: string | undefined): string[] => (text ?? '').split('\n').filter((line) => line !== '');

function list(title: string, entries: readonly string[]): HTMLElement {
  return make('section', {}, make('h4', {}, title),
    entries.length === 0 ? make('p', { class: 'faint' }, 'none')
      : make('ul', {}, ...entries.map((entry) => make('li', {}, entry))));
}

// ── the story ────────────────────────────────────────────────────────────────────────────────────────────

function startStory(run: Run, store: Store): void {
  const { verdict, faults } = run.recording;
  if (verdict === null) return;
  const { chain, led } = storyOf(run, rootsOf(run), cluesOf(verdict), storyMax);
  part('led').replaceChildren(...[...led].reverse().map((item) => line(run, store, item)));
  part('chain').replaceChildren(...chain.map((item) => line(run, store, item)));
  part('show-chain').addEventListener('click', () => {
    const times = chain.map((item) => run.itemUs[item] ?? 0), last = chain.at(-1);
    const fromUs = Math.min(...times), untilUs = Math.max(...times);
    const room = Math.max(100, (untilUs - fromUs) / 8);
    if (last !== undefined) store.go({ item: last });
    store.show({ fromUs: fromUs - room, untilUs: untilUs + room });
  });
  const inForce = faults.filter(({ fromUs, untilUs }) => fromUs <= verdict.atUs && untilUs >= verdict.atUs);
  part('in-force').replaceChildren(...inForce.map(({ text, fromUs, untilUs }) =>
    make('li', {}, make('span', {}, text),
      make('span', { class: 'faint' }, ` since ${timeText(fromUs)}, planned until ${timeText(untilUs)}`))));
  if (inForce.length === 0) part('in-force').replaceChildren(make('li', { class: 'faint' }, 'none'));
  store.onChange(({ item }, before) => {
    if (before?.item !== item) markCurrent(part('story'), item);
  });
}

export function markCurrent(within: HTMLElement, item: number): void {
  for (const each of within.querySelectorAll<HTMLElement>('[data-item]')) {
    const isCurrent = Number(each.dataset['item']) === item;
    if (isCurrent) each.setAttribute('aria-current', 'true');
    else each.removeAttribute('aria-current');
  }
}

function line(run: Run, store: Store, item: number): HTMLElement {
  const { recording: { items, strings, peers }, itemUs, arrival } = run;
  const group = groups[items.group[item] as number] ?? 'note', message = arrival[item] ?? -1;
  const from = message < 0 ? '' : ` from ${peers[run.recording.messages.from[message] as number]}`;
  const button = make('button', { 'type': 'button', 'data-item': item },
    make('span', { class: 'time' }, timeText(itemUs[item] as number)),
    make('span', { class: 'who' }, peers[items.peer[item] as number] ?? ''),
    make('span', { class: `dot ${group}` }),
    make('span', { class: 'what' }, make('b', {}, strings[items.kind[item] as number] ?? ''), from, ' ',
      strings[items.text[item] as number] ?? ''));
  button.addEventListener('click', () => store.go({ item }));
  return make('li', {}, button);
}
