import { executionAsyncResource } from 'node:async_hooks';
import { type AddressInfo, connect, createServer } from 'node:net';

/** More than both sockets of a connection hold. Read, and never written: it takes no memory. */
const CHUNK_BYTES = 8 * 1024 * 1024;

/**
 * Calls back with Node's own object of a socket's write (a WriteWrap), which is at hand only behind a write that could not be done
 * at once. So one is made to wait, to a socket of this process that does not read at first. Calls back once or, where there is no
 * loopback, never.
 */
export function makeWriteWait(onWrite: (write: object) => void): void {
  const server = createServer({ pauseOnConnect: true }, (reader) => {
    server.close();
    reader.unref().on('error', () => undefined);
    // By then both chunks have been handed to the system, which has taken what fits.
    setImmediate(() => reader.resume());
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1', () => write((server.address() as AddressInfo).port, onWrite));
  server.unref();
}

function write(port: number, onWrite: (write: object) => void): void {
  const writer = connect(port, '127.0.0.1', () => {
    const chunk = Buffer.alloc(CHUNK_BYTES);
    // Two at once, since the object of a write of several has one field more.
    writer.cork();
    writer.write(chunk);
    writer.write(chunk, (error) => {
      if (!error) onWrite(withoutChunks(executionAsyncResource()));
      writer.destroy();
    });
    writer.uncork();
  });
  writer.unref().on('error', () => undefined);
}

/** The field stays, what was written goes. */
function withoutChunks(write: { _chunks?: unknown }): object {
  if (write._chunks !== undefined) write._chunks = [];
  return write;
}
