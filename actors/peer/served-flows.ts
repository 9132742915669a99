// Flows that this peer serves to others: their clients' exec, attach and port-forward into containers that
// run here. What always holds: a flow whose peer went away, or started anew, is closed, and what was started
// for it is ended.

import type { PeerId } from '../../cluster/ids.ts';
import { limits } from '../../cluster/limits.ts';
import { failedFlow } from '../../cluster/flow.ts';
import type { FlowOutput } from '../../cluster/flow.ts';
import type { Core } from './core.ts';
import { notThere } from './flows.ts';
import type { FlowContainersEvent, FlowHooks, FlowMessage } from './flows.ts';

/** Both say whether it concerned a flow that is served here. */
export interface ServedFlows {
  message(from: PeerId, message: FlowMessage): boolean;
  container(event: FlowContainersEvent): boolean;
  disconnected(peer: PeerId): void;
}

/** `flow`: the name by which the other peer knows it. */
interface Served { readonly to: PeerId; readonly flow: string; sent: number; expected: number }

export function createServedFlows(core: Core, hooks: FlowHooks): ServedFlows {
  const all = new Map<string, Served>();

  function output(served: Served, out: FlowOutput): void {
    hooks.send(served.to, { kind: 'flow-output', flow: served.flow, sequence: served.sent, output: out });
    served.sent += 1;
  }

  function drop(which: (served: Served) => boolean): void {
    for (const [name, served] of [...all]) {
      if (!which(served)) continue;
      all.delete(name);
      core.ports.containers.closeFlow(name);
    }
  }

  function open(name: string, to: PeerId, message: Extract<FlowMessage, { kind: 'flow-open' }>): void {
    const { flow, streams, port } = message, served: Served = { to, flow, sent: 0, expected: 0 };
    const run = runOf(flow);
    drop((each) => each.to === to && runOf(each.flow) !== run);
    const ofPeer = [...all.values()].filter((each) => each.to === to).length;
    if (all.size >= limits.flowsServedMax || ofPeer >= limits.flowsPerPeerMax) {
      return output(served, { type: 'end', end: failedFlow('too many streams on the peer of the pod') });
    }
    const target = hooks.target(streams, port);
    if (target === null) return output(served, { type: 'end', end: notThere(streams) });
    all.set(name, served);
    output(served, { type: 'opened' });
    if (ofPeer < limits.flowBonusesMax) {
      hooks.send(to, { kind: 'flow-credit', flow, bytes: limits.flowBonusBytes });
    }
    core.ports.containers.openFlow(name, target, limits.flowWindowBytes);
  }

  function message(from: PeerId, incoming: FlowMessage): boolean {
    const { kind, flow } = incoming, name = `peer/${from}/${flow}`, served = all.get(name);
    if (kind === 'flow-open') {
      if (served === undefined) open(name, from, incoming);
      return true;
    }
    if (served === undefined) {
      if (kind !== 'flow-input') return false;
      // This peer has started anew since, or has ended it.
      hooks.send(from, { kind: 'flow-close', flow });
      return true;
    }
    if (kind === 'flow-credit') core.ports.containers.flowCredit(name, incoming.bytes);
    if (kind === 'flow-close') drop((each) => each === served);
    if (kind !== 'flow-input') return true;
    if (incoming.sequence === served.expected) {
      served.expected += 1;
      core.ports.containers.flowInput(name, incoming.input);
    } else {
      drop((each) => each === served);
      output(served, { type: 'end', end: failedFlow('a part was lost on the way; please try again') });
    }
    return true;
  }

  function container(event: FlowContainersEvent): boolean {
    const served = all.get(event.flow);
    if (served === undefined) return false;
    if (event.type === 'flow-taken') {
      hooks.send(served.to, { kind: 'flow-credit', flow: served.flow, bytes: event.bytes });
    } else if (event.type === 'flow-output') {
      output(served, { type: 'data', channel: event.channel, data: event.data });
    } else {
      all.delete(event.flow);
      output(served, { type: 'end', end: event.end });
    }
    return true;
  }

  return { message, container, disconnected: (peer) => drop((served) => served.to === peer) };
}

/** The run of a peer that a flow's name is of. */
const runOf = (flow: string): string => flow.slice(0, flow.indexOf('/'));
