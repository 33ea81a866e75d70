import type { BenchReport, Reach } from './bench.types.js';

type Measured = Pick<
  BenchReport,
  'json' | 'ratioToPassThrough' | 'ratioToPortkey' | 'latency' | 'streams' | 'memory' | 'audit'
>;

const PASS_THROUGH_SHARE_MIN = 0.4;
const PORTKEY_TIMES_MIN = 4.5;
const ADDED_P50_MS_MAX = 0.5;
const ADDED_P99_MS_MAX = 3;
/** The p99 may also be this many times what the pass-through adds, whichever allows more. */
const ADDED_P99_TIMES_MAX = 2.5;
const STREAMS = 200;
const STREAM_ADDED_P99_MS_MAX = 5;
const RSS_MB_MAX = 250;
/** Growth beyond this over the second half of the calls is no longer called flat. */
const SLOPE_BYTES_MAX = 50;

/** The goals that this product set itself, beside what was measured. */
export function reachOf(report: Measured): Reach[] {
  return [
    ...throughput(report),
    ...failures(report),
    ...latency(report),
    ...streams(report),
    ...memory(report),
    auditReach(report),
  ];
}

function throughput({ ratioToPassThrough, ratioToPortkey }: Measured): Reach[] {
  const found: Reach[] = [];
  if (ratioToPassThrough !== null) {
    found.push(atLeast('throughput of the bare pass-through', { ratio: ratioToPassThrough, min: PASS_THROUGH_SHARE_MIN }));
  }
  if (ratioToPortkey !== null)
    found.push(atLeast("times Portkey's throughput", { ratio: ratioToPortkey, min: PORTKEY_TIMES_MIN }));
  return found;
}

/** A gateway that refuses is fast: its throughput counts only if nothing failed. */
function failures({ json: { tensorloop } }: Measured): Reach[] {
  if (tensorloop === undefined) return [];
  return [atMostNone('failures at saturation', tensorloop.failures)];
}

function latency({ latency: { tensorloop, passThrough } }: Measured): Reach[] {
  if (tensorloop === undefined) return [];
  const p99MsMax = Math.max(ADDED_P99_MS_MAX, ADDED_P99_TIMES_MAX * (passThrough?.addedP99Ms ?? 0));
  return [
    atMostMs('added latency at half load, p50', { ms: tensorloop.addedP50Ms, max: ADDED_P50_MS_MAX }),
    atMostMs('added latency at half load, p99', { ms: tensorloop.addedP99Ms, max: p99MsMax }),
  ];
}

function streams(report: Measured): Reach[] {
  const figures = report.streams.find(({ concurrency }) => concurrency === STREAMS)?.targets.tensorloop;
  if (figures === undefined) return [];
  const { framesArrived, framesExpected, stalls, broken } = figures;
  return [
    atMostMs(`${STREAMS} streams: added time to first token, p99`, { ms: figures.addedP99Ms, max: STREAM_ADDED_P99_MS_MAX }),
    {
      goal: `${STREAMS} streams: all frames arrive, none stalled`,
      reach: 'all, 0',
      measured: `${framesArrived} of ${framesExpected}, ${stalls}${broken === 0 ? '' : `; ${broken} broken`}`,
      isMet: framesArrived === framesExpected && stalls === 0 && broken === 0,
    },
  ];
}

function memory({ memory: figures }: Measured): Reach[] {
  if (figures === null) return [];
  const { rssMaxMb, slopeBytesPerCall } = figures;
  return [
    {
      goal: 'resident memory',
      reach: `≤ ${RSS_MB_MAX} MB`,
      measured: `${rssMaxMb.toFixed(0)} MB`,
      isMet: rssMaxMb <= RSS_MB_MAX,
    },
    {
      goal: 'resident memory is flat',
      reach: `≤ ${SLOPE_BYTES_MAX} bytes per call`,
      measured: `${slopeBytesPerCall.toFixed(0)} bytes per call`,
      isMet: slopeBytesPerCall <= SLOPE_BYTES_MAX,
    },
  ];
}

function auditReach({ audit: { differences } }: Measured): Reach {
  return atMostNone('differences in the books afterwards', differences);
}

function atMostNone(goal: string, count: number): Reach {
  return { goal, reach: '0', measured: String(count), isMet: count === 0 };
}

function atLeast(goal: string, { ratio, min }: { ratio: number; min: number }): Reach {
  return { goal, reach: `≥ ${min.toFixed(2)}`, measured: ratio.toFixed(2), isMet: ratio >= min };
}

function atMostMs(goal: string, { ms, max }: { ms: number; max: number }): Reach {
  return { goal, reach: `≤ ${max.toFixed(1)} ms`, measured: `${ms.toFixed(2)} ms`, isMet: ms <= max };
}
