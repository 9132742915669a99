// Puts the parts of a peer together: each part has a file of its own beside this one; here is only who talks
// to whom. The parts know of each other through the hub, which is whole once `createHub` returns.
//
// What always holds: no part calls another while the hub is being put together.

import { index, nodeName } from '../../cluster/ids.ts';
import type { Index, PeerId, Term } from '../../cluster/ids.ts';
import type { LogDescription } from '../../cluster/log/log.ts';
import type { LogMember } from '../../cluster/log/types.ts';
import type { JoinMessage, PeerMessage } from '../../cluster/messages.ts';
import type { DiskRecovery } from '../../cluster/ports.ts';
import type { Applied } from '../../cluster/state/types.ts';
import { difference } from '../../cluster/state/snapshot.ts';
import type { State } from '../../cluster/state/state.ts';
import { wasApplied } from '../../cluster/state/windows.ts';
import { mutable } from '../../cluster/state/state.ts';
import { encodeMessage } from '../../cluster/wire.ts';
import type { PeerServices } from '../services.ts';
import { createAdmin } from './admin.ts';
import { createAsking } from './asking.ts';
import type { Asking } from './asking.ts';
import { createCallouts } from './callouts.ts';
import type { Callouts } from './callouts.ts';
import { createCommands } from './commands.ts';
import type { Commands } from './commands.ts';
import { createConsensus, joinedFact } from './consensus.ts';
import type { Consensus, RoleView } from './consensus.ts';
import { uuid } from './core.ts';
import type { Core, Timers } from './core.ts';
import { createDepartures, leftReason } from './departures.ts';
import type { Departures } from './departures.ts';
import { createFounding } from './founding.ts';
import type { Founding } from './founding.ts';
import { createFlows } from './flows.ts';
import type { Flows } from './flows.ts';
import { createJoining } from './joining.ts';
import type { Joining } from './joining.ts';
import { createMembers } from './members.ts';
import type { Members } from './members.ts';
import { createReads } from './reads.ts';
import type { Reads } from './reads.ts';
import { createRuntimeCalls } from './runtime.ts';
import type { RuntimeCalls } from './runtime.ts';
import { createServing } from './serving.ts';
import type { Serving } from './serving.ts';
import { createSpread } from './spread.ts';
import type { Spread } from './spread.ts';
import { peerStatus, unreachableVoters } from './status.ts';
import type { PeerStatus } from './status.ts';
import { createLogStreams } from './streams.ts';
import type { LogStreams } from './streams.ts';
import { createUsages } from './usage.ts';
import type { Usages } from './usage.ts';
import { createWatches } from './watches.ts';
import type { Watches } from './watches.ts';
import { obstacle } from './wishes.ts';
import { createWorkers } from './workers.ts';
import type { Workers } from './workers.ts';

/** What the parts tell the peer itself. */
export interface HubHooks {
  phase(): string;
  member(): void;
  caughtUp(): void;
  durable(): void;
  leads(leads: boolean, term: Term): void;
  stop(reason: string): void;
}

export interface Hub {
  readonly core: Core;
  readonly hooks: HubHooks;
  view: RoleView;
  /** Who is asked to take commands and to confirm reads. */
  asked: PeerId | null;
  /** The membership in force, or what the door said while the log says nothing yet. */
  known: readonly LogMember[];
  /** The ids of `known`. */
  knownIds: ReadonlySet<PeerId>;
  /** It is what a door has told, in this run. */
  guided: boolean;
  /** When this peer last heard from the leader; null: not since it started. */
  freshMs: number | null;
  /** Once this is on its own disk, a peer is a member for good; null: it is, or it is not caught up yet. */
  settlesAt: Index | null;
  /** What others were last told of this peer's readiness. */
  announced: boolean | null;
  /** Addresses by beat, newest. */
  readonly seen: Map<PeerId, string>;
  /** When the last beat of a member was heard of; of members only. */
  readonly beatsAtMs: Map<PeerId, number>;
  readonly departures: Departures;
  consensus: Consensus;
  spread: Spread;
  members: Members;
  asking: Asking;
  joining: Joining;
  commands: Commands;
  reads: Reads;
  runtime: RuntimeCalls;
  founding: Founding;
  workers: Workers;
  streams: LogStreams;
  flows: Flows;
  usages: Usages;
  watches: Watches;
  callouts: Callouts;
  serving: Serving;
}

