import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  armFailPoints,
  EXIT_FAIL_POINT,
  type FailPointEffects,
  type FailPointPlan,
  failPoint,
  listFailPoints,
  parseFailPoints,
} from './fail-points.js';

function plansOf(text: string): FailPointPlan[] {
  const plans = parseFailPoints('gateway', text);
  if ('problem' in plans) throw new Error(plans.problem);
  return plans;
}

const problemOf = (text: string) => {
  const plans = parseFailPoints('gateway', text);
  return 'problem' in plans ? plans.problem : null;
};

let disarm = () => {};
afterEach(() => disarm());

/** Arms with effects that only take notes. */
function arm(text: string): string[] {
  const notes: string[] = [];
  const effects: FailPointEffects = {
    signal: (signal) => notes.push(signal),
    exit: (code) => notes.push(`exit ${code}`),
    freeze: (milliseconds) => notes.push(`freeze ${milliseconds}`),
    announce: (fields) => notes.push(`${fields.failPoint} ${fields.passing}`),
  };
  disarm = armFailPoints(plansOf(text), effects);
  return notes;
}

describe('the text that names fail points', () => {
  it('says where, what and at which passing, the first unless told otherwise', () => {
    expect(plansOf('gateway.after_accepted=kill@17, gateway.mid_stream=freeze:500@every,gateway.after_publish=error')).toEqual([
      { name: 'gateway.after_accepted', action: { kind: 'kill' }, passing: 17 },
      { name: 'gateway.mid_stream', action: { kind: 'freeze', milliseconds: 500 }, passing: 'every' },
      { name: 'gateway.after_publish', action: { kind: 'error' }, passing: 1 },
    ]);
  });

  it('with a mistyped name is refused with the list of those there are', () => {
    const problem = problemOf('gateway.after_acepted=kill');
    for (const name of listFailPoints('gateway')) expect(problem).toContain(name);
  });

  it.each([
    'metering.after_commit=kill',
    'gateway.after_accepted',
    'gateway.after_accepted=explode',
    'gateway.after_accepted=kill@0',
    'gateway.after_accepted=kill@2000000000',
    'gateway.after_accepted=freeze:60001',
    'gateway.after_accepted=freeze',
    'gateway.after_accepted=kill,gateway.after_accepted=stop',
    '',
  ])('is refused: "%s"', (text) => {
    expect(problemOf(text)).not.toBeNull();
  });
});

describe('a fail point', () => {
  it('does nothing when none is armed', () => {
    expect(() => failPoint('gateway.after_accepted')).not.toThrow();
  });

  it('fires at its passing and at no other, and says so first', () => {
    const notes = arm('gateway.after_accepted=kill@3');
    for (let passing = 1; passing <= 5; passing++) failPoint('gateway.after_accepted');
    failPoint('gateway.after_admit');
    expect(notes).toEqual(['gateway.after_accepted 3', 'SIGKILL']);
  });

  it('stops, ends, freezes or throws as it was told', () => {
    const notes = arm(
      'gateway.after_admit=stop,gateway.after_accepted=exit,gateway.mid_stream=freeze:7@every,gateway.after_publish=error',
    );
    failPoint('gateway.after_admit');
    failPoint('gateway.after_accepted');
    failPoint('gateway.mid_stream');
    failPoint('gateway.mid_stream');
    expect(notes.filter((note) => !note.startsWith('gateway.'))).toEqual([
      'SIGSTOP',
      `exit ${EXIT_FAIL_POINT}`,
      'freeze 7',
      'freeze 7',
    ]);
    expect(() => failPoint('gateway.after_publish')).toThrow(expect.objectContaining({ code: 'fail_point' }));
  });

  it('that kills ends a real process on the spot, with its line in the output', () => {
    const module = join(import.meta.dirname, 'fail-points.ts');
    const program = `
      import { armFailPoints, failPoint } from ${JSON.stringify(module)};
      armFailPoints([{ name: 'metering.before_commit', action: { kind: 'kill' }, passing: 2 }]);
      for (let passing = 1; passing <= 3; passing++) { console.error(passing); failPoint('metering.before_commit'); }`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    expect(child.signal).toBe('SIGKILL');
    expect(child.stderr).toBe('1\n2\n');
    expect(JSON.parse(child.stdout)).toMatchObject({
      msg: 'fail point fired',
      failPoint: 'metering.before_commit',
      passing: 2,
    });
  });
});
