import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { waitUntil } from '@tensorloop/testing/wait-until';

const MAIL_TIMEOUT_MS = 60_000;

/** As much of SMTP as it takes to be given a mail. */
export class MailListener {
  private readonly mails: string[] = [];
  private readonly sockets = new Set<Socket>();
  private constructor(private readonly server: Server) {}

  static async start(): Promise<MailListener> {
    const server = createServer((socket) => listener.serve(socket));
    const listener: MailListener = new MailListener(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return listener;
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** The text of a mail with these words in it, once there is one. */
  mailWith(words: string): Promise<string> {
    return waitUntil(() => this.mails.find((mail) => mail.includes(words)), {
      timeoutMs: MAIL_TIMEOUT_MS,
      what: `a mail with ${words}`,
    });
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.sockets.delete(socket));
    const answer = (line: string) => socket.write(`${line}\r\n`);
    let mail: string[] | null = null;
    createInterface({ input: socket }).on('line', (line) => {
      if (mail !== null && line !== '.') return void mail.push(line);
      if (mail !== null) {
        // Quoted-printable breaks long lines where it likes.
        this.mails.push(mail.join('\n').replaceAll('=\n', ''));
        mail = null;
        return answer('250 taken');
      }
      if (line.toUpperCase() === 'DATA') mail = [];
      return answer(mail === null ? '250 localhost' : '354 go on');
    });
    answer('220 localhost');
  }
}
