// What the containers port tells of what is used: a part of its contract.

import * as assert from 'uvu/assert';
import type { Run } from './containers.ts';

export function usage(run: Run): void {
  run('what runs is counted, and what has ended is not', async (bench) => {
    const { sandbox, create, start, call, harness } = bench;
    const { id: box } = await sandbox(), ids: string[] = [];
    for (const name of ['one', 'two']) {
      const id = await create(box, { does: 'run' }, { name });
      await start(id);
      ids.push(id);
    }
    const [one = '', two = ''] = ids;
    const read = async () => {
      const { usage: found } = await call({ call: 'usage' });
      assert.ok(found, 'usage gives the counters');
      const of = (id: string) => found?.containers.find((each) => each.id === id);
      return { machine: found?.machine, of };
    };
    await harness.pass(100);
    const before = await read();
    await harness.pass(500);
    const last = await read();
    for (const id of ids) {
      assert.ok((last.of(id)?.memoryBytes ?? 0) > 0, 'it is in memory');
      assert.ok((last.of(id)?.cpuUs ?? -1) >= (before.of(id)?.cpuUs ?? Infinity), 'a counter grows');
    }
    assert.ok((last.machine?.cpuUs ?? 0) > (before.machine?.cpuUs ?? Infinity), 'the machine is not idle');
    assert.ok((last.machine?.memoryBytes ?? 0) > (last.of(one)?.memoryBytes ?? Infinity));
    await call({ call: 'stop-container', id: one, graceMs: 0 });
    const { of } = await read();
    assert.is(of(one), undefined);
    assert.ok(of(two));
  });
}
