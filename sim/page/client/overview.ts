// The whole run in a strip: who led, who was down, when messages and faults came, and which part is in view.
// What always holds: it shows the whole run, also where the recording holds no single events.

import { hueOf, timeText, xOf } from '../model.ts';
import type { Run, View } from '../model.ts';
import { draw, dress, part, titled } from './dom.ts';
import type { Looking, Store } from './store.ts';

const curveHeight = 18, gap = 3, faultsHeight = 6;

export function startOverview(run: Run, store: Store): void {
  const svg = part('whole') as unknown as SVGSVGElement, box = part('plane');
  const { limitUs, recording: { peers } } = run;
  const row = Math.max(2, Math.min(7, Math.floor(48 / peers.length)));
  const height = curveHeight + gap + row * peers.length + gap + faultsHeight;
  const scene = draw('g'), overlay = draw('g');
  svg.append(scene, overlay);
  let width = 0;

  function redraw({ view, cursorUs }: Looking): void {
    if (width !== box.clientWidth) {
      width = box.clientWidth;
      dress(svg, { width, height });
      scene.replaceChildren(...drawWhole(run, width, row, height));
    }
    const x = (us: number): number => xOf({ fromUs: 0, untilUs: limitUs }, width, us);
    const from = x(view.fromUs), until = Math.max(from + 3, x(view.untilUs));
    overlay.replaceChildren(
      draw('rect', { class: 'unseen', x: 0, y: 0, width: Math.max(0, from), height }),
      draw('rect', { class: 'unseen', x: until, y: 0, width: Math.max(0, width - until), height }),
      draw('rect', { class: 'seen', x: from, y: 0.5, width: until - from, height: height - 1, rx: 2 }),
      draw('line', { class: 'cursor-line', x1: x(cursorUs), x2: x(cursorUs), y1: 0, y2: height }));
  }
  store.onChange(redraw);
  new ResizeObserver(() => redraw(store.now())).observe(box);
  const move = (event: PointerEvent): void => {
    const { view } = store.now(), length = view.untilUs - view.fromUs;
    const middle = ((event.clientX - svg.getBoundingClientRect().left) / Math.max(1, width)) * limitUs;
    store.show({ fromUs: middle - length / 2, untilUs: middle + length / 2 });
  };
  svg.addEventListener('pointerdown', (event) => {
    svg.setPointerCapture(event.pointerId);
    move(event);
  });
  svg.addEventListener('pointermove', (event) => {
    if (svg.hasPointerCapture(event.pointerId)) move(event);
  });
}

function drawWhole({ recording, limitUs }: Run, width: number, row: number, height: number): SVGElement[] {
  const { lives, roles, faults, sent, verdict, window, peers } = recording;
  const all = { fromUs: 0, untilUs: limitUs };
  const x = (us: number): number => xOf(all, width, us);
  const bar = (
    { fromUs, untilUs }: View, y: number, h: number, dressing: Readonly<Record<string, string>>,
  ): SVGElement =>
    draw('rect', { x: x(fromUs), width: Math.max(1, x(untilUs) - x(fromUs)), y, height: h, ...dressing });
  const top = curveHeight + gap, laneTop = (peer: number): number => top + row * peer;
  const steps = Math.max(1, ...sent.counts.map((counts) => counts.length));
  const sums = Array.from({ length: steps }, (_, at) =>
    sent.counts.reduce((sum, counts) => sum + (counts[at] ?? 0), 0));
  const most = Math.max(1, ...sums);
  const curve = sums.map((sum, at) =>
    `L${x(at * sent.stepUs).toFixed(1)},${(curveHeight * (1 - sum / most)).toFixed(1)}`).join('');
  return [
    draw('path', { class: 'curve', d: `M0,${curveHeight}${curve}L${width},${curveHeight}Z` },
      titled('messages sent')),
    ...lives.map((life) => bar(life, laneTop(life.peer) + 0.5, row - 1, { class: 'life' })),
    ...roles.filter(({ role }) => role === 'leader').map((span) =>
      bar(span, laneTop(span.peer) + 0.5, row - 1, { class: 'leader', style: `--hue:${hueOf(span.term)}` })),
    ...faults.map((fault) => bar(fault, top + row * peers.length + gap, faultsHeight,
      { class: fault.network ? 'fault network' : 'fault machine' })),
    draw('line', { class: 'window', x1: x(window.fromUs), x2: x(window.untilUs), y1: curveHeight + 1,
      y2: curveHeight + 1 },
    titled(`single events from ${timeText(window.fromUs)} to ${timeText(window.untilUs)}`)),
    ...verdict === null ? [] : [draw('line', { class: 'verdict-line', x1: x(verdict.atUs),
      x2: x(verdict.atUs), y1: 0, y2: height })],
  ];
}
