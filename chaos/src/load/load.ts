import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { TraceRow } from '@tensorloop/bench/replay/trace';
import type { Random } from '../random.js';
import { GATEWAYS, type GatewayName } from '../topology/parts.js';
import { type LoadMix, shapeCall } from './call-shape.js';
import { type ClientRecord, isSuccess } from './client-record.js';
import { GatewayCaller } from './gateway-caller.js';
import type { LoadKey } from './tenants.js';

/** A gateway that is down refuses at once: without a pause the lanes would burn the machine on it. */
const FAILURE_PAUSE_MS = 40;
const WRITE_BATCH = 200;

export interface LoadOptions {
  urlOf: (gateway: GatewayName) => string;
  rows: readonly TraceRow[];
  random: Random;
  mix: LoadMix;
  /** Calls in flight at each gateway. */
  lanes: number;
  /** Pause after each call of a lane. */
  thinkMs: number;
  /** Which key pays for the next call. */
  chooseKey: (random: Random) => LoadKey;
  /** Where each record is appended; null = kept in memory alone. */
  recordFile: string | null;
}

/** Calls without pause at every gateway until stopped. Lanes belong to one gateway: one that stands still holds up its own. */
export class Load {
  readonly records: ClientRecord[] = [];
  private readonly callers: GatewayCaller[];
  private readonly lanes: Promise<void>[];
  private index = 0;
  private written = 0;
  private isStopping = false;
  private isPaused = false;

  constructor(private readonly options: LoadOptions) {
    this.callers = GATEWAYS.map((gateway) => new GatewayCaller(gateway, options.urlOf(gateway), options.lanes));
    this.lanes = this.callers.flatMap((caller) => Array.from({ length: options.lanes }, () => this.run(caller)));
  }

  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }

  /** Ends the load once the calls under way have ended. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.lanes);
    await Promise.all(this.callers.map((caller) => caller.close()));
    this.write();
  }

  private async run(caller: GatewayCaller): Promise<void> {
    const { rows, random, mix, thinkMs, chooseKey } = this.options;
    while (!this.isStopping) {
      if (this.isPaused) {
        await delay(FAILURE_PAUSE_MS);
        continue;
      }
      const index = this.index++;
      const shape = shapeCall(rows[index % rows.length] as TraceRow, index, { mix, random });
      const record = await caller.call(index, shape, chooseKey(random));
      this.records.push(record);
      if (this.records.length - this.written >= WRITE_BATCH) this.write();
      const pauseMs = thinkMs + (isSuccess(record) || record.ending === 'left' ? 0 : FAILURE_PAUSE_MS);
      if (pauseMs > 0) await delay(pauseMs);
    }
  }

  private write(): void {
    const { recordFile } = this.options;
    const fresh = this.records.slice(this.written);
    this.written = this.records.length;
    if (recordFile !== null && fresh.length > 0) {
      appendFileSync(recordFile, fresh.map((record) => `${JSON.stringify(record)}\n`).join(''));
    }
  }
}
