import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { poll } from '@tensorloop/servers/poll';
import type { AuditReport } from '../audit/audit.types.js';
import { runAudit } from '../audit/run-audit.js';
import { PROBE_KEY, planCall } from './call-plan.js';
import { type ActivityComparison, type AnsweredCall, allPages, compareActivity } from './compare-activity.js';
import { GatewayClient } from './gateway-client.js';
import { ReplayAccount } from './replay-account.js';
import { type Installation, type ReplayOptions, ReplayUnavailable } from './replay-options.js';
import type { ReplayReport } from './replay-report.js';
import { ReplayTally } from './replay-tally.js';
import { residentMemory } from './resident-memory.js';
import { runSchedule } from './schedule.js';
import { parseTrace, TraceError, type TraceRow } from './trace.js';
import { VisibilityPoller } from './visibility.js';

const PROGRESS_INTERVAL_MS = 1_000;
const SETTLE_MS_MAX = 120_000;

export type Say = (line: string) => void;

/** Replays a trace through a running installation, then holds its books against what was sent and received. */
export async function runReplay(options: ReplayOptions, installation: Installation, say: Say): Promise<ReplayReport> {
  const rows = loadTrace(options);
  say(`${rows.length} requests of ${basename(options.traceFile)}; making an account with its keys`);
  const account = await ReplayAccount.create(installation);
  const tally = new ReplayTally(rows.length);
  const visibility = new VisibilityPoller((limit) => account.activity({ limit, keyId: keyOf(account, PROBE_KEY).id }));
  const answered = new Map<string, AnsweredCall>();
  const lateMsMax = await sendAll({ options, installation, rows, account, tally, visibility, answered, say });
  await visibility.stop();
  await waitUntilBooked(account, answered.size, say);
  const rssBytes = residentMemory(installation.pids);
  const activity = await readBack(account, answered, rows.length);
  const audit = await auditBooks({ installation, account, say }, answered.size);
  return {
    trace: basename(options.traceFile),
    options,
    account: account.email,
    ...tally.figures(),
    lateMsMax: options.speedup === null ? null : Math.round(lateMsMax),
    visibleMs: tally.visible(visibility),
    activity,
    rssBytes,
    audit,
  };
}

interface Sending {
  options: ReplayOptions;
  installation: Installation;
  rows: TraceRow[];
  account: ReplayAccount;
  tally: ReplayTally;
  visibility: VisibilityPoller;
  answered: Map<string, AnsweredCall>;
  say: Say;
}

async function sendAll({ options, installation, rows, account, tally, visibility, answered, say }: Sending): Promise<number> {
  const client = new GatewayClient(installation.gatewayUrl, options.concurrency);
  const { speedup } = options;
  const dueMs = speedup === null ? null : (index: number) => (rows[index] as TraceRow).offsetMs / speedup;
  tally.begin();
  const progress = setInterval(() => say(tally.progress()), PROGRESS_INTERVAL_MS);
  try {
    return await runSchedule({ count: rows.length, concurrency: options.concurrency, dueMs }, async (index) => {
      const plan = planCall(rows[index] as TraceRow, index, options.streamShare);
      const key = keyOf(account, plan.keyIndex);
      const result = await client.call(plan, key.key);
      const isNew = result.requestId === null || !answered.has(result.requestId);
      tally.add(plan, isNew ? result : { ...result, problem: `x-request-id ${result.requestId} was given to two calls` });
      if (result.problem !== null || result.requestId === null) return;
      answered.set(result.requestId, { plan, keyId: key.id });
      if (plan.keyIndex === PROBE_KEY) visibility.expect(result.requestId, result.endedAtMs);
    });
  } finally {
    clearInterval(progress);
    tally.end();
    say(tally.progress());
    await client.close();
  }
}

function keyOf(account: ReplayAccount, index: number) {
  const key = account.keys[index];
  if (!key) throw new Error(`the account has no key ${index}`);
  return key;
}

function loadTrace({ traceFile, limit }: ReplayOptions): TraceRow[] {
  let text: string;
  try {
    text = readFileSync(traceFile, 'utf8');
  } catch {
    throw new ReplayUnavailable(`The trace ${traceFile} cannot be read.`);
  }
  try {
    return parseTrace(text, limit ?? Number.POSITIVE_INFINITY);
  } catch (error) {
    if (error instanceof TraceError) throw new ReplayUnavailable(`${traceFile} is no trace: ${error.message}.`);
    throw error;
  }
}

/** Goes on after the bound: the comparison then says what is missing. */
async function waitUntilBooked(account: ReplayAccount, calls: number, say: Say): Promise<void> {
  let booked = 0;
  const isBooked = async () => {
    booked = (await account.usageSummary()).total.requests;
    return booked >= calls;
  };
  const tell = () => say(`${booked} of ${calls} answered calls are booked`);
  const progress = setInterval(tell, PROGRESS_INTERVAL_MS);
  await poll(isBooked, { timeoutMs: SETTLE_MS_MAX, failure: `${calls} calls were not booked` })
    .catch((error: Error) => say(error.message))
    .finally(() => clearInterval(progress));
  tell();
}

function readBack(account: ReplayAccount, answered: Map<string, AnsweredCall>, sent: number): Promise<ActivityComparison> {
  const read = (limit: number, cursor?: string) => account.activity({ limit, ...(cursor === undefined ? {} : { cursor }) });
  return compareActivity(answered, allPages(read, 2 * sent));
}

function auditBooks(
  { installation, account, say }: Pick<Sending, 'installation' | 'account' | 'say'>,
  requestsMin: number,
): Promise<AuditReport> {
  const { ownerDatabaseUrl, natsUrl, redisUrl, oracleFile, gatewayUrl, controlPlaneUrl } = installation;
  return runAudit({
    ownerDatabaseUrl,
    natsUrl,
    redisUrl,
    oracleFile,
    gatewayUrls: [gatewayUrl],
    session: { controlPlaneUrl, email: account.email, password: account.password },
    requestsMin,
    quiescenceTimeoutMs: SETTLE_MS_MAX,
    onProgress: say,
  });
}
