import { describe, expect, it } from '@jest/globals';
import { type Deployment, deploymentSchema } from '@tensorloop/contracts/model-catalogue';
import { waitUntil } from '@tensorloop/testing/wait-until';
import type { ApiError } from '../errors/api-error.types.js';
import { Credentials } from '../upstreams/credentials.service.js';
import type { AnswerHandler, UpstreamFailure } from '../upstreams/upstream.types.js';
import { ERROR_BODY_BYTES_MAX, ERROR_BODY_MS_MAX } from './attempt.js';
import { CONSECUTIVE_FAILURES_MAX, OPEN_MS } from './circuit-breaker.rules.js';
import { DeploymentStates } from './deployment-states.service.js';
import { Dispatcher } from './dispatcher.service.js';
import { ATTEMPTS_MS_MAX } from './retry.rules.js';
import type { Flaw, RoutedAnswer, RoutedCall } from './routing.types.js';

function deployment(id: string, change: Partial<Deployment> = {}): Deployment {
  return deploymentSchema.parse({
    id,
    provider: 'openai',
    baseUrl: 'http://localhost/v1',
    upstreamModel: id,
    credential: null,
    headTimeoutMs: 1,
    idleTimeoutMs: 1,
    ...change,
  });
}

/** A dispatcher whose provider is played by the test. */
function world(queueMs?: number) {
  const sent: { id: string; handler: AnswerHandler }[] = [];
  const defects: unknown[] = [];
  const clock = { nowMs: 0, isBroken: false };
  const states = new DeploymentStates(queueMs === undefined ? {} : { queueMs });
  const dispatcher = new Dispatcher({
    upstream: {
      send(request, handler) {
        if (clock.isBroken) throw new Error('a defect');
        sent.push({ id: request.deployment.id, handler });
      },
      close: () => Promise.resolve(),
    },
    states,
    credentials: new Credentials(() => undefined),
    random: () => 0,
    nowMs: () => clock.nowMs,
    onAttempt: () => undefined,
    onDefect: (error) => defects.push(error),
  });
  return { sent, defects, clock, states, dispatcher };
}

/** A call and what its answer was told. */
function aCall() {
  const attempts: [string, number | null, UpstreamFailure | null][] = [];
  const heard: (string | number | ApiError)[] = [];
  let current: string | null = null;
  const exit: { outcome: string | null; isClientGone: boolean } = { outcome: null, isClientGone: false };
  const call: RoutedCall = {
    exit,
    beginAttempt: ({ id }) => {
      current = id;
    },
    endAttempt: (status, failure) => {
      if (current !== null) attempts.push([current, status, failure]);
      current = null;
    },
  };
  const answer: RoutedAnswer & { flaw: Flaw | null; isPassedOn: boolean } = {
    flaw: null,
    isPassedOn: true,
    onStart: () => undefined,
    onHead: (status) => heard.push(status),
    onData: (chunk) => heard.push(chunk.toString()),
    onEnd: () => heard.push('end'),
    onFailure: (failure) => heard.push(failure),
    refuse: (error) => heard.push(error),
  };
  return { call, answer, exit, attempts, heard };
}

function dispatch({ dispatcher }: ReturnType<typeof world>, one: ReturnType<typeof aCall>, deployments: Deployment[]): void {
  dispatcher.dispatch({
    ...one,
    deployments,
    requestFor: (chosen) => ({ deployment: chosen, path: '/x', requestId: 'r', body: Buffer.alloc(0) }),
  });
}

const FLOW = { pause: () => undefined, resume: () => undefined, abort: () => undefined };
const two = [deployment('one'), deployment('two', { priority: 1 })];
const code = (heard: unknown) => (heard as ApiError).body.error.code;

