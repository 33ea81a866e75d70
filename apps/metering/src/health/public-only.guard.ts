import { Injectable } from '@nestjs/common';
import { AccessGuard } from '@tensorloop/nest-kit/access';

/** Metering has no users: its HTTP side is health and metrics, and whatever else declares itself is refused. */
@Injectable()
export class PublicOnlyGuard extends AccessGuard {
  protected authenticate(): Promise<boolean> {
    return Promise.resolve(false);
  }
}
