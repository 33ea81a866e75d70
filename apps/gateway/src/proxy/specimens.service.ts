import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { makeWriteWait } from './waiting-write.js';

/** Told by Node of every response that has been handed to its socket. */
const FINISHED = 'http.server.response.finish';
/** Of calls every so many is taken, and before that the 1st, 2nd, 4th, 8th and so on; of what comes rarely, all. */
export const CALLS_PER_SPECIMEN = 1_024;
/** Answers differ in shape by the way they came about: calls, refusals, lists, health, metrics. */
export const SPECIMENS_MAX = 32;

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
}

/**
 * Holds one answered request of each shape, and through it all that answered it, and what Node makes beside it: timers, writes. Why
 * shapes are held at all: KeptShape.
 */
export class Specimens {
  private readonly held = new Map<string, Exchange>();
  private readonly beside = new Set<object>();
  private calls = 0;
  private readonly onFinished = (message: unknown) => this.note(message as Exchange);

  constructor() {
    subscribe(FINISHED, this.onFinished);
    const cleared = setTimeout(() => undefined, 0);
    clearTimeout(cleared);
    for (const timer of [cleared, setTimeout(() => undefined, 0), setImmediate(() => undefined)]) this.beside.add(timer);
    makeWriteWait((write) => this.beside.add(write));
  }

  get count(): number {
    return this.held.size;
  }

  close(): void {
    unsubscribe(FINISHED, this.onFinished);
    this.held.clear();
    this.beside.clear();
  }

  private note({ request, response }: Exchange): void {
    if (request.method !== 'POST' || this.isTurn()) this.hold({ request, response });
  }

  private isTurn(): boolean {
    this.calls += 1;
    return this.calls % CALLS_PER_SPECIMEN === 0 || (this.calls & (this.calls - 1)) === 0;
  }

  private hold(exchange: Exchange): void {
    const shape = `${Object.keys(exchange.request)} ${Object.keys(exchange.response)}`;
    if (!this.held.has(shape) && this.held.size >= SPECIMENS_MAX) return;
    this.held.set(shape, exchange);
    // Later, because others may still look at it.
    setImmediate(() => forgetWhoAsked(exchange.request));
  }
}

/** What is held is nobody's any more: the names stay, the values do not. What was asked and answered the call has let go of itself. */
function forgetWhoAsked(request: IncomingMessage): void {
  request.url = '';
  request.rawHeaders.fill('');
  for (const name of Object.keys(request.headers)) request.headers[name] = '';
}