describe('a call', () => {
  it('hears of the deployment that answered and of no other, however late those are', () => {
    const here = world();
    const one = aCall();
    dispatch(here, one, two);
    here.sent[0]?.handler.onHead(500, {});
    here.sent[1]?.handler.onHead(200, {});
    here.sent[0]?.handler.onData(Buffer.from('late'));
    here.sent[1]?.handler.onData(Buffer.from('answer'));
    here.sent[0]?.handler.onFailure('cut');
    here.sent[1]?.handler.onEnd();
    expect(one.heard).toEqual([200, 'answer', 'end']);
    expect(one.attempts).toEqual([['one', 500, null]]);
    expect(here.states.list().map(({ places }) => places.inFlight)).toEqual([0, 0]);
  });

  it('is not sent anywhere any more after its time', () => {
    const here = world();
    const one = aCall();
    dispatch(here, one, two);
    here.clock.nowMs = ATTEMPTS_MS_MAX + 1;
    here.sent[0]?.handler.onFailure('head_timeout');
    expect(one.heard).toEqual(['head_timeout']);
    expect(here.sent).toHaveLength(1);
  });

  it.each([
    ['its client has left', { isClientGone: true }],
    ['it is over', { outcome: 'gateway_died' }],
  ])('is not tried again when %s', (_why, change) => {
    const here = world();
    const one = aCall();
    dispatch(here, one, two);
    Object.assign(one.exit, change);
    here.sent[0]?.handler.onFailure('connect_refused');
    expect(one.heard).toEqual(['connect_refused']);
    expect(here.sent).toHaveLength(1);
  });

  it('is not tried again when the gateway gave the attempt up itself', () => {
    const here = world();
    const one = aCall();
    dispatch(here, one, two);
    here.sent[0]?.handler.onFailure('aborted');
    expect(one.heard).toEqual(['aborted']);
  });

  it('survives a defect in sending, and the place is given back', () => {
    const here = world();
    const one = aCall();
    here.clock.isBroken = true;
    dispatch(here, one, [deployment('one')]);
    expect(one.heard).toEqual(['protocol']);
    expect(here.defects).toHaveLength(1);
    expect(here.states.list()[0]?.places.inFlight).toBe(0);
  });

  it('that cannot be put into words is nobody else’s fault: the circuit stays closed, no other is asked, and the place is given back', () => {
    const here = world();
    for (let round = 0; round < 2 * CONSECUTIVE_FAILURES_MAX; round++) {
      const one = aCall();
      here.dispatcher.dispatch({
        ...one,
        deployments: two,
        requestFor: () => {
          throw new RangeError('too deep');
        },
      });
      expect(one.heard.map(code)).toEqual(['internal_error']);
      expect(one.attempts).toEqual([['one', null, 'aborted']]);
    }
    expect([here.sent, here.defects.length]).toEqual([[], 2 * CONSECUTIVE_FAILURES_MAX]);
    expect(here.states.list().map(({ circuit, places }) => [circuit.stateAt(0), places.inFlight])).toEqual([
      ['closed', 0],
      ['closed', 0],
    ]);
  });

  it('does not read on what nobody will see', () => {
    const here = world();
    let aborts = 0;
    const abort = () => {
      aborts += 1;
    };
    dispatch(here, aCall(), two);
    here.sent[0]?.handler.onStart({ ...FLOW, abort });
    here.sent[0]?.handler.onHead(500, {});
    here.sent[0]?.handler.onData(Buffer.alloc(ERROR_BODY_BYTES_MAX));
    expect(aborts).toBe(0);
    here.sent[0]?.handler.onData(Buffer.alloc(1));
    expect(aborts).toBe(1);
  });

  it.each([
    ['too long', Buffer.alloc(ERROR_BODY_BYTES_MAX), 0],
    ['too slow', Buffer.from('.'), ERROR_BODY_MS_MAX + 1],
  ])(
    'is refused with what has come of a body that is %s, the rest is given up and the place given back',
    (_, rest, afterMs) => {
      const here = world();
      const one = aCall();
      dispatch(here, one, [deployment('alone')]);
      const at = here.sent[0]?.handler as AnswerHandler;
      at.onStart({ ...FLOW, abort: () => at.onFailure('aborted') });
      at.onHead(400, {});
      at.onData(Buffer.from('no'));
      expect(one.heard).toEqual([400]);
      here.clock.nowMs += afterMs;
      at.onData(rest);
      expect(one.heard).toEqual([400, afterMs > 0 ? 'no.' : 'no', 'end']);
      expect(here.states.list()[0]?.places.inFlight).toBe(0);
    },
  );
});

