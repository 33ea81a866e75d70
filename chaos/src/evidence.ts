import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { METERING_CONSUMER, REQUESTS_STREAM } from '@tensorloop/contracts/subjects';
import { Redis } from 'ioredis';
import pg from 'pg';
import type { Installation } from './topology/installation.js';

const TABLES = ['usage', 'charges', 'scope_totals', 'grants', 'quarantine', 'ledger_transactions', 'ledger_entries'] as const;
const SCAN_COUNT = 1_000;

/** What the stores hold, as text beside logs and records: enough to say afterwards what went wrong. */
export async function dumpStores(installation: Installation): Promise<void> {
  const folder = join(installation.folder, 'dump');
  mkdirSync(folder, { recursive: true });
  const client = new pg.Client({ connectionString: installation.databaseUrls.owner });
  await client.connect();
  try {
    for (const table of TABLES) {
      const { rows } = await client.query(`SELECT row_to_json(t)::text AS line FROM metering.${table} t`);
      writeFileSync(join(folder, `${table}.jsonl`), rows.map(({ line }: { line: string }) => `${line}\n`).join(''));
    }
  } finally {
    await client.end();
  }
  await dumpRedis(installation, join(folder, 'redis.jsonl'));
  const connection = await connect({ servers: installation.part('nats').url });
  try {
    const manager = await jetstreamManager(connection);
    const consumer = await manager.consumers.info(REQUESTS_STREAM, METERING_CONSUMER);
    const stream = await manager.streams.info(REQUESTS_STREAM);
    writeFileSync(join(folder, 'nats.json'), JSON.stringify({ stream, consumer }, null, 2));
  } finally {
    await connection.close();
  }
}

async function dumpRedis(installation: Installation, file: string): Promise<void> {
  const redis = new Redis(installation.part('redis').url);
  try {
    const lines: string[] = [];
    for await (const names of redis.scanStream({ match: 'tl:*', count: SCAN_COUNT })) {
      for (const name of names as string[]) {
        const type = await redis.type(name);
        const value = type === 'hash' ? await redis.hgetall(name) : type === 'set' ? await redis.smembers(name) : type;
        lines.push(JSON.stringify({ name, value }));
      }
    }
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
  } finally {
    redis.disconnect();
  }
}
