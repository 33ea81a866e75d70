import type { MailContent } from './mail.types.js';

const SUBJECT_LENGTH_MAX = 150;
/** Line breaks above all: a subject is a header. */
const CONTROL = /\p{Cc}+/gu;
const SIGNATURE = 'TensorLoop';

export interface RenderedMail {
  subject: string;
  text: string;
  html: string;
}

/** The same words as plain text and as HTML. Everything that comes from outside is escaped. */
export function renderMail(content: MailContent): RenderedMail {
  return { subject: cleanSubject(content.subject), text: toText(content), html: toHtml(content) };
}

function cleanSubject(subject: string): string {
  return subject.replace(CONTROL, ' ').slice(0, SUBJECT_LENGTH_MAX);
}

function toText({ paragraphs, link, code, footnotes = [] }: MailContent): string {
  const blocks = [...paragraphs];
  if (code !== undefined) blocks.push(`    ${code}`);
  if (link !== undefined) blocks.push(`${link.label}:\n${link.url}`);
  return `${[...blocks, ...footnotes, `-- \n${SIGNATURE}`].join('\n\n')}\n`;
}

const BODY =
  'margin:0;padding:24px;background:#f5f5f4;color:#1c1917;font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif';
const CARD = 'max-width:520px;margin:0 auto;padding:32px;background:#ffffff;border-radius:8px';
const BUTTON =
  'display:inline-block;padding:12px 20px;border-radius:6px;background:#1d4ed8;color:#ffffff;text-decoration:none;font-weight:600';
const CODE = 'font:700 32px/1.2 ui-monospace,Menlo,Consolas,monospace;letter-spacing:6px;margin:24px 0';
const SMALL = 'color:#57534e;font-size:14px';

/** No picture, no style sheet, no script: nothing that is loaded tells the sender that the mail was read. */
function toHtml({ subject, paragraphs, link, code, footnotes = [] }: MailContent): string {
  const parts = paragraphs.map((paragraph) => `<p>${escapeHtml(paragraph)}</p>`);
  if (code !== undefined) parts.push(`<p style="${escapeHtml(CODE)}">${escapeHtml(code)}</p>`);
  if (link !== undefined) {
    const [label, url] = [escapeHtml(link.label), escapeHtml(link.url)];
    parts.push(`<p><a href="${url}" style="${escapeHtml(BUTTON)}">${label}</a></p>`);
    parts.push(`<p style="${SMALL}">If the button does not work, open this address:<br>${url}</p>`);
  }
  parts.push(...footnotes.map((footnote) => `<p style="${SMALL}">${escapeHtml(footnote)}</p>`));
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${escapeHtml(cleanSubject(subject))}</title></head>
<body style="${escapeHtml(BODY)}"><div style="${escapeHtml(CARD)}">
${parts.join('\n')}
<p style="${SMALL}">${SIGNATURE}</p>
</div></body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] as string);
}
