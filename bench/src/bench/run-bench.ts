import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { runAudit } from '../audit/run-audit.js';
import type { BenchReport, PerTarget, SaturationFigures, Target } from './bench.types.js';
import type { BenchOptions } from './bench-options.js';
import { loadGenerator } from './load.js';
import { describeMachine } from './machine.js';
import {
  type Bench,
  CONNECTIONS,
  longBody,
  measureLatency,
  measureMemory,
  measureSaturation,
  SATURATION_CONNECTIONS,
  shortBody,
} from './measure.js';
import { pinBench, startPeers } from './peers.js';
import { QuietRounds } from './quiet-rounds.js';
import { reachOf } from './reach.js';
import { Rig } from './rig.js';
import { measureScaleOut } from './scale-out.js';
import { measureStreams } from './streams.js';

const FOLDER = join(import.meta.dirname, '../../..', '.data', 'bench-load');
const AUDIT_QUIET_MS_MAX = 120_000;
const MS_PER_SECOND = 1_000;

export async function runBench(options: BenchOptions, command: string, say: (line: string) => void): Promise<BenchReport> {
  const generator = loadGenerator();
  const startedMs = performance.now();
  const machine = describeMachine();
  mkdirSync(FOLDER, { recursive: true });
  say('starting servers, services and peers');
  pinBench();
  const rig = await Rig.start(options.profileFolder);
  try {
    const peers = await startPeers({ upstreamUrl: rig.peersUpstreamUrl, folder: FOLDER, wanted: options.peers, say });
    try {
      const [gateway] = rig.gateways;
      if (gateway === undefined) throw new Error('no gateway was started');
      const headerSets = rig.keys.map((key) => ({ authorization: `Bearer ${key}` }));
      const ours: Target = {
        name: 'tensorloop',
        url: gateway.url,
        headerSets,
        pid: gateway.pid,
        keepsUnknownFields: true,
      };
      const quiet = new QuietRounds(options.effort.patienceSeconds * MS_PER_SECOND);
      const bench = { rig, targets: [...peers.targets, ours], effort: options.effort, folder: FOLDER, quiet, say };
      const figures = await measureAll(bench, ours, options);
      say('auditing what was served');
      const audit = await auditBooks(rig, say);
      return {
        startedAt: new Date().toISOString(),
        command,
        machine,
        isQuick: options.isQuick,
        effort: options.effort,
        durationSeconds: Math.round((performance.now() - startedMs) / MS_PER_SECOND),
        loadGenerator: generator,
        versions: peers.versions,
        notRun: peers.notRun,
        ...figures,
        stolen: quiet.figures(),
        reach: reachOf({ ...figures, audit }),
        audit,
      };
    } finally {
      for (const server of peers.servers) await server.stop();
    }
  } finally {
    await rig.stop();
  }
}

type Figures = Pick<
  BenchReport,
  'json' | 'ratioToPassThrough' | 'ratioToPortkey' | 'latency' | 'streams' | 'longPrompts' | 'memory' | 'scaleOut'
>;

async function measureAll(bench: Bench, ours: Target, { scenarios, effort }: BenchOptions): Promise<Figures> {
  const { say } = bench;
  if (scenarios.has('json') || scenarios.has('latency')) say('short JSON calls at saturation');
  const json =
    scenarios.has('json') || scenarios.has('latency')
      ? await measureSaturation(bench, shortBody(), SATURATION_CONNECTIONS)
      : {};
  if (scenarios.has('latency')) say('latency at half of saturation');
  const latency = scenarios.has('latency') ? await measureLatency(bench, json) : {};
  const streams: Figures['streams'] = [];
  for (const concurrency of scenarios.has('streams') ? effort.streamCounts : []) {
    streams.push({ concurrency, targets: await measureStreams(bench, concurrency) });
  }
  if (scenarios.has('prompts')) say('prompts of 100 kB');
  const longPrompts = scenarios.has('prompts') ? await measureSaturation(bench, longBody(), [CONNECTIONS]) : {};
  if (scenarios.has('memory')) say(`memory over ${effort.memoryCalls} calls`);
  const memory = scenarios.has('memory') ? await measureMemory(bench, ours) : null;
  if (scenarios.has('scale')) say('two gateways on one Redis');
  const scaleOut = scenarios.has('scale') ? await measureScaleOut(bench, ours) : null;
  return {
    json,
    ratioToPassThrough: ratio(json, 'passThrough'),
    ratioToPortkey: ratio(json, 'portkey'),
    latency,
    streams,
    longPrompts,
    memory,
    scaleOut,
  };
}

function ratio(json: PerTarget<SaturationFigures>, to: 'passThrough' | 'portkey'): number | null {
  const [ours, theirs] = [json.tensorloop, json[to]];
  return ours === undefined || theirs === undefined ? null : ours.callsPerSecond / theirs.callsPerSecond;
}

async function auditBooks(rig: Rig, say: (line: string) => void): Promise<BenchReport['audit']> {
  const report = await runAudit({
    ownerDatabaseUrl: rig.urls.owner,
    natsUrl: rig.stack.natsUrl,
    redisUrl: rig.stack.redisUrl,
    gatewayUrls: rig.gatewayUrls,
    session: null,
    oracleFile: rig.oracleFile,
    requestsMin: 1,
    quiescenceTimeoutMs: AUDIT_QUIET_MS_MAX,
    onProgress: say,
  });
  for (const check of report.checks) if (check.differenceCount > 0) say(`audit: ${JSON.stringify(check, bigintAsText)}`);
  return { requests: Number(report.requests), differences: report.differences };
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
