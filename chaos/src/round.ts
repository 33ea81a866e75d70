import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatReport } from '@tensorloop/bench/audit/audit-table';
import { dumpStores } from './evidence.js';
import { mountSmallDisk, SMALL_DISK_GATEWAY } from './faults/disk-faults.js';
import { type FaultContext, type FaultOutcome, RunFacts } from './faults/fault.types.js';
import { FaultRunner } from './faults/fault-runner.js';
import { wakeAll } from './faults/process-faults.js';
import { drawSchedule } from './faults/schedule.js';
import { MIXED } from './load/call-shape.js';
import { isFailure } from './load/client-record.js';
import { Load } from './load/load.js';
import { Payers } from './load/payers.js';
import { Tenants } from './load/tenants.js';
import { loadTrace } from './load/trace-rows.js';
import { replayAdmissions, SPENT_TWICE, withGrantsGiven } from './oracle/admission-replay.js';
import { findingsOf } from './oracle/audit-findings.js';
import { readBooks, readServed } from './oracle/books.js';
import { checkClients } from './oracle/client-checks.js';
import { checkEstimates } from './oracle/estimate-checks.js';
import { upstreamCuts } from './oracle/excuses.js';
import { auditQuiet, hastenRedelivery } from './oracle/quiesce.js';
import { countOf, DOUBLED_KINDS, LOST_KINDS, OVERSHOOT_KINDS, type Violation } from './oracle/violation.js';
import { seeded } from './random.js';
import { availabilityOf } from './report/availability.js';
import { isRoundSound } from './report/soundness.js';
import type { RoundOptions, RoundReport } from './round.types.js';
import { Installation } from './topology/installation.js';

const JSON_INDENT = 2;
const REDIS_RESTARTS = /^(?!stop ).*(Redis|power cut|restore)/;

/** One round: an installation of its own, load, faults, quiet, and the question whether everything adds up. */
export async function runRound(options: RoundOptions): Promise<RoundReport> {
  rmSync(options.folder, { recursive: true, force: true });
  mkdirSync(options.folder, { recursive: true });
  const findings: string[] = [];
  const beganAtMs = performance.now();
  const log = (text: string) => {
    if (text.startsWith('FINDING')) findings.push(text);
    options.log(`${((performance.now() - beganAtMs) / 1_000).toFixed(1).padStart(7)} s  ${text}`);
  };
  log(`seed ${options.seed}: starting two gateways, two meterings, control plane, PostgreSQL, NATS, Redis, provider`);
  const disk = mountSmallDisk(join(options.folder, 'small-disk'));
  log(disk?.how ?? 'no tmpfs may be mounted here: a full disk is played by a limit on the size of files');
  const journalFolders = disk === null ? {} : { [SMALL_DISK_GATEWAY]: disk.folder };
  const installation = await Installation.start({ folder: options.folder, journalFolders }).catch((error: unknown) => {
    disk?.remove();
    throw error;
  });
  try {
    const ran = await loadAndHarm(installation, { ...options, log });
    const report = await judge(installation, { ...options, log }, ran);
    report.findings = findings;
    const isSound = isRoundSound(report);
    if (!isSound) await dumpStores(installation).catch((error: Error) => log(`no dump: ${error.message}`));
    writeFileSync(join(options.folder, 'round.json'), JSON.stringify(report, bigintAsText, JSON_INDENT));
    report.folder = isSound ? null : options.folder;
    return report;
  } catch (error) {
    // It did not become quiet, or not ready again: what it stands at is the evidence.
    await dumpStores(installation).catch((failure: Error) => log(`no dump: ${failure.message}`));
    throw error;
  } finally {
    await installation.stop();
    disk?.remove();
  }
}

interface Ran {
  runner: FaultRunner;
  load: Load;
  tenants: Tenants;
  facts: RunFacts;
}

