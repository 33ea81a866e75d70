/** What a Zod issue carries beyond the standard; all of it optional, since a schema of another library has only the message. */
interface Issue {
  message: string;
  path?: readonly unknown[] | undefined;
  code?: unknown;
  expected?: unknown;
  format?: unknown;
  origin?: unknown;
  minimum?: unknown;
  maximum?: unknown;
  values?: unknown;
  keys?: unknown;
}

/** How Zod's own messages begin. A schema that words its own knows better than we do. */
const LIBRARY_WORDS = /^(Invalid|Too small|Too big|Unrecognized)\b/;
const RECEIVED = /received (\w+)$/;
const NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
};
const UNITS: Readonly<Record<string, string>> = { string: 'character', array: 'item' };

/** The message about one field in the words of whoever sent it, where the schema has none of its own. */
export function fieldMessage(issue: Issue): string {
  if (!LIBRARY_WORDS.test(issue.message)) return issue.message;
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue);
    case 'too_small':
      return `expected at least ${count(issue.minimum, issue.origin)}`;
    case 'too_big':
      return `expected at most ${count(issue.maximum, issue.origin)}`;
    case 'invalid_value':
      return oneOf(issue.values);
    case 'unrecognized_keys':
      return `there is no field named ${quoteAll(issue.keys).join(' or ')}`;
    case 'invalid_format':
      return issue.format === 'email' ? 'expected an e-mail address' : issue.message;
    default:
      return issue.message;
  }
}

function wrongType({ expected, message, path }: Issue): string {
  const wanted = NAMES[String(expected)] ?? String(expected);
  const received = RECEIVED.exec(message)?.[1] ?? '';
  if (received === 'undefined')
    return `${path?.length ? 'this field is required' : 'the request needs a body'}: expected ${wanted}`;
  const given = received === 'null' ? 'null' : NAMES[received];
  // "a whole number, not a number" would be right and of no help; NaN and Infinity have no name.
  return given === undefined || expected === 'int' ? `expected ${wanted}` : `expected ${wanted}, not ${given}`;
}

function count(bound: unknown, origin: unknown): string {
  const unit = UNITS[String(origin)];
  if (unit === undefined) return String(bound);
  return `${bound} ${unit}${Number(bound) === 1 ? '' : 's'}`;
}

function oneOf(values: unknown): string {
  const quoted = quoteAll(values);
  return quoted.length === 1 ? `expected ${quoted[0]}` : `expected one of ${quoted.join(', ')}`;
}

function quoteAll(texts: unknown): string[] {
  return Array.isArray(texts) ? texts.map((text) => JSON.stringify(text)) : [];
}
