// How fast the disk takes entries: the disk port beside a bare loop of write and fdatasync on a file of the
// same kind, in the same run and on the same file system. 1 KB entries, 1, 16 or 256 in one write, one write
// at a time.

import { closeSync, fdatasync, fsyncSync, openSync, write, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { index, term } from '../cluster/ids.ts';
import type { Entry } from '../cluster/log/types.ts';
import { openDisk } from '../runtime/ports/disk.ts';

const entryBytes = 1_024;
const batches = [1, 16, 256] as const;
const rounds = 3;
const roundMs = 700;

export interface DiskFigures { readonly batch: number; readonly port: number; readonly bare: number }

/** Measures, prints a table, and returns its rows (entries per second, medians of three). */
export async function benchDisk(): Promise<readonly DiskFigures[]> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-bench-disk-'));
  try {
    const figures: DiskFigures[] = [];
    for (const batch of batches) {
      const port: number[] = [], bare: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        port.push(await measurePort(join(directory, `port-${batch}-${round}`), batch));
        bare.push(await measureBare(join(directory, 'bare'), batch));
      }
      figures.push({ batch, port: median(port), bare: median(bare) });
    }
    print(figures);
    return figures;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function measurePort(directory: string, batch: number): Promise<number> {
  let persisted: () => void = () => undefined;
  const disk = await openDisk(directory, (event) => {
    if (event.type === 'disk-failed') throw new Error(event.message);
    persisted();
  });
  let written = 0;
  const startedMs = performance.now();
  for (let token = 1; performance.now() - startedMs < roundMs; token += 1) {
    const entries = Array.from({ length: batch }, (_, n) => entry(written + 1 + n));
    await new Promise<void>((done) => {
      persisted = done;
      disk.port.write({ token, entries });
    });
    written += batch;
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  await disk.close();
  await rm(directory, { recursive: true, force: true });
  return written / seconds;
}

const data = new Uint8Array(entryBytes).fill(7);
const entry = (at: number): Entry => ({ index: index(at), term: term(1), kind: 'command', data });

/** The limit: the same bytes into a file full of zeros, with nothing around it. */
async function measureBare(path: string, batch: number): Promise<number> {
  const bytes = Buffer.alloc(batch * entryBytes, 7);
  const fileBytes = 64 * 1024 * 1024;
  const fd = openSync(path, 'w+');
  const zeros = Buffer.alloc(1024 * 1024);
  for (let at = 0; at < fileBytes; at += zeros.length) writeSync(fd, zeros, 0, zeros.length, at);
  fsyncSync(fd);
  let written = 0, at = 0;
  const startedMs = performance.now();
  while (performance.now() - startedMs < roundMs) {
    if (at + bytes.length > fileBytes) at = 0;
    await new Promise<void>((done, reject) => {
      write(fd, bytes, 0, bytes.length, at, (failed) => {
        if (failed !== null) reject(failed);
        else fdatasync(fd, (error) => (error === null ? done() : reject(error)));
      });
    });
    at += bytes.length;
    written += batch;
  }
  const seconds = (performance.now() - startedMs) / 1_000;
  closeSync(fd);
  await rm(path);
  return written / seconds;
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;

function print(figures: readonly DiskFigures[]): void {
  const cell = (value: number): string => Math.round(value).toLocaleString('en-US').padStart(12);
  console.log('disk: entries/s of 1 KB, one write at a time (medians of 3)');
  console.log('  batch   disk port  write+fdatasync  ratio');
  for (const { batch, port, bare } of figures) {
    console.log(`  ${String(batch).padStart(5)}${cell(port)}     ${cell(bare)}  ${(port / bare).toFixed(2)}`);
  }
}
