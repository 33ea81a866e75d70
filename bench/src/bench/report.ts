import { type BenchReport, type Effort, type SaturationFigures, type TargetName, WARM_UP_STREAMS } from './bench.types.js';
import { CONNECTIONS } from './measure.js';
import { STOLEN_SHARE_MAX } from './quiet-rounds.js';

const ORDER: TargetName[] = ['direct', 'passThrough', 'tensorloop', 'portkey', 'litellm', 'bifrost'];
const LABELS: Record<TargetName, string> = {
  direct: 'direct to the upstream',
  passThrough: 'bare node:http + undici pass-through',
  tensorloop: '**TensorLoop**, everything on',
  portkey: 'Portkey gateway (no keys, limits or accounting)',
  litellm: 'LiteLLM proxy, one worker (no keys, no database)',
  bifrost: 'Bifrost (no stores, no accounting)',
};
/** Other work than ours on the machine when the bench began. */
const SHARED_LOAD = 0.5;

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
const whole = (value: number) => Math.round(value).toLocaleString('en-US');
const ms = (value: number) => value.toFixed(2);
const times = (value: number | null) => (value === null ? 'not measured' : value.toFixed(2));

type Row = (string | number)[];

function table(heads: string[], rows: Row[]): string {
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function rowsOf<Figures>(figures: Partial<Record<TargetName, Figures>>, cells: (figures: Figures) => Row): Row[] {
  return ORDER.flatMap((name) => {
    const found = figures[name];
    return found === undefined ? [] : [[LABELS[name], ...cells(found)]];
  });
}

/** docs/performance.md, whole. */
export function formatBench(report: BenchReport): string {
  return `${[intro(report), reach(report), saturation(report), latency(report), streams(report), longPrompts(report), memory(report), ending(report)].filter(Boolean).join('\n\n')}\n`;
}

function reach({ reach: rows }: BenchReport): string {
  const cells = rows.map(({ goal, reach: wanted, measured, isMet }) => [goal, wanted, measured, isMet ? 'met' : '**not met**']);
  return `## Reach\n\n${table(['', 'reach', 'measured', ''], cells)}`;
}

function peerVersions({ versions }: BenchReport): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return named.length === 0 ? '' : ` Peers: ${named.join(', ')}.`;
}

function intro(report: BenchReport): string {
  const { startedAt, command, machine, isQuick, durationSeconds, loadGenerator } = report;
  const shared =
    machine.loadAverageBefore > SHARED_LOAD
      ? ` **The machine was shared with other work during this run** (load average ${machine.loadAverageBefore} before it began): absolute figures are too low, and so are TensorLoop's ratios, because its calls cross between processes more often and wait for a core each time. CPU per call suffers least.`
      : '';
  return `# Performance

Written by \`${command}\` on ${startedAt.slice(0, 16).replace('T', ' ')} UTC${isQuick ? ' (quick run)' : ''} in ${durationSeconds} seconds. Machine: ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGb} GB, Linux ${machine.kernel}, Node ${machine.node}.${peerVersions(report)}${shared}

Everything runs on one machine, target after target in alternating rounds. ${procedure(report.effort)} The process under test is
pinned to core 0; the load (${loadGenerator}), the simulated provider, Redis, NATS, PostgreSQL and metering share the rest, the last two at a lower
priority because there they have no core of their own. TensorLoop runs as it is shipped: keys, rate and budget checks, holds, both
journal records on disk before the byte they guard, one acknowledged event per call, metering booking them into PostgreSQL. The
others do none of that.${stolen(report)}`;
}

/** What is measured on a machine whose host is busy is its host. */
function stolen({ stolen: figures }: BenchReport): string {
  if (figures === null) return '';
  const { rounds, medianShare, shareMax, repeated, medianShareRepeated, spentSeconds } = figures;
  const again =
    repeated === 0
      ? 'none had to be measured again'
      : `${repeated} more (${percent(medianShareRepeated)} in their median) were measured again because of it, which took ${whole(spentSeconds)} s; what failed in them is counted below`;
  const warning =
    medianShare > STOLEN_SHARE_MAX
      ? '\n\n**The host was busy throughout: these figures are its own, and neither those that are met nor those that are not say anything of a target.**'
      : '';
  return `

The host of this virtual machine gave to others ${percent(medianShare)} of the CPU time that was wanted in the median of ${rounds} measured rounds, and ${percent(shareMax)} at most
(\`steal\`; a round is kept at ${percent(STOLEN_SHARE_MAX)} or, failing that, as the least disturbed of a few); ${again}.${warning}`;
}

