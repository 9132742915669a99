// The page that `sim report` writes, in a real browser (Debian's Chromium), opened from the disk with the
// network off. Where there is no browser the tests are skipped, and say so; with SHOAL_BROWSER=required they
// fail. With SHOAL_SCREENSHOTS=DIR the pictures that are taken stay there, to be looked at.

import { spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { suite, test } from 'uvu';
import * as assert from 'uvu/assert';
import { writeArtefact } from '../../sim/artefact.ts';
import { oracles } from '../../sim/check/oracle.ts';
import type { Violation } from '../../sim/check/oracle.ts';
import { drawPlan } from '../../sim/faults.ts';
import type { FaultPlan } from '../../sim/faults.ts';
import { mainFile } from '../../sim/launch.ts';
import { runPlan } from '../../sim/run.ts';

const browserPath = ['chromium', 'chromium-browser', 'google-chrome'].map((name) => `/usr/bin/${name}`)
  .find(existsSync);
const dir = mkdtempSync(join(tmpdir(), 'shoal-page-'));
const pictures = process.env['SHOAL_SCREENSHOTS'] ?? dir;
const artefact = join(dir, 'failure.json'), file = join(dir, 'page.html');

/** Two of five peers come back too late for a bound that is too short for anything: the run fails, surely. */
const plan: FaultPlan = {
  ...drawPlan(7, { peers: 5, minutes: 1, classes: [] }), healMs: 20_000, boundMs: 400, faults: [
    { kind: 'partition', a: [1], b: [2, 3, 4, 5], direction: 'both', atMs: 8_000, forMs: 5_000 },
    { kind: 'pause', peer: 3, atMs: 9_000, forMs: 1_500 },
    { kind: 'crash', peers: [4, 5], atMs: 15_000, forMs: 5_000 },
  ],
};

const pages = suite('the page of a failed run');
let browser: Browser, violation: Violation;

pages.before(async () => {
  mkdirSync(pictures, { recursive: true });
  const { violation: found, hash } = runPlan(plan);
  assert.ok(found !== null, 'nothing comes about at once');
  violation = found as Violation;
  writeArtefact(artefact, { plan, canary: null, mutant: null, violation, hash });
  const made = sim('report', artefact, '--out', file);
  assert.is(made.status, 0, made.stderr);
  assert.match(made.stdout, /the same trace as recorded, bit for bit/);
  browser = await chromium.launch({
    executablePath: browserPath as string, args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
});

pages.after(async () => {
  await browser?.close();
  rmSync(dir, { recursive: true, force: true });
});

pages('it opens offline, asks for nothing, and says nothing to the console', async () => {
  const { page, said } = await open();
  assert.equal(said, [`asked for ${pathToFileURL(file).href}`]);
  assert.match(await page.title(), new RegExp(`^${violation.oracle} · seed 7, 5 peers`));
});

pages('the violation is told: oracle, claim, message, time, and what led to it', async () => {
  const { page } = await open();
  const text = await page.locator('#violation').innerText();
  assert.match(text, violation.oracle);
  assert.match(text, oracles[violation.oracle]);
  assert.match(text, violation.message.replace(/12D3Sim(\d+)/g, 'peer-$1').slice(0, 60));
  assert.match(text, `${(violation.atMs / 1000).toFixed(6)} s`);
  assert.ok(await page.locator('#chain li').count() >= 1);
  assert.ok(await page.locator('#led li').count() >= 2);
  assert.is(await page.locator('#lanes .verdict-mark').count(), 1);
  // The chain can be seen whole: every link of it in view, the last event chosen.
  await page.getByRole('button', { name: 'Show it' }).click();
  await settle(page);
  const times = (await page.locator('#chain .time').allInnerTexts()).map(Number.parseFloat);
  const seen = await view(page);
  assert.ok(times.every((time) => time >= seen.from && time <= seen.until));
  assert.is(await cursor(page), times.at(-1));
  assert.is(await page.locator('#lanes .cause').count(), times.length - 1);
  // Each line of the story leads to its event.
  const first = page.locator('#led button').first();
  await first.click();
  await settle(page);
  assert.is(`${(await cursor(page)).toFixed(6)} s`, await first.locator('.time').innerText());
  assert.is(await first.getAttribute('aria-current'), 'true');
});

pages('the diagram has a lane for each peer, leaders, messages, events, and faults as bands', async () => {
  const { page } = await open();
  assert.equal(await page.locator('#lanes .name').allTextContents(),
    ['peer-1', 'peer-2', 'peer-3', 'peer-4', 'peer-5']);
  assert.ok(await page.locator('#lanes .message').count() > 5);
  assert.ok(await page.locator('#lanes .item').count() > 20);
  assert.match(await page.locator('#traffic').innerText(), /^\d+ messages in view, each a line$/);
  await key(page, '0');
  assert.ok(await page.locator('#lanes .leader rect').count() >= 1);
  assert.match((await page.locator('#lanes .leader text').allTextContents()).join(), /leader, term \d+/);
  const faults = await page.locator('#lanes .fault').evaluateAll((all) =>
    all.map((each) => each.querySelector('title')?.textContent?.split('\n')[0]));
  assert.equal(faults, ['partition 1 ⇹ 2 3 4 5', 'pause 3', 'crash 4 5', 'crash 4 5']);
  // Two crashed and started again; another may have ended because nobody let it in yet.
  const ends = await page.locator('#lanes .end').count();
  assert.ok(ends >= 2);
  assert.is(await page.locator('#lanes .start').count(), 5 + ends);
});

pages('mouse and keys zoom, move and set the cursor; many messages are bundled', async () => {
  const { page } = await open();
  const near = await view(page);
  await key(page, '0');
  const whole = await view(page);
  assert.ok(whole.from === 0 && whole.until > violation.atMs / 1000);
  assert.match(await page.locator('#lanes .messages').getAttribute('class') ?? '', 'bundled');
  await key(page, '+');
  assert.ok(Math.abs((await view(page)).length - whole.length / 2) < 0.001);
  const box = await page.locator('#lanes').boundingBox();
  assert.ok(box !== null);
  if (box === null) return;
  const x = box.x + box.width / 2, y = box.y + box.height / 2, before = await view(page);
  await page.mouse.move(x, y);
  await page.mouse.wheel(0, -200);
  await settle(page);
  assert.ok((await view(page)).length < before.length);
  const held = await view(page);
  await page.mouse.down();
  await page.mouse.move(x + 120, y, { steps: 4 });
  await page.mouse.up();
  await settle(page);
  const moved = await view(page);
  assert.ok(moved.from < held.from && Math.abs(moved.length - held.length) < 0.001);
  await page.mouse.click(x + 40, y);
  await settle(page);
  assert.ok(await cursor(page) > moved.from && await cursor(page) < moved.until);
  await key(page, 'v');
  assert.is(await cursor(page), violation.atMs / 1000);
  assert.equal(await view(page), near);
});

pages('the cursor goes from event to event, and the state of each peer follows it', async () => {
  const { page } = await open();
  const rows = page.locator('#states > tr:not(.details)');
  assert.is(await rows.count(), 5);
  const said0 = (await rows.allInnerTexts()).join('\n');
  assert.match(said0, /peer-\d\s+leader\s+\d+\s+peer-\d\s+\d+ \/ \d+ \/ \d+\s+running/, said0);
  await page.locator('#states button[aria-expanded=false]').first().click();
  const details = await page.locator('#states .details:not([hidden])').first().innerText();
  assert.match(details, /Members, as it sees them\s+peer-1 voter alive/);
  assert.match(details, /Pods on its machine/);
  assert.match(details, /Actors[^]*\npeer: running\n/);
  await key(page, 'ArrowLeft');
  const at = await cursor(page), said = await page.locator('#lanes').getAttribute('aria-valuetext');
  assert.match(said ?? '', /^\d+\.\d{6} s peer-\d: \S+/);
  await key(page, 'ArrowLeft');
  const earlier = await cursor(page);
  assert.ok(earlier <= at);
  await key(page, 'ArrowRight');
  assert.is(await cursor(page), at);
  // Before anything has happened nobody runs.
  await key(page, 'Home');
  await key(page, 'ArrowLeft');
  assert.match((await rows.allInnerTexts()).join('\n'), /no process/);
});

pages('the list is filtered by peer, kind and words, and the diagram with it', async () => {
  const { page } = await open();
  const peers = page.locator('#peers input'), rows = page.locator('#rows tr');
  for (const n of [1, 2, 3, 4]) await peers.nth(n).uncheck();
  await settle(page);
  assert.equal([...new Set(await page.locator('#rows td:nth-child(3)').allInnerTexts())], ['peer-1']);
  await page.getByRole('button', { name: 'Everything' }).click();
  await page.getByRole('checkbox', { name: 'timers' }).uncheck();
  await page.getByRole('checkbox', { name: 'log messages' }).uncheck();
  await settle(page);
  assert.is(await page.locator('#rows [data-group=timer], #rows [data-group=log]').count(), 0);
  assert.is(await page.locator('#lanes .message.log, #lanes .item.timer').count(), 0);
  assert.ok(await rows.count() > 5);
  await page.getByRole('button', { name: 'Everything' }).click();
  await page.getByRole('searchbox').fill('log/role');
  await settle(page);
  const kinds = await page.locator('#rows td:nth-child(4)').allInnerTexts();
  assert.ok(kinds.length > 0 && kinds.every((kind) => kind.includes('log/role')), kinds.join());
  // A row leads to its event.
  await rows.first().click();
  await settle(page);
  assert.is(await rows.first().getAttribute('aria-current'), 'true');
});

pages('the address keeps time, zoom and filter', async () => {
  const { page } = await open();
  await page.getByRole('checkbox', { name: 'gossip' }).uncheck();
  await key(page, '-');
  await key(page, 'ArrowLeft');
  const kept = { view: await view(page), cursor: await cursor(page), hash: new URL(page.url()).hash };
  assert.match(kept.hash, /t=.*from=.*until=.*kinds=/);
  const again = await open(kept.hash);
  assert.equal({ view: await view(again.page), cursor: await cursor(again.page),
    hash: new URL(again.page.url()).hash }, kept);
  assert.not.ok(await again.page.getByRole('checkbox', { name: 'gossip' }).isChecked());
  // Nonsense in it does no harm.
  const odd = await open('#t=x&from=9e99&until=-1&peers=a.99&item=-7&kinds=');
  assert.is(await odd.page.locator('#rows tr').count(), 0);
  assert.is(odd.said.length, 1);
});

/** Elements with text of each kind. */
const inked = [
  'body', '.faint', '.claim', '.message', '.verdict strong', 'thead th', 'dt', 'legend', '.time',
  '#states td', '#frame td button', '.number', '.role', 'footer', '#lanes .name',
];

pages('everything that can be pressed has a name, and text has contrast, in light and in dark', async () => {
  for (const scheme of ['light', 'dark'] as const) {
    const { page } = await open('', { scheme });
    const nameless = await page.locator('button, input, [role=slider], [role=region]').evaluateAll((all) =>
      all.filter((each) => (each.getAttribute('aria-label') ?? each.closest('label')?.textContent
        ?? each.textContent ?? '').trim() === '').length);
    assert.is(nameless, 0);
    const poor: string[] = [];
    for (const selector of inked) {
      const ratio = await contrast(page, selector);
      if (ratio < 4.5) poor.push(`${scheme} ${selector}: ${ratio.toFixed(2)}`);
    }
    assert.equal(poor, []);
    await page.screenshot({ path: join(pictures, `page-${scheme}.png`) });
    await key(page, '0');
    await page.screenshot({ path: join(pictures, `page-whole-${scheme}.png`) });
  }
  const [light, dark] = ['light', 'dark'].map((scheme) => readFileSync(join(pictures, `page-${scheme}.png`)));
  assert.not.equal(light, dark);
});

pages('it fits a wide screen and a narrow one', async () => {
  for (const width of [1_280, 390]) {
    const { page } = await open('', { width });
    const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    assert.ok(over <= 0, `${width} pixels: ${over} too wide`);
    const diagram = await page.locator('#lanes').boundingBox();
    assert.ok(diagram !== null && diagram.width > width * 0.8);
    const bottom = (diagram?.y ?? Infinity) + (diagram?.height ?? 0);
    if (width === 1_280) assert.ok(bottom < 800, 'the diagram is seen without scrolling');
    await page.screenshot({ path: join(pictures, `page-${width}.png`), fullPage: true });
  }
});

// ── the browser ──────────────────────────────────────────────────────────────────────────────────────────

function sim(...words: string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', mainFile, ...words],
    { encoding: 'utf8' });
}

interface Opened { readonly page: Page; readonly said: readonly string[] }

/** `said`: whatever the page asks for, prints or throws. */
async function open(
  hash = '', { scheme = 'light', width = 1_280 }: { scheme?: 'light' | 'dark'; width?: number } = {},
): Promise<Opened> {
  const context = await browser.newContext({
    offline: true, colorScheme: scheme, viewport: { width, height: 800 },
  });
  const page = await context.newPage(), said: string[] = [];
  page.on('request', (request) => said.push(`asked for ${request.url().split('#')[0]}`));
  page.on('console', (message) => said.push(message.text()));
  page.on('pageerror', (error) => said.push(error.message));
  await page.goto(`${pathToFileURL(file).href}${hash}`);
  await page.locator('html[data-ready=yes]').waitFor({ timeout: 20_000 });
  await settle(page);
  return { page, said };
}

/** Two frames: in the first everything that has changed is drawn. */
const settle = (page: Page): Promise<unknown> =>
  page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))');

