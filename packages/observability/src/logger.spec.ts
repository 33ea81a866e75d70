import { describe, expect, it } from '@jest/globals';
import { createLogger, requestLogger } from './logger.js';
import { redactSecrets } from './redaction.js';

const KEY = `tl_${'a1B2'.repeat(14)}c`;

function capture() {
  const lines: string[] = [];
  const logger = createLogger({ service: 'spec', level: 'trace', destination: { write: (line: string) => lines.push(line) } });
  return { logger, lines };
}

describe('a log line', () => {
  it('is JSON with service, level, time, message and request id', () => {
    const { logger, lines } = capture();
    requestLogger(logger, 'request-1').info({ keyId: 'k' }, 'admitted');
    expect(JSON.parse(lines[0] as string)).toMatchObject({
      level: 'info',
      service: 'spec',
      requestId: 'request-1',
      keyId: 'k',
      msg: 'admitted',
      time: expect.stringMatching(/^\d{4}-\d{2}-\d{2}T/),
    });
  });

  it.each([
    ['a header', { req: { headers: { authorization: 'Bearer abcdefghijkl', cookie: 'session=abcdefgh' } } }],
    ['a field', { password: 'hunter2hunter2' }],
    ['a nested field', { body: { password: 'hunter2hunter2', token: 'abcdefgh' } }],
    ['a set cookie', { headers: { 'set-cookie': 'session=abcdefgh' } }],
  ])('never shows what stands in %s', (_where, fields) => {
    const { logger, lines } = capture();
    logger.info(fields, 'x');
    expect(lines[0]).not.toMatch(/hunter2|abcdefgh/);
    expect(lines[0]).toContain('[redacted]');
  });

  it('never shows the arguments of a Redis command that failed: the password is one of AUTH', () => {
    const { logger, lines } = capture();
    const refusal = () =>
      Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['default', 'hunter2hunter2'] } });
    logger.warn({ err: refusal() }, 'x');
    logger.warn({ err: Object.assign(new Error('all failed'), { lastNodeError: refusal() }) }, 'x');
    expect(lines.join('')).not.toContain('hunter2');
    expect(lines[0]).toContain('"name":"auth"');
  });

  it.each([
    ['the message', (text: string) => [{}, text] as const],
    ['an unexpected field', (text: string) => [{ note: { deep: { deeper: text } } }, 'x'] as const],
    ['an error', (text: string) => [{ err: new Error(text) }, 'x'] as const],
  ])('never shows a key in %s', (_where, build) => {
    const { logger, lines } = capture();
    const [fields, message] = build(`called with ${KEY} today`);
    logger.error(fields, message);
    expect(lines[0]).not.toContain(KEY.slice(3));
    expect(lines[0]).toContain('tl_[redacted]');
    expect(() => JSON.parse(lines[0] as string)).not.toThrow();
  });
});

describe('redaction', () => {
  it.each([
    [KEY, 'tl_[redacted]'],
    ['tlm_abcdefghijklmnop', 'tlm_[redacted]'],
    ['sk-proj-abcdefghijklmnop', 'sk-[redacted]'],
    ['"authorization":"Bearer abc.def-ghi"', '"authorization":"Bearer [redacted]"'],
    [`my_${KEY}`, 'my_tl_[redacted]'],
    ['tl_session=_7aDV30p9LlLZ5OtwcUKw1_O_fI21C0mrqsq3fOXeg4; x=1', 'tl_session=[redacted]; x=1'],
    ['__Host-tl_session=-7aDV30p9LlLZ5OtwcUKw1_O_fI21C0mrqsq3fOXeg4', '__Host-tl_session=[redacted]'],
    ['cannot reach postgresql://control_app:hunter2@db:5432/x', 'cannot reach postgresql://control_app:[redacted]@db:5432/x'],
    ['"redis://:hunter2@redis:6379"', '"redis://:[redacted]@redis:6379"'],
  ])('hides %s', (text, expected) => {
    expect(redactSecrets(text)).toBe(expected);
  });

  it.each([
    'http://127.0.0.1:4100/a@b',
    'nats://a:4222,nats://b:4222',
    'request 0197-tl',
    'html_element',
    'task-runner',
    'bearer token is missing',
    'tl_short',
  ])('leaves "%s" alone', (text) => {
    expect(redactSecrets(text)).toBe(text);
  });
});
