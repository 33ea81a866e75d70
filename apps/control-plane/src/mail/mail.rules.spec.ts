import { describe, expect, it } from '@jest/globals';
import { renderMail } from './mail.rules.js';

const content = {
  to: 'a@example.com',
  subject: 'Welcome',
  paragraphs: ['First.', 'Second.'],
  link: { label: 'Go on', url: 'https://dashboard.example.com/x#token=abc' },
  code: '123456',
  footnotes: ['It works for 10 minutes.'],
};

describe('a mail', () => {
  it('says the same as text and as HTML', () => {
    const { text, html } = renderMail(content);
    for (const words of ['First.', 'Second.', 'Go on', content.link.url, '123456', 'It works for 10 minutes.']) {
      expect(text).toContain(words);
      expect(html).toContain(words);
    }
  });

  it('lets nothing that a stranger chose become markup', () => {
    const evil = `"><script>alert('x')</script>`;
    const { html } = renderMail({
      ...content,
      subject: evil,
      paragraphs: [evil],
      link: { label: evil, url: `https://x/?q=${evil}` },
    });
    expect(html).not.toContain('<script');
    expect(html).toContain('&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;');
  });

  it('has a subject of one line', () => {
    expect(renderMail({ ...content, subject: 'Hello\r\nBcc: everybody@example.com' }).subject).toBe(
      'Hello Bcc: everybody@example.com',
    );
    expect(renderMail({ ...content, subject: 'x'.repeat(1_000) }).subject).toHaveLength(150);
  });

  it('loads nothing when it is read', () => {
    expect(renderMail(content).html).not.toMatch(/<(img|link|script|style|iframe)|url\(/);
  });
});
