import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LOGGER } from '@tensorloop/nest-kit/logging';
import type { Logger } from '@tensorloop/observability/logger';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { Queue } from 'bullmq';
import { startControlPlane, type TestControlPlane } from '../control-plane.fixture.js';
import { MailService } from './mail.service.js';
import { type MailJob, MailQueue } from './mail-queue.js';
import { SmtpSink } from './smtp-sink.fixture.js';

let sink: SmtpSink;
let plane: TestControlPlane;
let queue: Queue<{ sealed: string }>;
beforeAll(async () => {
  sink = await SmtpSink.start();
  plane = await startControlPlane({ SMTP_URL: sink.url, MAIL_FROM: 'TensorLoop <no-reply@example.com>' });
  queue = new Queue('mails', { connection: { url: plane.redisServer.url }, prefix: '{bull}' });
});
afterAll(async () => {
  await queue?.close();
  await plane?.close();
  await sink?.stop();
});

async function countUnreadable(): Promise<number> {
  const { text } = await plane.browser().send('GET', '/metrics');
  return Number(/tensorloop_control_mails_total\{[^}]*outcome="unreadable"[^}]*\} (\d+)/.exec(text)?.[1] ?? 0);
}

describe('a mail that this replica cannot read', () => {
  it('is given up with its last attempt, and says why to whoever looks', async () => {
    const job = await queue.add('of nobody', { sealed: 'nothing' }, { attempts: 2, backoff: { type: 'fixed', delay: 1 } });
    await waitUntil(async () => (await job.getState()) === 'failed', { what: 'it to be given up' });
    const given = await queue.getJob(job.id as string);
    expect([given?.attemptsMade, given?.failedReason]).toEqual([2, 'a mail of the queue is not readable by this replica']);
  });

  it('waits for one that can, as while two versions run side by side', async () => {
    const before = await countUnreadable();
    // As the other version has it queued: with attempts, the first two a second apart.
    const backoff = { type: 'exponential', delay: 1_000 };
    const job = await queue.add(
      'of another version',
      { sealed: 'in its own form' },
      { attempts: 10, backoff, removeOnComplete: true },
    );
    await waitUntil(async () => (await countUnreadable()) === before + 1, { what: 'this replica to have a look at it' });
    await waitUntil(async () => (await job.getState()) === 'delayed', { what: 'it to be tried again later' });
    // Either may make the next attempt; here it is the other's for sure.
    await plane.app.get(MailService, { strict: false }).onModuleDestroy();
    const read: MailJob[] = [];
    const other = new MailQueue(plane.redisServer.url, plane.app.get<Logger>(LOGGER, { strict: false }), async (mail) => {
      read.push(mail);
    });
    try {
      await waitUntil(async () => (await queue.getJob(job.id as string)) === undefined, { what: 'it to be done' });
      expect(read).toEqual([{ name: 'of another version', sealed: 'in its own form' }]);
    } finally {
      await other.close();
    }
  });
});
