// Writes the page: one HTML file with its style, its script and the recording in it. It needs no network, and
// its own policy lets it have none. What always holds: whatever a run says is text in the page, never markup;
// a page has at most `pageBytesMax` bytes.

import type { Recording } from './data.ts';
import { timeText } from './model.ts';

export interface PageParts { readonly recording: Recording; readonly script: string; readonly style: string }

/** Ten megabytes. */
export const pageBytesMax = 10_000_000;

export function pageText({ recording, script, style }: PageParts): string {
  const { title, verdict } = recording;
  const head = verdict === null ? 'passed' : verdict.oracle;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>${escaped(`${head} · ${title} · Shoal simulation`)}</title>
<style>
${style}</style>
</head>
<body>
${header(recording)}
<main>
${diagram(recording)}
${states}
${verdict === null ? '' : story(recording)}
${events}
</main>
${footer(recording)}
<script type="application/json" id="recording">${embedded(recording)}</script>
<script type="module">
${script.replace(/<\/(script)/gi, '<\\/$1')}
</script>
</body>
</html>
`;
}

/** JSON whose text can't end the element that it stands in. */
export function embedded(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function header({ title, verdict, facts, endUs }: Recording): string {
  const words = verdict === null
    ? `<p class="verdict pass"><strong>Passed</strong>
<span>No oracle had anything to say in ${timeText(endUs)}.</span></p>`
    : `<div class="verdict fail" id="violation" role="region" aria-label="The violated oracle">
<p><strong>${escaped(verdict.oracle)}</strong>
<span>is violated at ${timeText(verdict.atUs)}, event ${verdict.event}</span></p>
<p class="claim">Claim: ${escaped(verdict.claim)}.</p>
<pre class="message">${escaped(verdict.message)}</pre>
</div>`;
  return `<header>
<div class="top">
<h1><span class="mark" aria-hidden="true"></span>Shoal simulation <span>${escaped(title)}</span></h1>
<dl>${facts.map(fact).join('')}</dl></div>
${words}
<noscript><p>This page needs its script to draw the run.</p></noscript>
</header>`;
}

const fact = ([name, value]: readonly [string, string]): string =>
  `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`;

const heads = (...names: readonly string[]): string =>
  names.map((name) => `<th scope="col">${name}</th>`).join('');

const button = (key: string, text: string, label: string): string =>
  `<button type="button" data-key="${key}" title="${label}" aria-label="${label}">${text}</button>`;

/** The keys are those of `client/diagram.ts`. */
const diagram = ({ verdict }: Recording): string => `<section id="diagram" aria-label="Space-time diagram">
<div class="bar">
<h2>Peers over time</h2>
<span class="buttons">
${button('PageUp', '«', 'Earlier (Page Up)')}${button('ArrowLeft', '‹', 'Previous event (←)')}${
  button('ArrowRight', '›', 'Next event (→)')}${button('PageDown', '»', 'Later (Page Down)')}
${button('-', '−', 'Zoom out (−)')}${button('+', '+', 'Zoom in (+)')}
${button('0', 'Whole run', 'The whole run (0)')}${
  verdict === null ? button('v', 'To the end', 'The end of the recording (v)')
    : button('v', 'To the violation', 'Where it was seen (v)')}
</span>
<span id="traffic" class="faint"></span>
</div>
<div id="plane">
<svg id="whole" aria-hidden="true"></svg>
<svg id="lanes" tabindex="0" role="slider" aria-label="Time cursor"
  aria-describedby="keys"></svg>
</div>
<p class="bar under"><output id="cursor-text" aria-live="polite"></output>
<span id="keys" class="faint">Click for the cursor, drag to move, wheel to zoom. Keys: ← → event,
⇧← ⇧→ time, + − zoom, Page Up/Down, 0 whole run, v violation.</span></p>
<p class="faint">A bar: who leads, by term; dashed: who stands for election; ✕ and ❙: a process ends,
starts; red: a message that does not arrive; tinted: a fault.</p>
</section>`;

function story({ verdict }: Recording): string {
  return `<section id="story" aria-labelledby="story-title">
<h2 id="story-title">What led to it</h2>
<h3>The chain of messages and writes that triggered it
<button type="button" id="show-chain">Show it</button></h3>
<ol id="chain" class="steps"></ol>
<h3>Faults in force</h3>
<ul id="in-force" class="plain"></ul>
<h3>Notable events in its causal past, newest first</h3>
<p class="faint">What can have had a part, by the messages that arrived; of that, what bears on
${escaped(verdict?.oracle ?? 'it')}.</p>
<ol id="led" class="steps"></ol>
</section>`;
}

const states = `<section id="state" aria-labelledby="state-title">
<h2 id="state-title">Peers at the cursor</h2>
<p id="outside" class="notice" hidden>No single events are recorded at this time: move the cursor into the
unshaded part.</p>
<div class="scroll"><table>
<thead><tr>${heads('peer', 'role', 'term', 'leader',
  '<abbr title="applied / committed / last index of the log">applied / commit / last</abbr>', 'phase',
  'pods')}</tr></thead>
<tbody id="states"></tbody>
</table></div>
<p class="faint">Press a peer’s name for its members, pods and actors.</p>
</section>`;

const events = `<section id="events" aria-labelledby="events-title">
<h2 id="events-title">Events</h2>
<form id="filter" aria-label="Filter" onsubmit="return false">
<fieldset><legend>peers</legend><div id="peers" class="choices"></div></fieldset>
<fieldset><legend>kinds</legend><div id="kinds" class="choices"></div></fieldset>
<label class="words">text
<input id="words" type="search" autocomplete="off" placeholder="in kind or text"></label>
<button type="button" id="everything">Everything</button>
</form>
<div id="frame" tabindex="0" role="region" aria-label="List of events"><table>
<thead><tr>${heads('time', 'event', 'peer', 'kind', 'what it says')}</tr></thead>
<tbody id="rows"></tbody>
</table></div>
<p class="bar under"><span class="buttons"><button type="button" id="earlier">Earlier</button>
<button type="button" id="later">Later</button></span>
<output id="count" aria-live="polite"></output></p>
</section>`;

function footer({ leftOut }: Recording): string {
  const words = leftOut.length === 0 ? ['Every event of the run is in this page.'] : leftOut;
  return `<footer id="left-out">${words.map((each) => `<p>${escaped(each)}</p>`).join('')}</footer>`;
}
