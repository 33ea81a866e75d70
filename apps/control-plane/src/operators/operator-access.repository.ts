import { Inject, Injectable } from '@nestjs/common';
import { ControlClient } from '@tensorloop/db/control-client';

/** Asked as the application: it sees whether this one user is an operator, and of nobody else. */
@Injectable()
export class OperatorAccessRepository {
  constructor(@Inject(ControlClient) private readonly control: ControlClient) {}

  async isOperator(userId: string): Promise<boolean> {
    const row = await this.control.withUser(userId, (tx) =>
      tx.operator.findUnique({ where: { userId }, select: { userId: true } }),
    );
    return row !== null;
  }

  /** When one of the user's sessions was begun: the sign-in, whatever its token is now. Null when there is none such. */
  async findSignIn(userId: string, sessionId: string): Promise<Date | null> {
    const session = await this.control.withUser(userId, (tx) =>
      tx.session.findUnique({ where: { id: sessionId, userId }, select: { createdAt: true } }),
    );
    return session?.createdAt ?? null;
  }
}
