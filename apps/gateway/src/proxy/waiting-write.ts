import { executionAsyncResource } from 'node:async_hooks';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Two of them are more than both sockets of a connection hold. Never written to, so it takes no memory. */
const CHUNK_BYTES = 8 * 1024 * 1024;
/** All that is read goes into this much, again and again. */
const READ_BYTES = 64 * 1024;

/**
 * Calls back with Node's own object of a socket's write (a WriteWrap), which is at hand only behind a write that could not be done
 * at once. So one is made that cannot, to a socket of this process, which reads no earlier than in the next turn. Calls back once
 * or, where there is no loopback, never.
 */
export function makeWriteWait(onWrite: (write: object) => void): void {
  const server = createServer((writer) => {
    server.close();
    write(writer, onWrite);
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1', () => read((server.address() as AddressInfo).port));
  server.unref();
}

function write(writer: Socket, onWrite: (write: object) => void): void {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  writer.unref().on('error', () => undefined);
  // Two at once, since the object of a write of several has one field more.
  writer.cork();
  writer.write(chunk);
  writer.write(chunk, (error) => {
    if (!error) onWrite(withoutChunks(executionAsyncResource()));
    writer.destroy();
  });
  writer.uncork();
}

function read(port: number): void {
  const onread = { buffer: Buffer.allocUnsafeSlow(READ_BYTES), callback: () => true };
  const reader = connect({ port, host: '127.0.0.1', onread });
  reader.unref().on('error', () => undefined);
}

/** The field stays, what was written goes. */
function withoutChunks(write: { _chunks?: unknown }): object {
  if (write._chunks !== undefined) write._chunks = [];
  return write;
}
