import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { NatsConnection } from '@nats-io/transport-node';
import { accountChangedSubject } from '@tensorloop/contracts/subjects';
import { connectNats } from '@tensorloop/messaging/connection';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { startControlPlane, type TestBrowser, type TestControlPlane } from '../control-plane.fixture.js';
import { HEARTBEAT_MS } from './events.controller.js';
import { LiveEvents, STREAMS_PER_ACCOUNT_MAX } from './live-events.service.js';

/** Well below the 75 s for which an idle connection is kept: a close that waits for those fails. */
const CLOSE_TIMEOUT_MS = 45_000;

let plane: TestControlPlane;
/** Whoever else publishes: metering, or another replica. */
let elsewhere: NatsConnection;
const open: Stream[] = [];

beforeAll(async () => {
  plane = await startControlPlane();
  elsewhere = await connectNats({ url: plane.nats.url, name: 'elsewhere' });
});
afterEach(() => {
  for (const stream of open.splice(0)) stream.close();
});
afterAll(async () => {
  await elsewhere?.close();
  await plane?.close();
}, CLOSE_TIMEOUT_MS);

interface SentEvent {
  id: string;
  event: string;
  data: unknown;
}

/** An EventSource without a page. */
class Stream {
  readonly events: SentEvent[] = [];
  isOver = false;
  text = '';

  private constructor(
    readonly response: Response,
    private readonly abort: AbortController,
  ) {}

  static async open(browser: TestBrowser, lastEventId?: string): Promise<Stream> {
    const abort = new AbortController();
    const headers = { cookie: browser.cookie ?? '', ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) };
    const stream = new Stream(await fetch(`${plane.url}/api/events`, { headers, signal: abort.signal }), abort);
    open.push(stream);
    if (stream.response.status === 200) void stream.read();
    return stream;
  }

  close(): void {
    this.abort.abort();
  }

  named(event: string): SentEvent[] {
    return this.events.filter((sent) => sent.event === event);
  }

  private async read(): Promise<void> {
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const chunk of this.response.body ?? []) {
        const text = decoder.decode(chunk, { stream: true });
        this.text += text;
        const blocks = (rest + text).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) this.take(block);
      }
    } catch {
      // Closed by the test.
    }
    this.isOver = true;
  }

  private take(block: string): void {
    const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: ?(.*)/s).slice(0, 2)));
    if (fields.event !== undefined) this.events.push({ id: fields.id, event: fields.event, data: JSON.parse(fields.data) });
  }
}

const say = (accountId: string, message: unknown) =>
  elsewhere.publish(accountChangedSubject(accountId), JSON.stringify(message));

