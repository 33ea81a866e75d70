import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatReport } from '@tensorloop/bench/audit/audit-table';
import { QuietRounds } from '@tensorloop/bench/bench/quiet-rounds';
import { type LoadKey, Tenant, Tenants } from '../load/tenants.js';
import { auditQuiet, hastenRedelivery } from '../oracle/quiesce.js';
import type { Violation } from '../oracle/violation.js';
import { Installation } from '../topology/installation.js';
import { OpenLoad } from './open-load.js';
import { overload } from './overload.js';
import { goFirst } from './precedence.js';
import { findSaturation, settled } from './saturation.js';
import { soak } from './soak.js';
import type { SteadyReport } from './steady.types.js';

/** Calls that metering has not taken are bounded per account: several share the load. */
const KEYS = 8;
/** What waiting for this machine's host and measuring again may take in all. */
const PATIENCE_MS = 480_000;

export interface SteadyOptions {
  scenario: 'soak' | 'overload';
  durationMs: number;
  folder: string;
  log: (text: string) => void;
}

/** No faults: what the installation holds, for how long, and what it does with more. */
export async function runSteady({ scenario, durationMs, folder, log }: SteadyOptions): Promise<SteadyReport> {
  rmSync(folder, { recursive: true, force: true });
  const installation = await Installation.start({ folder, isDirect: true });
  let load: OpenLoad | null = null;
  try {
    const isFirst = [process.pid, installation.providerPid].map(goFirst).every(Boolean);
    if (!isFirst) log('clients and provider share the cores with what is measured on equal terms: only root may change that');
    const tenants = await Tenants.create(installation);
    const { open, budgeted } = tenants.accounts;
    const keys = await mintAll([open, budgeted]);
    load = new OpenLoad({ urls: installation.gatewayUrls, keys });
    const quiet = new QuietRounds(PATIENCE_MS);
    const saturationPerSecond = await findSaturation({ installation, load, quiet, log });
    log(`saturation: ${saturationPerSecond} calls/s`);
    const inputs = { installation, load, saturationPerSecond, durationMs, quiet, log };
    const measured = scenario === 'soak' ? await soak(inputs) : await overload(inputs);
    await load.stop();
    await settled(installation, load);
    await hastenRedelivery(installation);
    const audit = await auditQuiet(installation, log);
    writeFileSync(join(folder, 'audit.txt'), formatReport(audit));
    const differences: Violation[] = audit.checks
      .flatMap((check) => check.differences)
      .map(({ check, subject, expected, actual }) => ({ kind: check, subject, expected, actual }));
    const booked = Number(audit.requests);
    const figures = { ...measured.figures, ...stolenFigures(quiet) };
    const violations = [...measured.violations, ...differences];
    return { scenario, saturationPerSecond, calls: booked, booked, ...measured, figures, violations };
  } finally {
    await load?.stop();
    await installation.stop();
  }
}

/** How much of the search for saturation, and of an overload, the host took. */
function stolenFigures(quiet: QuietRounds): SteadyReport['figures'] {
  const stolen = quiet.figures();
  if (stolen === null) return {};
  const percent = (share: number) => Math.round(share * 1_000) / 10;
  return {
    'stolen by the host, median %': percent(stolen.medianShare),
    'stolen by the host, at most %': percent(stolen.shareMax),
    'measured again because of that': stolen.repeated,
  };
}

async function mintAll(tenants: Tenant[]): Promise<LoadKey[]> {
  return Promise.all(Array.from({ length: KEYS }, (_, index) => (tenants[index % tenants.length] as Tenant).mint()));
}
