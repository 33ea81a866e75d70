import { z } from 'zod';
import { uuid7Schema } from '../identity.js';

export const PAGE_LIMIT_MAX = 100;
const PAGE_LIMIT_DEFAULT = 50;

/** Of lists in the order of ids. The cursor is a page's `nextCursor`; what it is made of may change. */
export const pageQuerySchema = z.strictObject({
  cursor: uuid7Schema.optional().describe('`nextCursor` of the page before; left out: the first page.'),
  limit: z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT).describe('Items of the page at most.'),
});
export type PageQuery = z.infer<typeof pageQuerySchema>;

export interface Page<Item> {
  data: Item[];
  hasMore: boolean;
  nextCursor: string | null;
}

export function pageSchemaOf<Item extends z.ZodType>(item: Item) {
  return z.object({ data: z.array(item), hasMore: z.boolean(), nextCursor: z.string().nullable() });
}

/** `rows` holds one more than the page when there is more. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  { idOf, toItem }: { idOf: (row: Row) => string; toItem: (row: Row) => Item },
): Page<Item> {
  const shown = rows.slice(0, limit);
  const hasMore = rows.length > limit;
  const last = shown.at(-1);
  return { data: shown.map(toItem), hasMore, nextCursor: hasMore && last !== undefined ? idOf(last) : null };
}
