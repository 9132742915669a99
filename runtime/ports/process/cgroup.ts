// Control groups of the embedded runtime: CPU and memory limits, what the kernel killed for want of memory,
// and every process that a container ever started, wherever it went.
// What always holds: where groups can't be made (not root, no cgroup file system) containers run without, and
// that is said once; a container's groups are removed with it.
// Source: kernel documentation, cgroup-v1/memory, scheduler/sched-bwc, cgroup-v2.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UsageCounters } from '../../../cluster/usage.ts';
import { send } from './proc.ts';

export interface GroupLimits {
  readonly cpuRequestMilli: number;
  readonly cpuLimitMilli: number;
  readonly memoryLimitBytes: number;
}

export interface ControlGroups {
  /** Directories that a process of this container has to join; empty where there are none. */
  create(id: string, limits: GroupLimits): readonly string[];
  /** How many processes of the container the kernel killed because its memory was used up. */
  oomKills(id: string): number;
  /** What the container's processes have used; null where its groups don't tell. */
  usage(id: string): UsageCounters | null;
  killAll(id: string): void;
  /** False while a process is still in one of them. */
  remove(id: string): boolean;
}

const root = '/sys/fs/cgroup';
const cpuPeriodUs = 100_000;

/** `name`: of the parent of all groups, unique to this peer on this machine. */
export function openControlGroups(name: string, warn: (line: string) => void): ControlGroups {
  try {
    if (existsSync(join(root, 'memory'))) return versionOne(name);
    if (existsSync(join(root, 'cgroup.controllers'))) return versionTwo(name);
    warn('CPU and memory limits of containers are not enforced: no cgroup file system is mounted');
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    warn(`CPU and memory limits of containers are not enforced: control groups can't be made (${message})`);
  }
  return { create: () => [], oomKills: () => 0, usage: () => null, killAll: () => {}, remove: () => true };
}

// ── version 1: a tree per controller ─────────────────────────────────────────────────────────────────────

function versionOne(name: string): ControlGroups {
  const memory = join(ownGroup('memory'), name);
  const cpuTree = ['cpu', 'cpu,cpuacct'].find((tree) => existsSync(join(root, tree)));
  const cpu = cpuTree === undefined ? null : join(ownGroup(cpuTree), name);
  const parents = cpu === null ? [memory] : [memory, cpu];
  for (const parent of parents) probe(parent);
  return {
    ...shared(parents),
    create(id, limits) {
      const inMemory = make(memory, id);
      if (limits.memoryLimitBytes > 0) {
        write(inMemory, 'memory.limit_in_bytes', limits.memoryLimitBytes);
        // Memory and swap together, where the kernel counts swap.
        const both = 'memory.memsw.limit_in_bytes';
        if (existsSync(join(inMemory, both))) write(inMemory, both, limits.memoryLimitBytes);
      }
      if (cpu === null) return [inMemory];
      const inCpu = make(cpu, id);
      write(inCpu, 'cpu.shares', cpuShares(limits.cpuRequestMilli));
      if (limits.cpuLimitMilli > 0) {
        write(inCpu, 'cpu.cfs_period_us', cpuPeriodUs);
        write(inCpu, 'cpu.cfs_quota_us', cpuQuotaUs(limits.cpuLimitMilli));
      }
      return [inMemory, inCpu];
    },
    oomKills: (id) => counter(join(memory, id, 'memory.oom_control'), 'oom_kill'),
    usage(id) {
      // Most machines have `cpuacct` in the same tree as `cpu`.
      const cpuNs = cpu === null ? null : number(join(cpu, id, 'cpuacct.usage'));
      const inactive = counter(join(memory, id, 'memory.stat'), 'total_inactive_file');
      return counters(cpuNs === null ? null : cpuNs / 1000,
        number(join(memory, id, 'memory.usage_in_bytes')), inactive);
    },
  };
}

/** The group that this peer itself is in, so that its containers stay within its share. */
function ownGroup(tree: string): string {
  const lines = readFileSync('/proc/self/cgroup', 'utf8').split('\n');
  const controllers = (line: string): readonly string[] => line.split(':')[1]?.split(',') ?? [];
  const line = lines.find((each) => tree.split(',').some((part) => controllers(each).includes(part)));
  const own = join(root, tree, line?.split(':').slice(2).join(':') ?? '/');
  // Inside a container the path is one of the host's and is not there.
  return existsSync(own) ? own : join(root, tree);
}

