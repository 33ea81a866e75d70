import { Inject, Injectable } from '@nestjs/common';
import {
  type ActivityListRequest,
  activityListReplySchema,
  activityListRequestSchema,
  type KeyUsageListRequest,
  keyUsageListReplySchema,
  keyUsageListRequestSchema,
  type RefusalsListRequest,
  type RequestGetRequest,
  refusalsListReplySchema,
  refusalsListRequestSchema,
  requestGetReplySchema,
  requestGetRequestSchema,
  type TotalsGetRequest,
  totalsGetReplySchema,
  totalsGetRequestSchema,
  type UsageSummaryGetRequest,
  usageSummaryGetReplySchema,
  usageSummaryGetRequestSchema,
} from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import {
  type UsageSeriesGetRequest,
  usageSeriesGetReplySchema,
  usageSeriesGetRequestSchema,
} from '@tensorloop/contracts/usage-series';
import { defineRpc, RpcClient } from '@tensorloop/nest-kit/rpc';

const activityList = defineRpc(RPC.meteringActivityList, activityListRequestSchema, activityListReplySchema);
const keyUsageList = defineRpc(RPC.meteringKeyUsageList, keyUsageListRequestSchema, keyUsageListReplySchema);
const refusalsList = defineRpc(RPC.meteringRefusalsList, refusalsListRequestSchema, refusalsListReplySchema);
const totalsGet = defineRpc(RPC.meteringTotalsGet, totalsGetRequestSchema, totalsGetReplySchema);
const requestGet = defineRpc(RPC.meteringRequestGet, requestGetRequestSchema, requestGetReplySchema);
const usageSeriesGet = defineRpc(RPC.meteringUsageSeriesGet, usageSeriesGetRequestSchema, usageSeriesGetReplySchema);
const usageSummaryGet = defineRpc(RPC.meteringUsageSummaryGet, usageSummaryGetRequestSchema, usageSummaryGetReplySchema);

/** Metering's tables are metering's: usage is asked for, never read. */
@Injectable()
export class MeteringClient {
  constructor(@Inject(RpcClient) private readonly rpc: RpcClient) {}

  listActivity(request: ActivityListRequest, traceparent: string | undefined) {
    return this.rpc.call(activityList, request, { traceparent });
  }

  listRefusals(request: RefusalsListRequest, traceparent: string | undefined) {
    return this.rpc.call(refusalsList, request, { traceparent });
  }

  getRequest(request: RequestGetRequest, traceparent: string | undefined) {
    return this.rpc.call(requestGet, request, { traceparent });
  }

  getUsageSeries(request: UsageSeriesGetRequest, traceparent: string | undefined) {
    return this.rpc.call(usageSeriesGet, request, { traceparent });
  }

  getUsageSummary(request: UsageSummaryGetRequest, traceparent: string | undefined) {
    return this.rpc.call(usageSummaryGet, request, { traceparent });
  }

  getTotals(request: TotalsGetRequest) {
    return this.rpc.call(totalsGet, request);
  }

  listKeyUsage(request: KeyUsageListRequest) {
    return this.rpc.call(keyUsageList, request);
  }
}
