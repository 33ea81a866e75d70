import { describe, expect, it } from '@jest/globals';
import type { Deployment } from '@tensorloop/contracts/model-catalogue';
import { ATTEMPTS_MAX } from '@tensorloop/contracts/request-completed';
import { NO_TRACING } from '@tensorloop/observability/tracing';
import { testModel } from '../../test/test-models.js';
import { apiError } from '../errors/api-error.types.js';
import { OpenCall, type OpenCallOptions } from './open-call.js';

function openCall(): OpenCall {
  const trace = { tracing: NO_TRACING, span: NO_TRACING.startSpan('test', { role: 'server', parent: null }) };
  return new OpenCall({ trace, durable: Promise.resolve() } as OpenCallOptions);
}

function deployment(): Deployment {
  const [first] = testModel('gpt-4o-mini', 'http://127.0.0.1:1').deployments;
  if (first === undefined) throw new Error('the test model has no deployment');
  return first;
}

describe('an open call', () => {
  it('is ended by whoever serves it, and before that by nobody', async () => {
    const call = openCall();
    await call.endNow();
    const ended: unknown[] = [];
    call.servedBy = { endNow: async (error) => void ended.push(error) };
    const error = apiError('internal_error', 'test');
    await call.endNow(error);
    await call.endNow();
    expect(ended).toEqual([error, undefined]);
  });

  it('keeps nothing of the request once it has ended, and gives its memory back', () => {
    let letGo = 0;
    const call = openCall();
    Object.assign(call.options, { body: Buffer.alloc(10), request: {}, lease: { letGo: () => (letGo += 1) } });
    call.dropRequest();
    expect([call.options.body.length, call.options.request, letGo]).toEqual([0, null, 1]);
  });

  it('keeps no function: one beside another that its constructor makes ties calls together in memory', () => {
    const call = openCall();
    call.beginAttempt(deployment());
    expect(Object.entries(call).filter(([, value]) => typeof value === 'function')).toEqual([]);
  });
});

describe('a call that was tried at more providers than its event may list', () => {
  it('lists the first ones and the last', () => {
    const call = openCall();
    for (let number = 1; number <= ATTEMPTS_MAX + 4; number++) {
      call.beginAttempt({ ...deployment(), upstreamModel: `m${number}` });
      call.endAttempt(503, null);
    }
    const first = Array.from({ length: ATTEMPTS_MAX - 1 }, (_, index) => `m${index + 1}`);
    expect(call.attempts.map((attempt) => attempt.upstreamModel)).toEqual([...first, `m${ATTEMPTS_MAX + 4}`]);
  });
});