const roundsOf = (count: number) => (count === 1 ? '1 round' : `${count} rounds`);

/** The same for all targets. */
function procedure({ rounds, roundSeconds, warmUpSeconds, streamRounds, scaleOutRounds }: Effort): string {
  return `Short calls (with each number of connections), latency and long prompts: ${roundsOf(rounds)} of ${roundSeconds} s, begun at saturation after a warm-up of ${warmUpSeconds} s of each
target; streams: ${roundsOf(streamRounds)} after a warm-up of ${WARM_UP_STREAMS} streams of each; two gateways: ${roundsOf(scaleOutRounds)} after a warm-up of ${warmUpSeconds} s of each; memory: one pass.
Figures are medians of the rounds; failures, frames, stalls and broken streams are sums over them. Calls/s, ratios and CPU per call count only calls that
were served (status below 400, in time); percentiles of latency are over all answers.`;
}

function saturation(report: BenchReport): string {
  const rows = rowsOf(report.json, (figures) => [
    figures.connections,
    whole(figures.callsPerSecond),
    ms(figures.p50Ms),
    ms(figures.p99Ms),
    figures.failures,
    Object.values(figures.cpuMicrosPerCall)[0] === undefined ? '' : whole(ownCpu(figures.cpuMicrosPerCall)),
  ]);
  if (rows.length === 0) return '';
  const ours = Object.entries(report.json.tensorloop?.cpuMicrosPerCall ?? {});
  return `## Short JSON calls at saturation

Answers of about 600 bytes; each with the number of connections with which it serves most. Of the pass-through: **${times(report.ratioToPassThrough)}**. Of Portkey: **${times(report.ratioToPortkey)}**.

${table(['', 'connections', 'calls/s', 'p50 ms', 'p99 ms', 'failures', 'CPU µs per call'], rows)}

${byConnections(report)}

CPU per call of TensorLoop and what stands behind it, counted until metering has booked the last call:

${table(
  ['process', 'CPU µs per call'],
  ours.map(([name, micros]) => [name, whole(micros)]),
)}`;
}

function trialText({ callsPerSecond, p99Ms, failures }: SaturationFigures['tried'][number]): string {
  return `${whole(callsPerSecond)} (p99 ${ms(p99Ms)} ms${failures === 0 ? '' : `, ${whole(failures)} failures`})`;
}

/** Everything that was tried, so that nobody has to believe the choice. */
function byConnections({ json }: BenchReport): string {
  const counts = (json.tensorloop ?? json.direct)?.tried.map(({ connections }) => connections) ?? [];
  const rows = rowsOf(json, ({ tried }) => tried.map(trialText));
  const heads = ['calls/s with', ...counts.map((count) => `${count} connections`)];
  const ours = json.tensorloop?.tried ?? [];
  const ratios = (['passThrough', 'portkey'] as const).flatMap((name) => {
    const theirs = json[name]?.tried;
    if (theirs === undefined || ours.length === 0) return [];
    const label = name === 'portkey' ? 'TensorLoop, times Portkey' : 'TensorLoop, of the pass-through';
    return [[label, ...ours.map((own, index) => times(own.callsPerSecond / (theirs[index]?.callsPerSecond ?? Number.NaN)))]];
  });
  return table(heads, [...rows, ...ratios]);
}

function ownCpu(cpuMicrosPerCall: Record<string, number>): number {
  return cpuMicrosPerCall['gateway'] ?? Object.values(cpuMicrosPerCall)[0] ?? 0;
}

