import * as accounts from '@tensorloop/contracts/api/accounts';
import * as activity from '@tensorloop/contracts/api/activity';
import * as audit from '@tensorloop/contracts/api/audit';
import * as auth from '@tensorloop/contracts/api/auth';
import * as keys from '@tensorloop/contracts/api/keys';
import * as members from '@tensorloop/contracts/api/members';
import * as operator from '@tensorloop/contracts/api/operator';
import * as pages from '@tensorloop/contracts/api/pages';
import * as plans from '@tensorloop/contracts/api/plans';
import * as projects from '@tensorloop/contracts/api/projects';
import * as sessions from '@tensorloop/contracts/api/sessions';
import * as tagFilter from '@tensorloop/contracts/api/tag-filter';
import * as tokens from '@tensorloop/contracts/api/tokens';
import * as usageApi from '@tensorloop/contracts/api/usage';
import * as dashboardApi from '@tensorloop/contracts/dashboard-api';
import * as usage from '@tensorloop/contracts/usage';
import { SchemaNames } from '@tensorloop/nest-kit/openapi/schema-components';

/** The modules of contracts that say what the API takes and answers, by file. A test fails when one is missing. */
export const CONTRACTS: Record<string, Record<string, unknown>> = {
  'dashboard-api': dashboardApi,
  usage,
  'api/accounts': accounts,
  'api/activity': activity,
  'api/audit': audit,
  'api/auth': auth,
  'api/keys': keys,
  'api/members': members,
  'api/operator': operator,
  'api/pages': pages,
  'api/plans': plans,
  'api/projects': projects,
  'api/sessions': sessions,
  'api/tag-filter': tagFilter,
  'api/tokens': tokens,
  'api/usage': usageApi,
};

/** "Key" for `keySchema`: a front end that is written in TypeScript knows the same types by the same names. */
export function schemaNames(): SchemaNames {
  const names = new SchemaNames();
  for (const module of Object.values(CONTRACTS)) names.addExports(module);
  return names;
}
