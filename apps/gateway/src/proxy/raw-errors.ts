import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { uuid7 } from '@tensorloop/kernel/uuid7';
import { type ApiError, apiError } from '../errors/api-error.types.js';

/** How long a peer may take to read why its request was refused. */
export const LINGER_MS = 1_000;

interface ParserError extends Error {
  code?: string;
}

function toApiError({ code }: ParserError): ApiError {
  if (code === 'HPE_HEADER_OVERFLOW') return apiError('headers_too_large', 'The headers of the request are too large.');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return apiError('request_timeout', 'The request did not arrive whole in time.');
  return apiError('invalid_body', 'This is no HTTP/1.1 request that can be read.');
}

/** Node's own fields. */
interface ServedSocket extends Socket {
  /** The answer that goes out now. */
  _httpMessage?: ServerResponse | null;
  /** Keeps the last request until its answer has gone out and its body has come. */
  parser?: { incoming: IncomingMessage | null } | null;
}

/** Connections that end with the answer that they carry. */
const ending = new WeakSet<Duplex>();

/** True where what is wrong came behind another request: its answer goes out whole, and the connection ends with it. */
function endsBehindAnswer({ code }: ParserError, socket: ServedSocket): boolean {
  const { _httpMessage: answer } = socket;
  if (!ending.has(socket) && !answer?.req.complete) return false;
  // The client has left in the middle of its next request, and its call is to hear of it.
  if (code === 'HPE_INVALID_EOF_STATE') socket.end();
  if (ending.has(socket)) return true;
  ending.add(socket);
  answer?.once('finish', () => socket.destroySoon());
  return true;
}

/** True for what is left of a request that was refused before it had come whole: it was told why. */
function isAnswered({ _httpMessage: answer, parser }: ServedSocket): boolean {
  return answer ? answer.headersSent : parser?.incoming?.complete === false;
}

/** What Node's parser refuses never becomes a request, so the answer is written by hand. */
export function answerParserError(error: ParserError, socket: Duplex): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  if (endsBehindAnswer(error, socket as ServedSocket)) return;
  if (isAnswered(socket as ServedSocket)) return endSoon(socket);
  const { status, body } = toApiError(error);
  const text = JSON.stringify(body);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    `x-request-id: ${uuid7()}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(text)}`,
    'connection: close',
  ];
  endSoon(socket, `${head.join('\r\n')}\r\n\r\n${text}`);
}

/** A peer that never ends its side would keep the socket, and with it what its request had sent. */
function endSoon(socket: Duplex, lastWords = ''): void {
  socket.end(lastWords);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

/** No other can be met (RFC 9110 §10.1.1). */
export function unmetExpectation(): ApiError {
  return apiError('expectation_failed', 'The only expectation that is met is "100-continue".');
}

/** Refused by us and not by Node, whose answers nothing counts that waits behind another (RFC 9112 §3.2). */
export function isWithoutHost({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.host === undefined && httpVersion === '1.1';
}

export function withoutHost(): ApiError {
  return apiError('invalid_body', 'A request of HTTP/1.1 says in its Host header whom it is for.');
}
