import { describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { findingsOf } from './audit-findings.js';
import { booked, byId, CALM, client, reportWith, served, T0 } from './oracle.fixture.js';

const id = uuid7(T0);
const MISSING = 'oracle: a completed call is one call in the books';
const OTHER_END = 'oracle: a call ended the same way on both sides';
const missing = reportWith({
  name: MISSING,
  differences: [{ check: MISSING, subject: `call ${id}`, expected: 'one usage row', actual: 'none' }],
});
const death = { gateway: 'gateway-1', atMs: T0 + 50, goneAtMs: T0 + 60 };
const unanswered = client({ requestId: null, status: null, headAtMs: null, bytes: 0, ending: 'unreachable' });
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

  it('a served call without a row is excused only by the death, at that time, of the gateway where its client waited in vain', () => {
    const context = { ...CALM, served: byId(served(id)), deaths: [death], clients: [unanswered] };
    expect(findingsOf(missing, context)).toEqual({ violations: [], servedForNobody: [id], lostOnTheWay: [] });
    expect(kinds(missing, { ...context, deaths: [] })).toEqual([MISSING]);
    const at = (atMs: number) => ({ ...death, atMs, goneAtMs: atMs + 10 });
    expect(kinds(missing, { ...context, deaths: [at(T0 + 601)] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, deaths: [at(T0 - 1_000)] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, deaths: [{ ...death, gateway: 'gateway-2' }] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, clients: [] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, clients: [{ ...unanswered, model: 'gpt-4o' }] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, clients: [unanswered, client({ requestId: id, bytes: 1 })] })).toEqual([MISSING]);
    expect(kinds(missing, { ...context, served: new Map() })).toEqual([MISSING]);
  });

  it('a death excuses no more calls than clients were waiting', () => {
    const [first, second] = [uuid7(T0), uuid7(T0)];
    const differences = [first, second].map((call) => ({
      check: MISSING,
      subject: `call ${call}`,
      expected: 'one usage row',
      actual: 'none',
    }));
    const context = { ...CALM, served: byId(served(first), served(second)), deaths: [death] };
    const both = reportWith({ name: MISSING, differences });
    expect(kinds(both, { ...context, clients: [unanswered] })).toEqual([MISSING]);
    expect(kinds(both, { ...context, clients: [unanswered, { ...unanswered }] })).toEqual([]);
  });

  it('an answer whose last bytes fell to a cut of its own gateway’s link is free, and is counted', () => {
    const ended = reportWith({
      name: OTHER_END,
      differences: [{ check: OTHER_END, subject: `call ${id}`, expected: 'completed', actual: 'upstream_cut' }],
    });
    const row = booked({ requestId: id, outcome: 'upstream_cut', chargeNanoUsd: 0n });
    const cuts = [{ gateway: 'gateway-1', atMs: T0 + 100, endedAtMs: T0 + 2_000 }];
    const context = { ...CALM, booked: byId(row), served: byId(served(id)), cuts };
    expect(findingsOf(ended, context)).toEqual({ violations: [], servedForNobody: [], lostOnTheWay: [id] });
    expect(kinds(ended, { ...context, cuts: [] })).toEqual([OTHER_END]);
    expect(kinds(ended, { ...context, cuts: [{ gateway: 'gateway-2', atMs: T0 + 100, endedAtMs: T0 + 2_000 }] })).toEqual([
      OTHER_END,
    ]);
    expect(kinds(ended, { ...context, cuts: [{ gateway: 'gateway-1', atMs: T0 + 400, endedAtMs: T0 + 2_000 }] })).toEqual([
      OTHER_END,
    ]);
    expect(kinds(ended, { ...context, booked: byId({ ...row, chargeNanoUsd: 1n }) })).toEqual([OTHER_END]);
    expect(kinds(ended, { ...context, booked: byId({ ...row, outcome: 'client_aborted' }) })).toEqual([OTHER_END]);
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
    expect(kinds(sound, { ...CALM, poison, streamDeletedAtMs: [T0 - 1, T0 + 240_000] })).toEqual(['quarantine']);
  });
});
