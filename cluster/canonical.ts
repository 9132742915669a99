// One text for one value, whatever the order in which its fields were written: for comparing and for digests.

/** JSON with sorted keys; fields that are undefined are left out. */
export function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const record = value as Readonly<Record<string, unknown>>;
  const fields = Object.keys(record).filter((key) => record[key] !== undefined).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${canonicalText(record[key])}`).join(',')}}`;
}

/** Equal in content, whatever the order of the fields. */
export const sameContent = (a: unknown, b: unknown): boolean =>
  a === b || canonicalText(a) === canonicalText(b);
