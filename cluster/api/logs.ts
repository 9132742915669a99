// pods/NAME/log: which container's log is wanted, and how much of it. The stream itself is the peer's
// business.
// Source: Kubernetes, pkg/registry/core/pod (LogLocation), kubelet (validateContainerLogStatus);
// PodLogOptions.

import { nodeName, objectKey } from '../ids.ts';
import { get } from '../state/query.ts';
import { flag, wholeNumber } from './query.ts';
import type { Query } from './query.ts';
import type { ApiResult } from './request.ts';
import { badRequest, invalid, isProblem, notFound } from './status.ts';
import type { Problem } from './status.ts';
import { parseTime } from './time.ts';
import type { Pod, StatusCause } from './types.ts';
import type { Writing } from './write.ts';

export function podLogs({ route, state, query, context }: Writing): ApiResult | Problem {
  const key = objectKey(route.resourceName, route.namespace, route.name), pod = get<Pod>(state, key);
  if (pod === null) return notFound(route.resource, route.name);
  const amount = amountOf(query, route.name, context.nowWallMs);
  if (isProblem(amount)) return amount;
  const container = containerOf(pod, query.get('container') ?? '');
  if (isProblem(container)) return container;
  const { name, uid } = pod.metadata, node = pod.spec.nodeName ?? '';
  if (node === '') return badRequest(`pod ${name} does not have a host assigned`);
  const previous = flag(query, 'previous'), wrong = containerProblem(pod, container, previous);
  if (wrong !== null) return wrong;
  return {
    type: 'logs',
    logs: {
      pod: key, podUid: uid, node: nodeName(node), container, follow: flag(query, 'follow'), previous,
      timestamps: flag(query, 'timestamps'), ...amount,
    },
  };
}

interface Amount {
  readonly tailLines: number | null;
  readonly sinceSeconds: number | null;
  readonly limitBytes: number | null;
}

function amountOf(query: Query, name: string, nowWallMs: number): Amount | Problem {
  const tailLines = wholeNumber(query, 'tailLines'), sinceSeconds = wholeNumber(query, 'sinceSeconds');
  const limitBytes = wholeNumber(query, 'limitBytes'), sinceTime = query.get('sinceTime') ?? '';
  if (isProblem(tailLines)) return tailLines;
  if (isProblem(sinceSeconds)) return sinceSeconds;
  if (isProblem(limitBytes)) return limitBytes;
  const causes: StatusCause[] = [];
  const atLeastOne = (field: string, value: number | null): void => {
    if (value !== 0) return;
    causes.push({ reason: 'FieldValueInvalid', field, message: 'Invalid value: 0: must be greater than 0' });
  };
  atLeastOne('limitBytes', limitBytes);
  atLeastOne('sinceSeconds', sinceSeconds);
  if (sinceSeconds !== null && sinceTime !== '') {
    const message = 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified';
    causes.push({ reason: 'FieldValueForbidden', field: 'sinceSeconds', message });
  }
  const subject = { group: '', resource: 'pods', kind: 'PodLogOptions' };
  if (causes.length > 0) return invalid(subject, name, causes);
  if (sinceTime === '') return { tailLines, sinceSeconds, limitBytes };
  const since = parseTime(sinceTime);
  if (since === null) {
    return badRequest(`sinceTime: Invalid value: ${JSON.stringify(sinceTime)}: it is no time`);
  }
  return { tailLines, limitBytes, sinceSeconds: Math.max(1, Math.ceil((nowWallMs - since) / 1000)) };
}

/** The container that is meant: the one that was named, or the only one. */
export function containerOf(pod: Pod, wanted: string): string | Problem {
  const { containers, initContainers = [], ephemeralContainers = [] } = pod.spec;
  const { name, annotations } = pod.metadata, added = ephemeralContainers.map((each) => each.name);
  const names = containers.map((each) => each.name), inits = initContainers.map((each) => each.name);
  if (wanted !== '') {
    return [...names, ...inits, ...added].includes(wanted) ? wanted
      : badRequest(`container ${wanted} is not valid for pod ${name}`);
  }
  const [only] = names, chosen = annotations?.['kubectl.kubernetes.io/default-container'];
  if (only !== undefined && names.length === 1) return only;
  if (chosen !== undefined && names.includes(chosen)) return chosen;
  const orInits = inits.length === 0 ? '' : ` or one of the init containers: [${inits.join(' ')}]`;
  return badRequest(`a container name must be specified for pod ${name}, choose one of: `
    + `[${names.join(' ')}]${orInits}`);
}

/** Why there is no log of the container (yet); null where it ran or runs. */
function containerProblem(pod: Pod, container: string, previous: boolean): Problem | null {
  const { name } = pod.metadata;
  const { containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const added = pod.status?.ephemeralContainerStatuses ?? [];
  const status = [...containerStatuses, ...initContainerStatuses, ...added]
    .find((each) => each.name === container);
  const ranBefore = status?.lastState?.terminated !== undefined;
  if (previous) {
    return ranBefore ? null
      : badRequest(`previous terminated container "${container}" in pod "${name}" not found`);
  }
  const waiting = status === undefined ? { reason: 'ContainerCreating' } : status.state?.waiting;
  // Between two runs the log of the last one is shown.
  if (waiting === undefined || ranBefore) return null;
  const why = whyWaiting(waiting.reason);
  return badRequest(`container "${container}" in pod "${name}" is waiting to start: ${why}`);
}

function whyWaiting(reason: string): string {
  switch (reason) {
    case 'ErrImagePull': return "image can't be pulled";
    case 'ImagePullBackOff': return 'trying and failing to pull image';
    default: return reason;
  }
}
