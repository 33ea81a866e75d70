import { tmpdir } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { COMPLETED_RECORD_BYTES_MAX, DiskGuard, PENDING_BYTES_MAX } from './disk-guard.service.js';

const healthy = { failures: 0, pendingBytes: 0, diskBytes: 0 };

async function problemWith(change: {
  journal?: Partial<typeof healthy>;
  openCalls?: number;
  freeBytesMin?: number;
  journalBytesMax?: number;
}) {
  const { journal, openCalls = 0, ...limits } = change;
  const guard = new DiskGuard({
    folder: tmpdir(),
    journal: { ...healthy, ...journal },
    openCalls: () => openCalls,
    freeBytesMin: 0,
    ...limits,
  });
  await guard.measure();
  guard.stop();
  return guard.problem();
}

describe('the disk guard', () => {
  it('lets calls in while there is room', async () => {
    expect(await problemWith({})).toBeNull();
  });

  it('stops admission while the ends of the open calls still fit', async () => {
    const journalBytesMax = 10 * COMPLETED_RECORD_BYTES_MAX;
    expect(await problemWith({ openCalls: 9, journalBytesMax })).toBeNull();
    expect(await problemWith({ openCalls: 10, journalBytesMax })).toMatch(/size limit/);
    expect(await problemWith({ journal: { diskBytes: journalBytesMax }, journalBytesMax })).toMatch(/size limit/);
  });

  it('stops admission when the disk is full, failing or too slow', async () => {
    expect(await problemWith({ freeBytesMin: Number.MAX_SAFE_INTEGER })).toMatch(/full/);
    expect(await problemWith({ journal: { failures: 1 } })).toMatch(/cannot be written/);
    expect(await problemWith({ journal: { pendingBytes: PENDING_BYTES_MAX + 1 } })).toMatch(/too slow/);
  });

  it('takes a folder that is gone for a full disk', async () => {
    const guard = new DiskGuard({ folder: '/nonexistent/journal', journal: healthy, openCalls: () => 0 });
    await guard.measure();
    guard.stop();
    expect(guard.problem()).toMatch(/full/);
  });
});
