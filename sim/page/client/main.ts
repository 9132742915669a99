// The page's script: reads the recording that is embedded in the page and brings the page to life.
// It is plain browser code: its types are stripped when a page is written, and nothing is fetched.

import type { Recording } from '../data.ts';
import { clampView, openRun } from '../model.ts';
import type { Run, View } from '../model.ts';
import { startDiagram } from './diagram.ts';
import { part } from './dom.ts';
import { startList } from './list.ts';
import { startOverview } from './overview.ts';
import { startPanels } from './panels.ts';
import { createStore } from './store.ts';

/** What is in view at first: this long before the violation, or the end of the recording. */
const homeUs = 2_000_000;

const recording = JSON.parse(part('recording').textContent ?? '') as Recording;
const run = openRun(recording);
const home = homeView(run);
const store = createStore(run, { view: home, cursorUs: recording.verdict?.atUs ?? recording.window.untilUs });
startOverview(run, store);
startDiagram(run, store, home);
startPanels(run, store);
startList(run, store);
document.documentElement.dataset['ready'] = 'yes';

/** The end of the recording, with a little room after it. */
function homeView({ recording: { verdict, window }, limitUs }: Run): View {
  const atUs = verdict?.atUs ?? window.untilUs;
  const fromUs = Math.max(window.fromUs, atUs - homeUs);
  return clampView({ fromUs, untilUs: atUs + (atUs - fromUs) * 0.06 }, limitUs);
}
