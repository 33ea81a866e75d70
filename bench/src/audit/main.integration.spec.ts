import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AuditedInstallation, type AuditServers, startAuditServers } from './audited-installation.fixture.js';

const ROOT = join(import.meta.dirname, '../../..');

let servers: AuditServers;
let installation: AuditedInstallation;
let stackFile: string;

beforeAll(async () => {
  servers = await startAuditServers();
  installation = await AuditedInstallation.build(servers);
  stackFile = join(installation.folder, 'stack.json');
  const { ownerDatabaseUrl, natsUrl, redisUrl, oracleFile, gatewayUrls } = installation.options();
  writeFileSync(stackFile, JSON.stringify({ ownerDatabaseUrl, natsUrl, redisUrl, oracleFile, gatewayUrls, pids: {} }));
});
afterAll(async () => {
  await installation.stop();
  await servers.stop();
});

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

function audit(...args: string[]): Promise<Outcome> {
  const program = ['--import', join(ROOT, 'packages/testing/register-source.mjs'), join(import.meta.dirname, 'main.ts')];
  // In a folder without .data: nothing but the arguments says what to audit.
  const child = spawn(process.execPath, [...program, ...args], { cwd: installation.folder, env: {} });
  const outcome: Outcome = { code: null, stdout: '', stderr: '' };
  child.stdout.on('data', (text) => {
    outcome.stdout += text;
  });
  child.stderr.on('data', (text) => {
    outcome.stderr += text;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ ...outcome, code })));
}

describe('npm run audit', () => {
  it('prints the table and ends with 0 when every source agrees; --json holds the same, money as text', async () => {
    const jsonFile = join(installation.folder, 'audit.json');
    const outcome = await audit('--stack', stackFile, '--json', jsonFile, '--min-requests', '4');
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stdout).toContain('5 calls audited');
    const report = JSON.parse(readFileSync(jsonFile, 'utf8'));
    expect(report).toMatchObject({ requests: '5', differences: 0 });
    expect(typeof report.table[0].sources.usage.nanoUsd).toBe('string');
    expect(outcome.stdout).toContain(report.table[0].sources.usage.nanoUsd);
  });

  it('ends with 1 when there were fewer calls than there must have been', async () => {
    const outcome = await audit('--stack', stackFile, '--min-requests', '6');
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stdout).toContain('DIFF');
  });

  it('ends with 1 and names the difference when one nano-dollar is wrong', async () => {
    await installation.database.query(
      `UPDATE metering.hourly_rollups SET charge_nano_usd = charge_nano_usd + 1 WHERE model = 'llama-3.3-70b'`,
    );
    const outcome = await audit('--stack', stackFile, '--wait-seconds', '0');
    expect(outcome).toMatchObject({ code: 1 });
    expect(outcome.stdout).toMatch(/DIFF usage = rollups: account .* model llama-3\.3-70b nano-USD: expected \d+, found \d+/);
  });

  it.each([
    ['nothing runs here', [], 'No running installation was found'],
    ['an unknown flag', ['--strak', 'x'], '--strak'],
    ['no number', ['--min-requests', 'many'], '--min-requests takes a whole number'],
    ['a stack file that is not there', ['--stack', '/nowhere/stack.json'], '/nowhere/stack.json cannot be read'],
  ])('ends with 2 and a sentence: %s', async (_name, args, sentence) => {
    const outcome = await audit(...args);
    expect(outcome).toMatchObject({ code: 2, stdout: '' });
    expect(outcome.stderr).toContain('The audit cannot run.');
    expect(outcome.stderr).toContain(sentence);
  });

  it('says that nothing is proved where there was nothing to audit', async () => {
    await installation.database.query(
      'TRUNCATE metering.usage, metering.charges, metering.corrections, metering.ledger_transactions, metering.ledger_entries, metering.hourly_rollups, metering.daily_rollups, metering.model_rollups, metering.attribution_rollups, metering.tag_names, metering.usage_tags, metering.scope_totals, metering.grants',
    );
    installation.activity = [];
    await installation.redis.flushall();
    writeFileSync(installation.oracleFile, '');
    const outcome = await audit('--stack', stackFile);
    expect(outcome).toMatchObject({ code: 0 });
    expect(outcome.stdout).toContain(
      '0 calls audited, 0 nano-USD (0.00 USD): there was nothing to audit, so nothing is proved.',
    );
    expect(await audit('--stack', stackFile, '--min-requests', '1')).toMatchObject({ code: 1 });
  });
});
