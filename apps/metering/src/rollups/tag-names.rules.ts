import { OTHER_TAGS, TAG_NAMES_MAX } from '@tensorloop/contracts/tags';
import { type TagHour, tagHourKey } from './tag-values.rules.js';

const PREFIX = 'tag:';

export const tagNameOf = ({ dimension }: Pick<TagHour, 'dimension'>): string => dimension.slice(PREFIX.length);

/** What an account has of names already. */
export interface NamesRoom {
  accountId: string;
  names: number;
  /** It has, or had until lately, more than it may: some calls with tags are counted among the others. */
  hasOthers: boolean;
}

export interface NewName {
  accountId: string;
  name: string;
  /** The account has others already: the name's own calls may be among them, so it is told apart from a later day on. */
  isLate: boolean;
}

export interface NamesSettled {
  /** To be written down. */
  names: NewName[];
  /** Those of `wanted` that are not told apart, at least for now (by tagHourKey). */
  unnamed: Set<string>;
}

/**
 * Gives names that an account has not had room, in their order, as long as there is any. For the calls at hand a late one changes
 * nothing: they count where others of their hour do, and so will whatever corrects them.
 */
export function settleNames(wanted: readonly TagHour[], rooms: readonly NamesRoom[]): NamesSettled {
  const left = new Map(rooms.map((room) => [room.accountId, { ...room }]));
  const names = new Map<string, NewName>();
  const unnamed = new Set<string>();
  const overflowing = new Set<string>();
  for (const hour of wanted) {
    const { accountId } = hour;
    const name = tagNameOf(hour);
    const room = left.get(accountId);
    if (room === undefined) throw new Error(`the names of account ${accountId} were not looked up`);
    const key = `${accountId} ${name}`;
    if (!names.has(key) && room.names < TAG_NAMES_MAX) {
      room.names += 1;
      names.set(key, { accountId, name, isLate: room.hasOthers });
    }
    if (names.get(key)?.isLate === false) continue;
    unnamed.add(tagHourKey(hour));
    if (!room.hasOthers) overflowing.add(accountId);
  }
  const others = [...overflowing].map((accountId) => ({ accountId, name: OTHER_TAGS, isLate: false }));
  return { names: [...names.values(), ...others], unnamed };
}
