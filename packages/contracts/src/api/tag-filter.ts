import { z } from 'zod';
import { tagNameSchema, tagValueSchema } from '../tags.js';

/** One value of one tag, as a query names it: `team=search`. */
export const tagFilterSchema = z.string().transform((text, ctx) => {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, at), text.slice(at + 1)];
  if (at > 0 && tagNameSchema.safeParse(name).success && tagValueSchema.safeParse(value).success) return { name, value };
  ctx.addIssue({ code: 'custom', message: 'expected name=value, such as team=search' });
  return z.NEVER;
});
