import { createTransport, type Transporter } from 'nodemailer';
import { renderMail } from './mail.rules.js';
import type { MailContent } from './mail.types.js';

const CONNECT_TIMEOUT_MS = 10_000;
const ANSWER_TIMEOUT_MS = 20_000;
const CONNECTIONS_MAX = 2;
/** A connection is used for this many mails and then replaced. */
const MAILS_PER_CONNECTION_MAX = 100;

/** Hands mails to an SMTP server. One that was taken may still not arrive; nobody can know. */
export class MailSender {
  private readonly transport: Transporter;

  constructor(
    smtpUrl: string,
    private readonly from: string,
  ) {
    this.transport = createTransport({
      url: smtpUrl,
      pool: true,
      maxConnections: CONNECTIONS_MAX,
      maxMessages: MAILS_PER_CONNECTION_MAX,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      greetingTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: ANSWER_TIMEOUT_MS,
      // What a mail says comes from strings alone, never from a file or an address that a string names.
      disableFileAccess: true,
      disableUrlAccess: true,
    });
  }

  async send(content: MailContent): Promise<void> {
    await this.transport.sendMail({
      ...renderMail(content),
      from: this.from,
      // As an object: a list of addresses in one string would go to each of them.
      to: { name: '', address: content.to },
      headers: { 'auto-submitted': 'auto-generated' },
    });
  }

  close(): void {
    this.transport.close();
  }
}
