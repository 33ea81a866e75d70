/** What a mail says; how it looks is this folder's. */
export interface MailContent {
  /** One address. */
  to: string;
  subject: string;
  /** Plain text, in the order of reading. */
  paragraphs: readonly string[];
  /** What the reader is asked to do. */
  link?: { label: string; url: string };
  /** Digits to type in, shown large. */
  code?: string;
  /** Below link and code: for how long they work, what to do when it was somebody else. */
  footnotes?: readonly string[];
}

/**
 * Called when a mail's turn has come, and again with each attempt: the place to make a token, so that none waits in the
 * queue. Null = there is nothing to send after all.
 */
export type ComposeMail<Data> = (data: Data) => Promise<MailContent | null>;

/** The queue does not take the mail: Redis is away, or too many are waiting. Said alike whomever the mail is for. */
export class MailUnavailableError extends Error {
  override name = 'MailUnavailableError';
}
