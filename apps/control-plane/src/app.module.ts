import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR, APP_PIPE } from '@nestjs/core';
import { EntityTagInterceptor } from '@tensorloop/nest-kit/entity-tag';
import { HealthModule } from '@tensorloop/nest-kit/health';
import { LoggingModule } from '@tensorloop/nest-kit/logging';
import { MetricsModule } from '@tensorloop/nest-kit/metrics';
import { NatsModule } from '@tensorloop/nest-kit/nats';
import { PROBLEM_TYPE_BASE } from '@tensorloop/nest-kit/problem.filter';
import { ResponseSchemaInterceptor, ValidationPipe } from '@tensorloop/nest-kit/validation';
import { AccountsModule } from './accounts/accounts.module.js';
import type { AppContext } from './app.js';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { CLOCK } from './clock.js';
import { CONFIG } from './config.js';
import { DatabaseAwareFilter } from './database/database.filter.js';
import { DatabaseModule } from './database/database.module.js';
import { GoogleModule } from './google/google.module.js';
import { IdempotencyInterceptor } from './idempotency/idempotency.interceptor.js';
import { IdempotencyModule } from './idempotency/idempotency.module.js';
import { InvitesModule } from './invites/invites.module.js';
import { KeysModule } from './keys/keys.module.js';
import { MembersModule } from './members/members.module.js';
import { ModelsModule } from './models/models.module.js';
import { OpenApiModule } from './openapi/openapi.module.js';
import { OperatorsModule } from './operators/operators.module.js';
import { PlansModule } from './plans/plans.module.js';
import { ProjectionModule } from './projection/projection.module.js';
import { ProjectsModule } from './projects/projects.module.js';
import { SurfacesModule } from './surfaces/surfaces.module.js';
import { TokensModule } from './tokens/tokens.module.js';
import { TRACING } from './tracing.types.js';
import { UsageModule } from './usage/usage.module.js';

@Module({})
export class AppModule {
  static forRoot({ config, logger, metrics, tracing, clock }: AppContext): DynamicModule {
    return {
      module: AppModule,
      global: true,
      imports: [
        LoggingModule.forRoot(logger),
        MetricsModule.forRoot(metrics),
        HealthModule,
        // Minting and lists work while NATS is away, so the app does not wait for it.
        NatsModule.forRoot({
          url: config.NATS_URL,
          name: 'control-plane',
          waitsForConnection: false,
          onStatus: (event, detail) => logger.info({ event, detail }, 'NATS'),
        }),
        DatabaseModule,
        AuditModule,
        IdempotencyModule,
        AuthModule,
        GoogleModule,
        AccountsModule,
        MembersModule,
        InvitesModule,
        TokensModule,
        KeysModule,
        ProjectsModule,
        ModelsModule,
        PlansModule,
        UsageModule,
        ProjectionModule,
        OperatorsModule,
        OpenApiModule,
        SurfacesModule,
      ],
      providers: [
        { provide: CONFIG, useValue: config },
        { provide: CLOCK, useValue: clock },
        { provide: TRACING, useValue: tracing },
        { provide: APP_FILTER, useClass: DatabaseAwareFilter },
        { provide: PROBLEM_TYPE_BASE, useValue: `${config.PUBLIC_URL}/api/docs/errors/` },
        { provide: APP_PIPE, useClass: ValidationPipe },
        // From the outside in: what is answered is tagged as it is sent, and a repeated answer is cut to its schema as any other.
        { provide: APP_INTERCEPTOR, useClass: EntityTagInterceptor },
        { provide: APP_INTERCEPTOR, useClass: ResponseSchemaInterceptor },
        { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
      ],
      exports: [CONFIG, CLOCK, TRACING],
    };
  }
}
