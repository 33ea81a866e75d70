import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { makeTestFolder, removeTestFolder } from '@tensorloop/testing/test-folder';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { FAIL_POINT_FAULTS } from './fail-points.js';
import { type FaultContext, type FaultKind, type FaultPlan, RunFacts } from './fault.types.js';

const failPoint = FAIL_POINT_FAULTS.find(({ kind }) => kind === 'fail point') as FaultKind;
const POINT = 'gateway.after_completed';

let folder: string;
let logFile: string;
let facts: RunFacts;
let findings: string[];
let environment: Record<string, string | undefined>;
/** What each start does; the environment it was given is noted. */
let starts: (() => Promise<void>)[];
let armedWith: (string | undefined)[];
let context: FaultContext;

beforeEach(async () => {
  folder = await makeTestFolder('fail-points');
  logFile = join(folder, 'server.log');
  writeFileSync(logFile, '');
  facts = new RunFacts();
  findings = [];
  environment = {};
  starts = [];
  armedWith = [];
  const part = {
    logFile,
    kill: async () => undefined,
    restart: () => {
      armedWith.push(environment.FAIL_POINTS);
      return (starts.shift() as () => Promise<void>)();
    },
  };
  const installation = { part: () => part, environments: { of: () => environment } };
  context = { installation, facts, log: (text: string) => findings.push(text) } as unknown as FaultContext;
});
afterEach(() => removeTestFolder(folder));

function passed(pid: number): void {
  appendFileSync(logFile, `{"level":"warn","failPoint":"${POINT}","action":"stop","passing":6,"pid":${pid}}\n`);
}

const plan = (action: string): FaultPlan => ({
  id: 1,
  atMs: 0,
  kind: 'fail point',
  target: 'gateway-1',
  holdMs: 0,
  detail: { point: POINT, action, passing: 6 },
});

/** As the kernel tells it; `T` = it stands still. */
function stateOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.[0] ?? '';
}

/** A process that has ended. */
async function endedPid(): Promise<number> {
  const child = spawn(process.execPath, ['-e', '']);
  await new Promise((resolve) => child.once('exit', resolve));
  return child.pid as number;
}

describe('a fail point that is passed before its process is ready', () => {
  it('by which it is stopped counts as passed, and the process becomes ready once it is woken', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000);']);
    // The start is over when the process has ended, which one that stands still never does by itself.
    const over = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    starts = [
      () => {
        child.kill('SIGSTOP');
        passed(child.pid as number);
        return over;
      },
    ];
    const heal = await failPoint.inject(context, plan('stop'));
    expect(facts.failPointsFired).toEqual({ [`${POINT}=stop`]: 1 });
    await waitUntil(() => stateOf(child.pid as number) === 'T', { what: 'the process to stand still' });
    const healed = heal();
    await waitUntil(() => stateOf(child.pid as number) !== 'T', { what: 'the process to be woken' });
    child.kill('SIGKILL');
    await healed;
    expect(findings).toEqual([]);
    expect(armedWith).toEqual([`${POINT}=stop@6`]);
  });

  it('by which it is killed counts as passed and as a death, and the next start is one without it', async () => {
    const pid = await endedPid();
    starts = [
      async () => {
        passed(pid);
        throw new Error('gateway-1 was ended by SIGKILL while starting.');
      },
      async () => undefined,
    ];
    const heal = await failPoint.inject(context, plan('kill'));
    await heal();
    expect(facts.failPointsFired).toEqual({ [`${POINT}=kill`]: 1 });
    expect(facts.deaths).toHaveLength(2);
    expect(findings).toEqual([]);
    expect(armedWith).toEqual([`${POINT}=kill@6`, undefined]);
  });

  it('and a start that fails without having passed it is a finding', async () => {
    const fails = async () => {
      throw new Error('the port is taken');
    };
    starts = [fails, async () => undefined, async () => undefined];
    await expect(failPoint.inject(context, plan('kill'))).rejects.toThrow('was not passed');
    expect(findings).toEqual([expect.stringContaining('FINDING: gateway-1 did not come up: the port is taken')]);
    expect(facts.failPointsFired).toEqual({});
  });
});
