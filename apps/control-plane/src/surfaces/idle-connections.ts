import type { Server } from 'node:http';
import { type BeforeApplicationShutdown, Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

const KEEP_ALIVE_AT_THE_END_MS = 1;

/**
 * A server that closes ends the connections that are idle at that moment. One whose answer ends later, a stream above all,
 * would be kept for its next request, which may not come any more, and the process with it.
 */
@Injectable()
export class IdleConnections implements BeforeApplicationShutdown {
  constructor(@Inject(HttpAdapterHost) private readonly host: HttpAdapterHost) {}

  beforeApplicationShutdown(): void {
    const server = this.host.httpAdapter.getHttpServer() as Server;
    server.keepAliveTimeout = KEEP_ALIVE_AT_THE_END_MS;
  }
}
