// What a run says in text: the plan before it, a line per event if wanted, and the verdict.

import type { PeerEvent } from '../cluster/ports.ts';
import { decodeFeed, decodeMessage, isRefusal } from '../cluster/wire.ts';
import { oracles } from './check/oracle.ts';
import { faultClasses } from './faults.ts';
import type { Fault, FaultPlan, LinkName } from './faults.ts';
import type { LinkConditions } from './ports/network/conditions.ts';
import { noteText } from './ports/trace.ts';
import type { Note } from './ports/trace.ts';
import type { RunResult } from './run.ts';
import type { EventLine } from './world.ts';

/** The faults of a plan, one a line, in order of time. */
export function planText(plan: FaultPlan): string {
  const { seed, peers, minutes, classes, links, disks, healMs, faults } = plan;
  const off = faultClasses.filter((each) => !classes.includes(each));
  return [
    `seed ${seed}: ${peers} peers, ${minutes} minutes, ${faults.length} faults, healed at ${seconds(healMs)}`,
    ...plan.core === undefined ? [] : [`  only ${plan.core.join(' ')} heal, the others are lost then`],
    `  classes: ${classes.join(', ') || 'none'}${off.length === 0 ? '' : `; off: ${off.join(', ')}`}`,
    `  links: ${links.delay} ${links.delayMsMin} to ${links.delayMsMax} ms; `
      + `disks sync in ${disks.syncMsMin} to ${disks.syncMsMax} ms`,
    `  log: ${wordsOf(plan.logBounds) || 'the bounds of a real one'}`,
    ...plan.users === undefined ? [] : [`  users: ${plan.users.join(', ') || 'none'}`],
    ...plan.clocks.flatMap(({ driftPpm, wallSkewMs }, i) => (driftPpm === 0 && wallSkewMs === 0 ? []
      : [`  peer-${i + 1}: clock ${driftPpm} ppm fast, wall clock ${wallSkewMs} ms ahead`])),
    ...faults.map((fault) =>
      `  ${seconds(fault.atMs).padStart(9)} + ${seconds(fault.forMs).padEnd(8)} ${faultText(fault)}`),
  ].join('\n');
}

/** One fault without its times. */
export function faultText(fault: Fault): string {
  switch (fault.kind) {
    case 'partition': {
      const arrow = { 'both': '⇹', 'a-to-b': '↛', 'b-to-a': '↚' }[fault.direction];
      return `partition ${fault.a.join(' ')} ${arrow} ${fault.b.join(' ')}`;
    }
    case 'ring': return `ring ${fault.order.join(fault.oneWay ? ' → ' : ' – ')}`;
    case 'links': return `links ${linksText(fault.links)}: ${conditionsText(fault.conditions)}`;
    case 'clog': return `clog ${linksText(fault.links)}`;
    case 'flap':
      return `flap ${linksText(fault.links)}: down for ${fault.downMs} of ${fault.everyMs} ms`;
    case 'swizzle':
      return `swizzle ${fault.clogs.join(' ')}, open ${fault.opens.join(' ')}, every ${fault.everyMs} ms`;
    case 'crash': case 'power': return `${fault.kind} ${fault.peers.join(' ')}`;
    case 'crash-within': {
      const calls = fault.port === 'any' ? 'calls' : `calls to ${fault.port}`;
      return `crash-within ${fault.peer}: after ${fault.calls} ${calls} of an event`;
    }
    case 'pause': case 'disk-fails': case 'leave': case 'late': return `${fault.kind} ${fault.peer}`;
    case 'slow-disk': return `slow-disk ${fault.peer}: up to ${fault.conditions.syncMsMax} ms a sync`;
    case 'full-disk': return `full-disk ${fault.peer}: ${fault.roomBytes} bytes are left`;
    case 'rot': return `rot ${fault.peer}: ${fault.where} at ${percent(fault.atPpm)}`;
    case 'misdirect': return `misdirect ${fault.peer}: to ${percent(fault.atPpm)}`;
    case 'wipe': return `wipe ${fault.peer}${fault.power ? ', and its containers die' : ''}`;
    case 'clock-jump': return `clock-jump ${fault.peer}: ${fault.skewMs} ms`;
    case 'clock-rate': return `clock-rate ${fault.peer}: ${fault.driftPpm} ppm fast`;
    case 'runtime': return `runtime ${fault.peer}: ${wordsOf(fault.faults)}`;
    case 'runtime-down':
      return `runtime-down ${fault.peer}${fault.containers === 'die' ? ', and its containers die' : ''}`;
    case 'containers': return `containers ${fault.peer}: ${fault.how}, one in ${fault.oneIn}`;
    case 'replace': return `replace ${fault.peer}, under ${fault.name === 'same' ? 'its' : 'another'} name`;
  }
}

