import { z } from 'zod';
import { credentialsSchema, meSchema } from '../dashboard-api.js';

/** Signing up and in, by password, Google or a code from a mail, and what proves an address. */

export const PASSWORD_LENGTH_MIN = 8;
/** What a form should ask for; shorter ones down to PASSWORD_LENGTH_MIN are taken. */
export const PASSWORD_LENGTH_AIMED = 15;
export const PASSWORD_LENGTH_MAX = 128;
export const CODE_DIGITS = 6;

const emailSchema = credentialsSchema.shape.email;
const passwordSchema = credentialsSchema.shape.password;
/** 32 random bytes in base64url, from the link of a mail. */
const mailTokenSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/, 'expected the token from the link in the mail');

/** Which ways to sign in this installation offers. */
export const authMethodsSchema = z.object({
  password: z.object({ lengthMin: z.number().int(), lengthAimed: z.number().int(), lengthMax: z.number().int() }),
  google: z.object({ isAvailable: z.boolean() }),
  code: z.object({ isAvailable: z.boolean() }),
  /** Without mail, sign-up signs in at once and `disables` lists what there is not. */
  mail: z.object({ isAvailable: z.boolean(), disables: z.array(z.string()) }),
});
export type AuthMethods = z.infer<typeof authMethodsSchema>;

/** The next step is in a mail. The same whether or not anybody has the address. */
export const mailSentSchema = z.object({ status: z.literal('mail_sent') });
export type MailSent = z.infer<typeof mailSentSchema>;

/** Where mail is configured, always `mail_sent`; else the new user, signed in. */
export const signUpAnswerSchema = z.union([mailSentSchema, meSchema]);
export type SignUpAnswer = z.infer<typeof signUpAnswerSchema>;

export const addressSchema = z.strictObject({ email: emailSchema });
export type Address = z.infer<typeof addressSchema>;

/** The password is needed unless the browser is signed in as the user whose address is being proven. */
export const verifyEmailSchema = z.strictObject({
  token: mailTokenSchema,
  password: z.string().min(1).max(PASSWORD_LENGTH_MAX).optional(),
});
export type VerifyEmail = z.infer<typeof verifyEmailSchema>;

export const passwordResetSchema = z.strictObject({ token: mailTokenSchema, password: passwordSchema });
export type PasswordReset = z.infer<typeof passwordResetSchema>;

/** `currentPassword` is needed by who has one; who has none (Google, codes) must have signed in a short while ago. */
export const passwordChangeSchema = z.strictObject({
  currentPassword: z.string().min(1).max(PASSWORD_LENGTH_MAX).optional(),
  newPassword: passwordSchema,
});
export type PasswordChange = z.infer<typeof passwordChangeSchema>;

/** Six digits; spaces, as people copy them, are ignored. */
export const codeVerifySchema = z.strictObject({
  code: z
    .string()
    .max(20)
    .transform((code) => code.replaceAll(/\s/g, ''))
    .refine((code) => /^\d{6}$/.test(code), `expected the ${CODE_DIGITS} digits from the mail`),
});
export type CodeVerify = z.infer<typeof codeVerifySchema>;

/** A path of this site to go to afterwards; anything else is refused, so that nobody is led elsewhere by a link to us. */
export const returnToSchema = z
  .string()
  .max(500)
  .regex(/^\/(?![/\\])[\x21-\x5b\x5d-\x7e]*$/, 'expected a path of this site, such as /keys');

export const googleStartQuerySchema = z.strictObject({ returnTo: returnToSchema.default('/') });
export type GoogleStartQuery = z.infer<typeof googleStartQuerySchema>;

export const googleLinkSchema = z.strictObject({ returnTo: returnToSchema.default('/') });
export type GoogleLink = z.infer<typeof googleLinkSchema>;
/** Where the browser goes next. */
export const googleLinkAnswerSchema = z.object({ url: z.url() });
export type GoogleLinkAnswer = z.infer<typeof googleLinkAnswerSchema>;

/** What Google's redirect carries; it may carry more than we read. */
export const googleCallbackQuerySchema = z.object({
  code: z.string().max(2_048).optional(),
  state: z.string().max(500).optional(),
  error: z.string().max(200).optional(),
});
export type GoogleCallbackQuery = z.infer<typeof googleCallbackQuerySchema>;
