// Base64url without padding, as JSON Web Signatures write bytes. Source: RFC 7515, appendix C; RFC 4648,
// section 5.
// What always holds: of two texts that stand for the same bytes, only one is read: the bits that are left
// over at the end are zero.

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const values = new Map([...alphabet].map((letter, at) => [letter.charCodeAt(0), at] as const));

export function encodeBase64url(bytes: Uint8Array): string {
  let out = '', held = 0, bits = 0;
  for (const byte of bytes) {
    held = (held << 8 | byte) & 0xffff;
    for (bits += 8; bits >= 6; bits -= 6) out += alphabet.charAt(held >> bits - 6 & 63);
  }
  return bits === 0 ? out : out + alphabet.charAt(held << 6 - bits & 63);
}

/** Null for what is none. */
export function decodeBase64url(text: string): Uint8Array | null {
  if (text.length % 4 === 1) return null;
  const bytes = new Uint8Array(text.length * 3 >> 2);
  let held = 0, bits = 0, at = 0;
  for (let i = 0; i < text.length; i += 1) {
    const value = values.get(text.charCodeAt(i));
    if (value === undefined) return null;
    held = (held << 6 | value) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = held >> bits & 0xff;
  }
  return (held & (1 << bits) - 1) === 0 ? bytes : null;
}
