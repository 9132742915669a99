// Times as Kubernetes writes them: RFC 3339, UTC, whole seconds, or microseconds in a field for them.

/** `2026-11-24T08:00:00Z` for a wall-clock time in milliseconds. */
export function rfc3339(wallMs: number): string {
  return new Date(Math.floor(wallMs / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/**
 * The time as Kubernetes gives it back: in UTC, with whole seconds or (`micro`) with six digits after them;
 * what is finer is cut off. Null for what is no RFC 3339 time.
 */
export function canonicalTime(text: string, micro: boolean): string | null {
  const [, whole, fraction = '', zone] =
    /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  const ms = whole === undefined ? null : parseTime(`${whole}${zone ?? ''}`);
  // Of the years 0 to 9999, as in the text; an offset can lead out of them.
  if (ms === null || ms < -62_167_219_200_000 || ms > 253_402_300_799_000) return null;
  const seconds = rfc3339(ms);
  return micro ? seconds.replace('Z', `.${fraction.slice(0, 6).padEnd(6, '0')}Z`) : seconds;
}

/** Milliseconds since 1970, or null for what is no time. Fractions of a second are kept. */
export function parseTime(text: string | undefined): number | null {
  if (text === undefined) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

/** A length of time as Go writes it: `15.02s`, `1m0.5s`, `0s`. Source: Go, time.Duration.String. */
export function goDuration(ms: number): string {
  if (ms < 1000) return ms === 0 ? '0s' : `${ms}ms`;
  const hours = Math.floor(ms / 3_600_000), minutes = Math.floor(ms / 60_000) % 60;
  const seconds = `${Math.floor(ms / 1000) % 60}.${String(ms % 1000).padStart(3, '0')}`.replace(/\.?0+$/, '');
  const start = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : '';
  return `${start}${seconds === '' ? '0' : seconds}s`;
}

/** An age as kubectl prints it: `5s`, `2m30s`, `3h12m`, `4d`. Source: apimachinery duration.HumanDuration. */
export function humanDuration(ms: number): string {
  const s = Math.floor(ms / 1000);
  if (s < -1) return '<invalid>';
  if (s < 0) return '0s';
  if (s < 120) return `${s}s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 10) return withRest(minutes, 'm', s % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return withRest(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return withRest(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  return years < 8 ? withRest(years, 'y', days % 365, 'd') : `${years}y`;
}

function withRest(n: number, unit: string, rest: number, restUnit: string): string {
  return rest === 0 ? `${n}${unit}` : `${n}${unit}${rest}${restUnit}`;
}
