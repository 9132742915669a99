// One text for one value, whatever the order in which its fields were written: for comparing and for digests.

/** JSON with sorted keys; fields that are undefined are left out. */
export function canonicalText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalText(item ?? null)).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const record = value as Readonly<Record<string, unknown>>;
  const fields = Object.keys(record).filter((key) => record[key] !== undefined).sort();
  return `{${fields.map((key) => `${JSON.stringify(key)}:${canonicalText(record[key])}`).join(',')}}`;
}

/** Whether two values have the same canonical text, found out without writing it. */
export function sameContent(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  const left = a ?? null, right = b ?? null;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) {
    return left === right;
  }
  if (Array.isArray(left) || Array.isArray(right)) {
    return Array.isArray(left) && Array.isArray(right) && left.length === right.length
      && left.every((item, at) => sameContent(item, right[at]));
  }
  return sameFields(left as Fields, right as Fields);
}

type Fields = Readonly<Record<string, unknown>>;

function sameFields(left: Fields, right: Fields): boolean {
  let fields = 0;
  for (const key of Object.keys(left)) {
    const value = left[key];
    if (value === undefined) continue;
    fields += 1;
    if (!Object.hasOwn(right, key) || right[key] === undefined || !sameContent(value, right[key])) {
      return false;
    }
  }
  for (const key of Object.keys(right)) if (right[key] !== undefined) fields -= 1;
  return fields === 0;
}
