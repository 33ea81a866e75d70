/** Who is measured. `direct` has nothing between client and provider; `passThrough` is the ceiling of anything on Node. */
export type TargetName = 'direct' | 'passThrough' | 'tensorloop' | PeerName;

/** Other gateways, each without its limits and its accounting. */
export const PEER_NAMES = ['portkey', 'litellm', 'bifrost'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

export function isPeer(name: TargetName): name is PeerName {
  return PEER_NAMES.some((peer) => peer === name);
}

/** One way from the load to the simulated provider. */
export interface Target {
  name: TargetName;
  url: string;
  /** Headers of each call; the load goes through them in turn. */
  headerSets: Record<string, string>[];
  /** The process under test; null when there is none. */
  pid: number | null;
  /** Whether `x_sim` reaches the simulator, which is told the pace of a stream by it. */
  keepsUnknownFields: boolean;
  /** What this way calls the model, when it is not its own name. */
  model?: string;
}

/** How long and how often; `--quick` is for a look, the rest for figures that are published. */
export interface Effort {
  rounds: number;
  roundSeconds: number;
  /** Of each target before its first round, for all alike. */
  warmUpSeconds: number;
  streamCounts: number[];
  streamRounds: number;
  scaleOutRounds: number;
  /** What waiting for the host and measuring again may take in all. */
  patienceSeconds: number;
  memoryCalls: number;
}

/** Of each target before its first round of streams. */
export const WARM_UP_STREAMS = 20;

/** A peer that could not be measured, and why. */
export interface NotRun {
  name: string;
  reason: string;
}

/** What the load generator saw. */
export interface LoadResult {
  /** Those served: answered below status 400 and in time. */
  calls: number;
  callsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Answers of status 400 and above or too late, and broken connections. Percentiles are over all answers. */
  failures: number;
}

export interface SaturationFigures {
  /** With which the figures below were measured: those that served most. */
  connections: number;
  callsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  failures: number;
  /** Of each process, per call served, over the measured time and, where work is left behind, until it is done. */
  cpuMicrosPerCall: Record<string, number>;
  /** Of all rounds, so that the spread is seen. */
  rounds: number[];
  /** Every number of connections that was tried. */
  tried: Pick<SaturationFigures, 'connections' | 'callsPerSecond' | 'p99Ms' | 'failures'>[];
}

export interface LatencyFigures {
  offeredPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Above what the direct way took in the same rounds. */
  addedP50Ms: number;
  addedP99Ms: number;
  failures: number;
}

export interface StreamFigures {
  streams: number;
  framesExpected: number;
  framesArrived: number;
  firstTokenP50Ms: number;
  firstTokenP99Ms: number;
  addedP50Ms: number;
  addedP99Ms: number;
  /** Gaps between frames beyond STALL_MS. */
  stalls: number;
  /** How far gaps between content chunks stray from the upstream's pace. */
  jitterP99Ms: number;
  broken: number;
  /** Of the process under test, until what it has taken is booked; null where there is none. */
  cpuMicrosPerFrame: number | null;
  cpuMicrosPerStream: number | null;
}

export interface MemoryFigures {
  calls: number;
  rssStartMb: number;
  rssEndMb: number;
  rssMaxMb: number;
  /** Over the second half of the calls. */
  slopeBytesPerCall: number;
}

export interface ScaleOutFigures {
  oneGatewayPerSecond: number;
  twoGatewaysPerSecond: number;
  ratio: number;
  cpuMicrosPerCallOne: number;
  cpuMicrosPerCallTwo: number;
  failures: number;
}

/** What the host of this virtual machine gave to others of the time that measured rounds wanted. */
export interface StolenFigures {
  rounds: number;
  medianShare: number;
  shareMax: number;
  /** Measured again because of it. Their failures are counted with those of the rounds that were kept. */
  repeated: number;
  medianShareRepeated: number;
  spentSeconds: number;
}

/** A goal and whether it was met. */
export interface Reach {
  goal: string;
  reach: string;
  measured: string;
  isMet: boolean;
}

export type PerTarget<Figures> = Partial<Record<TargetName, Figures>>;

export interface BenchReport {
  startedAt: string;
  command: string;
  machine: { cpu: string; cores: number; memoryGb: number; kernel: string; node: string; loadAverageBefore: number };
  isQuick: boolean;
  effort: Effort;
  durationSeconds: number;
  /** What made the load. */
  loadGenerator: 'wrk' | 'autocannon';
  versions: Partial<Record<PeerName, string>>;
  notRun: NotRun[];
  json: PerTarget<SaturationFigures>;
  ratioToPassThrough: number | null;
  ratioToPortkey: number | null;
  latency: PerTarget<LatencyFigures>;
  streams: { concurrency: number; targets: PerTarget<StreamFigures> }[];
  longPrompts: PerTarget<SaturationFigures>;
  /** Stated goals beside what was measured; a goal whose scenario did not run is left out. */
  reach: Reach[];
  memory: MemoryFigures | null;
  scaleOut: ScaleOutFigures | null;
  /** Null where the system does not say, as outside of virtual machines on some. */
  stolen: StolenFigures | null;
  audit: { requests: number; differences: number };
}
