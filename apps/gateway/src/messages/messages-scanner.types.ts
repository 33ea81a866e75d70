import { type EventRole, NamedEventScanner } from '../usage/named-event-scanner.service.js';
import { eventName } from '../usage/sse-event.types.js';
import { parseEvent } from '../usage/usage-scanner.service.js';

/**
 * Reads usage and end out of a stream of Anthropic's Messages API. Two events carry usage: `message_start` (input and caches)
 * and `message_delta` (counts so far, which replace earlier ones). `message_stop` is the last.
 */
export class MessagesScanner extends NamedEventScanner {
  protected read(event: Buffer): EventRole {
    const name = eventName(event);
    if (name === 'message_stop') return 'last';
    if (name === 'error') return 'failure';
    if (name === 'content_block_delta') this.events += 1;
    else if (name === 'message_start' || name === 'message_delta') this.readUsage(event);
    return 'passed';
  }

  private readUsage(event: Buffer): void {
    const parsed = parseEvent(event);
    const holder = (parsed?.message ?? parsed) as Record<string, unknown> | null;
    const usage = holder?.usage;
    if (typeof usage !== 'object' || usage === null) return;
    const told = Object.entries(usage).filter(([, value]) => value !== null && value !== undefined);
    this.usage = { ...this.usage, ...Object.fromEntries(told) };
  }
}
