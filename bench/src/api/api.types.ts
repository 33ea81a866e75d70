/** What the account that is asked about consists of. */
export interface FilledAccount {
  accountId: string;
  keyIds: string[];
  projectIds: string[];
}

/** Rows by table of metering's schema, the account's own. */
export type FilledRows = Record<string, number>;

export interface EndpointFigures {
  name: string;
  path: string;
  /** One of the ten that a dashboard asks most. */
  isBusy: boolean;
  calls: number;
  p50Ms: number;
  p95Ms: number;
  maxMs: number;
  /** Of one answer. */
  bytes: number;
}

/** Refusals of `POST /api/auth/sign-in` under a flood. */
export interface RefusalFigures {
  perSecond: number;
  /** CPU time of the control plane. */
  cpuMicrosEach: number;
  /** What one core would refuse, by that. */
  perCoreSecond: number;
}

export interface SignInFigures {
  calls: number;
  p50Ms: number;
  p95Ms: number;
  /** Wrong passwords that are checked, by argon2id. */
  hashed: RefusalFigures;
  /** Those of a network that has tried too often. */
  throttled: RefusalFigures;
}

export interface ApiBenchReport {
  startedAt: string;
  command: string;
  machine: { cpu: string; cores: number; memoryGb: number; kernel: string; node: string; loadAverageBefore: number };
  connections: number;
  rows: FilledRows;
  fillSeconds: number;
  endpoints: EndpointFigures[];
  signIn: SignInFigures;
  /** Of the ten busiest, the highest. */
  busiestP95Ms: number;
}

/** p95 of each of the ten busiest endpoints. */
export const BUSY_P95_MS_MAX = 100;

/** An answer that is not what it has to be: the figures would be of something else. */
export class WrongAnswer extends Error {}
