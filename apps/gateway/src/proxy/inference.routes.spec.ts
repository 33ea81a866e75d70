import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Fastify, { type FastifyInstance } from 'fastify';
import { chatCompletions } from '../chat/chat.service.js';
import { ByteBudget } from './byte-budget.js';
import { type RouteParts, registerInferenceRoutes } from './inference.routes.js';
import { RequestBodies } from './request-bodies.js';

const MEBIBYTE = 1024 * 1024;
/** The same address as the endpoint's own, as only a decoder of addresses sees. */
const SPELT = '/v1/chat/completion%73';

let fastify: FastifyInstance;
let budget: ByteBudget;
let isOverloaded: boolean;
let bodies: string[];

beforeEach(() => {
  isOverloaded = false;
  bodies = [];
  budget = new ByteBudget(MEBIBYTE);
  fastify = Fastify();
  const parts: Pick<RouteParts, 'calls' | 'endpoints' | 'bodies' | 'nowMs' | 'onDefect' | 'publicUrl' | 'dashboardUrl'> = {
    endpoints: [chatCompletions],
    bodies: new RequestBodies(budget),
    nowMs: () => 0,
    onDefect: (error) => expect(error).toBeNull(),
    publicUrl: 'http://gateway.test',
    dashboardUrl: 'http://dashboard.test',
    calls: {
      handle: async (_endpoint, { body, lease }, { res }) => {
        bodies.push(`${body.length} bytes, ${budget.bytesTaken > 0 ? 'counted' : 'not counted'}`);
        lease.letGo();
        res.end('taken');
      },
      shed: (_endpoint, res) => {
        if (isOverloaded) res.writeHead(503).end('shed');
        return isOverloaded;
      },
    },
  };
  registerInferenceRoutes(fastify, parts as RouteParts);
});
afterEach(() => fastify.close());

function post(url: string, bytes: number) {
  return fastify.inject({ method: 'POST', url, headers: { 'content-type': 'application/json' }, payload: 'x'.repeat(bytes) });
}

describe('calls that reach the framework', () => {
  it('are taken, and their bodies are counted as those of all others are', async () => {
    expect((await post(SPELT, 10)).body).toBe('taken');
    expect((await post(SPELT, 100_000)).body).toBe('taken');
    expect(bodies).toEqual(['10 bytes, not counted', '100000 bytes, counted']);
    expect(budget.bytesTaken).toBe(0);
  });

  it('are shed as all others are', async () => {
    isOverloaded = true;
    // Larger than all bodies may be together: had it been read, the answer would be another one.
    expect(await post(SPELT, 2 * MEBIBYTE)).toMatchObject({ statusCode: 503, body: 'shed' });
    expect(bodies).toEqual([]);
  });

  it.each([SPELT, '/nowhere'])('are refused for want of memory, whatever they ask for: %s', async (url) => {
    const answer = await post(url, 2 * MEBIBYTE);
    expect(answer).toMatchObject({ statusCode: 503, headers: { connection: 'close' } });
    expect(answer.json().error.code).toBe('overloaded');
    expect(bodies).toEqual([]);
    expect(budget.bytesTaken).toBe(0);
  });
});
