// The drawing of the space-time diagram for one view: peers down, time across. Machines' faults are bands in
// their lanes, faults of the network bars above them; who leads is a bar in the colour of its term; messages
// are lines, or bundles of lines where there are too many to tell apart.
// What always holds: at most some thousands of marks are drawn, whatever the view.

import { groups } from '../data.ts';
import type { FaultSpan } from '../data.ts';
import { hueOf, itemsIn, rowsOf, ticks, timeText, trafficIn, xOf } from '../model.ts';
import type { Bundle, Run, View } from '../model.ts';
import { draw, titled } from './dom.ts';
import type { Looking } from './store.ts';

export interface Geometry {
  readonly width: number;
  /** Where the lanes begin, from the left; their names are before it. */
  readonly gutter: number;
  /** Where the first lane begins, from the top. */
  readonly top: number;
  readonly lane: number;
  readonly height: number;
  readonly rows: readonly (readonly FaultSpan[])[];
}

const axisHeight = 24, rowHeight = 17, rowsMax = 4, verdictHeight = 20;
const marksMax = 2_500, messagesMax = 1_000, bundlesMax = 1_500;

export function geometryOf({ recording: { peers, faults } }: Run, width: number): Geometry {
  const rows = rowsOf(faults.filter(({ network }) => network), rowsMax);
  const lane = Math.max(18, Math.min(52, Math.floor(300 / peers.length)));
  const top = axisHeight + rows.length * rowHeight + 6;
  const height = top + lane * peers.length + verdictHeight;
  return { width, gutter: width < 600 ? 54 : 72, top, lane, height, rows };
}

export const laneY = ({ top, lane }: Geometry, peer: number): number => top + lane * (peer + 0.5);

/** The x of a time. */
export const place = ({ gutter, width }: Geometry, view: View, us: number): number =>
  gutter + xOf(view, width - gutter, us);

/** `says`: how the messages are drawn. */
interface Drawing { readonly nodes: readonly SVGElement[]; readonly says: string }

/** Everything but the cursor. */
export function drawLanes(run: Run, geometry: Geometry, looking: Looking): Drawing {
  const { view } = looking;
  const traffic = trafficIn(run, view, looking.filter, {
    eachMax: messagesMax, steps: Math.max(20, Math.round(geometry.width / 14)), bundlesMax,
  });
  const messages = traffic.kind === 'each'
    ? traffic.messages.map((each) => drawMessage(run, geometry, view, each))
    : traffic.bundles.map((bundle, _, all) => drawBundle(run, geometry, view, bundle, all[0]?.count ?? 1));
  const marks = itemsIn(run, view, looking.wanted, marksMax);
  const inPlot = { 'clip-path': 'url(#plot)' };
  const says = traffic.kind === 'each' ? `${traffic.messages.length} messages in view, each a line`
    : `${traffic.count} messages in view, in bundles; zoom in to see each`;
  return {
    says,
    nodes: [
      clip(geometry), ...drawNames(run, geometry),
      draw('g', { class: 'axis' }, ...drawAxis(geometry, view)),
      draw('g', { ...inPlot, class: 'faults' }, ...drawFaults(run, geometry, view)),
      draw('g', { ...inPlot, class: 'lives' }, ...drawLives(run, geometry, view)),
      draw('g', { ...inPlot, class: 'outside' }, ...drawOutside(run, geometry, view)),
      draw('g', { ...inPlot, class: `messages ${traffic.kind}` }, ...messages),
      draw('g', { ...inPlot, class: 'items' }, ...marks.map((item) => drawItem(run, geometry, view, item))),
      draw('g', inPlot, ...drawVerdict(run, geometry, view)),
    ],
  };
}

function clip({ gutter, width, height }: Geometry): SVGElement {
  return draw('defs', {},
    draw('clipPath', { id: 'plot' },
      draw('rect', { x: gutter, y: 0, width: Math.max(1, width - gutter), height })),
    draw('pattern', { id: 'hatch', width: 6, height: 6, patternUnits: 'userSpaceOnUse',
      patternTransform: 'rotate(45)' }, draw('rect', { width: 2, height: 6, class: 'hatch' })));
}

function drawNames({ recording: { peers } }: Run, geometry: Geometry): SVGElement[] {
  const { gutter, width, lane, top } = geometry;
  return peers.flatMap((name, peer) => [
    draw('rect', { x: 0, y: top + lane * peer, width, height: lane,
      class: peer % 2 === 0 ? 'lane' : 'lane odd' }),
    draw('text', { x: gutter - 8, y: laneY(geometry, peer), class: 'name' }, name),
  ]);
}

