/**
 * What looks like a credential wherever it stands in a text: our own keys and management tokens (shorter ones too, since a
 * mistyped key is still most of a key), provider keys, whatever follows a bearer scheme, session cookies, and the password
 * in a URL (an error of a database driver may quote the URL that it was given).
 */
const SECRETS = [
  /(?<prefix>(?<![0-9a-z])(?:tlm?_|sk-))[0-9a-z_-]{12,}/,
  /(?<scheme>\b(?:Bearer|Basic)\s+)[^\s"'\\,]{8,}/,
  /(?<cookie>tl_session=)[^\s"'\\,;]+/,
  /(?<user>:\/\/[^\s:@/"'\\]*:)[^\s:@/"'\\]+(?=@)/,
];
const ANY_SECRET = new RegExp(SECRETS.map((secret) => secret.source).join('|'), 'gi');

/** Replaces credentials in a text, keeping what stands before them, which tells of what kind they were. */
export function redactSecrets(text: string): string {
  return text.replace(ANY_SECRET, (...found) => {
    const { prefix, scheme, cookie, user } = found.at(-1) as Record<string, string | undefined>;
    return `${prefix ?? scheme ?? cookie ?? user}[redacted]`;
  });
}
