import { describe, expect, it } from '@jest/globals';
import { ATTEMPTS_MAX } from '@tensorloop/contracts/request-completed';
import { NO_TRACING } from '@tensorloop/observability/tracing';
import { testModel } from '../../test/test-models.js';
import { OpenCall, type OpenCallOptions } from './open-call.js';

describe('a call that was tried at more providers than its event may list', () => {
  it('lists the first ones and the last', () => {
    const trace = { tracing: NO_TRACING, span: NO_TRACING.startSpan('test', { role: 'server', parent: null }) };
    const call = new OpenCall({ trace, durable: Promise.resolve() } as OpenCallOptions);
    const [deployment] = testModel('gpt-4o-mini', 'http://127.0.0.1:1').deployments;
    if (deployment === undefined) throw new Error('the test model has no deployment');
    for (let number = 1; number <= ATTEMPTS_MAX + 4; number++) {
      call.beginAttempt({ ...deployment, upstreamModel: `m${number}` });
      call.endAttempt(503, null);
    }
    const first = Array.from({ length: ATTEMPTS_MAX - 1 }, (_, index) => `m${index + 1}`);
    expect(call.attempts.map((attempt) => attempt.upstreamModel)).toEqual([...first, `m${ATTEMPTS_MAX + 4}`]);
  });
});