function drawAxis(geometry: Geometry, view: View): SVGElement[] {
  return ticks(view, geometry.width - geometry.gutter, 110).flatMap(({ us, label }) => {
    const x = place(geometry, view, us);
    return [
      draw('line', { x1: x, x2: x, y1: axisHeight - 6, y2: geometry.height - verdictHeight }),
      draw('text', { x: x + 4, y: axisHeight - 10 }, label),
    ];
  });
}

const meets = (view: View, { fromUs, untilUs }: View): boolean =>
  fromUs <= view.untilUs && untilUs >= view.fromUs;

/** From where to where a stretch is drawn: no further than a little out of sight. */
function stretch(geometry: Geometry, view: View, { fromUs, untilUs }: View): { x: number; width: number } {
  const low = geometry.gutter - 4, high = geometry.width + 4;
  const x = Math.max(low, Math.min(high, place(geometry, view, fromUs)));
  return { x, width: Math.max(2, Math.min(high, place(geometry, view, untilUs)) - x) };
}

function drawFaults({ recording }: Run, geometry: Geometry, view: View): SVGElement[] {
  const { faults, endUs, peers } = recording;
  const { rows, top, lane, gutter } = geometry;
  const label = (text: string, x: number, y: number, width: number): SVGElement[] => {
    const from = Math.max(gutter + 4, x + 4), room = Math.floor((x + width - from) / 6.3);
    if (room < 4) return [];
    return [draw('text', { x: from, y }, text.length > room ? `${text.slice(0, room - 1)}…` : text)];
  };
  const lasting = (fault: FaultSpan): View =>
    ({ fromUs: fault.fromUs, untilUs: Math.min(endUs, fault.untilUs) });
  const bars = rows.flatMap((row, n) => row.filter((fault) => meets(view, fault)).map((fault) => {
    const { x, width } = stretch(geometry, view, lasting(fault)), y = axisHeight + n * rowHeight;
    return draw('g', { class: `fault network ${fault.kind}` }, titled(faultTitle(fault)),
      draw('rect', { x, y, width, height: rowHeight - 3, rx: 3 }), ...label(fault.text, x, y + 11, width));
  }));
  // Names of faults that overlap stand above each other.
  const bands = peers.flatMap((_, peer) => {
    const own = rowsOf(faults.filter((fault) => !fault.network && fault.peers.includes(peer)), 2);
    return own.flatMap((row, n) => row.filter((fault) => meets(view, fault)).map((fault) => {
      const { x, width } = stretch(geometry, view, lasting(fault)), y = top + lane * peer;
      return draw('g', { class: `fault machine ${fault.kind}` }, titled(faultTitle(fault)),
        draw('rect', { x, y: y + 1, width, height: lane - 2 }),
        ...lane < 40 ? [] : label(fault.kind, x, y + lane - 4 - n * 10, width));
    }));
  });
  return [...bars, ...bands];
}

const faultTitle = ({ text, fromUs, untilUs }: FaultSpan): string =>
  `${text}\n${timeText(fromUs)} to ${timeText(untilUs)}`;

function drawLives({ recording }: Run, geometry: Geometry, view: View): SVGElement[] {
  const { lives, roles, peers } = recording;
  const up = lives.filter((life) => meets(view, life)).flatMap((life) => {
    const { x, width } = stretch(geometry, view, life), y = laneY(geometry, life.peer);
    const from = place(geometry, view, life.fromUs), until = place(geometry, view, life.untilUs);
    const ends = life.end === null ? [] : [
      draw('path', { class: 'end', d: `M${until - 5},${y - 5}l10,10m0,-10l-10,10` },
        titled(`${peers[life.peer]} ends at ${timeText(life.untilUs)}: ${life.end}`)),
    ];
    return [
      draw('line', { class: 'life', x1: x, x2: x + width, y1: y, y2: y }),
      draw('path', { class: 'start', d: `M${from},${y - 6}v12` },
        titled(`${peers[life.peer]} starts at ${timeText(life.fromUs)}`)),
      ...ends,
    ];
  });
  const led = roles.filter((role) => meets(view, role)).map((span) => {
    const { x, width } = stretch(geometry, view, span), y = laneY(geometry, span.peer);
    const from = Math.max(geometry.gutter + 5, x + 5), room = x + width - from;
    const text = room > 96 ? `leader, term ${span.term}` : room > 16 ? String(span.term) : '';
    const words = span.role === 'leader' ? 'leads' : 'stands for election';
    return draw('g', { class: span.role, style: `--hue:${hueOf(span.term)}` },
      titled(`${peers[span.peer]} ${words}, term ${span.term}: `
        + `${timeText(span.fromUs)} to ${timeText(span.untilUs)}`),
      draw('rect', { x, y: barTop(geometry, y), width, height: barHeight(geometry), rx: 3 }),
      ...span.role === 'leader' && text !== '' && geometry.lane >= 30
        ? [draw('text', { x: from, y: barTop(geometry, y) + 10 }, text)] : []);
  });
  return [...up, ...led];
}

