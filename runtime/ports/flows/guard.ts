// Ends what `exec` started when its client goes away or this peer is killed: a little shell beside the peer
// holds the list of the programs, and its input ends with the peer however that ends.
//
// What always holds: a program that has ended is struck off at once, so that its number, given out again, is
// nobody's death; only the session that the program leads is ended, never what it did not start.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { send, sessionOf } from '../process/proc.ts';

export interface Guard {
  /** The leader of a session, by its number on this machine. */
  add(pid: number): void;
  /** It has ended by itself; what it left running goes on, as after a login. */
  remove(pid: number): void;
  /** Ends its whole session. */
  kill(pid: number): void;
  /** Ends all that are left. */
  close(): void;
}

// Field 6 of a process's stat is its session: the fourth after the name, which may hold anything.
const script = `pids=
while read -r op pid; do
  case $op in
    +) pids="$pids $pid" ;;
    -) left=; for each in $pids; do [ "$each" = "$pid" ] || left="$left $each"; done; pids=$left ;;
  esac
done
[ -n "$pids" ] || exit 0
for file in /proc/[0-9]*/stat; do
  read -r line < "$file" || continue
  pid=\${line%% *}
  set -- \${line##*) }
  for each in $pids; do [ "$4" = "$each" ] && kill -s KILL "$pid"; done
done 2>/dev/null
exit 0`;

export function createGuard(): Guard {
  const pids = new Set<number>();
  let shell: ChildProcess | null = null;

  /** Started with the first program: most peers never need it. */
  function tell(line: string): void {
    if (shell === null) {
      const stdio = ['pipe', 'ignore', 'ignore'] as const;
      shell = spawn('/bin/sh', ['-c', script], { stdio: [...stdio], detached: true, cwd: '/' });
      shell.on('error', () => undefined);
      shell.stdin?.on('error', () => undefined);
      shell.unref();
    }
    shell.stdin?.write(`${line}\n`);
  }

  function remove(pid: number): void {
    if (pids.delete(pid)) tell(`- ${pid}`);
  }

  function kill(pid: number): void {
    endSession(pid);
    remove(pid);
  }

  return {
    add(pid) {
      pids.add(pid);
      tell(`+ ${pid}`);
    },
    remove, kill,
    close() {
      for (const pid of [...pids]) kill(pid);
      shell?.stdin?.end();
    },
  };
}

/** More than once, for a program may fork while it is looked for. */
const roundsMax = 5;

function endSession(leader: number): void {
  for (let round = 0; round < roundsMax; round += 1) {
    const members = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number)
      .filter((pid) => pid === leader || sessionOf(pid) === leader);
    const killed = members.filter((pid) => send(pid, 'SIGKILL'));
    if (killed.every((pid) => sessionOf(pid) === null)) return;
  }
}