export function createHub(core: Core, timers: Timers, recovery: DiskRecovery, hooks: HubHooks): Hub {
  const hub: Hub = {
    core, hooks, view: { role: 'learner', term: 0 as Term, leader: null, ready: false }, asked: null,
    known: recovery.log.snapshot.members, guided: false,
    knownIds: new Set(recovery.log.snapshot.members.map(({ id }) => id)),
    freshMs: null, settlesAt: null, announced: null, seen: new Map(), beatsAtMs: new Map(),
    departures: createDepartures(core, () => membersChanged(hub, hub.known)),
  } as unknown as Hub;
  hub.consensus = joinConsensus(hub, recovery);
  hub.spread = joinSpread(hub);
  joinMembership(hub);
  joinAccess(hub);
  const services = servicesOf(hub, timers);
  hub.founding = createFounding(core, services);
  hub.workers = createWorkers(core, services, (term) => {
    hooks.leads(term !== null, term ?? hub.view.term);
    hub.founding.leads(term);
  });
  joinClients(hub);
  return hub;
}

export function send(hub: Hub, to: PeerId, message: PeerMessage): void {
  hub.core.ports.network.send(to, encodeMessage(message));
}

export const describeLog = (hub: Hub): LogDescription => hub.consensus.describe();

export function statusOf(hub: Hub): PeerStatus {
  return peerStatus(hub.core, describeLog(hub), hub.hooks.phase(), hub.freshMs, hub.spread.liveness);
}

const unreachableNames = (hub: Hub): string[] =>
  unreachableVoters(hub.core, describeLog(hub), hub.spread.liveness);

// ── agreement ────────────────────────────────────────────────────────────────────────────────────────────

function joinConsensus(hub: Hub, recovery: DiskRecovery): Consensus {
  let removed = false;
  return createConsensus(hub.core, recovery.log, {
    send: (to, message) => send(hub, to, message),
    committed(entries, applied) {
      tellApplied(hub, applied);
      hub.spread.committed(entries);
      lead(hub);
    },
    installed(before, members) {
      hub.members.replaced(members, index(hub.core.state.revision));
      tellInstalled(hub, before);
    },
    membership: (members, at) => hub.members.committed(members, at),
    role(next) {
      const leaderChanged = next.leader !== hub.view.leader || next.term !== hub.view.term;
      // While it led, with a quorum behind it, its state was the newest there was.
      if (hub.view.ready && !next.ready) hub.freshMs = hub.core.now();
      hub.view = next;
      if (leaderChanged) leaderIs(hub, leaderInReach(hub));
      hub.spread.role(next);
      hub.members.role(next);
      lead(hub);
    },
    members(next, committed) {
      const within = next.some(({ id }) => id === hub.core.self);
      // Of a newcomer, the log tells at first of the time before, which a door's word is newer than.
      const current = hub.consensus.isCaughtUp();
      if (next.length > 0 && (current || (within && !hub.guided))) membersChanged(hub, next);
      hub.members.changed(next, committed);
      if (removed || within || !committed || !current || !isMember(hub)) return;
      removed = true;
      hub.core.defer(() => hub.hooks.stop(leftReason));
    },
    batchRefused({ from, ids }) {
      if (from === null) hub.commands.notAppended(ids);
      else send(hub, from, { kind: 'not-appended', ids, reason: 'not the leader', leader: hub.view.leader });
    },
    failed: (message) => hub.core.defer(() => hub.hooks.stop(message)),
  });
}

/** The leader; null where none is known, or gossip holds it for dead: by hearsay it would lead for ever. */
function leaderInReach({ view: { leader }, core, spread }: Hub): PeerId | null {
  if (leader === null || leader === core.self) return leader;
  return spread.liveness(leader).status === 'dead' ? null : leader;
}

function leaderIs(hub: Hub, leader: PeerId | null): void {
  hub.asked = leader;
  hub.commands.leaderChanged(leader);
  hub.reads.leaderChanged(leader);
}

function tellApplied(hub: Hub, applied: readonly Applied[]): void {
  for (const each of applied) hub.commands.applied(each);
  const changes = applied.flatMap((each) => each.changes);
  if (changes.length > 0) {
    hub.watches.applied(changes);
    hub.workers.changes(changes);
    announceReadiness(hub);
  }
  hub.reads.applied(index(hub.core.state.revision));
}

function tellInstalled(hub: Hub, before: State): void {
  const { core } = hub;
  hub.commands.installed((id) => wasApplied(mutable(core.state), id));
  hub.watches.expireAll();
  hub.workers.replaced(difference(before, core.state));
  hub.reads.applied(index(core.state.revision));
  hub.spread.committed([]);
}

/** A leader's actors start once its state holds all that was committed before it led. */
function lead(hub: Hub): void {
  const { view } = hub;
  const caughtUp = view.role !== 'leader' || hub.core.state.revision >= describeLog(hub).commit;
  hub.workers.role(caughtUp ? view : { ...view, ready: false });
}

/** Others should not wait for the next beat to hear that pods can run here, or can't. */
export function announceReadiness(hub: Hub): void {
  const { ready } = hub.workers.ready();
  if (ready === hub.announced || hub.hooks.phase() !== 'running') return;
  hub.announced = ready;
  hub.spread.beatNow();
}

