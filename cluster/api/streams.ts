// pods/NAME/exec, attach and portforward: which container or ports are wanted, and how. The streams
// themselves are the peer's business, and what they look like on a client's connection the runtime's.
//
// What always holds: nothing is streamed unless the request asks for its connection to be switched over.
// Source: Kubernetes, pkg/registry/core/pod (ExecLocation, AttachLocation, PortForwardLocation), the
// kubelet's streaming server (remotecommand NewOptions, portforward NewV4Options); PodExecOptions,
// PodAttachOptions, PodPortForwardOptions.

import { nodeName, objectKey } from '../ids.ts';
import { limits } from '../limits.ts';
import { get } from '../state/query.ts';
import { admission, validate } from './admission/chain.ts';
import type { Admission } from './admission/chain.ts';
import { containerOf } from './logs.ts';
import { everyValue, flag } from './query.ts';
import type { ApiRequest, ApiResult, StreamsRequest } from './request.ts';
import { badRequest, isProblem, notFound } from './status.ts';
import type { Problem } from './status.ts';
import type { KubeObject, Pod } from './types.ts';
import type { Writing } from './write.ts';

export function podStreams(writing: Writing, kind: StreamsRequest['kind']): ApiResult | Problem {
  const { route, state, query, request } = writing;
  const key = objectKey(route.resourceName, route.namespace, route.name), pod = get<Pod>(state, key);
  if (pod === null) return notFound(route.resource, route.name);
  const { name, uid } = pod.metadata;
  const container = kind === 'portforward' ? '' : containerOf(pod, query.get('container') ?? '');
  if (isProblem(container)) return container;
  const node = pod.spec.nodeName ?? '';
  if (node === '') return badRequest(`pod ${name} does not have a host assigned`);
  if (request.headers['upgrade'] === undefined) return badRequest('Upgrade request required');
  const wanted = kind === 'portforward' ? portsOf(request) : programOf(writing, kind);
  if (isProblem(wanted)) return wanted;
  const refused = validate(connection(writing, kind, { container, ...wanted }));
  if (refused !== null) return refused;
  return {
    type: 'streams', streams: { kind, pod: key, podUid: uid, node: nodeName(node), container, ...wanted },
  };
}

const optionKinds = {
  exec: 'PodExecOptions', attach: 'PodAttachOptions', portforward: 'PodPortForwardOptions',
} as const;

/** What admission sees of it: the options are what is written. */
function connection(
  writing: Writing, of: StreamsRequest['kind'], { container, command, ports, ...given }: Opened,
): Admission {
  const { stdin, stdout, stderr, tty } = given, apiVersion = 'v1', kind = optionKinds[of];
  const options = of === 'portforward' ? { ports }
    : { stdin, stdout, stderr, tty, container, ...of === 'exec' ? { command } : {} };
  return admission(writing, {
    operation: 'CONNECT', kind: { group: '', version: apiVersion, kind }, name: writing.route.name,
    object: { kind, apiVersion, ...options, metadata: {} } as unknown as KubeObject, old: null, dryRun: false,
  });
}

/** Whether it only opens streams, whatever its method: it changes nothing that the log holds. */
export function opensStreams({ path }: ApiRequest): boolean {
  return /^\/api\/v1\/namespaces\/[^/]+\/pods\/[^/]+\/(exec|attach|portforward)$/.test(path);
}

type Opened = Wanted & Pick<StreamsRequest, 'container'>;
type Wanted = Pick<StreamsRequest, 'command' | 'stdin' | 'stdout' | 'stderr' | 'tty' | 'ports'>;

function programOf({ request, query }: Writing, kind: 'exec' | 'attach'): Wanted | Problem {
  const tty = flag(query, 'tty'), stdin = flag(query, 'stdin'), stdout = flag(query, 'stdout');
  // A terminal has but one way out.
  const stderr = flag(query, 'stderr') && !tty;
  if (!stdin && !stdout && !stderr) return badRequest('you must specify at least 1 of stdin, stdout, stderr');
  const command = kind === 'exec' ? everyValue(request.query, 'command') : [];
  if (kind === 'exec' && command.length === 0) {
    return badRequest('you must specify at least one command for the container');
  }
  const chars = command.reduce((sum, word) => sum + word.length, 0);
  if (command.length > limits.execWordsMax || chars > limits.execCharsMax) {
    return badRequest(`the command is longer than ${limits.execWordsMax} words or ${limits.execCharsMax} `
      + 'characters');
  }
  if (command.some((word) => word.includes('\0'))) return badRequest('the command contains a zero byte');
  return { command, stdin, stdout, stderr, tty, ports: [] };
}

/** Of what is no port, in the answer. */
const portCharsShown = 100;

/** The API's `ports`, several of them or one with commas; over SPDY there are none here. */
function portsOf(request: ApiRequest): Wanted | Problem {
  const ports: number[] = [];
  for (const text of everyValue(request.query, 'ports').flatMap((value) => value.split(','))) {
    const port = Number(text);
    if (!/^\d+$/.test(text) || port > 65_535) {
      const shown = JSON.stringify(text.slice(0, portCharsShown));
      const why = /^\d+$/.test(text) ? 'value out of range' : 'invalid syntax';
      return badRequest(`unable to parse ${shown} as a port: strconv.ParseUint: parsing ${shown}: ${why}`);
    }
    if (port < 1) return badRequest(`port ${JSON.stringify(text)} must be > 0`);
    if (ports.length === limits.flowsPerRequestMax) {
      return badRequest(`more than ${limits.flowsPerRequestMax} ports`);
    }
    ports.push(port);
  }
  return { command: [], stdin: true, stdout: true, stderr: false, tty: false, ports };
}
