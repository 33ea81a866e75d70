import { Controller, type DynamicModule, Get, Inject, Module, Res } from '@nestjs/common';
import { Metrics } from '@tensorloop/observability/metrics';
import { Access, RawResponse } from './access.js';

/** Both Express's response and Fastify's reply. */
interface HeaderReply {
  header(name: string, value: string): unknown;
}

@Controller('metrics')
@Access('public')
export class MetricsController {
  constructor(@Inject(Metrics) private readonly metrics: Metrics) {}

  @Get()
  @RawResponse('Prometheus exposition text')
  scrape(@Res({ passthrough: true }) response: HeaderReply): Promise<string> {
    response.header('content-type', this.metrics.contentType);
    return this.metrics.text();
  }
}

/** Serves GET /metrics and provides `Metrics` everywhere. */
@Module({})
export class MetricsModule {
  static forRoot(metrics: Metrics): DynamicModule {
    return {
      module: MetricsModule,
      global: true,
      controllers: [MetricsController],
      providers: [{ provide: Metrics, useValue: metrics }],
      exports: [Metrics],
    };
  }
}