// ── gossip and membership ────────────────────────────────────────────────────────────────────────────────

function joinSpread(hub: Hub): Spread {
  return createSpread(hub.core, hub.consensus, {
    send: (to, message) => send(hub, to, message),
    liveness(peer) {
      const leader = leaderInReach(hub);
      if (leader !== hub.asked) leaderIs(hub, leader);
      hub.members.liveness();
      hub.workers.liveness(peer);
    },
    heard: (peer) => hub.members.heard(peer),
    beat(peer, first) {
      hub.beatsAtMs.set(peer, hub.core.now());
      hub.members.beat(first);
      hub.workers.liveness(peer);
    },
    addresses(peer, addresses) {
      const said = addresses.join(), before = hub.seen.get(peer);
      if (before === said) return;
      hub.seen.set(peer, said);
      const member = hub.known.find(({ id }) => id === peer);
      // Most say at first what the log says of them already.
      if (before !== undefined || member?.addresses.join() !== said) announceMembers(hub);
    },
    self: () => ({ ...hub.workers.ready(), ...hub.workers.free() }),
    departing: () => hub.departures.list().length > 0,
    diverged: (from, at) => hub.core.trace('repair', 'diverged', { from, index: at }),
  });
}

function membersChanged(hub: Hub, next: readonly LogMember[]): void {
  const ids = new Set(next.map(({ id }) => id)), gone = hub.known.filter(({ id }) => !ids.has(id));
  hub.departures.changed(hub.known, next);
  hub.known = next;
  hub.knownIds = ids;
  for (const { id } of gone) {
    hub.seen.delete(id);
    hub.beatsAtMs.delete(id);
  }
  announceMembers(hub);
  hub.spread.members(next);
  for (const { id } of gone) hub.workers.liveness(id);
}

/** Whom the network may speak to, with the newest addresses first. */
function announceMembers({ core, known, seen, departures, asking }: Hub): void {
  const asked = asking.asked();
  const others = [...known, ...departures.list()].filter(({ id }) => id !== core.self && id !== asked);
  core.ports.network.setMembers(others.map((member) =>
    ({ id: member.id, addresses: addressesOf(seen, member) })));
}

function addressesOf(seen: Hub['seen'], { id, addresses }: LogMember): readonly string[] {
  const newest = seen.get(id)?.split(',').filter((address) => address !== '') ?? [];
  return [...new Set([...newest, ...addresses])];
}

/** By its own disk, or by the word of a door. */
function isMember({ hooks }: Hub): boolean {
  return hooks.phase() === 'following' || hooks.phase() === 'running';
}

/** A member that nobody speaks to. */
const isLost = (hub: Hub): boolean =>
  isMember(hub) && hub.reads.alone() && hub.spread.live().length === 1;

function joinMembership(hub: Hub): void {
  const { core } = hub;
  const sendJoin = (to: PeerId, message: JoinMessage): void =>
    core.ports.network.sendJoin(to, encodeMessage({ kind: 'join', message }));
  hub.members = createMembers(core, hub.consensus, hub.spread, hub.known, {
    clusterId: () => hub.founding.clusterId(), send: (to, message) => send(hub, to, message), sendJoin,
    fresh: (done) => whenFresh(hub, done),
  });
  hub.asking = createAsking(core, {
    lost: () => (isLost(hub) ? hub.known.filter(({ id }) => id !== core.self)
      .map((member) => ({ ...member, addresses: addressesOf(hub.seen, member) })) : []),
    sendJoin, knownTo: () => hub.consensus.knownTo(), changed: () => announceMembers(hub),
    removed: () => core.defer(() => hub.hooks.stop(leftReason)),
  });
  hub.joining = createJoining(core, {
    sendJoin,
    admitted(members, term, at) {
      core.ports.disk.saveFact(joinedFact, `${at}/${term}`);
      hub.consensus.joined(`${at}/${term}`);
      hub.guided = true;
      membersChanged(hub, members);
      if (hub.hooks.phase() !== 'joining') return;
      hub.hooks.member();
      follow(hub);
    },
    // Who is a member already, and only asked who is there, may find them without a door.
    failed: (reason) => core.defer(() => {
      if (hub.hooks.phase() === 'joining') hub.hooks.stop(`can't join: ${reason}`);
    }),
  });
}

// ── writes and reads ─────────────────────────────────────────────────────────────────────────────────────

