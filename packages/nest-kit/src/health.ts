import { Controller, Get, Global, Inject, Injectable, Module, type OnModuleDestroy, Res } from '@nestjs/common';
import { z } from 'zod';
import { Access, ResponseSchema } from './access.js';

/** A check that has not answered by then counts as failed. */
export const HEALTH_CHECK_TIMEOUT_MS = 1_000;
const UNAVAILABLE = 503;

/** Resolves when the dependency can be used (a string is shown to operators); rejects otherwise. */
export type HealthCheck = () => Promise<unknown>;

const checkResultSchema = z.object({ ok: z.boolean(), detail: z.string().optional(), latencyMs: z.number() });
export const readinessSchema = z.object({
  status: z.enum(['ready', 'not_ready', 'draining']),
  checks: z.record(z.string(), checkResultSchema),
});
export type Readiness = z.infer<typeof readinessSchema>;

export interface HealthCheckOptions {
  timeoutMs?: number;
  /** False = shown, but a failure does not take the service out of rotation. */
  isRequired?: boolean;
}

interface Indicator {
  check: HealthCheck;
  timeoutMs: number;
  isRequired: boolean;
}

/** The service's dependencies by name. Features register their own: `health.register('redis', () => redis.ping())`. */
@Injectable()
export class HealthRegistry implements OnModuleDestroy {
  private readonly indicators = new Map<string, Indicator>();
  private isDraining = false;
  private running: Promise<Readiness> | null = null;

  register(name: string, check: HealthCheck, options: HealthCheckOptions = {}): void {
    if (this.indicators.has(name)) throw new Error(`a health check named ${name} exists already`);
    this.indicators.set(name, {
      check,
      timeoutMs: options.timeoutMs ?? HEALTH_CHECK_TIMEOUT_MS,
      isRequired: options.isRequired ?? true,
    });
  }

  /** From now on not ready: load balancers send no more, what runs may finish. */
  startDraining(): void {
    this.isDraining = true;
  }

  onModuleDestroy(): void {
    this.startDraining();
  }

  /** Runs every check at once. Probes that come while one runs share it, so that they cannot pile up on a slow dependency. */
  readiness(): Promise<Readiness> {
    this.running ??= this.runChecks().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async runChecks(): Promise<Readiness> {
    const results = await Promise.all(
      [...this.indicators].map(async ([name, indicator]) => [name, await runCheck(indicator)] as const),
    );
    const isUp = results.every(([name, result]) => result.ok || this.indicators.get(name)?.isRequired === false);
    return { status: this.isDraining ? 'draining' : isUp ? 'ready' : 'not_ready', checks: Object.fromEntries(results) };
  }
}

async function runCheck(indicator: Indicator): Promise<Readiness['checks'][string]> {
  const startedMs = performance.now();
  const latencyMs = () => Math.round((performance.now() - startedMs) * 10) / 10;
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${indicator.timeoutMs} ms`)), indicator.timeoutMs);
  });
  try {
    const detail = await Promise.race([Promise.resolve().then(() => indicator.check()), timeout]);
    return { ok: true, latencyMs: latencyMs(), ...(typeof detail === 'string' ? { detail } : {}) };
  } catch (error) {
    return { ok: false, latencyMs: latencyMs(), detail: publicReason(error) };
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Anyone who reaches the port may ask for readiness, and the errors of drivers name hosts, roles and source files. A plain
 * Error without a code is one of ours, worded to be read.
 */
function publicReason(error: unknown): string {
  const isOurs = error instanceof Error && error.constructor === Error && !('code' in error) && !('command' in error);
  return isOurs ? error.message : 'not usable; the log says why';
}

/** Both Express's response and Fastify's reply. */
interface StatusReply {
  status(code: number): unknown;
}

@Controller('health')
@Access('public')
export class HealthController {
  constructor(@Inject(HealthRegistry) private readonly health: HealthRegistry) {}

  /** The process answers; says nothing about its dependencies, so that their outage does not get it restarted. */
  @Get('live')
  @ResponseSchema(z.object({ status: z.literal('live') }))
  live(): { status: 'live' } {
    return { status: 'live' };
  }

  /** 200 when every required dependency can be used, else 503; the body names each. */
  @Get('ready')
  @ResponseSchema(readinessSchema)
  async ready(@Res({ passthrough: true }) response: StatusReply): Promise<Readiness> {
    const readiness = await this.health.readiness();
    if (readiness.status !== 'ready') response.status(UNAVAILABLE);
    return readiness;
  }
}

@Global()
@Module({ controllers: [HealthController], providers: [HealthRegistry], exports: [HealthRegistry] })
export class HealthModule {}
