// The audit log that a peer was asked to keep: its policy read, its file opened. A peer that can't do as it
// was asked does not start.

import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { readAuditPolicy } from '../cluster/api/access/auditpolicy.ts';
import type { AuditPolicy } from '../cluster/api/access/auditpolicy.ts';
import { openAuditLog } from './ports/audit.ts';
import type { AuditLog } from './ports/audit.ts';

/** Flags of `shoal start`, by the names that kube-apiserver has for them. */
export interface AuditSettings {
  readonly policyFile: string;
  /** `-`: the standard output. */
  readonly logPath: string;
  readonly maxSizeMB: number;
  /** 0: all. */
  readonly maxBackups: number;
}

export const maxSizeMBDefault = 100;

export interface Audit { readonly policy: AuditPolicy; readonly log: AuditLog }

export function openAudit(settings: AuditSettings | null, log: (line: string) => void): Audit | null {
  if (settings === null) return null;
  const { policyFile, logPath, maxSizeMB, maxBackups } = settings;
  const policy = readAuditPolicy(documentIn(policyFile));
  if (!('rules' in policy)) throw new Error(`${policyFile} is no audit policy: ${policy.join('; ')}`);
  const bytesMax = (maxSizeMB === 0 ? maxSizeMBDefault : maxSizeMB) * 1024 * 1024;
  return { policy, log: openAuditLog({ path: logPath, bytesMax, backupsMax: maxBackups }, log) };
}

function documentIn(path: string): unknown {
  try {
    return parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`the audit policy can't be read: ${why}`);
  }
}