function latency({ latency: figures }: BenchReport): string {
  const rows = rowsOf(figures, (row) => [
    whole(row.offeredPerSecond),
    ms(row.p50Ms),
    ms(row.p99Ms),
    ms(row.addedP50Ms),
    ms(row.addedP99Ms),
    row.failures,
  ]);
  if (rows.length === 0) return '';
  return `## Added latency at half of saturation

Everyone is offered about half of what TensorLoop serves at saturation, over ${CONNECTIONS} connections; peers that serve less, half of their own. Added = above the direct way in the same round.

${table(['', 'calls/s', 'p50 ms', 'p99 ms', 'added p50', 'added p99', 'failures'], rows)}`;
}

function streams(report: BenchReport): string {
  const parts = report.streams.map(({ concurrency, targets }) => {
    const rows = rowsOf(targets, (row) => [
      `${whole(row.framesArrived)} of ${whole(row.framesExpected)}`,
      row.stalls,
      row.broken,
      ms(row.firstTokenP50Ms),
      ms(row.addedP50Ms),
      ms(row.addedP99Ms),
      ms(row.jitterP99Ms),
      row.cpuMicrosPerFrame === null ? '' : whole(row.cpuMicrosPerFrame),
      row.cpuMicrosPerStream === null ? '' : whole(row.cpuMicrosPerStream),
    ]);
    const heads = [
      '',
      'frames',
      'stalls',
      'broken',
      'first token p50 ms',
      'added p50',
      'added p99',
      'jitter p99 ms',
      'CPU µs per frame',
      'CPU µs per stream',
    ];
    return `### ${concurrency} at a time\n\n${table(heads, rows)}`;
  });
  if (parts.length === 0) return '';
  return `## Streams of 64 chunks, one every 20 ms\n\nWithout Portkey: it takes unknown fields out of the body, so the simulated provider cannot be told to keep a pace. The added time\nof 200 streams includes what the load itself waits for its core; the direct row has that too. Jitter is how far gaps between content chunks stray from 20 ms.\n\n${parts.join('\n\n')}`;
}

function longPrompts(report: BenchReport): string {
  const rows = rowsOf(report.longPrompts, (row) => [
    whole(row.callsPerSecond),
    ms(row.p50Ms),
    ms(row.p99Ms),
    row.failures,
    Object.values(row.cpuMicrosPerCall)[0] === undefined ? '' : whole(ownCpu(row.cpuMicrosPerCall)),
  ]);
  return rows.length === 0
    ? ''
    : `## Prompts of 100 kB\n\n${CONNECTIONS} connections.\n\n${table(['', 'calls/s', 'p50 ms', 'p99 ms', 'failures', 'CPU µs per call'], rows)}`;
}

function memory({ memory: figures, scaleOut }: BenchReport): string {
  const parts: string[] = [];
  if (figures !== null) {
    parts.push(`## Memory of the gateway

Over ${whole(figures.calls)} calls at saturation, in batches that metering booked before the next: ${whole(figures.rssStartMb)} MB before, ${whole(figures.rssEndMb)} MB after, ${whole(figures.rssMaxMb)} MB at most; slope over the second half ${figures.slopeBytesPerCall.toFixed(0)} bytes per call.`);
  }
  if (scaleOut !== null) {
    parts.push(`## Two gateways on one Redis

${whole(scaleOut.oneGatewayPerSecond)} calls/s with one, ${whole(scaleOut.twoGatewaysPerSecond)} with two (${times(scaleOut.ratio)} times), ${whole(scaleOut.failures)} failures; CPU per call ${whole(scaleOut.cpuMicrosPerCallOne)} and ${whole(scaleOut.cpuMicrosPerCallTwo)} µs. On a machine of two cores the second gateway shares its core with the load, the provider and all servers, so the throughput shows that lack and the CPU time per call whether gateways get into each other's way.`);
  }
  return parts.join('\n\n');
}

function ending({ notRun, audit }: BenchReport): string {
  return `## Not run

${notRun.map(({ name, reason }) => `- ${name}: ${reason}.`).join('\n') || 'Nothing was left out.'}

## Audit

Afterwards \`npm run audit\`'s checks ran over all ${whole(audit.requests)} calls of the run: ${audit.differences} differences.`;
}
