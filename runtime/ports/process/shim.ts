// The little shell that stands between a container's program and the machine: it outlives the peer, so that
// the program's exit code and output are not lost when the peer is killed. One per container, plain POSIX sh.
//
// In the container's directory it writes
//     begun          its own pid, start time and the machine's boot; made once, so a container starts once
//     pid            the program's pid and start time; the program leads a session and group of its own
//     exit           the exit code; 128 + n for signal n
//     out.N err.N    what the program wrote, in parts that the peer takes away
//     drained        nothing more will be written
// A program that writes faster than a living peer takes it away has to wait, so nothing is lost; while no
// peer lives it goes on, and its oldest output is dropped.
// What always holds: whatever is left of the program's group when it ends is killed; the program's
// environment is what was asked for, without what shells add.

import { accessSync, constants, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the tools are: the program may bring a PATH of its own. */
export interface Tools {
  readonly sh: string; readonly dd: string; readonly rm: string; readonly env: string;
  readonly setsid: string; readonly sleep: string;
}

const places = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin', '/run/current-system/sw/bin'];

/** Throws an error that names what is missing. */
export function findTools(): Tools {
  return {
    sh: findTool('sh'), dd: findTool('dd'), rm: findTool('rm'), env: findTool('env'),
    setsid: findTool('setsid'), sleep: findTool('sleep'),
  };
}

/** The path of a program; throws an error that names it where this machine does not have it. */
export function findTool(name: string): string {
  for (const place of [...places, ...(process.env['PATH'] ?? '').split(':')]) {
    const path = join(place, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  throw new Error(`the embedded runtime needs the program "${name}", which this machine does not have`);
}

/** A part is at most 1.25 MiB, so that those of one stream are at most `containerLogBytesMax`. */
const partReads = 320, partReadBytes = 4_096, partsMax = 8;

/** In the runtime's directory: pid and start time of the peer that takes output away. */
export const peerFile = 'peer';

/**
 * Writes the script and gives its path. Its arguments: the container's directory; the directories of its
 * control groups, joined by `:`; then the words of an `env` call, which end in the program and its arguments.
 */
export function writeShim(dir: string, tools: Tools): string {
  const path = join(dir, 'shim.sh'), temporary = `${path}.new`;
  writeFileSync(temporary, shimScript(tools), { mode: 0o600 });
  // A shell reads its script as it goes: those that run keep the file that they have open.
  renameSync(temporary, path);
  return path;
}

function shimScript(tools: Tools): string {
  return `# Stands between a container's program and the machine; see runtime/ports/process/shim.ts.
_shoal_dir=$1; _shoal_groups=$2; shift 2
_shoal_start() { # the start time of process $1: field 22, counted after the name, which may hold anything
  read -r _shoal_stat < "/proc/$1/stat" || return
  set -- \${_shoal_stat##*) }
  echo "\${20}"
}
read -r _shoal_boot < /proc/sys/kernel/random/boot_id
(set -C; echo "$$ $(_shoal_start $$) $_shoal_boot" > "$_shoal_dir/begun") 2>/dev/null || exit 0

_shoal_run() {
  (
    IFS=:
    for _shoal_group in $_shoal_groups; do echo 0 > "$_shoal_group/cgroup.procs"; done 2>/dev/null
    exec ${tools.setsid} ${tools.env} "$@"
  ) < /dev/null &
  _shoal_pid=$!
  echo "$_shoal_pid $(_shoal_start "$_shoal_pid" 2>/dev/null)" > "$_shoal_dir/pid"
  wait "$_shoal_pid"
  _shoal_code=$?
  {
    kill -s KILL -- "-$_shoal_pid"
    IFS=:
    for _shoal_group in $_shoal_groups; do
      while read -r _shoal_left; do kill -s KILL "$_shoal_left"; done < "$_shoal_group/cgroup.procs"
    done
  } 2>/dev/null
  echo "$_shoal_code" > "$_shoal_dir/exit"
}

_shoal_peer_lives() {
  read -r _shoal_peer _shoal_since < "$_shoal_dir/../../${peerFile}" &&
    [ "$(_shoal_start "$_shoal_peer")" = "$_shoal_since" ]
} 2>/dev/null

_shoal_keep() {
  _shoal_n=0
  while :; do
    ${tools.dd} bs=${partReadBytes} count=${partReads} of="$_shoal_dir/$1.$_shoal_n" 2>/dev/null || break
    [ -s "$_shoal_dir/$1.$_shoal_n" ] || break
    _shoal_n=$((_shoal_n + 1))
    _shoal_oldest=$_shoal_dir/$1.$((_shoal_n - ${partsMax}))
    while [ -e "$_shoal_oldest" ]; do
      if _shoal_peer_lives; then ${tools.sleep} 0.05; else ${tools.rm} -f "$_shoal_oldest"; fi
    done
  done
}

{ _shoal_run "$@" 2>&1 1>&3 3>&- | _shoal_keep err 3>&-; } 3>&1 | _shoal_keep out
: > "$_shoal_dir/drained"
`;
}
