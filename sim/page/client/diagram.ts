// The diagram as the reader handles it: mouse, wheel, fingers and keys move the view and the cursor. For
// those who do not see it, it is a slider over time that says in words where it stands.
// What always holds: whatever the mouse can do, a key can do; the list of events says the same in text.

import { chainOf, timeText, usAt, zoomView } from '../model.ts';
import type { Run, View } from '../model.ts';
import { dress, draw, part } from './dom.ts';
import { drawLanes, geometryOf, laneY, place } from './lanes.ts';
import type { Geometry } from './lanes.ts';
import type { Looking, Store } from './store.ts';

/** Of the chain of causes that is shown for an item. */
const chainMax = 40;
/** So near, in pixels, a click means an item. */
const nearPixels = 7;

export function startDiagram(run: Run, store: Store, home: View): void {
  const svg = part('lanes') as unknown as SVGSVGElement, box = part('plane');
  const scene = draw('g'), overlay = draw('g', { class: 'cursor' });
  svg.append(scene, overlay);
  let geometry = geometryOf(run, box.clientWidth);

  function redraw(now: Looking, before: Looking | null): void {
    const { width } = geometry;
    geometry = geometryOf(run, Math.max(200, box.clientWidth));
    const isOther = before?.view !== now.view || before.wanted !== now.wanted;
    if (isOther || geometry.width !== width) {
      const { nodes, says } = drawLanes(run, geometry, now);
      dress(svg, { width: geometry.width, height: geometry.height });
      scene.replaceChildren(...nodes);
      part('traffic').textContent = says;
    }
    overlay.replaceChildren(...drawCursor(run, geometry, now));
    dress(svg, {
      'aria-valuemin': 0, 'aria-valuemax': run.recording.endUs / 1e6, 'aria-valuenow': now.cursorUs / 1e6,
      'aria-valuetext': says(run, now),
    });
    part('cursor-text').textContent = says(run, now);
  }
  store.onChange(redraw);
  new ResizeObserver(() => redraw(store.now(), null)).observe(box);
  listenToPointer(run, store, svg, () => geometry);
  svg.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key(run, store, home, event.key, event.shiftKey)) event.preventDefault();
  });
  for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-key]')) {
    button.addEventListener('click', () => key(run, store, home, button.dataset['key'] ?? '', false));
  }
}

function says({ recording: { items, peers, strings }, itemUs }: Run, { cursorUs, item }: Looking): string {
  if (item < 0 || itemUs[item] !== cursorUs) return timeText(cursorUs);
  const words = [items.kind[item], items.text[item]].map((at) => strings[at ?? -1] ?? '').join(' ');
  return `${timeText(cursorUs)} ${peers[items.peer[item] ?? -1]}: ${words}`;
}

function drawCursor(run: Run, geometry: Geometry, { view, cursorUs, item }: Looking): SVGElement[] {
  if (cursorUs < view.fromUs || cursorUs > view.untilUs) return [];
  const x = place(geometry, view, cursorUs);
  const line = draw('line', { class: 'cursor-line', x1: x, x2: x, y1: 0, y2: geometry.height });
  if (item < 0 || run.itemUs[item] !== cursorUs) return [line];
  const chain = chainOf(run, item, chainMax), { items } = run.recording;
  const spot = (at: number): [number, number] =>
    [place(geometry, view, run.itemUs[at] ?? 0), laneY(geometry, items.peer[at] ?? 0)];
  const legs = chain.slice(1).map((cause, n) => {
    const [x1, y1] = sentFrom(run, geometry, view, chain[n] as number) ?? spot(cause);
    const [x2, y2] = spot(chain[n] as number);
    return draw('line', { 'class': 'cause', x1, y1, x2, y2, 'clip-path': 'url(#plot)' });
  });
  const [cx, cy] = spot(item);
  return [...legs, line, draw('circle', { class: 'chosen', cx, cy, r: 6 })];
}

/** Where the message that arrives in this item set out. */
function sentFrom(run: Run, geometry: Geometry, view: View, item: number): [number, number] | null {
  const message = run.arrival[item] ?? -1;
  if (message < 0) return null;
  const { from } = run.recording.messages;
  return [place(geometry, view, run.sentUs[message] ?? 0), laneY(geometry, from[message] ?? 0)];
}

// ── mouse, wheel, fingers ────────────────────────────────────────────────────────────────────────────────

