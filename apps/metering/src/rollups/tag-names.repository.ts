import { Injectable } from '@nestjs/common';
import { OTHER_TAGS } from '@tensorloop/contracts/tags';
import { booleans, texts, uuids } from '@tensorloop/db/binary-arrays';
import type { Tx } from '../database/database.types.js';
import { type NamesRoom, type NewName, tagNameOf } from './tag-names.rules.js';
import type { TagHour } from './tag-values.rules.js';

const MS_PER_SECOND = 1_000;
/** An admission's clock may be a day ahead of the database's: what is told apart from then on is surely of no hour that has others yet. */
const LATE = `date_trunc('hour', now(), 'UTC') + interval '2 days'`;

/** Numbers, from 1, of the hours that a name is not told apart in, and whether it has no room at all. */
const LIST_UNNAMED = `
  SELECT i::integer AS at, n.name IS NULL AS is_new
  FROM unnest($1::uuid[], $2::text[], $3::float8[]) WITH ORDINALITY AS t (account_id, name, hour, i)
  LEFT JOIN metering.tag_names n ON n.account_id = t.account_id AND n.name = t.name
  WHERE n.name IS NULL OR n.since > to_timestamp(t.hour)
  ORDER BY i`;

const COUNT = `
  SELECT a.id AS account_id, count(n.name) FILTER (WHERE n.name <> '${OTHER_TAGS}')::integer AS names,
    count(n.name) FILTER (WHERE n.name = '${OTHER_TAGS}') > 0 AS has_others
  FROM unnest($1::uuid[]) AS a (id) LEFT JOIN metering.tag_names n ON n.account_id = a.id
  GROUP BY a.id`;

const ADD = `
  INSERT INTO metering.tag_names (account_id, name, since)
  SELECT account_id, name, CASE WHEN is_late THEN ${LATE} ELSE '-infinity' END
  FROM unnest($1::uuid[], $2::text[], $3::boolean[]) AS t (account_id, name, is_late)
  ON CONFLICT DO NOTHING`;

/** Which names of tags accounts have sums of. Writes for all accounts (role metering_ingest), which are locked meanwhile. */
@Injectable()
export class TagNamesRepository {
  /** Those hours in which the name of the tag is not told apart, in their order. */
  async listUnnamed(tx: Tx, hours: readonly TagHour[]): Promise<{ hour: TagHour; isNew: boolean }[]> {
    const values = [
      uuids(hours.map(({ accountId }) => accountId)),
      texts(hours.map(tagNameOf)),
      hours.map(({ hourMs }) => hourMs / MS_PER_SECOND),
    ];
    const query = { name: 'list_unnamed_tags', text: LIST_UNNAMED, values };
    const { rows } = await tx.query<{ at: number; is_new: boolean }>(query);
    return rows.map((row) => ({ hour: hours[row.at - 1] as TagHour, isNew: row.is_new }));
  }

  async listRooms(tx: Tx, accountIds: readonly string[]): Promise<NamesRoom[]> {
    const { rows } = await tx.query<{ account_id: string; names: number; has_others: boolean }>(COUNT, [accountIds]);
    return rows.map((row) => ({ accountId: row.account_id, names: row.names, hasOthers: row.has_others }));
  }

  async add(tx: Tx, names: readonly NewName[]): Promise<void> {
    const values = [
      uuids(names.map(({ accountId }) => accountId)),
      texts(names.map(({ name }) => name)),
      booleans(names.map(({ isLate }) => isLate)),
    ];
    await tx.query(ADD, values);
  }
}
