import type { IncomingMessage } from 'node:http';

/** As announced; infinite where it is not. */
export function announcedBytes({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) return Number.POSITIVE_INFINITY;
  return Number(headers['content-length'] ?? 0);
}

/**
 * Reads past the body of a request that is refused, and calls back once: a connection that is closed while it arrives would take the
 * answers along that its client has not read. True = it has come whole. False = nothing of it came for `silenceMs`; null there = it is
 * on its way, and if it does not arrive in time, Node ends the connection.
 */
export function passBody(req: IncomingMessage, silenceMs: number | null, then: (isWhole: boolean) => void): void {
  if (req.readableEnded || announcedBytes(req) === 0) return then(true);
  const whole = () => then(true);
  req.once('end', whole);
  req.resume();
  if (silenceMs === null) return;
  const giveUp = () => {
    req.off('end', whole).off('data', listen);
    then(false);
  };
  const silent = setTimeout(giveUp, silenceMs);
  const listen = () => silent.refresh();
  req.on('data', listen);
  for (const event of ['end', 'close']) req.once(event, () => clearTimeout(silent));
}
