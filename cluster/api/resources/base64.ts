// Base64 of Secret values, in the core's own hands: `stringData` becomes `data`, and some secret types are
// looked into. Source: RFC 4648, section 4; padding is required, as by Go's StdEncoding.

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** The base64 of a text's UTF-8 bytes. */
export const encodeBase64 = (text: string): string => encodeBase64Bytes(new TextEncoder().encode(text));

export function encodeBase64Bytes(bytes: Uint8Array): string {
  let out = '';
  for (let at = 0; at < bytes.length; at += 3) {
    const [a = 0, b, c] = bytes.subarray(at, at + 3);
    const triple = (a << 16) | ((b ?? 0) << 8) | (c ?? 0);
    out += alphabet.charAt(triple >> 18) + alphabet.charAt((triple >> 12) & 63);
    out += b === undefined ? '=' : alphabet.charAt((triple >> 6) & 63);
    out += c === undefined ? '=' : alphabet.charAt(triple & 63);
  }
  return out;
}

/** The bytes, or null for what is no base64. Line breaks are skipped, as Go does. */
export function decodeBase64(text: string): Uint8Array | null {
  const clean = text.replace(/[\r\n]/g, '');
  if (clean.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(clean)) return null;
  const digits = clean.replace(/=+$/, '');
  const bytes = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let bits = 0, held = 0, at = 0;
  for (const digit of digits) {
    held = ((held << 6) | alphabet.indexOf(digit)) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (held >> bits) & 0xff;
    }
  }
  return bytes;
}

/** The text that base64 holds; bytes that are no UTF-8 show as U+FFFD. Null for what is no base64. */
export function decodeBase64Text(text: string): string | null {
  const bytes = decodeBase64(text);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}
