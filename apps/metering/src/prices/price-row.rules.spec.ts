import { describe, expect, it } from '@jest/globals';
import { PRICE } from '../testing/events.js';
import { type PriceRow, readPriceRow } from './price-row.rules.js';

function row(change: Partial<PriceRow> = {}): PriceRow {
  return { id: PRICE.id, model: PRICE.model, effective_from: new Date(0), effective_to: null, rates: PRICE.rates, ...change };
}

describe('a row of the price book', () => {
  it('that fits is read as it is', () => {
    expect(readPriceRow(row())).toEqual(PRICE);
  });

  it('of a later release keeps the rates that this one knows', () => {
    expect(readPriceRow(row({ rates: { ...PRICE.rates, video_second: '7' } }))).toEqual(PRICE);
  });

  it.each([
    ['a rate that is no plain decimal', { rates: { input: '1e3' } }],
    ['a rate below zero', { rates: { input: '-1' } }],
    ['a rate that is a number', { rates: { input: 0.15 } }],
    ['rates that are no object', { rates: ['0.15'] }],
    ['no rates', { rates: null }],
    ['a start before 1970', { effective_from: new Date(-1) }],
  ])('with %s is unfit as a whole, and says what is wrong', (_name, change) => {
    expect(readPriceRow(row(change))).toEqual({ id: PRICE.id, problem: expect.stringMatching(/^(rates|effectiveFromMs)/) });
  });
});