async function loadAndHarm(installation: Installation, options: RoundOptions): Promise<Ran> {
  const { log, kinds, durationMs, folder, lanes, thinkMs } = options;
  const random = seeded(options.seed);
  const tenants = await Tenants.create(installation);
  const payers = await Payers.create(tenants, random.fork('payers'));
  const facts = new RunFacts();
  const context: FaultContext = { installation, tenants, payers, random: random.fork('faults'), log, facts };
  const plans = options.plans ?? drawSchedule(kinds, durationMs, random.fork('schedule'));
  writeFileSync(join(folder, 'plans.json'), JSON.stringify(plans, null, JSON_INDENT));
  const runner = new FaultRunner(context, kinds);
  const load = new Load({
    urlOf: (gateway) => installation.urlOf(gateway),
    rows: loadTrace(),
    random: random.fork('load'),
    mix: MIXED,
    lanes,
    thinkMs,
    chooseKey: (draw) => payers.choose(draw),
    recordFile: join(folder, 'clients.jsonl'),
  });
  await runner.run(plans, { endsAfterMs: durationMs });
  log('every fault is healed; the load ends');
  installation.network.heal();
  await wakeAll((name) => installation.part(name));
  await payers.stop();
  await load.stop();
  writeFileSync(join(folder, 'faults.json'), JSON.stringify(runner.outcomes, null, JSON_INDENT));
  return { runner, load, tenants, facts };
}

async function judge(installation: Installation, options: RoundOptions, ran: Ran): Promise<RoundReport> {
  const { log, folder, seed, durationMs } = options;
  const { runner, load, tenants, facts } = ran;
  const endedAtMs = performance.now();
  await installation.ready();
  await hastenRedelivery(installation);
  const audit = await auditQuiet(installation, log);
  const quiescenceMs = Math.round(performance.now() - endedAtMs);
  writeFileSync(join(folder, 'audit.txt'), formatReport(audit));
  const { calls: booked, quarantine, grantKeys, corrected } = await readBooks(installation.databaseUrls.owner);
  const served = await readServed(installation.oracleFile);
  const byId = new Map(booked.map((call) => [call.requestId, call]));
  const clients = load.records;
  const cuts = upstreamCuts(runner.outcomes);
  const fromAudit = findingsOf(audit, { clients, booked: byId, served, quarantine, cuts, ...facts });
  const limits = withGrantsGiven(tenants.limits, grantKeys);
  const { standstills } = facts;
  const admissions = replayAdmissions({ booked, served, limits, standstills, epochsEndedAtMs: epochEnds(runner.outcomes) });
  const violations: Violation[] = [
    ...checkClients({ clients, booked: byId }),
    ...checkEstimates({ booked, served, clients, deaths: [...facts.deaths, ...facts.standstills] }),
    ...admissions.filter(({ kind }) => kind !== SPENT_TWICE),
    ...fromAudit.violations,
  ];
  const outcomes = runner.outcomes;
  return {
    seed,
    durationMs,
    faults: countBy(outcomes.filter(({ problem }) => problem === null).map(({ plan }) => plan.kind)),
    faultProblems: problemsOf(outcomes.filter(({ isIdle }) => !isIdle)),
    idleFaults: problemsOf(outcomes.filter(({ isIdle }) => isIdle)),
    failPointsFired: facts.failPointsFired,
    findings: [],
    calls: clients.length,
    answered: clients.filter(({ ending }) => ending === 'complete').length,
    refused: clients.filter((client) => client.ending === 'refused' && !isFailure(client)).length,
    failed: clients.filter(isFailure).length,
    left: clients.filter(({ ending }) => ending === 'left').length,
    booked: booked.length,
    estimated: booked.filter(({ isEstimated }) => isEstimated).length,
    chargedNanoUsd: booked.reduce((sum, { chargeNanoUsd }) => sum + chargeNanoUsd, 0n),
    servedForNobody: fromAudit.servedForNobody.length,
    lostOnTheWay: fromAudit.lostOnTheWay.length,
    corrected,
    spentTwice: admissions.filter(({ kind }) => kind === SPENT_TWICE).length,
    refusalCodes: countBy(clients.flatMap(({ code }) => code ?? [])),
    lost: countOf(violations, LOST_KINDS),
    doubled: countOf(violations, DOUBLED_KINDS),
    overshoot: countOf(violations, OVERSHOOT_KINDS),
    violations,
    availability: availabilityOf(outcomes, clients),
    quiescenceMs,
    folder: null,
  };
}

/** When Redis lost what it knew, or came back as another process. */
function epochEnds(outcomes: readonly FaultOutcome[]): number[] {
  return outcomes.filter(({ plan }) => REDIS_RESTARTS.test(plan.kind)).map(({ injectedAtMs }) => injectedAtMs);
}

function problemsOf(outcomes: readonly FaultOutcome[]): string[] {
  return outcomes.flatMap(({ plan, problem }) => (problem === null ? [] : [`${plan.kind} ${plan.target}: ${problem}`]));
}

function countBy(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

/** Money leaves as decimal strings: JSON numbers are doubles. */
export function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
