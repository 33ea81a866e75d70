import { z } from 'zod';

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Lower-case UUIDv7. */
export const uuid7Schema = z.string().regex(UUID7, 'expected a lower-case UUIDv7');
export const accountTagSchema = z.string().regex(/^[0-9A-Za-z]{8}$/, 'expected an account tag of 8 base62 characters');
/** Unix milliseconds. */
export const unixMsSchema = z.number().int().nonnegative();
/** "2026-11-21" */
export const daySchema = z.string().regex(/^\d{4}-\d{2}-\d{2}$/, 'expected a UTC day such as 2026-11-21');
/** A gateway's identity, kept in its journal folder: 1–64 of a–z, 0–9 and "-". */
export const gatewayIdSchema = z.string().regex(/^[a-z0-9-]{1,64}$/);
/** Public model id. Case- and dash-sensitive (spec TL-3). */
export const modelIdSchema = z
  .string()
  .min(1)
  .max(128)
  .regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]*$/, 'model ids use letters, digits and . _ : / -');
