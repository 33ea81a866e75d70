import { z } from 'zod';

/** Items of a page, of every list: as many as metering and the database are asked for at once. */
export const PAGE_LIMIT_MAX = 200;
export const PAGE_LIMIT_DEFAULT = 50;

/** What every list takes beside its own filters. */
export const pageQueryShape = {
  /** Whether it is one of the list's own is found when it is read, so that every list refuses it alike. */
  cursor: z.string().optional().describe('`nextCursor` of the page before, unchanged; left out: the first page.'),
  limit: z.coerce.number().int().min(1).max(PAGE_LIMIT_MAX).default(PAGE_LIMIT_DEFAULT).describe('Items of the page at most.'),
};
export const pageQuerySchema = z.strictObject(pageQueryShape);
export type PageQuery = z.infer<typeof pageQuerySchema>;

export interface Page<Item> {
  data: Item[];
  hasMore: boolean;
  nextCursor: string | null;
}

export function pageSchemaOf<Item extends z.ZodType>(item: Item) {
  return z.object({ data: z.array(item), hasMore: z.boolean(), nextCursor: z.string().nullable() });
}

/** Of a list that has an end nobody needs to turn pages for: it takes neither `limit` nor `cursor`. */
export function completeListSchemaOf<Item extends z.ZodType>(item: Item) {
  return z.object({ data: z.array(item), hasMore: z.literal(false), nextCursor: z.null() });
}

export function toCompleteList<Item>(data: Item[]): { data: Item[]; hasMore: false; nextCursor: null } {
  return { data, hasMore: false, nextCursor: null };
}

/** `rows` holds one more than the page when there is more. */
export function toPage<Row, Item>(
  rows: readonly Row[],
  limit: number,
  { cursorOf, toItem }: { cursorOf: (row: Row) => string; toItem: (row: Row) => Item },
): Page<Item> {
  const shown = rows.slice(0, limit);
  const hasMore = rows.length > limit;
  const last = shown.at(-1);
  return { data: shown.map(toItem), hasMore, nextCursor: hasMore && last !== undefined ? cursorOf(last) : null };
}
