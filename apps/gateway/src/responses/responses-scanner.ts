import { isRecord } from '../body/json-body.types.js';
import { type EventRole, NamedEventScanner } from '../usage/named-event-scanner.service.js';
import { eventName } from '../usage/sse-event.types.js';
import { parseEvent } from '../usage/usage-scanner.service.js';

/** Events that say that the answer is whole; they carry the response with its usage. */
const ENDINGS = new Set(['response.completed', 'response.incomplete']);
const FAILURES = new Set(['response.failed', 'error']);
const DELTA = '.delta';

/** Reads usage and end out of a stream of the Responses API; only its last event is parsed. */
export class ResponsesScanner extends NamedEventScanner {
  protected read(event: Buffer): EventRole {
    const type = eventName(event) || typeOf(event);
    if (FAILURES.has(type)) return 'failure';
    if (ENDINGS.has(type)) return this.readEnding(event) ? 'last' : 'failure';
    if (type.endsWith(DELTA)) this.events += 1;
    return 'passed';
  }

  /** False when the event is broken: then the answer is too. */
  private readEnding(event: Buffer): boolean {
    const response = parseEvent(event)?.response;
    if (!isRecord(response)) return false;
    if (isRecord(response.usage)) this.usage = response.usage;
    return true;
  }
}

/** Some servers leave the `event:` line out; the same word stands in the data. */
function typeOf(event: Buffer): string {
  const type = parseEvent(event)?.type;
  return typeof type === 'string' ? type : '';
}
