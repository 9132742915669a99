// Figures and how they are shown: medians, percentiles, tables of aligned columns.

/** The p-th percentile (0 to 100) of what is sorted already; 0 of nothing. */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? 0;
}

export function median(values: readonly number[]): number {
  return percentile(Float64Array.from(values).sort(), 50);
}

export const count = (value: number): string => Math.round(value).toLocaleString('en-US');

/** Milliseconds with as many digits as mean something. */
export const ms = (value: number): string =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : count(value);

export const ratio = (value: number, to: number): string => to === 0 ? '-' : `${(value / to).toFixed(2)}×`;

/** `median (min to max)` of runs. */
export function spread(values: readonly number[], show: (value: number) => string = count): string {
  if (values.length < 2) return show(values[0] ?? 0);
  return `${show(median(values))} (${show(Math.min(...values))} to ${show(Math.max(...values))})`;
}

/** Prints a title and rows under a head, numbers to the right. */
export function printTable(
  title: string, head: readonly string[], rows: readonly (readonly string[])[],
): void {
  const widths = head.map((name, at) => Math.max(name.length, ...rows.map((row) => (row[at] ?? '').length)));
  const line = (row: readonly string[]): string => row.map((cell, at) => {
    const width = widths[at] ?? 0;
    return /^[\d.,-]/.test(cell) || row === head && at > 0 ? cell.padStart(width) : cell.padEnd(width);
  }).join('  ').trimEnd();
  console.log(`\n${title}`);
  for (const row of [head, ...rows]) console.log(`  ${line(row)}`);
}
