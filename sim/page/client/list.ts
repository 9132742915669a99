// The list of events, as text: what the diagram draws, for reading, searching and for those who don't see it.
// It shows a page of what passes the filter, around the cursor. What always holds: at most `pageLength` rows
// are in the document, however long the recording is.

import { groups, groupWords } from '../data.ts';
import { firstAtLeast, timeText } from '../model.ts';
import type { Filter, Run } from '../model.ts';
import { make, part } from './dom.ts';
import { markCurrent } from './panels.ts';
import type { Looking, Store } from './store.ts';

const pageLength = 150;

export function startList(run: Run, store: Store): void {
  const rows = part('rows');
  const earlier = part('earlier') as HTMLButtonElement, later = part('later') as HTMLButtonElement;
  let from = 0, shown: readonly number[] | null = null;

  function show(wanted: readonly number[], first: number): void {
    from = Math.max(0, Math.min(first, wanted.length - pageLength));
    shown = wanted;
    const page = wanted.slice(from, from + pageLength);
    rows.replaceChildren(...page.map((item) => row(run, store, item)));
    earlier.disabled = from === 0;
    later.disabled = from + page.length >= wanted.length;
    part('count').textContent = wanted.length === 0 ? 'nothing passes the filter'
      : `${from + 1} to ${from + page.length} of ${wanted.length}`;
  }
  function follow({ wanted, item }: Looking, before: Looking | null): void {
    if (before?.item === item && shown === wanted) return;
    const at = firstAtLeast(wanted, item);
    const isOff = shown !== wanted || at < from || at >= from + pageLength;
    if (isOff) show(wanted, at - Math.floor(pageLength / 2));
    markCurrent(rows, item);
    const current = rows.querySelector<HTMLElement>('[aria-current]'), frame = part('frame');
    if (current === null) return;
    const top = current.offsetTop - frame.clientHeight / 2;
    if (Math.abs(frame.scrollTop - top) > frame.clientHeight / 3) frame.scrollTop = top;
  }
  earlier.addEventListener('click', () => show(store.now().wanted, from - pageLength));
  later.addEventListener('click', () => show(store.now().wanted, from + pageLength));
  startFilter(run, store);
  store.onChange(follow);
}

function row(run: Run, store: Store, item: number): HTMLElement {
  const { recording: { items, strings, peers, messages }, itemUs, arrival } = run;
  const group = groups[items.group[item] as number] ?? 'note', message = arrival[item] ?? -1;
  const from = message < 0 ? '' : ` from ${peers[messages.from[message] as number]}`;
  const number = items.number[item] as number;
  const go = make('button', { type: 'button' }, timeText(itemUs[item] as number));
  const line = make('tr', { 'data-item': item, 'data-group': group },
    make('td', {}, go), make('td', { class: 'number' }, number === 0 ? '' : String(number)),
    make('td', {}, peers[items.peer[item] as number] ?? ''),
    make('td', {}, make('span', { 'class': `dot ${group}`, 'aria-hidden': 'true' }),
      ` ${strings[items.kind[item] as number]}${from}`),
    make('td', { class: 'text' }, strings[items.text[item] as number] ?? ''));
  line.addEventListener('click', () => store.go({ item }));
  return line;
}

// ── the filter ───────────────────────────────────────────────────────────────────────────────────────────

function startFilter(run: Run, store: Store): void {
  const { peers, items, messages } = run.recording;
  const present = new Set([...items.group, ...messages.group]);
  const change = (part: Partial<Filter>): void => store.filter({ ...store.now().filter, ...part });
  const lanes = choices('peers', peers.map((name, at) => ({ at, name, dot: '' })),
    () => store.now().filter.peers, (some) => change({ peers: some }));
  const some = groups.map((group, at) => ({ at, name: groupWords[group], dot: group }));
  const kinds = choices('kinds', some.filter(({ at }) => present.has(at)),
    () => store.now().filter.groups, (chosen) => change({ groups: chosen }));
  const words = part('words') as HTMLInputElement;
  words.addEventListener('input', () => change({ words: words.value }));
  part('everything').addEventListener('click', () =>
    store.filter({ peers: new Set(peers.keys()), groups: new Set(groups.keys()), words: '' }));
  store.onChange(({ filter }, before) => {
    if (before?.filter === filter) return;
    lanes(filter.peers);
    kinds(filter.groups);
    if (words.value !== filter.words) words.value = filter.words;
  });
}

interface Choice { readonly at: number; readonly name: string; readonly dot: string }

/** Boxes to tick; with Alt, one alone. The answer shows what is chosen. */
function choices(
  id: string, all: readonly Choice[], chosen: () => ReadonlySet<number>,
  choose: (some: ReadonlySet<number>) => void,
): (some: ReadonlySet<number>) => void {
  const boxes = all.map(({ at, name, dot }) => {
    const box = make('input', { type: 'checkbox', value: at });
    const label = make('label', { class: 'choice', title: `${name}; Alt and click for this alone` }, box,
      ...dot === '' ? [] : [make('span', { 'class': `dot ${dot}`, 'aria-hidden': 'true' })], name);
    label.addEventListener('click', (event) => {
      if (!event.altKey) return;
      event.preventDefault();
      choose(new Set([at]));
    });
    box.addEventListener('change', () => {
      const some = new Set(chosen());
      if (box.checked) some.add(at);
      else some.delete(at);
      choose(some);
    });
    return { at, box, label };
  });
  part(id).append(...boxes.map(({ label }) => label));
  return (some) => { for (const { at, box } of boxes) box.checked = some.has(at); };
}
