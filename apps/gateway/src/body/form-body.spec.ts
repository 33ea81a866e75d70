import { describe, expect, it } from '@jest/globals';
import { cpuMsOf } from '@tensorloop/testing/cpu-time';
import fc from 'fast-check';
import { BOUNDARY, FORM_TYPE, type FormPart, formBody } from '../../test/form.js';
import { isApiError } from '../errors/api-error.types.js';
import { type FormBody, PART_HEAD_BYTES_MAX, PARTS_MAX, readForm, textOf, withText } from './form-body.service.js';
import { fieldNameOf } from './part-head.js';

const MODEL: FormPart = { name: 'model', value: 'whisper-1' };

function readOk(bytes: Buffer, contentType = FORM_TYPE): FormBody {
  const form = readForm(bytes, contentType);
  if (isApiError(form)) throw new Error(form.body.error.message);
  return form;
}

function valuesOf(form: FormBody): [string, string][] {
  return form.fields.map(({ name, from, to }) => [name, form.bytes.toString('latin1', from, to)]);
}

describe('a form', () => {
  it('is read into its fields, files and text, whatever bytes they hold', () => {
    const file = Buffer.from([0, 13, 10, 45, 45, 255, 13, 10, 13, 10]);
    const form = readOk(formBody([{ name: 'file', value: file, filename: 'Ä "a".wav'.replaceAll('"', '%22') }, MODEL]));
    expect(form.fields.map(({ name, isFile }) => [name, isFile])).toEqual([
      ['file', true],
      ['model', false],
    ]);
    const [first] = form.fields;
    expect(first && form.bytes.subarray(first.from, first.to)).toEqual(file);
  });

  it('as the platform itself writes it is read, and read there as here', async () => {
    const written = new FormData();
    written.append('file', new Blob([Buffer.alloc(9, 7)]), 'a.wav');
    written.append('model', 'größer');
    written.append('include[]', 'a');
    written.append('include[]', '');
    const request = new Request('http://x.test', { method: 'POST', body: written });
    const contentType = request.headers.get('content-type') as string;
    const form = readOk(Buffer.from(await request.arrayBuffer()), contentType);
    expect(form.fields.map(({ name }) => name)).toEqual(['file', 'model', 'include[]', 'include[]']);
    const again = await new Response(new Uint8Array(form.bytes), { headers: { 'content-type': form.contentType } }).formData();
    expect(again.get('model')).toBe('größer');
  });

  it.each([`multipart/form-data; charset=utf-8; boundary="${BOUNDARY}"`, `Multipart/Form-Data;boundary=${BOUNDARY}`])(
    'is read under the content type %s',
    (contentType) => {
      expect(readOk(formBody([MODEL]), contentType).contentType).toBe(FORM_TYPE);
    },
  );

  it('keeps a boundary that must be quoted in quotes', () => {
    const form = readOk(formBody([MODEL], 'a b'), 'multipart/form-data; boundary="a b"');
    expect(form.contentType).toBe('multipart/form-data; boundary="a b"');
  });

  it.each([
    ['no boundary', 'multipart/form-data; charset=utf-8'],
    ['two boundaries', `multipart/form-data; boundary=x; boundary=${BOUNDARY}`],
    ['an impossible one', 'multipart/form-data; boundary="a\u00e4"'],
    ['one that is too long', `multipart/form-data; boundary=${'x'.repeat(71)}`],
  ])('under a content type with %s is refused', (_name, contentType) => {
    expect(readForm(formBody([MODEL]), contentType)).toMatchObject({ status: 400, body: { error: { code: 'invalid_body' } } });
  });

  const whole = formBody([MODEL]);
  const text = whole.toString('latin1');
  const withHead = (head: string) => formBody([{ ...MODEL, head }]).toString('latin1');
  const named = 'Content-Disposition: form-data; name="model"';
  it.each<[string, string]>([
    ['nothing', ''],
    ['text before it', `\r\n${text}`],
    ['text behind it', `${text}x`],
    ['no end', text.slice(0, -6)],
    ['line feeds alone', text.replaceAll('\r\n', '\n')],
    ['its boundary inside a value', formBody([{ ...MODEL, value: `a --${BOUNDARY} b` }]).toString('latin1')],
    ['a longer boundary inside a value', formBody([{ ...MODEL, value: `a\r\n--${BOUNDARY}x\r\n` }]).toString('latin1')],
    ['a part without a head', `--${BOUNDARY}\r\n\r\nx\r\n--${BOUNDARY}--\r\n`],
    ['a head that is too long', withHead(`${named}\r\nx: ${'y'.repeat(PART_HEAD_BYTES_MAX)}`)],
    ['too many parts', formBody(Array(PARTS_MAX + 1).fill(MODEL)).toString('latin1')],
    ['a part without a name', withHead('Content-Disposition: form-data; filename="model"')],
    ['a part of another kind', withHead('Content-Disposition: attachment; name="model"')],
    ['no disposition', withHead('Content-Type: text/plain')],
    ['two dispositions', withHead(`${named}\r\n${named}`)],
    ['two names', withHead(`${named}; name="file"`)],
    ['an encoded name', withHead(`Content-Disposition: form-data; name*=utf-8''model`)],
    ['an escaped name', withHead('Content-Disposition: form-data; name="mod\\el"')],
    ['a parameter nobody knows', withHead(`${named}; size=3`)],
    ['an encoded value', withHead(`${named}\r\nContent-Transfer-Encoding: base64`)],
    ['a folded line', withHead('Content-Disposition: form-data;\r\n name="model"')],
    ['a line that is none', withHead(`${named}\r\nwhat`)],
    ['a quotation without an end', withHead('Content-Disposition: form-data; name="model')],
  ])('with %s is refused', (_name, body) => {
    expect(readForm(Buffer.from(body, 'latin1'), FORM_TYPE)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_body' } },
    });
  });

  it('with a head of tabs and NUL is refused in no time', () => {
    const head = `a:${'\t'.repeat(PART_HEAD_BYTES_MAX - 10)}\0`;
    const readOften = () => {
      for (let times = 0; times < 100; times++) expect(fieldNameOf(head)).toBeNull();
    };
    expect(cpuMsOf(readOften)).toBeLessThan(100);
  });

  it('has a name behind any blanks, and behind nothing else', () => {
    const disposition = 'form-data; name="model"';
    for (const blanks of ['', ' ', '\t \t']) {
      expect(fieldNameOf(`content-disposition:${blanks}${disposition}`)).toEqual({ name: 'model', isFile: false });
    }
    expect(fieldNameOf(`content-disposition:\u00a0${disposition}`)).toBeNull();
  });

  it('gets another value where it should, and stays byte for byte the same elsewhere', () => {
    const bytes = formBody([{ name: 'a', value: '1' }, MODEL, { name: 'file', value: Buffer.alloc(5, 200), filename: 'f' }]);
    const form = readOk(bytes);
    const field = form.fields[1];
    if (field === undefined) throw new Error('no field');
    expect(withText(form, field, 'whisper-1')).toBe(bytes);
    const renamed = readOk(withText(form, field, 'größer'));
    const [before, changed, after] = renamed.fields;
    expect(changed && textOf(renamed, changed)).toBe('größer');
    expect([before, after].map((one) => one && renamed.bytes.toString('latin1', one.from, one.to))).toEqual([
      '1',
      Buffer.alloc(5, 200).toString('latin1'),
    ]);
    expect(renamed.bytes.length).toBe(bytes.length - 'whisper-1'.length + Buffer.byteLength('größer'));
  });

  it('with any values is read as it was written, and cut or changed anywhere never throws', () => {
    const value = fc.oneof(
      fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes)),
      fc.constantFrom('\r\n', '--', '\r\n--', `--${BOUNDARY.slice(0, -1)}`, '\r\n\r\n').map((one) => Buffer.from(one)),
    );
    const parts = fc.array(fc.record({ name: fc.stringMatching(/^[a-z[\]]{1,8}$/), value }), { maxLength: 5 });
    fc.assert(
      fc.property(parts, fc.nat(), fc.nat(255), (list, at, byte) => {
        const bytes = formBody(list);
        if (list.length > 0) {
          const read = valuesOf(readOk(bytes));
          expect(read).toEqual(list.map((part) => [part.name, part.value.toString('latin1')]));
        }
        const changed = Buffer.from(bytes);
        changed[at % changed.length] = byte;
        for (const body of [bytes.subarray(0, at % bytes.length), changed]) {
          const form = readForm(body, FORM_TYPE);
          if (!isApiError(form)) for (const { from, to } of form.fields) expect(to).toBeGreaterThanOrEqual(from);
        }
      }),
      { numRuns: 500 },
    );
  });
});
