/** What the head of a part says of it. */
export interface PartName {
  name: string;
  isFile: boolean;
}

/** Blanks are taken off afterwards: read here as well, they would be divided between the two in every way there is. */
const LINE = /^([!#$%&'*+.^`|~\w-]+):([^\0\r\n]*)$/;
const LEADING_BLANKS = /^[ \t]+/;
const PARAMETERS = /;[ \t]*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,]+))[ \t]*/y;
const FORM_DATA = /^form-data[ \t]*/i;
/** Values stand in the body as they are; no client of this API encodes them. */
const PLAIN_ENCODING = /^(?:7bit|8bit|binary)$/i;
const FILE_NAMES = new Set(['filename', 'filename*']);

/** Null for heads that somebody might read in another way. */
export function fieldNameOf(head: string): PartName | null {
  let named: PartName | null = null;
  for (const line of head.split('\r\n')) {
    const [, field = '', rest = ''] = LINE.exec(line) ?? [];
    if (field === '') return null;
    const value = rest.replace(LEADING_BLANKS, '');
    const header = field.toLowerCase();
    if (header === 'content-transfer-encoding' && !PLAIN_ENCODING.test(value.trim())) return null;
    if (header !== 'content-disposition') continue;
    if (named !== null) return null;
    named = readDisposition(value);
    if (named === null) return null;
  }
  return named;
}

function readDisposition(value: string): PartName | null {
  const parameters = new Map<string, string>();
  let at = FORM_DATA.exec(value)?.[0].length ?? 0;
  if (at === 0) return null;
  while (at < value.length) {
    PARAMETERS.lastIndex = at;
    const [whole, key = '', quoted, token = ''] = PARAMETERS.exec(value) ?? [];
    if (whole === undefined || parameters.has(key.toLowerCase())) return null;
    parameters.set(key.toLowerCase(), quoted ?? token);
    at += whole.length;
  }
  const name = parameters.get('name');
  // Escapes are read in as many ways as there are parsers, and no field of this API needs them.
  if (name === undefined || name === '' || name.includes('\\')) return null;
  for (const key of parameters.keys()) if (key !== 'name' && !FILE_NAMES.has(key)) return null;
  return { name: Buffer.from(name, 'latin1').toString('utf8'), isFile: parameters.size > 1 };
}
