import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { waitUntil } from '@tensorloop/testing/wait-until';
import { SMTPServer } from 'smtp-server';

export interface CaughtMail {
  from: string;
  to: string[];
  subject: string;
  /** Head and body as they came, decoded. */
  source: string;
}

/** An SMTP server that keeps what it is given. */
export class SmtpSink {
  readonly mails: CaughtMail[] = [];
  /** While true every mail is refused for the moment. */
  isRefusing = false;
  refusals = 0;
  private constructor(private readonly server: SMTPServer) {}

  static async start(): Promise<SmtpSink> {
    const server: SMTPServer = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS'],
      disableReverseLookup: true,
      onData: (stream, session, done) => {
        void text(stream).then((raw) => {
          if (sink.isRefusing) {
            sink.refusals += 1;
            return done(Object.assign(new Error('come back later'), { responseCode: 451 }));
          }
          const { mailFrom, rcptTo } = session.envelope;
          sink.keep(
            raw,
            mailFrom === false ? '' : (mailFrom?.address ?? ''),
            rcptTo.map(({ address }) => address),
          );
          done();
        });
      },
    });
    server.on('error', () => undefined);
    const sink: SmtpSink = new SmtpSink(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
    return sink;
  }

  get url(): string {
    return `smtp://127.0.0.1:${(this.server.server.address() as AddressInfo).port}`;
  }

  /** The newest mail to the address whose subject fits, once there is one. */
  async mailTo(address: string, subject: RegExp = /./, newerThan = 0): Promise<CaughtMail> {
    return waitUntil(
      () => this.mails.slice(newerThan).findLast((mail) => mail.to.includes(address) && subject.test(mail.subject)),
      { what: `a mail to ${address}` },
    );
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  private keep(raw: string, from: string, to: string[]): void {
    const source = decodeQuotedPrintable(raw);
    this.mails.push({ from, to, source, subject: /^Subject: (.*)$/m.exec(raw)?.[1]?.trim() ?? '' });
  }
}

/** RFC 2045 §6.7, for all of it: what is in plain sight stays as it is. */
function decodeQuotedPrintable(raw: string): string {
  const bytes = raw
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The secret part of the link in a mail. */
export function tokenIn(mail: CaughtMail): string {
  const token = /#token=([\w-]+)/.exec(mail.source)?.[1];
  if (token === undefined) throw new Error(`no token in ${mail.source}`);
  return token;
}

export function codeIn(mail: CaughtMail): string {
  const code = /^ {4}(\d{6})\r?$/m.exec(mail.source)?.[1];
  if (code === undefined) throw new Error(`no code in ${mail.source}`);
  return code;
}
