// One process per directory. The lock is a file that names its owner: pid, boot and start time of the
// process, so that neither a reboot nor a pid that was given out again makes a dead owner look alive. A dead
// owner's lock is taken over. Node has no flock(2); a rename, of which only one of two contenders can win,
// stands in for it.

import { randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

interface Owner {
  readonly pid: number; readonly boot: string; readonly start: string; readonly token: string;
}

export interface DirectoryLock { release(): Promise<void> }

/** Takes the directory's lock, or throws an error that names the process that has it. */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const path = join(directory, 'lock');
  const own: Owner = {
    pid: process.pid, boot: await bootId(), start: await startTime(process.pid), token: randomUUID(),
  };
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (await create(path, own)) break;
    const text = await readIfThere(path);
    if (text === null) continue;
    const owner = parseOwner(text);
    if (owner !== null && await isAlive(owner)) throw inUse(directory, owner.pid);
    await setAside(path, text);
  }
  const holder = parseOwner(await readIfThere(path) ?? '');
  if (holder?.token !== own.token) throw inUse(directory, holder?.pid ?? 0);
  return {
    async release() {
      const now = parseOwner(await readIfThere(path) ?? '');
      if (now?.token === own.token) await rm(path, { force: true });
    },
  };
}

const inUse = (directory: string, pid: number): Error => new Error(
  `${directory} is in use by process ${pid}. One process owns a peer's directory: stop that one first `
  + `(kill ${pid}), or give this peer a directory of its own.`);

/** Creates the lock with its content in one step: nobody ever reads half an owner. */
async function create(path: string, own: Owner): Promise<boolean> {
  const temporary = `${path}.${own.token}`;
  await writeFile(temporary, JSON.stringify(own), { mode: 0o600 });
  try {
    await link(temporary, path);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Moves a dead owner's lock away. If another took it over in between, theirs is put back. */
async function setAside(path: string, stale: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (isCode(error, 'ENOENT')) return;
    throw error;
  }
  if (await readIfThere(aside) !== stale) {
    await link(aside, path).catch((error: unknown) => { if (!isCode(error, 'EEXIST')) throw error; });
  }
  await rm(aside, { force: true });
}

async function isAlive(owner: Owner): Promise<boolean> {
  if (owner.boot !== await bootId()) return false;
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if (!isCode(error, 'EPERM')) return false;
  }
  return await startTime(owner.pid) === owner.start;
}

/** Where there is no /proc both are empty, and the pid alone decides. */
const bootId = async (): Promise<string> =>
  (await readIfThere('/proc/sys/kernel/random/boot_id') ?? '').trim();

/**
 * Clock ticks from boot to the process's start: the 22nd field, counted behind the name, which may hold
 * anything. A process that is dead but not yet buried by its parent owns nothing any more.
 */
async function startTime(pid: number): Promise<string> {
  const stat = await readIfThere(`/proc/${pid}/stat`) ?? '';
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? 'dead' : fields[19] ?? '';
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT') || isCode(error, 'ESRCH')) return null;
    throw error;
  }
}

function parseOwner(text: string): Owner | null {
  try {
    const raw = JSON.parse(text) as Partial<Record<keyof Owner, unknown>>;
    const { pid, boot, start, token } = raw;
    if (typeof pid !== 'number' || typeof boot !== 'string') return null;
    return typeof start === 'string' && typeof token === 'string' ? { pid, boot, start, token } : null;
  } catch {
    return null;
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;
