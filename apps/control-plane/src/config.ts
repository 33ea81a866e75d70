import { isIP, isIPv4 } from 'node:net';
import { loadConfigOrExit, serviceEnvironment, urlOf } from '@tensorloop/nest-kit/config';
import { faultEnvironment, refuseFaultsInProduction } from '@tensorloop/nest-kit/faults';
import { z } from 'zod';

const DEFAULT_PORT = 4100;
/** Fewer characters could be guessed by someone who holds the database. */
const PEPPER_LENGTH_MIN = 16;
/** A smallint. */
const KEY_PEPPER_VERSION_MAX = 32_767;

const baseUrl = urlOf('http', 'https').transform((url) => url.replace(/\/+$/, ''));

/** Names that Express knows for ranges that are nobody's on the internet. */
const NETWORK_NAMES = new Set(['loopback', 'linklocal', 'uniquelocal']);
const IPV4_BITS = 32;
const IPV6_BITS = 128;

function isNetwork(text: string): boolean {
  if (NETWORK_NAMES.has(text)) return true;
  const [address = '', bits, ...rest] = text.split('/');
  if (isIP(address) === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(address) ? IPV4_BITS : IPV6_BITS));
}

/** "10.0.0.1, 192.168.0.0/16, loopback" */
const networksSchema = z
  .string()
  .transform((text) => text.split(',').map((network) => network.trim()))
  .refine((networks) => networks.every(isNetwork), {
    error: `expected addresses, networks (10.0.0.0/8) or ${[...NETWORK_NAMES].join(', ')}, separated by commas`,
  });

/** "TensorLoop <no-reply@example.com>", or the address alone. */
const senderSchema = z.string().refine((text) => /^([^<>\p{Cc}]+<)?[^\s<>@]+@[^\s<>@]+>?$/u.test(text), {
  error: 'expected an address, or "Name <address>"',
});

/** What is of use only together; half of it is a mistake that would show when the first customer signs in. */
const SETTINGS_TOGETHER = [
  ['SMTP_URL', 'MAIL_FROM'],
  ['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET'],
] as const;

function refuseHalves(config: Record<string, unknown>, ctx: z.RefinementCtx): void {
  for (const names of SETTINGS_TOGETHER) {
    const given = names.filter((name) => config[name] !== undefined);
    if (given.length === 0 || given.length === names.length) continue;
    ctx.addIssue({
      code: 'custom',
      path: [given[0] as string],
      message: `${names.join(' and ')} are set together, or none of them`,
    });
  }
}

export const configSchema = z
  .object({
    ...serviceEnvironment(DEFAULT_PORT),
    ...faultEnvironment('control-plane'),
    /** Role control_app. */
    DATABASE_URL: urlOf('postgresql', 'postgres'),
    /** Role control_relay. */
    RELAY_DATABASE_URL: urlOf('postgresql', 'postgres'),
    /** Role control_operator. */
    OPERATOR_DATABASE_URL: urlOf('postgresql', 'postgres'),
    REDIS_URL: urlOf('redis', 'rediss'),
    /** Shared with the gateways: key texts are stored as HMAC-SHA256 under it. */
    KEY_PEPPER: z.string().min(PEPPER_LENGTH_MIN, `expected at least ${PEPPER_LENGTH_MIN} characters`),
    /** Counts peppers, from 1: written beside each hash, so that it can be told which keys are still known by an older one. */
    KEY_PEPPER_VERSION: z.coerce.number('expected a number').int().min(1).max(KEY_PEPPER_VERSION_MAX).default(1),
    /** Where browsers reach this service. Decides cookies (https) and which Origin is ours. */
    PUBLIC_URL: baseUrl.default(`http://localhost:${DEFAULT_PORT}`),
    /** The model catalogue as a YAML or JSON file, followed while it changes. Without it the tables are as they were seeded. */
    MODEL_CATALOGUE_FILE: z.string().optional(),
    /** Where clients reach the gateway, without "/v1". */
    GATEWAY_URL: baseUrl.default('http://localhost:4000'),
    /** Proxies whose X-Forwarded-For is believed. None: the address of the connection is the client's. */
    TRUSTED_PROXIES: networksSchema.default([]),
    /** Mails: "smtp://user:password@host:587", or smtps. Without it the product runs and says what is off. */
    SMTP_URL: urlOf('smtp', 'smtps').optional(),
    MAIL_FROM: senderSchema.optional(),
    /** Sign-in with Google, off unless set. The addresses are Google's own but in tests. */
    GOOGLE_CLIENT_ID: z.string().optional(),
    GOOGLE_CLIENT_SECRET: z.string().optional(),
    GOOGLE_AUTHORIZATION_URL: baseUrl.default('https://accounts.google.com/o/oauth2/v2/auth'),
    GOOGLE_TOKEN_URL: baseUrl.default('https://oauth2.googleapis.com/token'),
    GOOGLE_USERINFO_URL: baseUrl.default('https://openidconnect.googleapis.com/v1/userinfo'),
  })
  .superRefine(refuseHalves)
  .superRefine(refuseFaultsInProduction);
export type Config = z.output<typeof configSchema>;

/** Injection token of the configuration. */
export const CONFIG = Symbol('config');

export function readConfig(): Config {
  return loadConfigOrExit(configSchema, process.env);
}
