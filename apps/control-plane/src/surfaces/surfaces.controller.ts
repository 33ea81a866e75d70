import { Controller, Get, Inject } from '@nestjs/common';
import { Access, ResponseSchema } from '@tensorloop/nest-kit/access';
import { z } from 'zod';
import { CONFIG, type Config } from '../config.js';

const indexSchema = z.object({
  service: z.literal('tensorloop control plane'),
  inferenceBaseUrl: z.string(),
  routes: z.record(z.string(), z.string()),
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
      routes: {
        'POST /api/auth/sign-up': 'create an account: {email, password}',
        'POST /api/auth/sign-in': 'start a session: {email, password}',
        'POST /api/auth/sign-out': 'end the session',
        'GET /api/me': 'who is signed in, and the plan with its ceilings',
        'POST /api/keys': 'mint a key: {name, models?, budgetUsd?, rpm?, expiresInDays?}',
        'GET /api/keys': 'active keys; ?include=inactive for all',
        'DELETE /api/keys/{id}': 'revoke a key',
        'GET /api/activity': 'calls, newest first: ?cursor, limit, keyId, model',
        'GET /api/usage/summary': 'spend by day, model and key: ?from, to',
        'GET /health/live': 'the process answers',
        'GET /health/ready': 'dependencies, one by one',
        'GET /metrics': 'Prometheus metrics',
      },
    };
  }
}