const JSON_HEAD = { 'content-type': 'application/json' };
const STREAM_HEAD = { 'content-type': 'text/event-stream; charset=utf-8' };
const alone = [deployment('alone')];

describe('a circuit', () => {
  const circuitAt = (here: ReturnType<typeof world>) => here.states.list()[0]?.circuit.stateAt(here.clock.nowMs);
  const handler = (here: ReturnType<typeof world>) => here.sent.at(-1)?.handler as AnswerHandler;

  /** As many calls as open it, if each speaks against the deployment. */
  function many(here: ReturnType<typeof world>, play: (one: ReturnType<typeof aCall>, at: AnswerHandler) => void): void {
    for (let count = 0; count < CONSECUTIVE_FAILURES_MAX; count++) {
      const one = aCall();
      dispatch(here, one, alone);
      play(one, handler(here));
    }
  }

  function opened() {
    const here = world();
    many(here, (_one, at) => at.onFailure('cut'));
    expect(circuitAt(here)).toBe('open');
    here.clock.nowMs += OPEN_MS;
    const one = aCall();
    dispatch(here, one, alone);
    return { here, one, at: handler(here) };
  }

  it.each(['cut', 'idle_timeout'] as const)(
    'stays closed when connections end with %s behind answers that were whole',
    (failure) => {
      const here = world();
      many(here, (one, at) => {
        at.onHead(200, STREAM_HEAD);
        one.exit.outcome = 'completed';
        at.onFailure(failure);
      });
      expect(circuitAt(here)).toBe('closed');
    },
  );

  it.each([
    ['that says it is the provider’s', 503, 'open'],
    ['that may be the client’s', 'unclear', 'closed'],
    ['that is the client’s', 400, 'closed'],
    ['of none: the gateway had other reasons', null, 'closed'],
  ] as const)('hears of an error %s although the rest of the stream was given up for it', (_whose, flaw, state) => {
    const here = world();
    many(here, (one, at) => {
      at.onHead(200, STREAM_HEAD);
      one.answer.flaw = flaw;
      one.exit.outcome = 'upstream_cut';
      at.onFailure('aborted');
    });
    expect(circuitAt(here)).toBe(state);
  });

  it('opens again for a probe whose answer under a status of 200 is an error', () => {
    const { here, one, at } = opened();
    at.onHead(200, JSON_HEAD);
    expect(circuitAt(here)).toBe('half_open');
    one.answer.flaw = 503;
    at.onEnd();
    expect(circuitAt(here)).toBe('open');
  });

  it('opens again for a probe whose stream begins with an error', () => {
    const { here, one, at } = opened();
    at.onHead(200, STREAM_HEAD);
    one.answer.flaw = 503;
    at.onData(Buffer.from('an error'));
    expect(circuitAt(here)).toBe('half_open');
    at.onFailure('aborted');
    expect(circuitAt(here)).toBe('open');
  });

  it('closes for a probe that is refused with a status of the client’s, before the body of that ends', () => {
    const { here, at } = opened();
    at.onHead(404, JSON_HEAD);
    expect(circuitAt(here)).toBe('closed');
  });

  it('opens again by the head of a probe that the provider fails, whatever becomes of its body', () => {
    const { here, at } = opened();
    at.onHead(503, JSON_HEAD);
    expect(circuitAt(here)).toBe('open');
    at.onFailure('aborted');
    expect(circuitAt(here)).toBe('open');
  });

  it('opens where a provider fails with pages that are too long to be read', () => {
    const here = world();
    many(here, (_one, at) => {
      at.onStart({ ...FLOW, abort: () => at.onFailure('aborted') });
      at.onHead(500, { 'content-type': 'text/html' });
      at.onData(Buffer.alloc(ERROR_BODY_BYTES_MAX + 1));
    });
    expect(circuitAt(here)).toBe('open');
  });

  it.each([{}, STREAM_HEAD])('does not close by the beginning of what is judged as a whole, its head being %j', (head) => {
    const { here, one, at } = opened();
    one.answer.isPassedOn = false;
    at.onHead(200, head);
    at.onData(Buffer.from('no JSON'));
    expect(circuitAt(here)).toBe('half_open');
    one.answer.flaw = 'broken';
    at.onEnd();
    expect(circuitAt(here)).toBe('open');
  });

  it('does not close for a probe that is answered with a page', () => {
    const { here, one, at } = opened();
    at.onHead(200, { 'content-type': 'text/html' });
    at.onData(Buffer.from('<html>'));
    expect(circuitAt(here)).toBe('half_open');
    one.answer.flaw = 'broken';
    at.onEnd();
    expect(circuitAt(here)).toBe('open');
  });

  it.each([
    STREAM_HEAD,
    { 'content-type': 'Text/Event-Stream' },
    { 'content-type': 'audio/mpeg' },
    { 'content-type': 'text/plain' },
    {},
  ])('closes as soon as the stream of its probe has begun, its head being %j', (head) => {
    const { here, at } = opened();
    at.onHead(200, head);
    expect(circuitAt(here)).toBe('half_open');
    at.onData(Buffer.from('a word'));
    expect(circuitAt(here)).toBe('closed');
  });
});

