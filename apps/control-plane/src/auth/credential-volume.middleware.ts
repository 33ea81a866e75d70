import { Inject, Injectable, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { ThrottleService } from '../throttle/throttle.service.js';

/** Bounds what one network may ask of credential endpoints, before a body is read or a password hashed. */
@Injectable()
export class CredentialVolume implements NestMiddleware {
  constructor(@Inject(ThrottleService) private readonly throttle: ThrottleService) {}

  use(_req: Request, res: Response, next: NextFunction): void {
    this.throttle.takeRequest().then((headers) => {
      for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
      next();
    }, next);
  }
}
