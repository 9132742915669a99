// A process that dies within an event: its calls into the world pass through a fuse, which blows when so many
// have been made in one event and the next is due. What came before is done, what should come after never
// happens, and the process is gone when the event is over.
// What always holds: once blown, nothing of this process reaches the world any more; a fuse that is not set
// changes nothing.

import type { Ports } from '../cluster/ports.ts';
import type { FusePort } from './faults.ts';

export interface Fuse {
  /** Blows after so many calls of one event. */
  set(port: FusePort, calls: number): void;
  unset(): void;
  /** An event begins. */
  begin(): void;
  readonly blown: boolean;
  /** A new process. */
  renew(): void;
  /** Whether a call to this port may be made. */
  passes(port: Exclude<FusePort, 'any'>): boolean;
}

export function createFuse(): Fuse {
  let set: { readonly port: FusePort; readonly calls: number } | null = null;
  let made = 0, blown = false;
  return {
    set(port, calls) { set = { port, calls }; },
    unset() { set = null; },
    begin() { made = 0; },
    get blown() { return blown; },
    renew() {
      blown = false;
      made = 0;
    },
    passes(port) {
      if (set === null || blown) return !blown;
      if (set.port !== 'any' && set.port !== port) return true;
      if (made < set.calls) {
        made += 1;
        return true;
      }
      blown = true;
      set = null;
      return false;
    },
  };
}

/** The ports as a process has them that dies by this fuse. Clock, random and trace tell nobody anything. */
export function fused(ports: Ports, fuse: Fuse): Ports {
  const { disk, network, containers, clients, traffic, outbound } = ports;
  return {
    ...ports,
    disk: {
      write(write) { if (fuse.passes('disk')) disk.write(write); },
      saveSnapshot(meta, chunks, keepFrom) {
        if (fuse.passes('disk')) disk.saveSnapshot(meta, chunks, keepFrom);
      },
      saveFact(name, value) { if (fuse.passes('disk')) disk.saveFact(name, value); },
    },
    network: {
      ...network,
      setMembers(members) { if (fuse.passes('network')) network.setMembers(members); },
      send(to, frame) { if (fuse.passes('network')) network.send(to, frame); },
      publish(frame) { if (fuse.passes('network')) network.publish(frame); },
      dial(address) { if (fuse.passes('network')) network.dial(address); },
      sendJoin(to, frame) { if (fuse.passes('network')) network.sendJoin(to, frame); },
    },
    containers: {
      name: containers.name,
      call(op, call) { if (fuse.passes('containers')) containers.call(op, call); },
      openLog(stream, container, options, credit) {
        if (fuse.passes('containers')) containers.openLog(stream, container, options, credit);
      },
      logCredit(stream, bytes) { if (fuse.passes('containers')) containers.logCredit(stream, bytes); },
      closeLog(stream) { if (fuse.passes('containers')) containers.closeLog(stream); },
      openFlow(flow, target, credit) {
        if (fuse.passes('containers')) containers.openFlow(flow, target, credit);
      },
      flowInput(flow, input) { if (fuse.passes('containers')) containers.flowInput(flow, input); },
      flowCredit(flow, bytes) { if (fuse.passes('containers')) containers.flowCredit(flow, bytes); },
      closeFlow(flow) { if (fuse.passes('containers')) containers.closeFlow(flow); },
    },
    clients: {
      respond(id, response) { if (fuse.passes('clients')) clients.respond(id, response); },
      open(id, status, headers, first) {
        if (fuse.passes('clients')) clients.open(id, status, headers, first);
      },
      chunk(id, data) { if (fuse.passes('clients')) clients.chunk(id, data); },
      tell(ids, data) { for (const id of ids) if (fuse.passes('clients')) clients.chunk(id, data); },
      end(id) { if (fuse.passes('clients')) clients.end(id); },
      upgrade(id, streams) { if (fuse.passes('clients')) clients.upgrade(id, streams); },
      flowOutput(id, flow, channel, data) {
        if (fuse.passes('clients')) clients.flowOutput(id, flow, channel, data);
      },
      flowEnd(id, flow, end) { if (fuse.passes('clients')) clients.flowEnd(id, flow, end); },
      flowGrant(id, flow, bytes) { if (fuse.passes('clients')) clients.flowGrant(id, flow, bytes); },
    },
    traffic: { apply(routes) { if (!fuse.blown) traffic.apply(routes); } },
    outbound: {
      call(id, request) { if (fuse.passes('clients')) outbound.call(id, request); },
      cancel(id) { if (!fuse.blown) outbound.cancel(id); },
    },
  };
}
