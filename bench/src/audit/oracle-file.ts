import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { type OracleRecord, oracleRecordSchema } from '@tensorloop/contracts/oracle-record';
import type { Usage } from '@tensorloop/contracts/usage';
import { AuditUnavailable } from './audit.types.js';
import { rows, type SnapshotClient } from './snapshot.js';

/** Lines taken into the database at once. The file may hold millions; memory holds this many. */
const BATCH_LINES = 5_000;
const PROGRESS_LINES = 100_000;

const REQUEST_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Records without an endpoint are of before there was another one. */
const ENDPOINT_BEFORE_OTHERS = 'chat.completions';

/** Gone with the session, invisible to everyone else. The owner of the database may make it without any grant. */
const CREATE_TABLE = `CREATE TEMPORARY TABLE oracle (
  id text PRIMARY KEY, request_id uuid, model text, endpoint text, quantities jsonb, completion bigint,
  outcome text, usage_sent boolean, bytes_sent bigint)`;

const INSERT = `INSERT INTO oracle
  SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::jsonb[], $6::bigint[], $7::text[], $8::boolean[], $9::bigint[])
  ON CONFLICT (id) DO UPDATE SET (quantities, completion, outcome, usage_sent, bytes_sent)
    = ROW (EXCLUDED.quantities, EXCLUDED.completion, EXCLUDED.outcome, EXCLUDED.usage_sent, EXCLUDED.bytes_sent)`;

export interface LoadedOracle {
  /** Calls served, after corrections. */
  calls: number;
  /** Calls that came past the gateway, or carried no request id of ours: outside the audit. */
  foreign: number;
  /** Line numbers that are no record. The last line may be torn by a kill -9 of the simulator; any other may not. */
  unreadable: number[];
}

/** Streams the oracle's file into a temporary table of this session, where it can be joined with the usage rows. */
export async function loadOracle(
  client: SnapshotClient,
  file: string,
  onProgress: (line: string) => void,
): Promise<LoadedOracle> {
  await client.query(CREATE_TABLE);
  const unreadable: number[] = [];
  let batch = new Map<string, OracleRecord>();
  let lineNumber = 0;
  const flush = async () => {
    if (batch.size > 0) await insert(client, [...batch.values()]);
    batch = new Map();
  };
  for await (const line of readLines(file)) {
    lineNumber++;
    const record = parseLine(line);
    if (record) batch.set(record.id, record);
    else if (line !== '') unreadable.push(lineNumber);
    if (batch.size === BATCH_LINES) await flush();
    if (lineNumber % PROGRESS_LINES === 0) onProgress(`oracle: ${lineNumber} lines read`);
  }
  await flush();
  if (unreadable.at(-1) === lineNumber) unreadable.pop();
  await client.query('CREATE INDEX ON oracle (request_id)');
  await client.query('ANALYZE oracle');
  const [counts] = await rows<{ calls: string; foreign_calls: string }>(
    client,
    'SELECT count(*) AS calls, count(*) FILTER (WHERE request_id IS NULL) AS foreign_calls FROM oracle',
  );
  return { calls: Number(counts?.calls), foreign: Number(counts?.foreign_calls), unreadable };
}

async function* readLines(file: string): AsyncGenerator<string> {
  const input = createReadStream(file, 'utf8');
  try {
    for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) yield line;
  } catch (error) {
    throw new AuditUnavailable(`The oracle's file cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function parseLine(line: string): OracleRecord | null {
  try {
    return oracleRecordSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}

async function insert(client: SnapshotClient, records: OracleRecord[]): Promise<void> {
  const column = (read: (record: OracleRecord) => unknown) => records.map(read);
  await client.query(INSERT, [
    column((record) => record.id),
    column((record) => (REQUEST_ID.test(record.gatewayRequestId ?? '') ? record.gatewayRequestId : null)),
    column((record) => record.model),
    column((record) => record.endpoint ?? ENDPOINT_BEFORE_OTHERS),
    column((record) => JSON.stringify(record.quantities ?? quantitiesOfTokens(record))),
    column((record) => record.completionTokens),
    column((record) => record.outcome),
    column((record) => record.usageSent),
    column((record) => record.bytesSent),
  ]);
}

/** The oracle counts cached tokens inside the prompt and reasoning inside the output, like its provider. */
function quantitiesOfTokens(record: OracleRecord): Usage {
  return {
    input: record.promptTokens - record.cachedTokens,
    input_cache_read: record.cachedTokens,
    output: record.completionTokens - record.reasoningTokens,
    output_reasoning: record.reasoningTokens,
  };
}
