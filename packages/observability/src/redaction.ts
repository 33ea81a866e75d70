/**
 * What looks like a credential wherever it stands in a text: our own keys and management tokens (shorter ones too, since a
 * mistyped key is still most of a key), provider keys, and whatever follows a bearer scheme.
 */
const SECRETS = /\b(tlm?_|sk-)[0-9A-Za-z_-]{12,}|\b(Bearer|Basic)\s+[^\s"'\\,]{8,}/gi;

/** Replaces credentials in a text, keeping the prefix that tells of what kind they were. */
export function redactSecrets(text: string): string {
  return text.replace(
    SECRETS,
    (_match, prefix: string | undefined, scheme: string | undefined) => `${prefix ?? `${scheme} `}[redacted]`,
  );
}
