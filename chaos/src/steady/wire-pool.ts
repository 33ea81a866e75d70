import { createConnection, type Socket } from 'node:net';

const HEAD_END = '\r\n\r\n';
/** A head that is longer is none of a gateway's. */
const HEAD_BYTES_MAX = 16 * 1024;
const LAST_CHUNK = '0\r\n\r\n';
const STATUS_AT = 9;
const STATUS_DIGITS = 3;

/** What a call came to. */
export interface WireAnswer {
  /** Null = the connection broke, or what came was no answer. */
  status: number | null;
  hasRetryAfter: boolean;
}

export type OnAnswer = (answer: WireAnswer) => void;

const BROKEN: WireAnswer = { status: null, hasRetryAfter: false };

/**
 * Kept connections to one gateway, one call at a time on each. Ready-made bytes go out, and of an answer only its status, one header and
 * its end are read: this process shares its cores with what it loads, and a complete client takes more of them than the gateway.
 */
export class WirePool {
  private readonly idle: WireConnection[] = [];
  private readonly all = new Set<WireConnection>();
  private readonly port: number;
  private readonly host: string;

  constructor(
    url: string,
    private readonly connectionsMax: number,
  ) {
    const { hostname, port } = new URL(url);
    this.host = hostname;
    this.port = Number(port);
  }

  /** Gives up the call when it is told to; null = all connections are in use, and nothing was sent. */
  send(request: string, onAnswer: OnAnswer): WireConnection | null {
    const connection = this.idle.pop() ?? this.open();
    connection?.send(request, onAnswer);
    return connection;
  }

  /** Opens connections until there are so many, for calls to come. */
  connect(count: number): void {
    while (this.all.size < count) {
      const connection = this.open();
      if (connection === null) return;
      this.idle.unshift(connection);
    }
  }

  close(): void {
    for (const connection of this.all) connection.close();
  }

  private open(): WireConnection | null {
    if (this.all.size >= this.connectionsMax) return null;
    const connection = new WireConnection(createConnection({ host: this.host, port: this.port, noDelay: true }), {
      onFree: (freed) => this.idle.push(freed),
      onClosed: (closed) => {
        this.all.delete(closed);
        const at = this.idle.indexOf(closed);
        if (at >= 0) this.idle.splice(at, 1);
      },
    });
    this.all.add(connection);
    return connection;
  }
}

interface Owner {
  onFree(connection: WireConnection): void;
  onClosed(connection: WireConnection): void;
}

/** One connection, and the answer that it waits for. */
export class WireConnection {
  private onAnswer: OnAnswer | null = null;
  /** What came of a head that is not whole yet. */
  private head = '';
  private answer: WireAnswer | null = null;
  /** Of a body of known length; null = it is sent in chunks. */
  private bytesLeft: number | null = 0;
  private tail = '';
  private isLast = false;

  constructor(
    private readonly socket: Socket,
    private readonly owner: Owner,
  ) {
    socket.on('data', (bytes: Buffer) => this.take(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.owner.onClosed(this);
      this.finish(BROKEN);
    });
  }

  send(request: string, onAnswer: OnAnswer): void {
    this.onAnswer = onAnswer;
    this.socket.write(request, 'latin1');
  }

  close(): void {
    this.socket.destroy();
  }

  private take(bytes: Buffer): void {
    if (this.answer !== null) return this.takeBody(bytes, 0);
    const before = this.head.length;
    this.head += bytes.toString('latin1');
    const end = this.head.indexOf(HEAD_END);
    if (end < 0) {
      if (this.head.length > HEAD_BYTES_MAX) this.close();
      return;
    }
    const head = this.head.slice(0, end + 2).toLowerCase();
    this.head = '';
    this.answer = {
      status: Number(head.slice(STATUS_AT, STATUS_AT + STATUS_DIGITS)),
      hasRetryAfter: head.includes('\r\nretry-after:'),
    };
    this.isLast = head.includes('\r\nconnection: close\r\n');
    const length = /\r\ncontent-length: (\d+)\r\n/.exec(head)?.[1];
    this.bytesLeft = length === undefined ? null : Number(length);
    this.takeBody(bytes, end + HEAD_END.length - before);
  }

  private takeBody(bytes: Buffer, from: number): void {
    if (this.bytesLeft === null) {
      this.tail = (this.tail + bytes.toString('latin1', Math.max(from, bytes.length - LAST_CHUNK.length))).slice(
        -LAST_CHUNK.length,
      );
      if (this.tail !== LAST_CHUNK) return;
    } else {
      this.bytesLeft -= bytes.length - from;
      if (this.bytesLeft > 0) return;
    }
    const answer = this.answer as WireAnswer;
    this.answer = null;
    this.tail = '';
    if (this.isLast) this.socket.destroy();
    else this.owner.onFree(this);
    this.finish(answer);
  }

  private finish(answer: WireAnswer): void {
    const { onAnswer } = this;
    this.onAnswer = null;
    onAnswer?.(answer);
  }
}
