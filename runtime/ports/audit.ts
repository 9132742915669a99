// The audit port in the real world: a file of lines, turned over when it is large, or the standard output.
//
// What always holds: a line is whole or not there; lines come in order; a disk that is full or slow stops
// nobody: what can't be written is dropped, counted, and told in the peer's own log.

import { closeSync, openSync, readdirSync, renameSync, rmSync, statSync, write } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { limits } from '../../cluster/limits.ts';
import type { AuditPort } from '../../cluster/ports.ts';

export interface AuditLogOptions {
  /** `-`: the standard output. */
  readonly path: string;
  /** The file is turned over before it is larger than this. */
  readonly bytesMax: number;
  /** Files that were turned over and are kept; 0: all of them. */
  readonly backupsMax: number;
}

export interface AuditLog extends AuditPort {
  /** Lines that could not be written. */
  lost(): number;
  /** Resolves when all that waits is written, or can't be. */
  close(): Promise<void>;
}

const toldMs = 60_000;

/** Throws where the file can't be opened: whoever asks for an audit log is to have one. */
export function openAuditLog(options: AuditLogOptions, log: (line: string) => void): AuditLog {
  const { path, bytesMax } = options, standard = path === '-';
  let file = standard ? 1 : openSync(path, 'a', 0o600), bytes = standard ? 0 : statSync(path).size;
  let pending: string[] = [], backlog = 0, lost = 0, unsaid = 0, lastToldMs = 0, busy = false;
  let done: (() => void) | null = null;

  function lose(lines: number, why: string): void {
    lost += lines;
    unsaid += lines;
    if (Date.now() - lastToldMs < toldMs) return;
    log(`the audit log lost ${unsaid} ${unsaid === 1 ? 'line' : 'lines'}: ${why}`);
    unsaid = 0;
    lastToldMs = Date.now();
  }

  function work(): void {
    if (busy) return;
    if (pending.length === 0) return done?.();
    busy = true;
    const lines = pending.length, data = Buffer.from(pending.join(''));
    pending = [];
    backlog = 0;
    try {
      if (!standard && bytes > 0 && bytes + data.length > bytesMax) turnOver();
    } catch (error) {
      log(`the audit log can't be turned over: ${message(error)}`);
    }
    put(data, 0, lines);
  }

  function put(data: Buffer, from: number, lines: number): void {
    write(file, data, from, data.length - from, (error, written) => {
      if (error !== null) lose(lines, message(error));
      else if (from + written < data.length) return put(data, from + written, lines);
      else bytes += data.length;
      busy = false;
      work();
    });
  }

  function turnOver(): void {
    renameSync(path, backupName(path, new Date()));
    const next = openSync(path, 'a', 0o600);
    closeSync(file);
    file = next;
    bytes = 0;
    if (options.backupsMax === 0) return;
    const old = backupsOf(path);
    for (const name of old.slice(0, Math.max(0, old.length - options.backupsMax))) {
      rmSync(join(dirname(path), name), { force: true });
    }
  }

  return {
    write(line) {
      if (backlog + line.length > limits.auditBacklogBytesMax) {
        return lose(1, 'the disk does not keep up');
      }
      pending.push(line);
      backlog += line.length;
      // Lines of one moment go out together.
      if (!busy && pending.length === 1) setImmediate(work);
    },
    lost: () => lost,
    close() {
      return new Promise((resolve) => {
        done = () => {
          done = null;
          if (unsaid > 0) log(`the audit log lost ${unsaid} more`);
          if (!standard) closeSync(file);
          resolve();
        };
        work();
      });
    },
  };
}

const message = (error: unknown): string => error instanceof Error ? error.message : String(error);

/** `audit-2026-11-24T08-00-00.000.log` beside `audit.log`, as Kubernetes names them. */
function backupName(path: string, now: Date): string {
  const ending = extname(path), stamp = now.toISOString().replaceAll(':', '-').replace('Z', '');
  return join(dirname(path), `${basename(path, ending)}-${stamp}${ending}`);
}

/** The oldest first. */
function backupsOf(path: string): readonly string[] {
  const ending = extname(path), start = `${basename(path, ending)}-`;
  return readdirSync(dirname(path)).filter((name) => name.startsWith(start) && name.endsWith(ending)
    && /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}$/.test(name.slice(start.length, name.length - ending.length)))
    .sort();
}
