// Progress of long commands: on a terminal one line that is drawn again and again, elsewhere a plain line now
// and then. What always holds: what is printed in between never shares a line with the progress.

export interface ProgressLine {
  /** Draws the bar again; `plain` is what is printed without a terminal, null for nothing. */
  show(live: string, plain: string | null): void;
  /** Prints lines that stay. */
  print(text: string): void;
  /** The last bar is wiped out. */
  end(): void;
}

/** What progress needs of a terminal or a file. */
export interface Output {
  readonly isTTY?: boolean;
  /** 0 where a terminal does not know. */
  readonly columns?: number;
  write(text: string): unknown;
}

const clear = '\r\u001b[K';
const barCells = 24, columnsDefault = 80;

export function createProgressLine(out: Output = process.stdout): ProgressLine {
  const live = out.isTTY === true;
  return {
    show(text, plain) {
      // A line that wraps could not be wiped out again.
      if (live) out.write(`${clear}${text.slice(0, (out.columns || columnsDefault) - 1)}`);
      else if (plain !== null) out.write(`${plain}\n`);
    },
    print(text) { out.write(`${live ? clear : ''}${text}\n`); },
    end() { if (live) out.write(clear); },
  };
}

export function bar(done: number, of: number): string {
  const full = of === 0 ? barCells : Math.floor(barCells * Math.min(1, done / of));
  return `[${'█'.repeat(full)}${'·'.repeat(barCells - full)}]`;
}

/** `45 s`, `3 min`, `2.5 h`. */
export function durationText(ms: number): string {
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`;
  return ms < 5_400_000 ? `${Math.round(ms / 60_000)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}