describe('a queue', () => {
  const narrow = deployment('narrow', { concurrencyMax: 1, queueMax: 1 });

  it('is left for the next deployment when its time is over, and the attempt says so', async () => {
    const here = world(20);
    dispatch(here, aCall(), [narrow]);
    const one = aCall();
    dispatch(here, one, [narrow, deployment('other', { priority: 1 })]);
    await waitUntil(() => here.sent.length === 2, { what: 'the next deployment' });
    expect(here.sent[1]?.id).toBe('other');
    expect(one.attempts).toEqual([['narrow', null, 'queue_timeout']]);
  });

  it('that leads nowhere ends in a 503', async () => {
    const here = world(20);
    dispatch(here, aCall(), [narrow]);
    const one = aCall();
    dispatch(here, one, [narrow]);
    await waitUntil(() => one.heard.length === 1, { what: 'the refusal' });
    expect(code(one.heard[0])).toBe('upstream_saturated');
  });

  it('sends nothing for a client that left meanwhile, nor for a call that is over', () => {
    for (const change of [{ isClientGone: true }, { outcome: 'gateway_died' }]) {
      const here = world();
      dispatch(here, aCall(), [narrow]);
      const one = aCall();
      dispatch(here, one, [narrow]);
      Object.assign(one.exit, change);
      here.sent[0]?.handler.onEnd();
      expect(here.sent).toHaveLength(1);
      expect(here.states.list()[0]?.places).toMatchObject({ inFlight: 0, queued: 0 });
    }
  });
});

describe('states of deployments', () => {
  const of = (...deployments: Deployment[]) => ({
    v: 1 as const,
    revision: 1,
    models: [{ deployments } as never],
  });

  it('outlast a change of limits, begin anew elsewhere, and go with their deployment', () => {
    const states = new DeploymentStates();
    states.follow(of(deployment('a'), deployment('b')));
    const before = states.of(deployment('a'));
    states.follow(of(deployment('a', { weight: 5 })));
    expect(states.of(deployment('a'))).toBe(before);
    expect(before.deployment.weight).toBe(5);
    expect(states.list()).toHaveLength(1);
    states.follow(of(deployment('a', { baseUrl: 'http://elsewhere/v1' })));
    expect(states.list()[0]).not.toBe(before);
  });

  it('are not changed by a call that was admitted under an earlier catalogue', () => {
    const states = new DeploymentStates();
    states.follow(of(deployment('a', { baseUrl: 'http://new/v1' })));
    const [current] = states.list();
    expect(states.of(deployment('a'))).not.toBe(current);
    expect(states.list()).toEqual([current]);
  });
});
