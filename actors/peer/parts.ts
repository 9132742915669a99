// Puts the parts of a peer together and carries events and messages between them: consensus, gossip, membership,
// clients, workers. Each part has a file of its own beside this one; here is only who talks to whom.
//
// What always holds: a message is decoded and guarded once, here; only members are listened to, strangers only on
// the join protocol.

import { unreachable } from '../../cluster/assert.ts';
import { index, nodeName } from '../../cluster/ids.ts';
import type { PeerId, Term } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { PeerMessage } from '../../cluster/messages.ts';
import type {
  ClientsEvent, ContainersEvent, DiskEvent, DiskRecovery, NetworkEvent,
} from '../../cluster/ports.ts';
import { wasApplied } from '../../cluster/state/windows.ts';
import { mutable } from '../../cluster/state/state.ts';
import { difference } from '../../cluster/state/snapshot.ts';
import { decodeFeed, decodeMessage, encodeMessage, isRefusal } from '../../cluster/wire.ts';
import type { PeerServices } from '../services.ts';
import { createAdmin } from './admin.ts';
import { createCommands } from './commands.ts';
import { createConsensus } from './consensus.ts';
import type { RoleView } from './consensus.ts';
import { uuid } from './core.ts';
import type { Core, Timers } from './core.ts';
import { createFounding } from './founding.ts';
import { createJoining } from './joining.ts';
import { createMembers } from './members.ts';
import { createReads } from './reads.ts';
import { createRuntimeCalls } from './runtime.ts';
import { createServing } from './serving.ts';
import { createSpread } from './spread.ts';
import { peerStatus, unreachableVoters } from './status.ts';
import type { PeerStatus } from './status.ts';
import { createLogStreams } from './streams.ts';
import { createWatches } from './watches.ts';
import { createWorkers } from './workers.ts';

export interface Parts {
  /** The incarnation is durable: begin to speak. */
  begin(): void;
  isMember(): boolean;
  disk(event: DiskEvent): void;
  network(event: NetworkEvent): void;
  clients(event: ClientsEvent): void;
  containers(event: ContainersEvent): void;
  log(): LogDescription;
  status(): PeerStatus;
  stop(): void;
}

export interface PartsHooks {
  phase(): string;
  member(): void;
  caughtUp(): void;
  leads(leads: boolean, term: Term): void;
  stop(reason: string): void;
}

/** How long a peer waits before it asks again whether its state is caught up. */
const catchUpRetryMs = 500;