describe('live updates (TL-10)', () => {
  it('reach a member from whichever service, of the own account alone', async () => {
    const [own, other] = [await plane.signUp(), await plane.signUp()];
    const [mine, theirs] = [await Stream.open(own.browser), await Stream.open(other.browser)];
    expect(mine.response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    say(own.me.account.id, { v: 1, kinds: ['activity', 'usage'] });
    await waitUntil(() => mine.named('changed').length === 1, { what: 'a change from metering' });
    plane.app.get(LiveEvents, { strict: false }).publish(own.me.account.id, 'keys');
    await waitUntil(() => mine.named('changed').length === 2, { what: 'a change from the control plane' });
    say(other.me.account.id, { v: 1, kinds: ['members'] });
    await waitUntil(() => theirs.named('changed').length === 1, { what: "the other account's change" });
    expect(mine.named('changed').map(({ data }) => data)).toEqual([{ kinds: ['activity', 'usage'] }, { kinds: ['keys'] }]);
    expect(theirs.named('changed').map(({ data }) => data)).toEqual([{ kinds: ['members'] }]);
  });

  it('tell of every change that a member makes', async () => {
    const { browser } = await plane.signUp();
    const stream = await Stream.open(browser);
    expect((await browser.mint()).status).toBe(201);
    await waitUntil(() => stream.named('changed').length === 1, { what: 'the new key' });
    expect(stream.named('changed')[0]?.data).toEqual({ kinds: ['keys'] });
    expect((await browser.mint({ name: '' })).status).toBe(400);
    await browser.send('GET', '/api/keys');
    expect(stream.named('changed')).toHaveLength(1);
  });

  it('tell the account that an operator changes, and not the operator', async () => {
    const [operator, { browser, me }] = [await plane.signUp(), await plane.signUp()];
    await plane.database.query('INSERT INTO control.operators (user_id) VALUES ($1)', [operator.me.user.id]);
    const [theirs, own] = [await Stream.open(browser), await Stream.open(operator.browser)];
    const path = `/api/operator/accounts/${me.account.id}`;
    for (const [count, [method, verb, body]] of (
      [
        ['PUT', 'plan', { planId: 'pro' }],
        ['POST', 'disable', {}],
        ['POST', 'enable', {}],
      ] as const
    ).entries()) {
      const answer = await operator.browser.send(method, `${path}/${verb}`, { body: { ...body, reason: 'asked for' } });
      expect(answer.status).toBe(200);
      await waitUntil(() => theirs.named('changed').length === count + 1, { what: verb });
      expect(theirs.named('changed').at(-1)?.data).toEqual({ kinds: ['account', 'keys'] });
    }
    expect(own.named('changed')).toEqual([]);
  });

  it('tell of a change that is saved though Redis was not told in time', async () => {
    const { browser } = await plane.signUp();
    const { body: key } = await browser.mint();
    const stream = await Stream.open(browser);
    await plane.redisServer.server.kill();
    try {
      expect((await browser.send('DELETE', `/api/keys/${key.id}`)).status).toBe(503);
      await waitUntil(() => stream.named('changed').length > 0, { what: 'the revocation' });
      expect(stream.named('changed')[0]?.data).toEqual({ kinds: ['keys'] });
    } finally {
      await plane.redisServer.server.restart();
    }
  });

  it('go on where they broke off, and say so where they cannot', async () => {
    const { browser, me } = await plane.signUp();
    const first = await Stream.open(browser);
    await waitUntil(() => first.named('ready').length === 1, { what: 'the stream' });
    first.close();
    await waitUntil(() => first.isOver, { what: 'the end of the stream' });
    // The channel lingers: what happens now is kept.
    plane.app.get(LiveEvents, { strict: false }).publish(me.account.id, 'projects');
    const second = await Stream.open(browser, first.events.at(-1)?.id);
    await waitUntil(() => second.named('changed').length === 1, { what: 'the change that was missed' });
    expect(second.named('reset')).toEqual([]);
    const third = await Stream.open(browser, 'of-another-replica.7');
    await waitUntil(() => third.named('reset').length === 1, { what: 'a reset' });
  });

  it('survive messages that nobody can read, and kinds of a later release', async () => {
    const { browser, me } = await plane.signUp();
    const stream = await Stream.open(browser);
    elsewhere.publish(accountChangedSubject(me.account.id), 'not json');
    say(me.account.id, { v: 1, kinds: ['dreams'] });
    say(me.account.id, { v: 1, kinds: ['account', 'dreams'] });
    await waitUntil(() => stream.named('changed').length === 1, { what: 'the change' });
    expect(stream.named('changed')[0]?.data).toEqual({ kinds: ['account'] });
  });

  it('are bounded for each account', async () => {
    const { browser } = await plane.signUp();
    for (let count = 0; count < STREAMS_PER_ACCOUNT_MAX; count++)
      expect((await Stream.open(browser)).response.status).toBe(200);
    const { status, body } = await browser.send('GET', '/api/events');
    expect([status, body.code]).toEqual([429, 'too_many_streams']);
    open.shift()?.close();
    await waitUntil(async () => (await Stream.open(browser)).response.status === 200, { what: 'a free place' });
  });

  it('are for members only', async () => {
    expect((await plane.browser().send('GET', '/api/events')).status).toBe(401);
  });

  it('end when the session does, and stay for those whose session lives', async () => {
    const [leaving, staying] = [await plane.signUp(), await plane.signUp()];
    const [ended, kept] = [await Stream.open(leaving.browser), await Stream.open(staying.browser)];
    await leaving.browser.send('POST', '/api/auth/sign-out');
    await waitUntil(() => ended.isOver && kept.text.includes(': still here'), {
      what: 'the end of the stream',
      timeoutMs: 2 * HEARTBEAT_MS,
    });
    expect(kept.isOver).toBe(false);
  });
});
