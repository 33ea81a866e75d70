const BEGIN = '<!-- begin: npm run bench:api -- --docs -->';
const END = '<!-- end: npm run bench:api -->';

/** The part of docs/performance.md that is this measurement's, marks included; null = there is none. */
export function findApiSection(document: string): string | null {
  const [from, to] = [document.indexOf(BEGIN), document.indexOf(END)];
  return from < 0 || to < from ? null : document.slice(from, to + END.length);
}

/** The document with `text` as that part, in its place or at the end. */
export function withApiSection(document: string, text: string): string {
  const section = `${BEGIN}\n${text.trim()}\n${END}`;
  const before = findApiSection(document);
  // A function: text may hold what replace takes for a pattern.
  return before === null ? `${document.trimEnd()}\n\n${section}\n` : document.replace(before, () => section);
}

/** A document that is written anew, with the part that it had before. */
export function keepApiSection(written: string, before: string): string {
  const section = findApiSection(before);
  return section === null ? written : `${written.trimEnd()}\n\n${section}\n`;
}