export function createParts(core: Core, timers: Timers, recovery: DiskRecovery, hooks: PartsHooks): Parts {
  let view: RoleView = { role: 'learner', term: 0 as Term, leader: null, ready: false };
  let known: readonly LogMember[] = recovery.log.snapshot.members;
  /** When this peer last knew its state to be as new as the leader's. */
  let freshMs = 0;
  let removed = false;
  let announced: boolean | null = null;
  const seen = new Map<PeerId, string>();

  const send = (to: PeerId, message: PeerMessage): void => core.ports.network.send(to, encodeMessage(message));
  const describe = (): LogDescription => consensus.describe();
  const unreachableNames = (): string[] => unreachableVoters(core, describe(), spread.liveness);

  // ── agreement ──────────────────────────────────────────────────────────────────────────────────────────

  const consensus = createConsensus(core, recovery.log, {
    send,
    committed(entries, applied) {
      for (const each of applied) commands.applied(each);
      const changes = applied.flatMap((each) => each.changes);
      if (changes.length > 0) {
        watches.applied(changes);
        workers.changes(changes);
      }
      reads.applied(index(core.state.revision));
      spread.committed(entries);
      lead();
      if (changes.length > 0) announceReadiness();
    },
    installed(before) {
      commands.installed((id) => wasApplied(mutable(core.state), id));
      watches.expireAll();
      workers.replaced(difference(before, core.state));
      reads.applied(index(core.state.revision));
      spread.committed([]);
    },
    role(next) {
      const leaderChanged = next.leader !== view.leader || next.term !== view.term;
      view = next;
      if (leaderChanged) {
        commands.leaderChanged(view.leader);
        reads.leaderChanged(view.leader);
      }
      spread.role(view);
      members.role(view);
      lead();
    },
    members(next, committed) {
      membersChanged(next);
      members.changed(next, committed);
      if (committed && !removed && !next.some(({ id }) => id === core.self) && describe().commit > 0) {
        removed = true;
        core.defer(() => hooks.stop('left the cluster'));
      }
    },
    batchRefused(batch) {
      if (batch.from === null) commands.notAppended(batch.ids);
      else send(batch.from, { kind: 'not-appended', ids: batch.ids, reason: 'not the leader', leader: view.leader });
    },
    failed: (message) => core.defer(() => hooks.stop(message)),
  });

  /** Others should not wait for the next beat to hear that pods can run here, or can't. */
  function announceReadiness(): void {
    const { ready } = workers.ready();
    if (ready === announced || hooks.phase() !== 'running') return;
    announced = ready;
    spread.beatNow();
  }

  /** A leader's actors start once its state holds all that was committed before it led. */
  function lead(): void {
    const caughtUp = view.role !== 'leader' || core.state.revision >= describe().commit;
    workers.role(caughtUp ? view : { ...view, ready: false });
  }

  const spread = createSpread(core, consensus, {
    send,
    liveness(peer) {
      members.liveness();
      workers.liveness(peer);
    },
    addresses(peer, addresses) {
      if (seen.get(peer) === addresses.join()) return;
      seen.set(peer, addresses.join());
      announceMembers();
    },
    self: () => ({ ...workers.ready(), ...workers.free() }),
    diverged: (from, at) => core.trace('repair', 'diverged', { from, index: at }),
  });

  function membersChanged(next: readonly LogMember[]): void {
    known = next;
    announceMembers();
    spread.members(next);
  }

  /** Whom the network may speak to, with the newest addresses first. */
  function announceMembers(): void {
    core.ports.network.setMembers(known.filter(({ id }) => id !== core.self).map(({ id, addresses }) => {
      const newest = seen.get(id)?.split(',').filter((address) => address !== '') ?? [];
      return { id, addresses: [...new Set([...newest, ...addresses])] };
    }));
  }

  const sendJoin = (to: PeerId, message: Extract<PeerMessage, { kind: 'join' }>['message']): void =>
    core.ports.network.sendJoin(to, encodeMessage({ kind: 'join', message }));

  const members = createMembers(core, consensus, spread, { clusterId: () => founding.clusterId(), send, sendJoin });
  const joining = createJoining(core, {
    sendJoin,
    admitted(admittedBy) {
      membersChanged(admittedBy);
      hooks.member();
      follow();
    },
    failed: (reason) => core.defer(() => hooks.stop(`can't join: ${reason}`)),
  });

  // ── writes and reads ───────────────────────────────────────────────────────────────────────────────────

  const commands = createCommands(core, {
    propose: (batch) => consensus.propose(batch),
    forward: (to, ids, data) => send(to, { kind: 'forward', ids, data }),
    unreachable: unreachableNames,
  });
  const reads = createReads(core, {
    ask(leader, id) {
      if (leader === core.self) consensus.readIndex((at) => reads.answered(id, at));
      else send(leader, { kind: 'read', id });
    },
  });

  /** A member is caught up once it has applied what the leader names as the newest. */
  function follow(): void {
    reads.read((result) => {
      if (hooks.phase() !== 'following') return;
      if (result === 'fresh') {
        freshMs = core.now();
        hooks.caughtUp();
        workers.caughtUp();
        spread.beatNow();
      } else {
        core.arm('follow', catchUpRetryMs, follow);
      }
    });
  }

  // ── workers ────────────────────────────────────────────────────────────────────────────────────────────

  const runtime = createRuntimeCalls(core);
  const services: PeerServices = {
    self: {
      id: core.self, name: nodeName(core.config.name), hostIP: core.config.hostIP, version: core.config.version,
      capacity: core.config.capacity, labels: core.config.labels,
      nodeInfo: { ...core.config.nodeInfo, 'shoal.dev/api-port': String(core.config.apiPort) },
    },
    state: () => core.state,
    nowMs: core.now,
    wallMs: () => core.ports.clock.wallMs(),
    random: core.random,
    newUid: () => uuid(core.random),
    clock: timers.actorClock,
    submit: (ops, fence, done) => commands.submit(ops, fence, done),
    runtime: runtime.call,
    traffic: (routes) => core.ports.traffic.apply(routes),
    liveness: (peer) => spread.liveness(peer),
    trace: core.trace,
  };
  const founding = createFounding(core, services);
  const workers = createWorkers(core, services, (term) => {
    hooks.leads(term !== null, term ?? view.term);
    founding.leads(term);
  });

  // ── clients ────────────────────────────────────────────────────────────────────────────────────────────

  const streams = createLogStreams(core, { send, container: (logs) => workers.container(logs) });
  const watches = createWatches(core);
  const status = (): PeerStatus => peerStatus(core, describe(), hooks.phase(), spread.liveness);
  const serving = createServing(core, {
    commands, reads, watches, streams,
    own: createAdmin(core, { status, members: () => known, remove: (peer) => members.remove(peer) }),
    readiness: () => hooks.phase() === 'running' ? { ready: true, reason: '' }
      : { ready: false, reason: 'the state is not caught up with the cluster' },
    isolation: () => ({ sinceMs: core.now() - freshMs, unreachable: unreachableNames() }),
  });

  // ── messages ───────────────────────────────────────────────────────────────────────────────────────────

  function message(from: PeerId, frame: Uint8Array): void {
    const decoded = decodeMessage(frame);
    if (isRefusal(decoded)) return core.trace('wire', 'refused', { from, why: decoded.refused });
    if (!known.some(({ id }) => id === from)) return core.trace('wire', 'stranger', { from });
    if (from === view.leader) freshMs = core.now();
    receive(from, decoded);
  }

  function receive(from: PeerId, decoded: PeerMessage): void {
    switch (decoded.kind) {
      case 'log': return consensus.feed({ type: 'message', from, message: decoded.message });
      case 'gossip': return spread.message(from, decoded.message, 'gossip');
      case 'repair': return spread.message(from, decoded.message, 'repair');
      case 'forward':
        if (view.leader === core.self) return consensus.propose({ from, ids: decoded.ids, data: decoded.data });
        return send(from, { kind: 'not-appended', ids: decoded.ids, reason: 'not the leader', leader: view.leader });
      // What was not appended is sent again when the leader is known, or at the next retry.
      case 'not-appended': return core.trace('commands', 'turned-away', { from, count: decoded.ids.length });
      case 'read':
        return consensus.readIndex((at) => send(from, { kind: 'read-reply', id: decoded.id, index: at, leader: view.leader }));
      case 'read-reply': return reads.answered(decoded.id, decoded.index);
      case 'logs-open': case 'logs-chunk': case 'logs-credit': case 'logs-end': case 'logs-close':
        return streams.message(from, decoded);
      case 'admit': case 'remove': return members.message(decoded);
      case 'join': return core.trace('wire', 'misplaced', { from });
      default: return unreachable(decoded);
    }
  }

  function joinMessage(from: PeerId, frame: Uint8Array): void {
    const decoded = decodeMessage(frame);
    if (isRefusal(decoded) || decoded.kind !== 'join') return core.trace('wire', 'refused', { from, why: 'not a join' });
    if (!joining.message(from, decoded.message)) members.joinMessage(from, decoded.message);
  }

  return {
    isMember: () => known.some(({ id }) => id === core.self) || describe().members.some(({ id }) => id === core.self),
    begin() {
      consensus.feed({ type: 'start' });
      spread.start();
      if (hooks.phase() === 'following') follow();
      else joining.start();
    },
    disk: (event) => consensus.disk(event),
    network(event) {
      switch (event.type) {
        case 'message': return message(event.from, event.frame);
        case 'feed': {
          const batch = decodeFeed(event.frame);
          if (isRefusal(batch)) return core.trace('wire', 'refused', { from: 'feed', why: batch.refused });
          if (batch.from === view.leader) freshMs = core.now();
          return spread.feed(batch);
        }
        case 'join-message': return joinMessage(event.from, event.frame);
        case 'dialled': return joining.dialled(event.address, event.peer, event.error);
        case 'disconnected':
          joining.disconnected(event.peer);
          return streams.disconnected(event.peer);
        default: return unreachable(event);
      }
    },
    clients: (event) => serving.event(event),
    containers(event) {
      switch (event.type) {
        case 'runtime-done': case 'runtime-failed':
          runtime.completed(event);
          return announceReadiness();
        case 'log-chunk': return streams.chunk(event.stream, event.data);
        case 'log-end': return streams.ended(event.stream, event.error);
        default:
          workers.fact(event);
          return announceReadiness();
      }
    },
    log: describe, status,
    stop() {
      joining.stop();
      workers.stop();
    },
  };
}
