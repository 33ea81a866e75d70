import type { MailContent } from '../mail/mail.types.js';

export function googleUnlinkedMail(to: string, publicUrl: string): MailContent {
  return {
    to,
    subject: 'Your Google account was unlinked',
    paragraphs: [
      'Google no longer signs you in to your TensorLoop account: it was unlinked just now. All other browsers were signed out.',
    ],
    footnotes: [`If it was not you, choose a new password at once: ${publicUrl}/reset-password`],
  };
}
