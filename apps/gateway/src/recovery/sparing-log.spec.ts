import { expect, it } from '@jest/globals';
import { SPARING_LOG_MS, SparingLog } from './sparing-log.js';

it('ten thousand accounts that meet one outage are one line at once and one each time the outage lasts, with their number', () => {
  let nowMs = 0;
  const lines: [unknown, number][] = [];
  const log = new SparingLog(
    (error, unsaid) => lines.push([error, unsaid]),
    () => nowMs,
  );
  for (let account = 1; account <= 10_000; account++) log.note(account);
  nowMs = SPARING_LOG_MS;
  log.note('again');
  log.note('and again');
  expect(lines).toEqual([
    [1, 0],
    ['again', 9_999],
  ]);
});
