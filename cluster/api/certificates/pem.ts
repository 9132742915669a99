// PEM: bytes as text between two lines that say what they are. Source: RFC 7468.

import { decodeBase64, encodeBase64Bytes } from '../resources/base64.ts';

export interface Block { readonly type: string; readonly bytes: Uint8Array }

/** The first block; null where there is none that is whole. */
export function firstBlock(pem: string): Block | null {
  const begin = /-----BEGIN ([A-Z0-9 ]{1,64})-----/.exec(pem);
  if (begin === null) return null;
  const type = begin[1] ?? '', from = begin.index + begin[0].length;
  const to = pem.indexOf(`-----END ${type}-----`, from);
  if (to < 0) return null;
  const bytes = decodeBase64(pem.slice(from, to).replace(/\s+/g, ''));
  return bytes === null ? null : { type, bytes };
}

export function pemOf({ type, bytes }: Block): string {
  const lines = encodeBase64Bytes(bytes).match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${type}-----`, ...lines, `-----END ${type}-----`, ''].join('\n');
}
