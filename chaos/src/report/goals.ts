import type { AvailabilityRow } from './availability.js';

/** What has to be true of availability, beyond "nothing is wrong in the books". */
export interface Goal {
  name: string;
  /** Null = too little was measured to say. */
  isMet: boolean | null;
  figure: string;
}

const AVAILABLE_SHARE_MIN = 0.999;
const REFUSED_MS_MAX = 100;
const RECOVER_MS_MAX = 5_000;
/** Of fewer calls one failure says nothing about a share of 99.9 %. */
const CALLS_MIN = 1_000;
const MS_PER_SECOND = 1_000;
/** Of one part alone; what kills several at once is in no goal. */
const PART_DOWN = /^(kill|end|stop|quit) (control plane|metering|PostgreSQL)$/;
const REDIS_DOWN = /^(kill Redis|end Redis|stop Redis|lose Redis with its data)$/;

export function goalsOf(rows: readonly AvailabilityRow[]): Goal[] {
  const down = rows.filter(({ kind }) => PART_DOWN.test(kind));
  const sum = (read: (row: AvailabilityRow) => number) => down.reduce((total, row) => total + read(row), 0);
  // What the first call of a new key has to ask for can be asked of nobody then.
  const calls = sum((row) => row.calls - row.newKeyCalls);
  const failed = sum((row) => row.failed - row.newKeyFailed);
  const redis = rows.filter(({ kind }) => REDIS_DOWN.test(kind));
  const refusals = redis.flatMap(({ refusedMsP50 }) => refusedMsP50 ?? []);
  const untold = redis.reduce((total, { failures }) => total + (failures.unreachable ?? 0), 0);
  const recoveries = redis.flatMap(({ recoverMsMax }) => recoverMsMax ?? []);
  return [
    {
      name: 'control plane, metering or PostgreSQL down: at least 99.9 % of calls on known keys are served',
      isMet: calls < CALLS_MIN ? null : failed <= calls * (1 - AVAILABLE_SHARE_MIN),
      figure: `${failed} of ${calls} failed${failed === 0 ? '' : `: ${toldOf(down)}`}; of first calls of new keys ${sum((row) => row.newKeyFailed)} of ${sum((row) => row.newKeyCalls)}`,
    },
    {
      name: `Redis down: refused within ${REFUSED_MS_MAX} ms (median)`,
      isMet: refusals.length === 0 ? null : Math.max(...refusals) <= REFUSED_MS_MAX,
      figure: refusals.length === 0 ? 'none was refused' : `${Math.max(...refusals)} ms`,
    },
    {
      name: 'Redis down: every call is told',
      isMet: redis.every(({ calls }) => calls === 0) ? null : untold === 0,
      figure: `${untold} got no answer`,
    },
    {
      name: `Redis back: both gateways answer within ${RECOVER_MS_MAX / MS_PER_SECOND} s`,
      isMet: recoveries.length === 0 ? null : Math.max(...recoveries) <= RECOVER_MS_MAX,
      figure: recoveries.length === 0 ? 'not measured' : `${Math.max(...recoveries)} ms at most`,
    },
  ];
}

function toldOf(rows: readonly AvailabilityRow[]): string {
  const told = rows.flatMap(({ kind, failures }) =>
    Object.entries(failures).map(([name, count]) => `${count} ${name} (${kind})`),
  );
  return told.join(', ');
}
