import { type ArgumentsHost, Catch, type ExceptionFilter, Inject, Injectable, Optional } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Problem } from '@tensorloop/contracts/dashboard-api';
import type { Logger } from '@tensorloop/observability/logger';
import { LOGGER } from './logging.js';
import { type ProblemError, problemLogLevel, problemStatus, problemTitle, toProblem } from './problem.js';
import { requestIdOf } from './request-id.js';

/** Media type of RFC 9457. */
const PROBLEM_JSON = 'application/problem+json';
/** Injection token of what a problem's code is appended to for its `type`: best the address of the pages about them. */
export const PROBLEM_TYPE_BASE = Symbol('problem type base');
const DEFAULT_TYPE_BASE = 'urn:tensorloop:problem:';

/** Turns everything thrown on the way of a request into problem details (RFC 9457). Register as APP_FILTER. */
@Catch()
@Injectable()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    @Inject(HttpAdapterHost) private readonly adapterHost: HttpAdapterHost,
    @Inject(LOGGER) private readonly logger: Logger,
    @Optional() @Inject(PROBLEM_TYPE_BASE) private readonly typeBase: string = DEFAULT_TYPE_BASE,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const problem = toProblem(error);
    const request: object = host.switchToHttp().getRequest();
    const response: object = host.switchToHttp().getResponse();
    const requestId = requestIdOf(request);
    this.log(problem, requestId);
    const adapter = this.adapterHost.httpAdapter;
    // The answer has begun: its status is sent, and a second body would corrupt it.
    if (adapter.isHeadersSent(response)) return;
    adapter.setHeader(response, 'content-type', PROBLEM_JSON);
    adapter.setHeader(response, 'cache-control', 'no-store');
    for (const [name, value] of Object.entries(problem.headers)) adapter.setHeader(response, name, value);
    adapter.reply(response, this.toBody(problem, requestId), problemStatus(problem.kind));
  }

  private log(problem: ProblemError, requestId: string): void {
    const level = problemLogLevel(problem.kind);
    const err = problem.kind === 'internal' ? (problem.cause ?? problem) : undefined;
    this.logger[level]({ requestId, code: problem.code, err }, problem.detail);
  }

  private toBody(problem: ProblemError, requestId: string): Problem {
    return {
      type: this.typeBase + problem.code,
      title: problemTitle(problem.kind),
      status: problemStatus(problem.kind),
      detail: problem.detail,
      code: problem.code,
      ...(problem.errors === undefined ? {} : { errors: problem.errors }),
      requestId,
    };
  }
}
