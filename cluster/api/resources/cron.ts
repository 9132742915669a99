// Whether a text is a schedule as CronJobs take it: five fields, or one of the names that begin with `@`.
// Source: crontab(5) and the parser that Kubernetes uses (its messages are kept, for people search for them).

const names = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

interface Bound { readonly min: number; readonly max: number; readonly words: readonly string[] }

const bounds: readonly Bound[] = [
  { min: 0, max: 59, words: [] },
  { min: 0, max: 23, words: [] },
  { min: 1, max: 31, words: [] },
  {
    min: 1, max: 12,
    words: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  },
  { min: 0, max: 6, words: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] },
];

/** What is wrong with the schedule, or null. */
export function scheduleError(schedule: string): string | null {
  if (schedule.startsWith('@')) {
    if (names.includes(schedule) || /^@every ([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$/.test(schedule)) {
      return null;
    }
    return schedule.startsWith('@every ')
      ? `failed to parse duration ${schedule}: time: invalid duration "${schedule.slice(7)}"`
      : `unrecognized descriptor: ${schedule}`;
  }
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== 5) return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  for (const [i, field] of fields.entries()) {
    const bound = bounds[i];
    for (const range of bound === undefined ? [] : field.split(',').filter((part) => part !== '')) {
      const wrong = rangeError(range, bound as Bound);
      if (wrong !== null) return wrong;
    }
  }
  return null;
}

function rangeError(text: string, bound: Bound): string | null {
  const [range = '', step, ...more] = text.split('/'), ends = range.split('-');
  const any = range === '*' || range === '?';
  if (ends.length > 2) return `too many hyphens: ${text}`;
  if (more.length > 0) return `too many slashes: ${text}`;
  const start = any ? bound.min : numberOf(ends[0] ?? '', bound);
  if (typeof start === 'string') return start;
  const single = ends.length === 1 && step === undefined && !any;
  const end = ends.length === 2 ? numberOf(ends[1] ?? '', bound) : single ? start : bound.max;
  if (typeof end === 'string') return end;
  const by = step === undefined ? 1 : plainNumber(step);
  if (typeof by === 'string') return by;
  if (start < bound.min) return `beginning of range (${start}) below minimum (${bound.min}): ${text}`;
  if (end > bound.max) return `end of range (${end}) above maximum (${bound.max}): ${text}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${text}`;
  return by === 0 ? `step of range should be a positive number: ${text}` : null;
}

function numberOf(text: string, { words, min }: Bound): number | string {
  const word = words.indexOf(text.toLowerCase());
  return word < 0 ? plainNumber(text) : word + min;
}

function plainNumber(text: string): number | string {
  if (/^\+?[0-9]{1,9}$/.test(text)) return Number(text);
  if (/^-[0-9]{1,9}$/.test(text)) return `negative number (${Number(text)}) not allowed: ${text}`;
  return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
}