// ── version 2: one tree ──────────────────────────────────────────────────────────────────────────────────

function versionTwo(name: string): ControlGroups {
  const parent = join(root, name);
  write(root, 'cgroup.subtree_control', '+cpu +memory');
  mkdirSync(parent, { recursive: true });
  write(parent, 'cgroup.subtree_control', '+cpu +memory');
  probe(parent);
  return {
    ...shared([parent]),
    create(id, limits) {
      const dir = make(parent, id);
      if (limits.memoryLimitBytes > 0) {
        write(dir, 'memory.max', limits.memoryLimitBytes);
        if (existsSync(join(dir, 'memory.swap.max'))) write(dir, 'memory.swap.max', 0);
      }
      // The kernel's own mapping of shares (2 … 262144) to weights (1 … 10000).
      write(dir, 'cpu.weight', 1 + Math.floor(((cpuShares(limits.cpuRequestMilli) - 2) * 9_999) / 262_142));
      if (limits.cpuLimitMilli > 0) {
        write(dir, 'cpu.max', `${cpuQuotaUs(limits.cpuLimitMilli)} ${cpuPeriodUs}`);
      }
      return [dir];
    },
    oomKills: (id) => counter(join(parent, id, 'memory.events'), 'oom_kill'),
    usage(id) {
      const cpuUs = number(join(parent, id, 'cpu.stat'), 'usage_usec');
      const inactive = counter(join(parent, id, 'memory.stat'), 'inactive_file');
      return counters(cpuUs, number(join(parent, id, 'memory.current')), inactive);
    },
  };
}

// ── both ─────────────────────────────────────────────────────────────────────────────────────────────────

function shared(parents: readonly string[]): Pick<ControlGroups, 'killAll' | 'remove'> {
  return {
    killAll(id) {
      for (const parent of parents) for (const pid of processes(join(parent, id))) send(pid, 'SIGKILL');
    },
    remove(id) {
      const gone = parents.map((parent) => removeEmpty(join(parent, id)));
      for (const parent of parents) removeEmpty(parent);
      return !gone.includes(false);
    },
  };
}

/** Fails where groups can't be made, before any container needs one. */
function probe(parent: string): void {
  const dir = make(parent, 'probe');
  rmdirSync(dir);
  removeEmpty(parent);
}

function make(parent: string, id: string): string {
  const dir = join(parent, id);
  mkdirSync(dir, { recursive: true });
  return dir;
}

function write(dir: string, file: string, value: number | string): void {
  writeFileSync(join(dir, file), String(value));
}

/** As Kubernetes counts them: 1,024 per core, at least 2. */
const cpuShares = (milli: number): number =>
  Math.max(2, Math.min(262_144, Math.floor((milli * 1_024) / 1_000)));
const cpuQuotaUs = (milli: number): number => Math.max(1_000, Math.floor((milli * cpuPeriodUs) / 1_000));

function processes(dir: string): readonly number[] {
  try {
    const text = readFileSync(join(dir, 'cgroup.procs'), 'utf8');
    return text.split('\n').filter((line) => line !== '').map(Number);
  } catch {
    return [];
  }
}

/** The number after `word` in a file of `word number` lines; 0 where there is none. */
const counter = (path: string, word: string): number => number(path, word) ?? 0;

/** Of a file of `word number` lines the number after `word`, or of one of a single number; null: none. */
function number(path: string, word = ''): number | null {
  try {
    const text = readFileSync(path, 'utf8');
    if (word === '') return Number(text.trim());
    const line = text.split('\n').find((each) => each.startsWith(`${word} `));
    return line === undefined ? null : Number(line.split(' ')[1]);
  } catch {
    return null;
  }
}

/** Files that were not used lately can be had back at once. */
function counters(cpuUs: number | null, bytes: number | null, inactive: number): UsageCounters | null {
  if (cpuUs === null || bytes === null) return null;
  return { cpuUs: Math.floor(cpuUs), memoryBytes: Math.max(0, bytes - inactive) };
}

/** False where processes or groups are in it: whoever is last takes it along. */
function removeEmpty(dir: string): boolean {
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    throw error;
  }
}
