// Progress of long steps: one line that is rewritten on a terminal, plain lines without one.

import pc from 'picocolors';

export interface Progress {
  /** A step began, or moved on. */
  step(text: string): void;
  /** It is over. */
  done(text: string): void;
}

export function createProgress(out: NodeJS.WriteStream = process.stdout): Progress {
  const live = out.isTTY === true;
  let last = '';
  return {
    step(text) {
      if (live) out.write(`\r\u001b[K${pc.cyan('…')} ${text}`);
      else if (text !== last) out.write(`${text}\n`);
      last = text;
    },
    done(text) {
      out.write(live ? `\r\u001b[K${pc.green('✓')} ${text}\n` : `${text}\n`);
      last = '';
    },
  };
}
