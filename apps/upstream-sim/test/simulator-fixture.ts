import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OracleRecord } from '@tensorloop/contracts/oracle-record';
import { readOracleFile } from '@tensorloop/testing/oracle-file';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { createSimulator, type Simulator } from '../src/app.js';

/** A simulator of this process with a record of its own. */
export class SimulatorFixture {
  private constructor(
    private readonly folder: string,
    private readonly simulator: Simulator,
    readonly url: string,
  ) {}

  static async start(): Promise<SimulatorFixture> {
    const folder = await mkdtemp(join(tmpdir(), 'simulator-'));
    const simulator = await createSimulator({ oracleFile: join(folder, 'oracle.jsonl') });
    return new SimulatorFixture(folder, simulator, await simulator.listen(0));
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url + path, { method: 'POST', body: JSON.stringify(body), headers });
  }

  /** The record of the call that came with this `x-request-id`. */
  record(requestId: string): Promise<OracleRecord> {
    const find = async () =>
      (await readOracleFile(join(this.folder, 'oracle.jsonl'))).find((record) => record.gatewayRequestId === requestId);
    return waitUntil(find, { what: `the record of ${requestId}` }) as Promise<OracleRecord>;
  }

  async stop(): Promise<void> {
    await this.simulator.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}
