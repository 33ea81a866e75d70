import { Injectable } from '@nestjs/common';
import { AccessGuard } from '@tensorloop/nest-kit/access';

/** Nest serves health and metrics only; the inference surface does its own authentication before it. */
@Injectable()
export class PublicOnlyGuard extends AccessGuard {
  protected authenticate(): Promise<boolean> {
    return Promise.resolve(false);
  }
}
