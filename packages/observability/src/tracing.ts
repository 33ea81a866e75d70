import { type Attributes, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';

export const SPANS_QUEUED_MAX = 4_096;
export const SPANS_PER_EXPORT_MAX = 512;
export const EXPORT_INTERVAL_MS = 2_000;
export const EXPORT_TIMEOUT_MS = 1_500;
/** What a shutdown gives the last export: traces are not worth a late stop. */
export const LAST_EXPORT_TIMEOUT_MS = 2_000;

/** W3C Trace Context, version 00 (https://www.w3.org/TR/trace-context/#traceparent-header). */
const TRACEPARENT = /^00-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})$/;

export type SpanRole = 'server' | 'client' | 'producer' | 'consumer' | 'internal';

const KINDS: Record<SpanRole, SpanKind> = {
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  producer: SpanKind.PRODUCER,
  consumer: SpanKind.CONSUMER,
  internal: SpanKind.INTERNAL,
};

export interface SpanOptions {
  role?: SpanRole;
  /** W3C traceparent of the caller (a header, or another span's `traceparent`). Anything malformed starts a new trace. */
  parent?: string | null | undefined;
  attributes?: Attributes;
}

/** One timed piece of work. Ending it twice is harmless. */
export interface TraceSpan {
  /** What to send along so that the next process continues this trace; undefined when tracing is off. */
  readonly traceparent: string | undefined;
  set(name: string, value: string | number | boolean): void;
  /** Marks the span failed. `reason` is a short machine word or text without secrets. */
  fail(reason: string): void;
  end(): void;
}

/**
 * Traces with explicit parents. There is no ambient context on purpose: following it through every promise costs time on
 * each call even of services that export nothing.
 */
export interface Tracing {
  readonly isEnabled: boolean;
  startSpan(name: string, options?: SpanOptions): TraceSpan;
  /** Exports what is queued, waiting LAST_EXPORT_TIMEOUT_MS at most. */
  shutdown(): Promise<void>;
}

const SILENT_SPAN: TraceSpan = { traceparent: undefined, set() {}, fail() {}, end() {} };

/** Tracing that does nothing and allocates nothing. */
export const NO_TRACING: Tracing = { isEnabled: false, startSpan: () => SILENT_SPAN, shutdown: () => Promise.resolve() };

export interface TracingOptions {
  service: string;
  /** Base URL of an OTLP/HTTP collector ("http://otel:4318"). Undefined = off: the SDK is not even loaded. */
  endpoint: string | undefined;
}

export async function startTracing(options: TracingOptions): Promise<Tracing> {
  if (options.endpoint === undefined) return NO_TRACING;
  const [{ OTLPTraceExporter }, { resourceFromAttributes }, sdk, { ATTR_SERVICE_NAME }] = await Promise.all([
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace-node'),
    import('@opentelemetry/semantic-conventions'),
  ]);
  const exporter = new OTLPTraceExporter({
    url: `${options.endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new sdk.NodeTracerProvider({
    resource: resourceFromAttributes({ [ATTR_SERVICE_NAME]: options.service }),
    spanProcessors: [
      new sdk.BatchSpanProcessor(exporter, {
        maxQueueSize: SPANS_QUEUED_MAX,
        maxExportBatchSize: SPANS_PER_EXPORT_MAX,
        scheduledDelayMillis: EXPORT_INTERVAL_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  });
  const tracer = provider.getTracer('tensorloop');
  return {
    isEnabled: true,
    startSpan: (name, spanOptions = {}) => new RecordedSpan(tracer, name, spanOptions),
    shutdown: () => settleWithin(provider.shutdown(), LAST_EXPORT_TIMEOUT_MS),
  };
}

/** An unreachable collector must neither fail nor hold up a shutdown that has done everything else. */
async function settleWithin(work: Promise<void>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work.catch(() => {}), limit]);
  clearTimeout(timer);
}

class RecordedSpan implements TraceSpan {
  readonly traceparent: string;
  private readonly span: Span;

  constructor(tracer: Tracer, name: string, options: SpanOptions) {
    const parent = parentContext(options.parent);
    this.span = tracer.startSpan(
      name,
      { kind: KINDS[options.role ?? 'internal'], attributes: options.attributes ?? {} },
      parent,
    );
    const { traceId, spanId, traceFlags } = this.span.spanContext();
    this.traceparent = `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
  }

  set(name: string, value: string | number | boolean): void {
    this.span.setAttribute(name, value);
  }

  fail(reason: string): void {
    this.span.setStatus({ code: SpanStatusCode.ERROR, message: reason });
  }

  end(): void {
    if (this.span.isRecording()) this.span.end();
  }
}

function parentContext(traceparent: string | null | undefined) {
  const match = TRACEPARENT.exec(traceparent ?? '');
  if (match === null) return ROOT_CONTEXT;
  const [, traceId, spanId, flags] = match as unknown as [string, string, string, string];
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true });
}
