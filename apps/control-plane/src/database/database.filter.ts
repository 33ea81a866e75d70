import { type ArgumentsHost, Catch, Injectable } from '@nestjs/common';
import { isDatabaseUnavailable } from '@tensorloop/db/database-errors';
import { generalProblems } from '@tensorloop/nest-kit/problem';
import { ProblemFilter } from '@tensorloop/nest-kit/problem.filter';

const RETRY_HEADERS = { 'retry-after': '2' };

/** A database that is away is no fault of the code: 503 and try again, where anything unexpected is 500. */
@Catch()
@Injectable()
export class DatabaseAwareFilter extends ProblemFilter {
  override catch(error: unknown, host: ArgumentsHost): void {
    super.catch(
      isDatabaseUnavailable(error) ? generalProblems.unavailable({ cause: error, headers: RETRY_HEADERS }) : error,
      host,
    );
  }
}
