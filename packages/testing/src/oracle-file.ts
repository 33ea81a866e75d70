import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { type OracleRecord, oracleRecordSchema } from '@tensorloop/contracts/oracle-record';

/**
 * Reads the upstream simulator's record of what it served, in the order of each call's first line. A later line with the
 * same id replaces the earlier. A last line that is torn (its writer was killed) is left out, because nobody was ever
 * promised it; any other line that is no record throws, because a witness with holes proves nothing.
 */
export async function readOracleFile(path: string): Promise<OracleRecord[]> {
  const records = new Map<string, OracleRecord>();
  let torn: Error | null = null;
  let lineNumber = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    lineNumber++;
    if (torn) throw torn;
    const record = parseLine(line);
    if (record) records.set(record.id, record);
    else torn = new Error(`${path}:${lineNumber} is no record of a served call`);
  }
  return [...records.values()];
}

function parseLine(line: string): OracleRecord | null {
  try {
    const result = oracleRecordSchema.safeParse(JSON.parse(line));
    return result.success ? result.data : null;
  } catch {
    return null;
  }
}
