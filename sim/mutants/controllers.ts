// Mutants of the controllers and the kubelet.

import type { Mutant } from './mutant.ts';

const controllers: readonly Mutant[] = [
  {
    name: 'ownership-lost', area: 'controllers', oracle: 'no-orphans',
    what: 'a ReplicaSet is made first and given its owner then, by a controller that remembers which it '
      + 'made: a crash between loses it',
    edits: [
      {
        file: 'actors/controllers/controller.ts', find: 'refusal: context.refusals[key] ?? null,',
        replace: 'refusal: context.refusals[key] ?? null, made: (context.queue.made ??= new Set()),',
      },
      {
        file: 'actors/controllers/deployment.ts',
        find: '  if (get(state, objectKey(resources.replicaSets, namespace, setName)) !== null) {',
        replace: `  const half = get(state, objectKey(resources.replicaSets, namespace, setName));
  if (half !== null && context.made.has(half.metadata.uid)) {
    const metadata = { ...half.metadata, ownerReferences: [ownerReference(deployment)] };
    return { steps: [{ ops: [updateOp(resources.replicaSets, half, { ...half, metadata })] }] };
  }
  if (half !== null) {`,
      },
      {
        file: 'actors/controllers/deployment.ts',
        find: '        ownerReferences: [ownerReference(deployment)],', replace: '',
      },
      {
        file: 'actors/controllers/deployment.ts', find: '  const revision = maxRevision(all) + 1;\n',
        replace: '  const revision = maxRevision(all) + 1, uid = context.newUid();\n'
          + '  context.made.add(uid);\n',
      },
      {
        file: 'actors/controllers/deployment.ts',
        find: '    { uid: context.newUid(), nowWallMs: context.nowWallMs },',
        replace: '    { uid, nowWallMs: context.nowWallMs },',
      },
      {
        file: 'actors/controllers/claim.ts', find: 'if (leaving || matches === (controller !== null)',
        replace: 'if (leaving || matches || matches === (controller !== null)',
      },
    ],
    draw: { classes: ['crash', 'partition', 'slow-disk', 'pause', 'links'] },
  },
  {
    name: 'missed-delete', area: 'controllers', oracle: 'no-orphans',
    what: 'an owner\'s deletion that no collector saw as it happened is never made up for',
    edits: [{
      file: 'actors/controllers/garbage.ts',
      find: 'allKeys: (state) => storedResources(state).flatMap((resource) =>',
      replace: 'allKeys: (state) => storedResources(state).slice(0, 0).flatMap((resource) =>',
    }],
    draw: { classes: ['crash-within', 'slow-disk', 'links', 'pause', 'partition'] },
  },
  {
    name: 'adoption-ignores-uid', area: 'controllers', oracle: 'no-foreign-deletion',
    what: 'what a selector matches is taken for one\'s own, whoever controls it',
    edits: [{
      file: 'actors/controllers/claim.ts',
      find: 'if (controller !== null && controller.uid !== owner.metadata.uid) continue;',
      replace: 'if (controller !== null && controller.uid !== owner.metadata.uid\n'
        + '      && !matchesSelector(selector, object.metadata.labels)) continue;',
    }],
    draw: { classes: ['crash', 'partition'] },
  },
  {
    name: 'finalizer-removed-early', area: 'controllers', oracle: 'clean-up-first',
    what: 'a namespace is let go once its content was asked to go, not once it is gone',
    edits: [{
      file: 'actors/controllers/namespace.ts', find: 'if (content.length === 0) return leave(namespace);',
      replace: 'if (content.length >= 0) return leave(namespace);',
    }],
    draw: { classes: ['crash', 'partition', 'runtime', 'containers'] },
  },
  {
    name: 'controllers-fight', area: 'controllers', oracle: 'silence',
    what: 'one controller takes away what another puts there, for ever',
    edits: [{
      file: 'actors/controllers/replicaset.ts',
      find: `  if (!sameContent(set.status ?? {}, status)) {
    steps.push({ ops: [updateOp(resources.replicaSets, set, { ...set, status })] });`,
      replace: `  const foreignName = 'deployment.kubernetes.io/revision';
  const { [foreignName]: foreign, ...annotations } = set.metadata.annotations ?? {};
  if (foreign !== undefined || !sameContent(set.status ?? {}, status)) {
    const metadata = { ...set.metadata, annotations };
    steps.push({ ops: [updateOp(resources.replicaSets, set, { ...set, metadata, status })] });`,
    }],
    // Such a run is full of their writes.
    draw: { peers: 1, minutes: 0.5, classes: ['crash'] },
  },
];

const kubelet: readonly Mutant[] = [
  {
    name: 'two-containers-after-restart', area: 'controllers', oracle: 'one-live-container',
    what: 'a kubelet that starts again does not look at what runs already',
    edits: [{
      file: 'actors/kubelet/kubelet.ts',
      find: 'for (const pod of found) run(pod, ofPod(pod.metadata.uid, sandboxes, containers));',
      replace: 'for (const pod of found) run(pod, { sandboxes: [], containers: [] });',
    }],
    draw: { classes: ['crash', 'partition'], chaosOnly: true },
  },
  {
    name: 'terminated-pod-admitted', area: 'controllers', oracle: 'ended-stays-ended',
    what: 'a pod that the state has as ended is run again by a kubelet that finds nothing of it',
    edits: [{
      file: 'actors/pod/facts.ts',
      find: "|| pod.status?.phase === 'Failed') context.finished = true;",
      replace: "&& pod.status?.phase === 'Failed') context.finished = true;",
    }],
    draw: { classes: ['crash', 'power', 'containers', 'partition'] },
  },
];

export const controllerMutants: readonly Mutant[] = [...controllers, ...kubelet];
