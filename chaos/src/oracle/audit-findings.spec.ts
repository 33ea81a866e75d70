import { describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { findingsOf } from './audit-findings.js';
import { byId, CALM, client, reportWith, served, T0 } from './oracle.fixture.js';

const id = uuid7(T0);
const MISSING = 'oracle: a completed call is one call in the books';
const missing = reportWith({
  name: MISSING,
  differences: [{ check: MISSING, subject: `call ${id}`, expected: 'one usage row', actual: 'none' }],
});
const death = { gateway: 'gateway-1', atMs: T0 + 50, backAtMs: T0 + 2_000 };
const kinds = (report: typeof missing, context = CALM) => findingsOf(report, context).violations.map(({ kind }) => kind);

describe('findings of the audit', () => {
  it('a difference is a violation by the name of its check', () => {
    const difference = { check: 'x', subject: 'account', expected: '1', actual: '2' };
    expect(kinds(reportWith({ name: 'usage = charges', differences: [difference] }))).toEqual(['usage = charges']);
    expect(kinds(reportWith({ name: 'usage = charges' }))).toEqual([]);
  });

  it('differences that are counted and not shown are violations too', () => {
    expect(kinds({ ...reportWith({ name: 'usage = charges', differenceCount: 1_000 }), differences: 1_000 })).toEqual([
      'usage = charges',
    ]);
  });

  it('a served call without a row is excused only when a gateway died meanwhile and no client got a byte', () => {
    const context = { ...CALM, served: byId(served(id)), deaths: [death] };
    expect(findingsOf(missing, context)).toEqual({ violations: [], servedForNobody: [id] });
    expect(kinds(missing, { ...context, deaths: [] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, deaths: [{ ...death, atMs: T0 + 60_000, backAtMs: T0 + 61_000 }] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, clients: [client({ requestId: id, bytes: 1 })] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, served: new Map() })).toEqual([MISSING]);
  });

  it('quarantine holds our poison, each for its reason, and nothing else', () => {
    const sound = reportWith({ name: 'quarantine: empty', differenceCount: 1 });
    const poison = new Map([['aa', { reason: 'invalid', publishedAtMs: T0 }]]);
    const event = { hash: 'aa', reason: 'invalid', requestId: null };
    expect(kinds(sound, { ...CALM, poison, quarantine: [event] })).toEqual([]);
    expect(kinds(sound, { ...CALM, poison, quarantine: [] })).toEqual(['quarantine']);
    expect(kinds(sound, { ...CALM, poison, quarantine: [{ ...event, reason: 'id_time' }] })).toEqual(['quarantine']);
    expect(kinds(sound, { ...CALM, poison, quarantine: [event, { ...event, hash: 'bb' }] })).toEqual(['quarantine']);
    expect(kinds(sound, { ...CALM, poison, streamDeletedAtMs: [T0 + 1] })).toEqual([]);
  });
});
