/**
 * Header names and their values in turn, as Node's `writeHead` takes them. An admitted call has ten or more, added to from several
 * places: a list that grows costs a fraction of objects that are copied into each other.
 */
export type HeaderList = string[];

/** The same as an object, in which a later value can replace an earlier one. */
export function headersOf(list: Readonly<HeaderList>): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let at = 0; at < list.length; at += 2) headers[list[at] as string] = list[at + 1] as string;
  return headers;
}
