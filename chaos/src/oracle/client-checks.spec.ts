import { describe, expect, it } from '@jest/globals';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import type { ClientRecord } from '../load/client-record.js';
import type { BookedCall } from './books.js';
import { checkClients } from './client-checks.js';
import { booked, byId, client, T0 } from './oracle.fixture.js';

const id = uuid7(T0);

/** Kinds found where the client saw this and the books say that. */
function kinds(seen: Partial<ClientRecord>, row: Partial<BookedCall> | null): string[] {
  const rows = row === null ? [] : [booked({ requestId: id, ...row })];
  return checkClients({ clients: [client({ requestId: id, ...seen })], booked: byId(...rows) }).map(({ kind }) => kind);
}

describe('what clients saw against the books', () => {
  it('a whole answer that is booked in full is sound', () => {
    expect(kinds({ costUsd: '0.00000006' }, { chargeNanoUsd: 60n })).toEqual([]);
  });

  it.each(['complete', 'left', 'broken', 'failed'] as const)(
    'a call that got a byte and ended %s is lost without a row',
    (ending) => {
      expect(kinds({ ending }, null)).toEqual(['lost']);
    },
  );

  it('a call that got no byte need not be booked', () => {
    expect(kinds({ status: null, requestId: null, bytes: 0, ending: 'unreachable' }, null)).toEqual([]);
    expect(kinds({ status: 503, bytes: 80, ending: 'refused' }, null)).toEqual([]);
  });

  it('an id that two clients got is a call doubled', () => {
    const clients = [client({ requestId: id }), client({ requestId: id })];
    const found = checkClients({ clients, booked: byId(booked({ requestId: id })) });
    expect(found.map(({ kind }) => kind)).toEqual(['doubled']);
  });

  it('an answer that was refused is free', () => {
    expect(kinds({ status: 502, ending: 'refused' }, { outcome: 'upstream_error', chargeNanoUsd: 0n })).toEqual([]);
    expect(kinds({ status: 502, ending: 'refused' }, { outcome: 'upstream_error', chargeNanoUsd: 1n })).toEqual([
      'charged refusal',
    ]);
  });

  it('a whole answer is neither an estimate nor anything but completed, and costs what it said', () => {
    expect(kinds({}, { isEstimated: true })).toEqual(['price']);
    expect(kinds({ fault: 'no_usage' }, { isEstimated: true })).toEqual([]);
    expect(kinds({}, { outcome: 'upstream_cut' })).toEqual(['price']);
    expect(kinds({ costUsd: '0.00000006' }, { chargeNanoUsd: 61n })).toEqual(['price']);
    expect(kinds({ ending: 'failed' }, { outcome: 'completed' })).toEqual(['price']);
  });

  it.each([{ accountId: uuid7(T0) }, { keyId: uuid7(T0) }, { gatewayId: 'gateway-2' }, { model: 'gpt-4o' }])(
    'a call is booked to who made it, where and for what it was made: %o is none of them',
    (row) => {
      expect(kinds({}, row)).toEqual(['payer']);
    },
  );

  it('bytes of an answer without an id, which nobody could look up, are lost', () => {
    expect(kinds({ requestId: null }, null)).toEqual(['lost']);
  });

  it('a whole answer says what it costs; a stream cannot', () => {
    expect(kinds({ costUsd: null }, {})).toEqual(['price']);
    expect(kinds({ costUsd: null, stream: true }, {})).toEqual([]);
  });
});
