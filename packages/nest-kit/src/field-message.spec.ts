import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { fieldMessage } from './field-message.js';

const schema = z.strictObject({
  text: z.string().min(1).max(3).optional(),
  count: z.number().int().min(1).max(9).optional(),
  list: z.array(z.string()).min(1).max(2).optional(),
  include: z.enum(['inactive', 'all']).optional(),
  email: z.email().optional(),
  own: z.string().min(8, 'a password has at least 8 characters').optional(),
});

function messageFor(value: unknown): string | undefined {
  const issue = schema.safeParse(value).error?.issues[0];
  return issue === undefined ? undefined : fieldMessage(issue);
}

describe('the message about a field', () => {
  it.each([
    [{ text: '' }, 'expected at least 1 character'],
    [{ text: 'long' }, 'expected at most 3 characters'],
    [{ text: 5 }, 'expected a text, not a number'],
    [{ text: null }, 'expected a text, not null'],
    [{ count: 0 }, 'expected at least 1'],
    [{ count: 10 }, 'expected at most 9'],
    [{ count: 1.5 }, 'expected a whole number'],
    [{ count: Number.NaN }, 'expected a number'],
    [{ count: Number.POSITIVE_INFINITY }, 'expected a number'],
    [{ list: [] }, 'expected at least 1 item'],
    [{ list: ['a', 'b', 'c'] }, 'expected at most 2 items'],
    [{ include: 'x' }, 'expected one of "inactive", "all"'],
    [{ email: 'x' }, 'expected an e-mail address'],
    [{ own: 'x' }, 'a password has at least 8 characters'],
    [{ other: 1, more: 2 }, 'there is no field named "other" or "more"'],
    [undefined, 'the request needs a body: expected an object'],
    [[], 'expected an object, not a list'],
  ])('%j: %s', (value, message) => {
    expect(messageFor(value)).toBe(message);
  });
});
