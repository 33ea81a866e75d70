import { Controller, Get, Inject } from '@nestjs/common';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { z } from 'zod';
import { CONFIG, type Config } from '../config.js';

const indexSchema = z.object({
  service: z.literal('tensorloop control plane'),
  inferenceBaseUrl: z.string(),
  /** To be read by people, and by programs: every route. */
  docs: z.string(),
  openapi: z.string(),
});

@Controller()
@Access('public')
export class SurfacesController {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /** What someone who opens the host in a browser finds. */
  @Get()
  @ResponseSchema(indexSchema)
  index(): z.infer<typeof indexSchema> {
    return {
      service: 'tensorloop control plane',
      inferenceBaseUrl: `${this.config.GATEWAY_URL}/v1`,
      docs: `${this.config.PUBLIC_URL}/api/docs`,
      openapi: `${this.config.PUBLIC_URL}/api/openapi.json`,
    };
  }
}
