import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import {
  activityListReplySchema,
  activityListRequestSchema,
  keyUsageListReplySchema,
  keyUsageListRequestSchema,
  requestGetReplySchema,
  requestGetRequestSchema,
  usageSummaryGetReplySchema,
  usageSummaryGetRequestSchema,
} from '@tensorloop/contracts/rpc';
import { RPC } from '@tensorloop/contracts/subjects';
import { usageSeriesGetReplySchema, usageSeriesGetRequestSchema } from '@tensorloop/contracts/usage-series';
import { defineRpc } from '@tensorloop/nest-kit/rpc';
import { RpcResponder } from '@tensorloop/nest-kit/rpc-responder';
import { SeriesService } from './series.service.js';
import { UsageService } from './usage.service.js';

const activityList = defineRpc(RPC.meteringActivityList, activityListRequestSchema, activityListReplySchema);
const keyUsageList = defineRpc(RPC.meteringKeyUsageList, keyUsageListRequestSchema, keyUsageListReplySchema);
const requestGet = defineRpc(RPC.meteringRequestGet, requestGetRequestSchema, requestGetReplySchema);
const usageSeriesGet = defineRpc(RPC.meteringUsageSeriesGet, usageSeriesGetRequestSchema, usageSeriesGetReplySchema);
const usageSummaryGet = defineRpc(RPC.meteringUsageSummaryGet, usageSummaryGetRequestSchema, usageSummaryGetReplySchema);

@Controller()
export class UsageController {
  constructor(
    @Inject(RpcResponder) private readonly responder: RpcResponder,
    private readonly usage: UsageService,
    private readonly series: SeriesService,
  ) {}

  @MessagePattern(activityList.pattern)
  listActivity(@Payload() payload: unknown) {
    return this.responder.answer(activityList, payload, (request) => this.usage.listActivity(request));
  }

  @MessagePattern(requestGet.pattern)
  getRequest(@Payload() payload: unknown) {
    return this.responder.answer(requestGet, payload, (request) => this.usage.getRequest(request));
  }

  @MessagePattern(keyUsageList.pattern)
  listKeyUsage(@Payload() payload: unknown) {
    return this.responder.answer(keyUsageList, payload, (request) => this.usage.listKeyUsage(request));
  }

  @MessagePattern(usageSeriesGet.pattern)
  getSeries(@Payload() payload: unknown) {
    return this.responder.answer(usageSeriesGet, payload, (request) => this.series.get(request));
  }

  @MessagePattern(usageSummaryGet.pattern)
  getSummary(@Payload() payload: unknown) {
    return this.responder.answer(usageSummaryGet, payload, (request) => this.usage.getSummary(request));
  }
}