function conditionsText(conditions: LinkConditions): string {
  const { delay, delayMsMin, delayMsMax, bytesPerSecond, queueBytesMax } = conditions;
  const { lossPpm, duplicatePpm, reorderPpm, reorderMsMax } = conditions;
  return [
    `${delay} ${delayMsMin} to ${delayMsMax} ms`,
    ...lossPpm === 0 ? [] : [`loss ${percent(lossPpm)}`],
    ...duplicatePpm === 0 ? [] : [`twice ${percent(duplicatePpm)}`],
    ...reorderPpm === 0 ? [] : [`late ${percent(reorderPpm)} by up to ${reorderMsMax} ms`],
    ...bytesPerSecond === undefined ? [] : [`${bytesPerSecond} bytes a second`],
    ...queueBytesMax === undefined ? [] : [`${queueBytesMax} bytes may wait`],
  ].join(', ');
}

const wordsOf = (numbers: object): string =>
  Object.entries(numbers).filter(([, n]) => n > 0).map(([name, n]) => `${name} ${n}`).join(', ');

function linksText(links: readonly LinkName[]): string {
  return links.length > 12 ? `${links.length} links` : links.map(([from, to]) => `${from}→${to}`).join(' ');
}

export function eventText({ number, atMs, peer, event }: EventLine): string {
  return `${clock(atMs)} #${number} ${peer} ${event.type} ${fieldsText(event)}`;
}

export function noteLine(note: Note): string {
  return `${clock(note.atMs)}   ${note.peer} · ${noteText(note)}`;
}

/** What an event says, without its type. */
export function fieldsText(event: PeerEvent): string {
  switch (event.type) {
    case 'timer': return event.key;
    case 'message': case 'join-message': return `from ${event.from} ${messageText(event.frame)}`;
    case 'feed': {
      const batch = decodeFeed(event.frame);
      return isRefusal(batch) ? batch.refused
        : `from ${batch.from} term ${batch.term} ${batch.first}+${batch.entries.length}`;
    }
    case 'dialled': return `${event.address} ${event.peer ?? event.error}`;
    case 'disconnected': return event.peer;
    case 'persisted': return String(event.token);
    case 'snapshot-saved': return String(event.index);
    case 'disk-failed': return event.message;
    case 'runtime-done': return `${event.op} ${event.value}`;
    case 'runtime-failed': return `${event.op} ${event.failure.reason}: ${event.failure.message}`;
    case 'container-changed': return `${event.container.id} ${event.container.state}`;
    case 'sandbox-changed': return `${event.sandbox.id} ${event.sandbox.running ? 'running' : 'dead'}`;
    case 'container-gone': case 'sandbox-gone': return event.id;
    case 'runtime-health': return event.up ? 'up' : `down: ${event.message}`;
    case 'log-chunk': return `${event.stream} ${event.data.length} bytes`;
    case 'log-end': return `${event.stream} ${event.error ?? ''}`;
    case 'flow-output': return `${event.flow} ${event.channel} ${event.data.length} bytes`;
    case 'flow-taken': return `${event.flow} ${event.bytes} bytes`;
    case 'flow-end': return `${event.flow} ${event.end.type}`;
    case 'outbound-done':
      return `${event.id} ${event.result.ok ? event.result.status : event.result.failure.reason}`;
    case 'request': {
      const { id, method, path, query } = event.request;
      return `${id} ${method} ${path}?${query}`;
    }
    case 'request-closed': case 'request-drained': return event.id;
    case 'flow-opened': case 'flow-input': case 'flow-drained': case 'flow-closed':
      return `${event.id} ${event.flow}`;
  }
}

function messageText(frame: Uint8Array): string {
  const message = decodeMessage(frame);
  if (isRefusal(message)) return message.refused;
  const inner = 'message' in message ? message.message : message;
  const words = Object.entries(inner).filter(([, value]) => typeof value !== 'object' || value === null)
    .map(([name, value]) => `${name}=${value}`);
  const entries = 'entries' in inner ? ` entries=${inner.entries.length}` : '';
  return `${message.kind} ${words.join(' ')}${entries}`;
}

/** The verdict, its last line the hash. `elapsedMs`: real time. `again`: the command that runs it again. */
export function verdictText(result: RunResult, elapsedMs: number, again: string): string {
  const { violation, events, simulatedMs, settledAfterMs, entries, messages, undecided, hash } = result;
  const speed = Math.round(simulatedMs / Math.max(1, elapsedMs));
  const sums =
    `${seconds(simulatedMs)} simulated in ${seconds(elapsedMs)} (${speed}× real time), ${events} events, `
    + `${messages} messages, ${entries} entries`
    + (undecided === 0 ? '' : `, ${undecided} histories too long to judge by their order`);
  if (violation === null) {
    return `PASS  ${sums}; as desired ${seconds(settledAfterMs ?? 0)} after the last fault\ntrace ${hash}`;
  }
  const { oracle, message, atMs, event } = violation;
  return [
    `FAIL  ${oracle}: ${oracles[oracle]}`,
    `      ${message}`,
    `      at ${seconds(atMs)}, event ${event}; ${sums}`,
    `      again: ${again}`,
    `trace ${hash}`,
  ].join('\n');
}

/** The last things that peers said before a violation. */
export function notesText(result: RunResult, count: number): string {
  return result.world.trace.notes().slice(-count).map(noteLine).join('\n');
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 100_000 ? 2 : 0)} s`;
const clock = (ms: number): string => (ms / 1000).toFixed(6).padStart(12);
const percent = (ppm: number): string => `${ppm / 10_000} %`;