function joinAccess(hub: Hub): void {
  const { core } = hub;
  hub.commands = createCommands(core, {
    propose: (batch) => hub.consensus.propose(batch),
    forward: (to, ids, data) => send(hub, to, { kind: 'forward', ids, data }),
    unreachable: () => unreachableNames(hub),
  });
  hub.reads = createReads(core, {
    ask(leader, id) {
      if (leader === core.self) hub.consensus.readIndex((at) => hub.reads.answered(id, at));
      else send(hub, leader, { kind: 'read', id });
    },
  });
}

/** Once the state is the newest; false where no leader said in time how far that is. */
function whenFresh(hub: Hub, done: (fresh: boolean) => void): void {
  hub.reads.read((result) => done(result === 'fresh'));
}

/** How long a peer waits before it asks again whether its state is caught up. */
const catchUpRetryMs = 500;

/** A member is caught up once it has applied what the leader names as the newest. */
export function follow(hub: Hub): void {
  const { core, hooks } = hub;
  hub.reads.read((result) => {
    if (hooks.phase() !== 'following') return;
    if (result === 'stale') return core.arm('follow', catchUpRetryMs, () => follow(hub));
    hub.freshMs = core.now();
    hub.settlesAt = index(core.state.revision);
    hooks.caughtUp();
    hub.joining.stop();
    hub.workers.caughtUp();
    announceReadiness(hub);
    settle(hub);
  });
}

/** What was applied may still be on its way to the disk. */
export function settle(hub: Hub): void {
  if (hub.settlesAt === null || hub.consensus.durable() < hub.settlesAt) return;
  hub.settlesAt = null;
  // A leader gives votes for what is on disk, and may be waiting to.
  hub.spread.beatNow();
  hub.hooks.durable();
}

// ── actors and clients ───────────────────────────────────────────────────────────────────────────────────

function servicesOf(hub: Hub, timers: Timers): PeerServices {
  const { core } = hub, { config } = core;
  hub.runtime = createRuntimeCalls(core);
  return {
    self: {
      id: core.self, name: nodeName(config.name), hostIP: config.hostIP, version: config.version,
      capacity: config.capacity, labels: config.labels,
      nodeInfo: { ...config.nodeInfo, 'shoal.dev/api-port': String(config.apiPort) },
    },
    state: () => core.state,
    nowMs: core.now,
    wallMs: () => core.ports.clock.wallMs(),
    random: core.random,
    newUid: () => uuid(core.random),
    clock: timers.actorClock,
    submit: (ops, fence, done) => hub.commands.submit(ops, fence, done),
    runtime: (call, done) => hub.runtime.call(call, done),
    traffic: (routes) => core.ports.traffic.apply(routes),
    liveness: (peer) =>
      ({ ...hub.spread.liveness(peer), stranger: !hub.knownIds.has(peer) }),
    trace: core.trace,
  };
}

function joinClients(hub: Hub): void {
  const { core } = hub;
  hub.streams = createLogStreams(core, {
    send: (to, message) => send(hub, to, message), container: (logs) => hub.workers.container(logs),
    ended: (id) => hub.serving.ended(id),
  });
  hub.flows = createFlows(core, {
    send: (to, message) => send(hub, to, message), ended: (id) => hub.serving.ended(id),
    target: (streams, port) => hub.workers.target(streams, port),
  });
  hub.usages = createUsages(core, {
    send: (to, message) => send(hub, to, message), measure: (done) => hub.workers.measure(done),
    lives: (peer) => hub.knownIds.has(peer) && hub.spread.liveness(peer).status !== 'dead',
  });
  hub.callouts = createCallouts(core);
  hub.watches = createWatches(core, {
    ended: (id) => hub.serving.ended(id), callouts: hub.callouts, think: (id) => hub.serving.think(id),
  });
  hub.serving = createServing(core, {
    callouts: hub.callouts,
    commands: hub.commands, reads: hub.reads, watches: hub.watches, streams: hub.streams,
    flows: hub.flows, usages: hub.usages,
    own: createAdmin(core, {
      status: () => statusOf(hub), members: () => hub.known, remove: (peer) => hub.members.remove(peer),
      recover: (left) => hub.consensus.feed({ type: 'recover', members: left }),
      obstacle: (peer) => obstacle(hub.known, peer, new Set(hub.spread.live())),
      unreachable: () => unreachableNames(hub),
      fresh: (done) => whenFresh(hub, done), submit: (ops, done) => hub.commands.submit(ops, null, done),
    }),
    // A peer's own is as new as its answer.
    beatAtMs: (peer) => (peer === core.self ? core.now() : hub.beatsAtMs.get(peer) ?? null),
    readiness: () => hub.hooks.phase() === 'running' ? { ready: true, reason: '' }
      : { ready: false, reason: 'the state is not caught up with the cluster' },
    isolation: () => ({
      sinceMs: hub.freshMs === null ? null : core.now() - hub.freshMs, unreachable: unreachableNames(hub),
    }),
  });
}