/** Of who leads: above the line of life, so that messages leave it readable. */
const barHeight = ({ lane }: Geometry): number => (lane >= 30 ? 13 : Math.max(3, lane / 4));
const barTop = (geometry: Geometry, y: number): number => y - barHeight(geometry) - 5;

/** Where the recording has no single events. */
function drawOutside({ recording: { window, endUs } }: Run, geometry: Geometry, view: View): SVGElement[] {
  const parts = [{ fromUs: 0, untilUs: window.fromUs }, { fromUs: window.untilUs, untilUs: endUs }];
  return parts.filter((part) => part.untilUs > part.fromUs && meets(view, part)).map((part) => {
    const { x, width } = stretch(geometry, view, part);
    return draw('rect', { x, y: geometry.top, width, height: geometry.height - geometry.top - verdictHeight },
      titled('Only leaders, processes and faults are recorded here, no single events.'));
  });
}

function drawMessage(run: Run, geometry: Geometry, view: View, message: number): SVGElement {
  const { recording: { messages, peers, strings }, sentUs, arrivesUs } = run;
  const from = messages.from[message] as number, to = messages.to[message] as number;
  const x1 = place(geometry, view, sentUs[message] as number), y1 = laneY(geometry, from);
  const arrives = arrivesUs[message] as number, y2 = laneY(geometry, to);
  const group = groups[messages.group[message] as number] ?? 'call';
  const says = `${strings[messages.kind[message] as number]}: ${peers[from]} → ${peers[to]}, `
    + `sent at ${timeText(sentUs[message] as number)}`;
  if (arrives >= 0) {
    return draw('line', { class: `message ${group}`, x1, y1, x2: place(geometry, view, arrives), y2 },
      titled(`${says}, arrives at ${timeText(arrives)}`));
  }
  // It ends on the way.
  const x = x1 + 14, y = y1 + (y2 - y1) * 0.4;
  return draw('path', { class: `message lost ${group}`,
    d: `M${x1},${y1}L${x},${y}m-3,-3l6,6m0,-6l-6,6` }, titled(`${says}, does not arrive`));
}

/** Pairs of peers lie side by side within their step of time. `most`: messages of the largest bundle. */
function drawBundle(
  { recording }: Run, geometry: Geometry, view: View, bundle: Bundle, most: number,
): SVGElement {
  const { peers } = recording;
  const { a, b, fromUs, untilUs, count, lost } = bundle;
  const share = (((a * 7 + b * 3) % 11) + 0.5) / 11;
  const x = place(geometry, view, fromUs + (untilUs - fromUs) * share);
  const weight = Math.log2(1 + count) / Math.log2(1 + most);
  const missing = lost === 0 ? '' : `, ${lost} do not arrive`;
  return draw('line', {
    'class': lost * 2 > count ? 'bundle lost' : 'bundle', 'x1': x, 'x2': x, 'y1': laneY(geometry, a),
    'y2': laneY(geometry, b), 'stroke-width': 0.8 + 2.4 * weight, 'opacity': 0.14 + 0.32 * weight,
  },
  titled(`${count} messages between ${peers[a]} and ${peers[b]}${missing}`));
}

function drawItem(run: Run, geometry: Geometry, view: View, item: number): SVGElement {
  const { recording: { items, strings, peers }, itemUs } = run;
  const us = itemUs[item] as number, peer = items.peer[item] as number;
  const group = groups[items.group[item] as number] ?? 'note';
  const words = [items.kind, items.text].map((column) => strings[column[item] as number]).join(' ');
  const cx = place(geometry, view, us), cy = laneY(geometry, peer);
  return draw('circle', { class: `item ${group}`, cx, cy, r: 2.8 },
    titled(`${timeText(us)} ${peers[peer]}: ${words}`));
}

function drawVerdict({ recording: { verdict } }: Run, geometry: Geometry, view: View): SVGElement[] {
  if (verdict === null || verdict.atUs < view.fromUs || verdict.atUs > view.untilUs) return [];
  const x = place(geometry, view, verdict.atUs), left = x > geometry.width - 150;
  return [
    draw('g', { class: 'verdict-mark' }, titled(`${verdict.oracle}: ${verdict.claim}`),
      draw('line', { x1: x, x2: x, y1: axisHeight - 6, y2: geometry.height - 4 }),
      ...verdict.peers.map((peer) => draw('circle', { cx: x, cy: laneY(geometry, peer), r: 8 })),
      draw('text', { 'x': left ? x - 6 : x + 6, 'y': geometry.height - 5,
        'text-anchor': left ? 'end' : 'start' }, verdict.oracle)),
  ];
}
