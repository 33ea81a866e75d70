import { describe, expect, it } from '@jest/globals';
import { BATCH_SIZE_BUCKETS, createMetrics } from './metrics.js';

describe('metrics', () => {
  it('expose what was counted, with the service as a label, beside the metrics of the process', async () => {
    const metrics = createMetrics('spec');
    metrics.counter({ name: 'calls_total', help: 'Calls.', labels: ['outcome'] }).inc({ outcome: 'ok' }, 2);
    metrics.histogram({ name: 'batch_messages', help: 'Batch sizes.', buckets: BATCH_SIZE_BUCKETS }).observe(3);
    metrics.gauge({ name: 'open_calls', help: 'Open calls.', collect: (gauge) => gauge.set(7) });
    const text = await metrics.text();
    expect(text).toContain('calls_total{outcome="ok",service="spec"} 2');
    expect(text).toContain('batch_messages_bucket{le="5",service="spec"} 1');
    expect(text).toContain('open_calls{service="spec"} 7');
    expect(text).toContain('process_resident_memory_bytes');
    expect(metrics.contentType).toContain('text/plain');
  });

  it('of two services in one process do not meet', async () => {
    createMetrics('one').counter({ name: 'calls_total', help: 'Calls.' }).inc();
    const other = createMetrics('other');
    other.counter({ name: 'calls_total', help: 'Calls.' });
    expect(await other.text()).toContain('calls_total{service="other"} 0');
  });
});