function listenToPointer(run: Run, store: Store, svg: SVGSVGElement, geometryNow: () => Geometry): void {
  const { limitUs } = run;
  const down = new Map<number, number>();
  let moved = 0, startedAt: View = store.now().view, gripUs = 0, gap = 0;

  const xIn = ({ clientX }: MouseEvent): number =>
    clientX - svg.getBoundingClientRect().left - geometryNow().gutter;
  const span = (): number => geometryNow().width - geometryNow().gutter;
  const hold = (): void => {
    startedAt = store.now().view;
    const xs = [...down.values()];
    gripUs = usAt(startedAt, span(), xs.reduce((sum, x) => sum + x, 0) / Math.max(1, xs.length));
    gap = xs.length < 2 ? 0 : Math.max(10, Math.abs((xs[0] ?? 0) - (xs[1] ?? 0)));
  };
  svg.addEventListener('wheel', (event) => {
    event.preventDefault();
    const { view } = store.now(), length = view.untilUs - view.fromUs;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      const by = ((event.deltaX === 0 ? event.deltaY : event.deltaX) / span()) * length;
      return store.show({ fromUs: view.fromUs + by, untilUs: view.untilUs + by });
    }
    const factor = Math.exp(Math.max(-1, Math.min(1, event.deltaY / 300)));
    store.show(zoomView(view, factor, usAt(view, span(), xIn(event)), limitUs));
  }, { passive: false });
  svg.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    svg.setPointerCapture(event.pointerId);
    down.set(event.pointerId, xIn(event));
    moved = 0;
    hold();
  });
  svg.addEventListener('pointermove', (event) => {
    const before = down.get(event.pointerId);
    if (before === undefined) return;
    const x = xIn(event);
    moved += Math.abs(x - before);
    down.set(event.pointerId, x);
    const xs = [...down.values()], middle = xs.reduce((sum, each) => sum + each, 0) / xs.length;
    const apart = xs.length < 2 ? 0 : Math.max(10, Math.abs((xs[0] ?? 0) - (xs[1] ?? 0)));
    const length = (startedAt.untilUs - startedAt.fromUs) * (gap > 0 && apart > 0 ? gap / apart : 1);
    const fromUs = gripUs - (middle / span()) * length;
    if (moved > 3) store.show({ fromUs, untilUs: fromUs + length });
  });
  const release = (event: PointerEvent): void => {
    if (!down.delete(event.pointerId)) return;
    const isClick = moved <= 3 && event.type === 'pointerup';
    if (isClick) point(run, store, geometryNow(), xIn(event), yIn(svg, event));
    moved = Infinity;
    hold();
  };
  svg.addEventListener('pointerup', release);
  svg.addEventListener('pointercancel', release);
  svg.addEventListener('dblclick', (event) => {
    const { view } = store.now();
    store.show(zoomView(view, 0.25, usAt(view, span(), xIn(event)), limitUs));
  });
}

const yIn = (svg: SVGSVGElement, { clientY }: MouseEvent): number =>
  clientY - svg.getBoundingClientRect().top;

/** A click: the nearest item of that lane, if one is near, else the time. */
function point(run: Run, store: Store, geometry: Geometry, x: number, y: number): void {
  const { view, wanted } = store.now(), span = geometry.width - geometry.gutter;
  const peer = Math.floor((y - geometry.top) / geometry.lane), us = usAt(view, span, x);
  const reach = usAt(view, span, x + nearPixels) - us;
  let best = -1, bestUs = reach;
  for (const item of wanted) {
    const off = Math.abs((run.itemUs[item] ?? 0) - us);
    if (run.recording.items.peer[item] !== peer || off > bestUs) continue;
    best = item;
    bestUs = off;
  }
  store.go(best >= 0 ? { item: best } : { us });
}

// ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────

/** True if the key means something here. */
function key(run: Run, store: Store, home: View, name: string, shift: boolean): boolean {
  const { view, cursorUs } = store.now(), { limitUs, recording: { endUs, verdict } } = run;
  const length = view.untilUs - view.fromUs;
  const seen = cursorUs >= view.fromUs && cursorUs <= view.untilUs;
  const pivot = seen ? cursorUs : (view.fromUs + view.untilUs) / 2;
  const shove = (share: number): void =>
    store.show({ fromUs: view.fromUs + share * length, untilUs: view.untilUs + share * length });
  switch (name) {
    case 'ArrowLeft': case 'ArrowRight': {
      const way = name === 'ArrowLeft' ? -1 : 1;
      if (shift) store.go({ us: Math.round(cursorUs + way * length / 20) });
      else step(run, store, way);
      return true;
    }
    case 'PageUp': shove(-0.5); return true;
    case 'PageDown': shove(0.5); return true;
    case '+': case '=': store.show(zoomView(view, 0.5, pivot, limitUs)); return true;
    case '-': case '_': store.show(zoomView(view, 2, pivot, limitUs)); return true;
    case '0': store.show({ fromUs: 0, untilUs: limitUs }); return true;
    case 'Home': store.go({ us: 0 }); return true;
    case 'End': store.go({ us: endUs }); return true;
    case 'v':
      store.show(home);
      store.go({ us: verdict?.atUs ?? home.untilUs });
      return true;
    default: return false;
  }
}

/** To the next item that passes the filter, or the one before. */
function step(run: Run, store: Store, way: 1 | -1): void {
  const { item, wanted, cursorUs } = store.now();
  const on = item >= 0 && run.itemUs[item] === cursorUs;
  let at = 0;
  while (at < wanted.length && (wanted[at] ?? 0) <= item) at += 1;
  // `at` is the first after; the one before is not the item that the cursor stands on.
  const before = wanted[at - 1] === item && on ? at - 2 : at - 1;
  const next = wanted[way === 1 ? at : before];
  if (next !== undefined) store.go({ item: next });
}