async function key(page: Page, name: string): Promise<void> {
  await page.locator('#lanes').press(name);
  await settle(page);
}

const cursor = async (page: Page): Promise<number> =>
  Number(await page.locator('#lanes').getAttribute('aria-valuenow'));

/** Seconds, from the address. */
async function view(page: Page): Promise<{ from: number; until: number; length: number }> {
  const words = new URLSearchParams(new URL(page.url()).hash.slice(1));
  const from = Number(words.get('from')), until = Number(words.get('until'));
  return { from, until, length: until - from };
}

/** Of the first such element's text with what lies behind it; WCAG 2, 1.4.3. */
const contrast = (page: Page, selector: string): Promise<number> =>
  page.evaluate<number>(`(${contrastInPage})(${JSON.stringify(selector)})`);

/** Runs in the page: its own JavaScript, with the browser's own arithmetic of colours. */
const contrastInPage = `(selector) => {
  const element = document.querySelector(selector), pixel = new OffscreenCanvas(1, 1).getContext('2d');
  const luminance = (colours) => {
    for (const colour of colours) {
      pixel.fillStyle = colour;
      pixel.fillRect(0, 0, 1, 1);
    }
    const [r, g, b] = [...pixel.getImageData(0, 0, 1, 1).data].map((each) =>
      (each / 255 <= 0.03928 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = [];
  for (let at = element; at !== null; at = at.parentElement) {
    behind.unshift(getComputedStyle(at).backgroundColor);
  }
  const style = getComputedStyle(element), ink = element instanceof SVGElement ? style.fill : style.color;
  const a = luminance([...behind, ink]), b = luminance(behind);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}`;

if (browserPath !== undefined) pages.run();
else {
  rmSync(dir, { recursive: true, force: true });
  if (process.env['SHOAL_BROWSER'] === 'required') {
    test('the page of a run in a browser', () => assert.unreachable('no Chromium in /usr/bin'));
  } else {
    console.log('SKIP the page of a run in a browser: no Chromium in /usr/bin');
    test.skip('the page of a run in a browser', () => { /* Nothing to open it with. */ });
  }
}
test.run();
