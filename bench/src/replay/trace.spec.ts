import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseTrace } from './trace.js';

const HEADER = 'TIMESTAMP,ContextTokens,GeneratedTokens';
const FIRST = '2023-11-16 18:15:46.6805900,374,44';

describe('parseTrace', () => {
  it('reads the whole committed trace, in order of arrival', () => {
    const rows = parseTrace(readFileSync(new URL('../../traces/azure-llm-trace-conv.csv', import.meta.url), 'utf8'));
    expect(rows).toHaveLength(19_366);
    expect(rows[0]).toEqual({ offsetMs: 0, contextTokens: 374, generatedTokens: 44 });
    expect(rows.reduce((sum, row) => sum + row.contextTokens, 0)).toBe(22_361_870);
    expect(rows.reduce((sum, row) => sum + row.generatedTokens, 0)).toBe(4_088_665);
    expect(rows.every((row, index) => index === 0 || row.offsetMs >= (rows[index - 1]?.offsetMs ?? 0))).toBe(true);
  });

  it('takes both line ends and stops at the limit', () => {
    const text = `${HEADER}\r\n${FIRST}\r\n2023-11-16 18:15:50.9951690,396,109\r\n`;
    expect(parseTrace(text)).toHaveLength(2);
    expect(parseTrace(text)[1]?.offsetMs).toBe(4_315);
    expect(parseTrace(text, 1)).toHaveLength(1);
  });

  it.each([
    ['no header', FIRST, /line 1 is not the header/],
    ['no rows', `${HEADER}\n`, /no request in it/],
    ['a torn row', `${HEADER}\n${FIRST}\n2023-11-16 18:1`, /line 3 is no request/],
    ['a negative count', `${HEADER}\n2023-11-16 18:15:46.6805900,-3,44`, /line 2 is no request/],
  ])('refuses %s, naming the line', (_, text, message) => {
    expect(() => parseTrace(text)).toThrow(message);
  });
});
