import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { prepareCommand, unprivilegedUser } from './launcher.js';
import type { ManagedServer } from './managed-server.js';
import { startPostgres } from './postgres.js';

describe('a private PostgreSQL', () => {
  const folder = mkdtempSync(join(tmpdir(), 'servers-postgres-'));
  let server: ManagedServer;

  beforeAll(async () => {
    server = await startPostgres({ folder, durability: 'process' });
  });

  afterAll(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  async function query(sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    const { rows } = await client.query(sql);
    await client.end();
    return rows;
  }

  it('is version 18, in UTC, open to its superuser with the password only', async () => {
    const [row] = await query(`SELECT current_setting('server_version') AS version, current_setting('timezone') AS zone`);
    expect(row).toEqual({ version: expect.stringMatching(/^18\./), zone: 'UTC' });
    const stranger = new pg.Client({ connectionString: server.url.replace(/:[^:@]+@/, ':guess@') });
    await expect(stranger.connect()).rejects.toThrow('password authentication failed');
  });

  it('keeps what was committed over kill -9, on the same port', async () => {
    const { port, pid } = server;
    await query('CREATE TABLE survivor AS SELECT 42 AS answer');
    await server.kill();
    await expect(query('SELECT 1')).rejects.toThrow('ECONNREFUSED');
    await server.restart();
    expect(server.port).toBe(port);
    expect(server.pid).not.toBe(pid);
    expect(await query('SELECT answer FROM survivor')).toEqual([{ answer: 42 }]);
  });

  it('keeps its data for a later start from the same folder', async () => {
    await query('CREATE TABLE later AS SELECT 7 AS answer');
    await server.stop();
    server = await startPostgres({ folder, durability: 'process' });
    expect(await query('SELECT answer FROM later')).toEqual([{ answer: 7 }]);
  });

  it('says what to do about a port that is taken', async () => {
    const second = startPostgres({ folder: join(folder, 'second'), durability: 'process', port: server.port });
    await expect(second).rejects.toThrow(`port ${server.port}: address already in use`);
  });

  it('refuses data of another version in a sentence', async () => {
    const other = mkdtempSync(join(folder, 'other-'));
    mkdirSync(join(other, 'data'));
    writeFileSync(join(other, 'data', 'PG_VERSION'), '14\n');
    await expect(startPostgres({ folder: other, durability: 'process' })).rejects.toThrow('written by PostgreSQL 14');
  });
});

describe('a checkout that is closed to other users, such as one below /root', () => {
  it('is open to the server all the same', () => {
    const closed = mkdtempSync(join(tmpdir(), 'servers-closed-'));
    const program = join(closed, 'program');
    writeFileSync(program, '#!/bin/sh\n', { mode: 0o700 });
    chmodSync(program, 0o755);
    const command = { file: '/usr/bin/test', args: ['-x', program], user: unprivilegedUser(), reaches: [closed] };
    const { file, args, ...identity } = prepareCommand(command, 'KILL');
    expect(spawnSync(file, args, { ...identity, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
    rmSync(closed, { recursive: true });
  });
});
