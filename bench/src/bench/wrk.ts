import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadResult } from './bench.types.js';
import { otherCpus } from './cpus.js';
import { type LoadCounts, loadResultOf } from './load.rules.js';
import { CALL_TIMEOUT_SECONDS, CHAT_PATH, type Load } from './load.types.js';
import { outputOf } from './output-of.js';

const RESULT = /^BENCH (.*)$/m;

/** Loads a target from a process of its own, on the cores that the process under test does not have. */
export async function runWrk(load: Load): Promise<LoadResult> {
  const script = join(load.folder, `${new URL(load.target.url).port}.lua`);
  writeFileSync(script, luaScript(load));
  const args = ['-c', otherCpus(), 'wrk', '-t1', `-c${load.connections}`, `-d${load.seconds}s`];
  args.push('--timeout', `${CALL_TIMEOUT_SECONDS}s`, '-s', script, load.target.url);
  const output = await outputOf('taskset', args);
  const result = RESULT.exec(output)?.[1];
  if (result === undefined) throw new Error(`wrk gave no result: ${output}`);
  const { micros, p50Micros, p99Micros, ...counts } = JSON.parse(result) as WrkOutcome;
  return loadResultOf({ ...counts, seconds: micros / 1e6, p50Ms: p50Micros / 1e3, p99Ms: p99Micros / 1e3 });
}

/** What the script prints. wrk counts an answer of 400 and above, or a late one, among its requests too. */
interface WrkOutcome extends Pick<LoadCounts, 'answers' | 'refused' | 'late' | 'broken'> {
  micros: number;
  p50Micros: number;
  p99Micros: number;
}

/** Calls are formatted once; pauses are random, so that connections do not march in step. */
function luaScript({ target, body, pauseMs }: Load): string {
  const sets = target.headerSets.map((headers) => {
    const pairs = Object.entries({ 'content-type': 'application/json', ...headers });
    return `{ ${pairs.map(([name, value]) => `[ ${lua(name)} ] = ${lua(value)}`).join(', ')} }`;
  });
  const delay = pauseMs > 0 ? `function delay() return math.random(0, ${Math.round(pauseMs * 2)}) end` : '';
  return `
local sets = { ${sets.join(',\n')} }
local calls, turn = {}, 0
function init()
  math.randomseed(os.time())
  for index, headers in ipairs(sets) do calls[index] = wrk.format('POST', ${lua(CHAT_PATH)}, headers, ${lua(body)}) end
end
function request()
  turn = turn % #calls + 1
  return calls[turn]
end
${delay}
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('BENCH {"answers":%d,"micros":%d,"p50Micros":%d,"p99Micros":%d,', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99)))
  io.write(string.format('"refused":%d,"late":%d,"broken":%d}\\n', errors.status, errors.timeout,
    errors.connect + errors.read + errors.write))
end
`;
}

/** Texts here are ASCII; a Lua string in brackets takes them as they are. */
function lua(text: string): string {
  return `[==[${text}]==]`;
}
