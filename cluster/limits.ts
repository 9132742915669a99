// Every bound in the system, with its unit and its reason. Nothing else may be unbounded.

import { expressionLimits } from './api/cel/limits.ts';
import { wireLimits } from './wire/limits.ts';

export const limits = {
  // ── log ──────────────────────────────────────────────────────────────────────────────────────────────
  /**
   * A follower that hears nothing for a random time in this range asks for an election. Three heartbeats at
   * least.
   */
  electionTimeoutMsMin: 500,
  electionTimeoutMsMax: 1000,
  heartbeatMs: 150,
  /** A leader whose disk owes it a write for so long lets one lead whose disk has it. */
  slowDiskMs: 2_000,
  /** A recovery begins a new stretch of so many terms: others may have gone on for as long as they like. */
  recoveryTermStep: 2 ** 20,
  /** News of a commit waits this long for an append to travel with, unless the follower waits for it. */
  commitNoticeMs: 5,
  /** Bytes of entries in one append message: larger ones hold up heartbeats on slow links. */
  appendBytesMax: 512 * 1024,
  /** Appends in flight to one follower before an answer. */
  appendsInFlightMax: 16,
  /** Entries not yet committed on the leader; beyond it proposals are refused with `full`. */
  uncommittedEntriesMax: 16_384,
  /** … or this many bytes of them: a leader without a quorum must not fill its memory. */
  uncommittedBytesMax: 64 * 1024 * 1024,
  /** Answers waiting for a slow disk; beyond it the newest are dropped, as a network may. */
  heldMessagesMax: 4_096,
  /** Reads waiting for a confirming round on the leader; beyond it they are refused with `full`. */
  logReadsMax: 4_096,
  /** One entry's data. Kubernetes' own limit for an object is 1.5 MiB (etcd request size). */
  entryBytesMax: 3 * 512 * 1024,
  /** How far a peer has applied goes to its disk this long after a commit: a peer that starts again
   *  without a quorum shows the state as of then, not as of its last snapshot. */
  commitNoteMs: 1_000,
  /** Entries kept in memory and on disk before a snapshot is taken … */
  logEntriesBeforeSnapshot: 50_000,
  /** … or bytes of them. */
  logBytesBeforeSnapshot: 64 * 1024 * 1024,
  /** Entries kept behind a snapshot, so that a follower a little behind needs none. */
  logEntriesKept: 2_000,
  /** … unless they are larger than this together. */
  logBytesKept: 16 * 1024 * 1024,
  snapshotChunkBytes: 256 * 1024,
  /** Chunks on their way to one follower before an answer. */
  snapshotChunksInFlightMax: 4,
  /** A transfer that made no progress for this long starts again from what was acknowledged. */
  snapshotRetryMs: 1_000,
  /** A snapshot larger than this is refused: the state no longer fits this design. */
  snapshotBytesMax: 1024 * 1024 * 1024,
  votersMax: 5,
  /** A learner is promoted only while it lags the best member by at most this many entries: else it would
   *  hold up commits until it has caught up. */
  promotionLagMax: 1_000,

  // ── gossip ───────────────────────────────────────────────────────────────────────────────────────────
  probeIntervalMs: 1_000,
  probeTimeoutMs: 500,
  indirectProbes: 3,
  /** A relay that hears nothing says so after this, so that its `nack` is back before the probe ends. */
  relayTimeoutMs: 400,
  /** Probes carried out for others at once. */
  relaysMax: 256,
  /** Every how many probe intervals one dead member is pinged too, to see it again after a partition. */
  deadProbeEvery: 10,
  /** Suspicion lasts at least this many probe intervals × log10(members + 1); Lifeguard's α. */
  suspicionMultiplier: 2.5,
  /** … and at most this many times the minimum while nobody confirms; Lifeguard's β. */
  suspicionMaxMultiplier: 2.5,
  /** Independent confirmations that shrink a suspicion to its minimum; Lifeguard's K. */
  suspicionConfirmations: 2,
  /** Lifeguard's local health score: 0 is healthy, each step slows the own probes by one interval. */
  localHealthMax: 4,
  /** A rumour is retold this many times × log2(members + 1). */
  retellMultiplier: 4,
  /** A beat, which the next one replaces anyway, this many times × log2(members + 1). */
  beatRetellMultiplier: 2,
  /** About 2.5 KB of either at most: one message fits a few packets. */
  rumoursPerMessage: 24,
  beatsPerMessage: 16,
  /** Refutations that a peer makes while its disk has not synced the first: a new run begins above them. */
  refutationsUnsyncedMax: 64,
  beatIntervalMs: 2_000,
  membersMax: 1_000,
  /** The leader collects committed entries this long before it publishes a batch. */
  feedBatchMs: 20,
  feedBatchBytesMax: 512 * 1024,
  /** A leader that has nothing to publish says every so often who leads and how far the log is. */
  feedAnnounceMs: 2_000,
  /** Out-of-order feed batches held while a gap is repaired. */
  feedBatchesHeldMax: 64,
  /** A gap older than this is pulled from another member. */
  repairAfterMs: 300,
  repairTimeoutMs: 2_000,
  repairBytesMax: 1024 * 1024,
  /** Members asked on the off-chance, before the leader is, while beats don't say who has what is missing. */
  repairGuessesMax: 2,
  /** A snapshot that changes under way is begun again this often before another member is asked. */
  repairRestartsMax: 3,
  /** An encoded snapshot that nobody asked for any more is dropped after this. */
  repairSnapshotKeptMs: 30_000,

  // ── joining ──────────────────────────────────────────────────────────────────────────────────────────
  /** Strangers between their first message and their answer, at one door. */
  doorHandshakesMax: 64,
  doorHandshakeMs: 30_000,
  /** Who was taken out may hear of it for this long: several announcements of the feed, and a repair. */
  departureMs: 10_000,
  /** A member that is all alone asks one of the others this often whether it is a member still. */
  askIntervalMs: 15_000,
  /** A dial, and a question. */
  askTimeoutMs: 4_000,
  /** Without an answer for this long the joiner gives up on this door. */
  joinTimeoutMs: 15_000,

  // ── state and API ────────────────────────────────────────────────────────────────────────────────────
  /** Changes kept for watches; a watch from before gets 410 Expired. */
  changesKept: 20_000,
  /** Commands of one origin that may be in flight; the window in which a repeated command is recognised. */
  commandsInFlightMax: 4_096,
  commandWindow: 16_384,
  /** A peer that finds its run to be an old one takes a later one, chance deciding which of so many. */
  runsSkippedMax: 2 ** 20,
  /** Origins remembered; the least recently used is forgotten beyond it. */
  commandOriginsMax: 2_048,
  /** Levels of nesting in a body: parsers and walks are recursive. Kubernetes' decoder allows 10,000. */
  bodyDepthMax: 200,
  /** YAML takes ten times as long as JSON to read. kubectl turns it into JSON itself. */
  yamlBytesMax: 512 * 1024,
  /** Tokens of it: about 2,500 lines. The parser takes a few µs for each, longer where all are wrong. */
  yamlTokensMax: 16_384,
  queryParametersMax: 256,
  /** Unknown and repeated fields that are named in one answer. */
  complaintsMax: 10,
  /** Pairs of a value and a schema that one object of a custom kind is checked by: about a second's work. */
  schemaChecksMax: 1_000_000,
  /** Values that one JSONPath gives; a column shows the first of them. */
  pathResultsMax: 1_000,
  /** Mistakes in one schema that are told of at most: a thousand are no more help than these. */
  schemaErrorsMax: 50,
  /** Regular expressions of schemas and policies that are kept compiled, a few KB each. */
  patternsKept: 2_000,
  /** Bytes of JSON that the copies of one JSON patch may add: each could double the document. */
  patchCopyBytesMax: 3 * 1024 * 1024,
  /** As in Kubernetes. */
  patchOperationsMax: 10_000,
  /** Bytes of a fieldManager, and managers of updates that an object tells apart: as in Kubernetes. */
  fieldManagerBytesMax: 128,
  /** Path elements whose one form is remembered. */
  elementsKnownMax: 4_096,
  /** Parts of managedFields that are shared by all objects which have them, and words of their entries. */
  ownerNodesKept: 16_384,
  ownerWordsKept: 1_024,
  updateManagersMax: 10,
  warningsMax: 20,
  /** Characters of one warning: a header must stay small. */
  warningCharsMax: 1_000,
  mediaRangesMax: 32,
  /** All annotations of one object, as in Kubernetes (256 KiB). */
  annotationsCharsMax: 262_144,
  /** JSON of one object: an entry of the log holds it with room for the command around it. */
  objectBytesMax: 3 * 512 * 1024 - 4 * 1024,
  /** Characters of JSON kept beside objects, which take two to three times as much: those of 60,000 pods. */
  encodedCharsKept: 128 * 1024 * 1024,
  /** Characters of JSON kept beside objects, which take two to three times that: of 60,000 pods. */
  sliceObjectsMax: 256, sliceCharsMax: 128 * 1024, sliceYamlObjectsMax: 4, sliceLooksMax: 1_024,
  /** Bytes of an answer that wait for its client before the next slice is made. */
  answerBufferBytesMax: 512 * 1024,
  /** Cut off is who takes nothing of an answer for so long, or is not done by the other. */
  answerSilenceMsMax: 30_000, answerMsMax: 600_000,
  /** Answers in slices under way on one peer: each holds on to the state that it is of. */
  slicedAnswersMax: 256,
  /** Longer answers are compressed for clients that take gzip, as in Kubernetes. */
  gzipCharsMin: 128 * 1024,
  /** Objects that one command of a deletecollection deletes; what is left is deleted by the next. */
  deletionsPerCommandMax: 1_000,
  /** Characters of a failed check's reason on the health pages. */
  healthReasonCharsMax: 500,
  /** A generated name, suffix and all: Kubernetes' maxNameLength. */
  generatedNameMax: 63,
  watchTimeoutMsMax: 24 * 3_600_000,
  requestBodyBytesMax: 3 * 1024 * 1024,
  /** A write that hears nothing is proposed again after this; the id makes it safe. */
  commandRetryMs: 1_000,
  /** A write that is not applied by then is answered 504. */
  commandTimeoutMs: 20_000,
  readTimeoutMs: 5_000,
  /** Without any known leader, a write is refused and a read is answered stale after this: two elections. */
  noLeaderPatienceMs: 3_000,
  /** A patch or an update without resourceVersion that keeps losing the race gives up with 409. */
  conflictRetriesMax: 16,
  watchesMax: 10_000,
  /** Bytes a slow watcher may lag before its stream is closed; it starts again from its last revision. */
  watchBufferBytesMax: 16 * 1024 * 1024,
  bookmarkIntervalMs: 60_000,
  watchTimeoutMsMin: 30 * 60_000,
  listLimitMax: 10_000,
  /** A continue token holds a revision, a namespace and a name. */
  continueCharsMax: 1_024,
  /** Values of one ConfigMap or Secret together, in bytes, as in Kubernetes. */
  configDataBytesMax: 1024 * 1024,
  /** Characters of a quantity (`250m`): whatever means something is far shorter, and parsing is not free. */
  quantityLengthMax: 64,
  /** What a client may put into one EndpointSlice, as in Kubernetes; the controller makes smaller ones. */
  endpointsAcceptedPerSliceMax: 1_000,
  addressesPerEndpointMax: 100,
  /** Events live this long, as in Kubernetes. */
  eventTtlMs: 3_600_000,
  /** Connections of clients to one address of the API: a watch over HTTP/1.1 has one to itself. */
  clientConnectionsMax: 16_384,
  /** Client requests being served at once on one peer. */
  requestsInFlightMax: 4_096,

  // ── who may do what ──────────────────────────────────────────────────────────────────────────────────
  /** Verbs on resources that a role may come to before it is compared with what its writer may do. */
  ruleAtomsMax: 20_000,
  /** Seats for requests under way on one peer, as Kubernetes' --max-requests-inflight and its sibling. */
  readSeatsMax: 400,
  writeSeatsMax: 200,
  /** A list takes a seat for so many objects, and at most this many: as in Kubernetes. */
  objectsPerSeat: 100,
  seatsPerRequestMax: 10,
  /** Seats given out before other clients are listened to again: four long lists, or 40 small requests. */
  turnSeatsMax: 40,
  /** Requests of one user that may wait for a seat; as many as Kubernetes' hand of 8 queues of 50. */
  waitingPerUserMax: 400,
  /** Requests that may wait in all, but for the first of each user. */
  waitingMax: 2_000,
  /** Nobody waits longer for a seat: a quarter of a request's time, as in Kubernetes. */
  seatWaitMsMax: 15_000,
  /** Characters of what was sent and answered in one line of the audit log; longer ones are left out. */
  auditObjectsCharsMax: 1024 * 1024,
  /** Bytes of the audit log that wait for the disk; what comes beyond it is lost, and counted. */
  auditBacklogBytesMax: 32 * 1024 * 1024,

  // ── nodes, scheduler, controllers ────────────────────────────────────────────────────────────────────
  /** A silent node is suspect when gossip says so, unreachable (NotReady) this long after. */
  nodeUnreachableAfterSuspectMs: 4_000,
  /** A Node object that no member has ever spoken for is unreachable after this, as in Kubernetes. */
  nodeStartupGraceMs: 60_000,
  /**
   * More than two nodes down that are at least this share of all: evicting would not help. As in Kubernetes.
   */
  disruptedNodesPercent: 55,
  evictionRetryMs: 5_000,
  /** Default toleration of not-ready and unreachable. Kubernetes: 300; Shoal replaces lost pods quickly. */
  defaultTolerationSeconds: 5,
  podsPerNodeMax: 110,
  schedulerBackoffMsMin: 1_000,
  schedulerBackoffMsMax: 10_000,
  bindingsInFlightMax: 256,
  controllerBackoffMsMin: 50,
  controllerBackoffMsMax: 30_000,
  controllerQueueMax: 200_000,
  controllerCommandsInFlightMax: 64,
  /** A key that was just written rests this long, so that a burst of changes costs one write, not many. */
  controllerSettleMs: 20,
  /** Keys reconciled in one event, so that a leader's start does not hold up its heartbeats. */
  controllerKeysPerTurn: 128,
  /** Pods scheduled in one event, for the same reason, and bindings that share one command. */
  podsScheduledPerTurn: 32,
  bindingsPerCommand: 32,
  /** Pods made or deleted by one command of a ReplicaSet. */
  podsPerCommandMax: 50,
  /** An unschedulable pod is tried again after this at the latest, as in Kubernetes. */
  unschedulableRetryMs: 300_000,
  /** Ended pods kept for their logs and exit codes before the oldest go, and how often they are counted. */
  terminatedPodsMax: 12_500,
  podCollectionIntervalMs: 20_000,
  /** Endpoints in one EndpointSlice, as in Kubernetes. */
  endpointsPerSliceMax: 100,
  /** Objects that one command of the garbage, namespace or event collector removes. */
  collectedPerCommand: 64,
  eventCollectionIntervalMs: 30_000,
  /** A Service's routes wait this long for more changes. */
  routesSettleMs: 50,
  /** Events (the Kubernetes object) not yet written by one recorder; the newest is dropped beyond it. */
  recorderPendingMax: 4_096,
  recorderPerCommand: 32,
  recorderRetriesMax: 5,
  /** Events of one object: a burst, then one per refill. Source: client-go's EventSourceObjectSpamFilter. */
  recorderBurst: 25,
  recorderRefillMs: 300_000,
  recorderObjectsMax: 4_096,
  /** Pods that one ReplicaSet creates or deletes in one round, as in Kubernetes. */
  replicaSetBurstMax: 500,
  /** Commands of a round in which it makes pods after a refusal: of 1, 2, 4 and 8 of them. */
  slowStartCommands: 4,

  // ── kubelet ──────────────────────────────────────────────────────────────────────────────────────────
  containerBackoffMsMin: 10_000,
  containerBackoffMsMax: 300_000,
  /** A container that ran this long is healthy again: its back-off starts over. */
  containerBackoffResetMs: 600_000,
  imagePullBackoffMsMin: 10_000,
  imagePullBackoffMsMax: 300_000,
  imagePullsMax: 4,
  /** A failed pull is shown as ErrImagePull this long, then as ImagePullBackOff. */
  imagePullErrorShownMs: 3_000,
  /** A runtime call that failed is made again after this, doubling. */
  runtimeRetryMsMin: 1_000,
  runtimeRetryMsMax: 30_000,
  /** Changes of a pod's status within this time are written together. */
  statusSettleMs: 20,
  /** A status that could not be written is tried again after this, doubling; the newest is written. */
  statusRetryMsMin: 500,
  statusRetryMsMax: 3_000,
  /** Environment of one container, names and values together, in bytes: the kernel takes no more (execve). */
  containerEnvBytesMax: 1024 * 1024,
  /** Runtime calls: create, start, remove. A stop may take its grace period longer. */
  runtimeCallTimeoutMs: 120_000,
  /** A pull brings gigabytes over slow lines; Kubernetes sets it no limit. */
  imagePullTimeoutMs: 1_800_000,
  relistIntervalMs: 10_000,
  /** Bytes of one container's log file in the embedded runtime before it is rotated once. */
  containerLogBytesMax: 10 * 1024 * 1024,
  logStreamsMax: 256,
  logChunkBytes: 32 * 1024,

  // ── exec, attach, port-forward ───────────────────────────────────────────────────────────────────────
  /** Requests whose connections were switched over, on one peer, and of one user among them. */
  streamRequestsMax: 512,
  streamRequestsPerUserMax: 128,
  /** Connections of one port-forward at the same time: a browser opens a few dozen. */
  flowsPerRequestMax: 128,
  /** Flows into the containers of one peer, whoever wants them. */
  flowsServedMax: 1_024,
  /** Flows between two peers: their windows together stay within the queue of a link. */
  flowsPerPeerMax: 64,
  /** Bytes under way in one direction of a flow. */
  flowWindowBytes: 128 * 1024,
  /** … and as many more for each of the first few flows between two peers: one alone goes at full speed. */
  flowBonusBytes: 896 * 1024,
  flowBonusesMax: 6,
  flowChunkBytes: 32 * 1024,
  /** What is to be opened on another peer is open by then, or it has failed. */
  flowOpenMs: 10_000,
  /** A connection to a pod's port. */
  flowDialMs: 10_000,
  /** Output of a program that has ended, held open by what it left behind, is waited for this long. */
  flowDrainMs: 2_000,
  /** A connection on which nothing happens is closed, as a kubelet does (streamingConnectionIdleTimeout). */
  streamIdleMs: 4 * 3_600_000,
  /** A client creates the streams that belong together within this, as a kubelet wants it. */
  streamCreationMs: 30_000,
  /** Words of a command and their characters, together: the kernel takes no more (execve). */
  execWordsMax: 4_096,
  execCharsMax: 128 * 1024,
  /** One frame of SPDY or message of a WebSocket from a client: kubectl sends 32 KiB at most. */
  streamFrameBytesMax: 1024 * 1024,
  /** Headers of one SPDY stream, before and after they are inflated. */
  spdyHeaderBlockBytesMax: 16 * 1024,
  spdyHeaderBytesMax: 64 * 1024,
  spdyHeadersMax: 64,
  /** SPDY streams open at once on one connection: two for each flow of a port-forward, and some to spare. */
  spdyStreamsMax: 320,
  /** Bytes that wait for a client before it is cut off: more than the windows of a port-forward's flows. */
  streamBufferBytesMax: 24 * 1024 * 1024,

  // ── what machines and containers use ────────────────────────────────────────────────────────────────
  /** Figures are averaged over so long, and told again for so long: metrics-server's resolution. */
  usageWindowMs: 15_000,
  /** A reading older than that says little of now: two are then taken, this far apart. */
  usageWindowMsMax: 60_000,
  usageFirstWindowMs: 1_000,
  /** A container is measured from its start on once it has run for so long, as in metrics-server. */
  usageFreshMsMin: 1_000,
  /** A peer answers within this, or its node has no figures. */
  usageAskMs: 4_000,
  /** Who waits for the figures of one machine, pods that it tells of, and containers of one of them. */
  usageWaitersMax: 2_048,
  usagePodsMax: 512,
  usageContainersMax: 256,

  // ── network ──────────────────────────────────────────────────────────────────────────────────────────
  /** One framed message between peers. */
  messageBytesMax: 4 * 1024 * 1024,
  /** Bytes queued to one peer before messages to it are dropped; Raft and gossip repeat what matters. */
  sendQueueBytesMax: 16 * 1024 * 1024,
  dialTimeoutMs: 3_000,
  connectionsMax: 64,
  /** Up to this many members every peer is connected to every other; beyond it, to a ring with fingers. */
  fullMeshMembersMax: 20,
  /** Addresses of one member that are tried in one dial, each for `dialTimeoutMs`. */
  addressesDialledMax: 4,
  /** Two, when both dialled at once, and as many that are being replaced. */
  connectionsPerPeerMax: 4,
  /** A connection that is hung up has this long to send what it holds. */
  hangUpMs: 500,
  dialBackoffMsMin: 100,
  dialBackoffMsMax: 2_000,
  /** Of two peers that want each other, the one with the greater id gives the other this long to dial. */
  dialYieldMs: 150,
  /** A stream that has nothing to say says so this often … */
  keepaliveMs: 5_000,
  /** … and one that hears nothing for this long is dead: three keepalives. */
  streamSilenceMsMax: 16_000,
  /** How often links are looked after: keepalives, redials, strangers that stay too long. */
  linkTendMs: 1_000,
  /** Strangers connected at once; a door is knocked at by few. */
  strangersMax: 16,
  /** A stranger says something on the join protocol within this long, or its connection is closed. */
  strangerSilenceMsMax: 3_000,
  /** … after that, within this long: the cluster may be electing a leader while it waits for an answer. */
  joinSilenceMsMax: 10_000,
  /** A stranger is a member by then or it is closed and may dial again. */
  joinDurationMsMax: 60_000,
  joinFrameBytesMax: 64 * 1024,
  joinQueueBytesMax: 256 * 1024,
  /** Bytes handed to a stream in one call; the rest waits in the queue, where it can be counted. */
  streamWriteBytesMax: 256 * 1024,

  /** Addresses in one Endpoints object, as in Kubernetes; further ones are in slices only. */
  addressesPerEndpointsMax: 1_000,

  // ── tokens ───────────────────────────────────────────────────────────────────────────────────────────
  /** Keys that tokens are verified with: rotated more often than that, the oldest tokens are void. */
  tokenKeysMax: 5,
  /** Tokens whose signature is remembered; each is a kilobyte or two. Verifying one takes 2 ms. */
  tokensVerifiedMax: 4_096,
  /** Forged tokens that are known again without looking at their signature: 4 MB at most … */
  tokensForgedMax: 1_024,
  /** … for those that are longer, in characters, are not kept. */
  tokenForgedLengthMax: 4_096,
  /** Requests with a token that stands for nobody, after which a connection is closed. */
  tokenFailuresPerConnectionMax: 32,
  /** Characters of a token; no header of HTTP is longer. */
  tokenLengthMax: 16 * 1024,

  // ── certificates ─────────────────────────────────────────────────────────────────────────────────────
  /** How long a certificate of the cluster's signers holds, unless a shorter time is asked for: a year. */
  certificateSecondsMax: 365 * 24 * 3_600,
  /** Twice what it is backdated by. */
  certificateSecondsMin: 600,
  /** Requests that were decided are kept for an hour, others for a day, as in Kubernetes; looked at … */
  signingRequestDecidedMs: 3_600_000,
  signingRequestPendingMs: 24 * 3_600_000,
  /** … this often. */
  signingRequestsLookMs: 600_000,

  // ── disk ─────────────────────────────────────────────────────────────────────────────────────────────
  /** One segment of the log; it is written full of zeros before it is used. */
  segmentBytes: 16 * 1024 * 1024,
  /** Records joined into one synced frame. */
  diskFrameBytesMax: 4 * 1024 * 1024,
  /** One record; the largest is an entry. */
  diskRecordBytesMax: 8 * 1024 * 1024,
  /** Bytes that wait for the disk; a disk that is this far behind has failed. */
  diskBacklogBytesMax: 256 * 1024 * 1024,
  /** Emptied segments kept to be written again, which spares filling new ones with zeros. */
  segmentsSpareMax: 2,
  factsMax: 64,
  factBytesMax: 4_096,

  // ── wire: what the guard lets in ─────────────────────────────────────────────────────────────────────
  ...wireLimits,

  // ── expressions (CEL) ────────────────────────────────────────────────────────────────────────────────
  ...expressionLimits,

  // ── calls to webhooks and aggregated APIs ────────────────────────────────────────────────────────────
  /** Endpoints that one call may try, calls of one peer under way, and those that wait: more fail. */
  calloutAddressesMax: 3, calloutsInFlightMax: 256, calloutsWaitingMax: 4_096,
  /** Times that a request is evaluated anew with more answers, and how long it may wait, as in Kubernetes. */
  calloutRoundsMax: 64, calloutRequestMsMax: 60_000, webhookTimeoutMs: 10_000, conversionTimeoutMs: 30_000,
  /** Characters of a conversion's objects in one review; times it is tried; changes that wait for one. */
  conversionReviewCharsMax: 1024 * 1024, conversionRoundsMax: 8, convertedChangesMax: 10_000,
  /** An answer (an object and its patch in base64 twice over), and what is told of a server's failure. */
  calloutAnswerBytesMax: 6 * 1024 * 1024, calloutMessageCharsMax: 2_048,
  /** Connections that are kept open to one server, for the next call, and for how long. */
  calloutConnectionsKeptMax: 16, calloutConnectionKeptMs: 30_000,
  /** Usages of quotas kept for all objects alike; found out in one event (10 µs each); all counted anew. */
  quotaUsagesKept: 4_096, quotaObjectsPerTurn: 500, quotaResyncMs: 300_000,
} as const;
