import { Body, Controller, Get, Inject, Module, Param, Patch, Post, Query, Res } from '@nestjs/common';
import { APP_FILTER, APP_GUARD, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { createLogger } from '@tensorloop/observability/logger';
import { createMetrics } from '@tensorloop/observability/metrics';
import { z } from 'zod';
import { Access, AccessGuard, AlsoAnswers, RawResponse, ResponseSchema } from '../access.js';
import { EntityTagInterceptor } from '../entity-tag.js';
import { HealthModule } from '../health.js';
import { IfMatch, requireVersion } from '../if-match.js';
import { LOGGER, LoggingModule } from '../logging.js';
import { MetricsModule } from '../metrics.js';
import { ProblemFilter } from '../problem.filter.js';
import { defineProblems } from '../problem.js';
import { ResponseSchemaInterceptor, ValidationPipe } from '../validation.js';

export const logLines: string[] = [];
const logger = createLogger({
  service: 'sample',
  level: 'debug',
  destination: { write: (line: string) => logLines.push(line) },
});

const problems = defineProblems({ thing_taken: { kind: 'conflict', text: 'The name is taken.' } });
const thingSchema = z.object({ id: z.string() });

@Controller('things')
@Access('public')
export class ThingsController {
  constructor(@Inject(LOGGER) readonly injected: unknown) {}

  @Post()
  @ResponseSchema(thingSchema)
  create(
    @Body({ schema: z.strictObject({ name: z.string().min(1), tags: z.array(z.string()).optional() }) }) body: { name: string },
  ): unknown {
    if (body.name === 'taken') throw problems.thing_taken({ headers: { 'retry-after': '3' } });
    if (body.name === 'broken') throw new Error('password=hunter2 at 10.0.0.1');
    return { id: body.name, internalNote: 'not for callers' };
  }

  @Get()
  @ResponseSchema(thingSchema)
  list(@Query({ schema: z.object({ limit: z.coerce.number().int().default(50) }) }) query: { limit: number }): unknown {
    return { id: String(query.limit) };
  }

  @Post('slow')
  @ResponseSchema(thingSchema)
  @AlsoAnswers(202, z.object({ isQueued: z.literal(true) }))
  createSlowly(
    @Body({ schema: z.strictObject({ isQueued: z.boolean() }) }) { isQueued }: { isQueued: boolean },
    @Res({ passthrough: true }) reply: { status(code: number): unknown },
  ): unknown {
    if (isQueued) reply.status(202);
    return { id: 'a', isQueued: true, internalNote: 'not for callers' };
  }

  @Get('unfit')
  @ResponseSchema(thingSchema)
  unfit(): unknown {
    return { id: 7 };
  }

  @Get(':id/mine')
  @Access('session')
  @ResponseSchema(thingSchema)
  mine(@Param('id', { schema: z.string().max(3) }) id: string): unknown {
    return { id };
  }
}

const versionedSchema = z.object({ name: z.string(), version: z.number().int() });

@Controller('versioned')
@Access('public')
export class VersionedController {
  readonly thing = { name: 'first', version: 1 };

  @Get()
  @ResponseSchema(versionedSchema)
  get(): unknown {
    return this.thing;
  }

  @Patch()
  @ResponseSchema(versionedSchema)
  update(
    @IfMatch() seen: number | null,
    @Body({ schema: z.strictObject({ name: z.string() }) }) { name }: { name: string },
  ): unknown {
    requireVersion(this.thing.version, seen);
    Object.assign(this.thing, { name, version: this.thing.version + 1 });
    return this.thing;
  }
}

@Controller('forgotten')
export class ForgottenController {
  @Post()
  create(@Body() body: unknown): unknown {
    return body;
  }

  @Get()
  @RawResponse('a text')
  list(): string {
    return 'reachable?';
  }
}

class SampleGuard extends AccessGuard {
  protected authenticate(): Promise<boolean> {
    return Promise.resolve(false);
  }
}

@Module({
  imports: [LoggingModule.forRoot(logger), HealthModule, MetricsModule.forRoot(createMetrics('sample'))],
  controllers: [ThingsController, VersionedController, ForgottenController],
  providers: [
    { provide: APP_GUARD, useClass: SampleGuard },
    { provide: APP_PIPE, useClass: ValidationPipe },
    { provide: APP_INTERCEPTOR, useClass: EntityTagInterceptor },
    { provide: APP_INTERCEPTOR, useClass: ResponseSchemaInterceptor },
    { provide: APP_FILTER, useClass: ProblemFilter },
  ],
})
export class SampleModule {}
