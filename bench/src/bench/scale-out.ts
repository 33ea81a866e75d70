import type { LoadResult, ScaleOutFigures, Target } from './bench.types.js';
import { cpuMicros, otherCpus, pin, TESTED_CPU } from './cpus.js';
import { runLoad } from './load.js';
import { type Bench, CONNECTIONS, saturate, shortBody } from './measure.js';

/**
 * One gateway, then two on one Redis. On a machine of two cores the second shares its core with the load and the servers, so
 * there the CPU time per call says more than the throughput: it stays the same when gateways do not get into each other's way.
 */
export async function measureScaleOut(bench: Bench, first: Target): Promise<ScaleOutFigures> {
  const seconds = bench.effort.roundSeconds;
  const one = await saturate(bench, first, { body: shortBody(), seconds });
  const server = await bench.rig.startGateway();
  const [firstOther = TESTED_CPU] = otherCpus().split('-');
  pin(server.pid, firstOther);
  const second: Target = { ...first, url: server.url, pid: server.pid };
  await runLoad({
    target: second,
    body: shortBody(),
    seconds: 2,
    connections: CONNECTIONS / 2,
    pauseMs: 0,
    folder: bench.folder,
  });
  await bench.rig.booked();
  const pids = [first.pid as number, server.pid];
  const before = pids.map(cpuMicros);
  const both = await Promise.all([halfOf(bench, first), halfOf(bench, second)]);
  await bench.rig.booked();
  const micros = pids.reduce((sum, pid, index) => sum + cpuMicros(pid) - (before[index] as number), 0);
  const perSecond = both.reduce((sum, { callsPerSecond }) => sum + callsPerSecond, 0);
  return {
    oneGatewayPerSecond: one.load.callsPerSecond,
    twoGatewaysPerSecond: perSecond,
    ratio: perSecond / one.load.callsPerSecond,
    cpuMicrosPerCallOne: one.cpuMicrosPerCall['gateway'] as number,
    cpuMicrosPerCallTwo: micros / both.reduce((sum, { calls }) => sum + calls, 0),
  };
}

function halfOf(bench: Bench, target: Target): Promise<LoadResult> {
  const { roundSeconds: seconds } = bench.effort;
  return runLoad({ target, body: shortBody(), seconds, connections: CONNECTIONS, pauseMs: 0, folder: bench.folder });
}
