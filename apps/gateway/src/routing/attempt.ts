import type { IncomingHttpHeaders } from 'node:http';
import type { AnswerHandler, UpstreamFailure, UpstreamFlow } from '../upstreams/upstream.types.js';
import type { CircuitResult } from './circuit-breaker.rules.js';
import type { DeploymentState } from './deployment-states.service.js';
import { cooldownMs, isIll, isWorthAnother, isWorthAnotherAfter } from './retry.rules.js';
import type { Route } from './route.js';
import type { AttemptResult, Flaw } from './routing.types.js';

/** An error body is read so far, and for so long: what comes later is given up. */
export const ERROR_BODY_BYTES_MAX = 64 * 1024;
export const ERROR_BODY_MS_MAX = 10_000;
/** Answers that do not take as long as their model speaks: they come whole, or are a proxy's page. */
const WHOLE_TYPES = /json|html/i;
/** Answers that do, although the client gets them whole: sound. Events where a whole answer was asked for are none. */
const SOUND_TYPES = /^(audio\/|application\/octet-stream)/i;

type Mode =
  /** No head yet. */
  | 'waiting'
  /** The answer is the client's. */
  | 'passing'
  /** A refusal that is the client's: collected, so that secrets can be taken out of it. */
  | 'refusing'
  /** A refusal that nobody will see, because another deployment is being asked, or that was passed on as far as it goes. */
  | 'dropped';

/** Outcomes of a call whose answer came whole. */
const WHOLE: ReadonlySet<string> = new Set(['completed', 'client_aborted']);

/** An error that names no status may be the client's own doing, for which nobody else's calls are to be refused. */
function resultOf(flaw: Flaw | null): CircuitResult {
  if (flaw === null) return 'worked';
  if (flaw === 'unclear') return 'unknown';
  return flaw === 'broken' || isIll(flaw) ? 'failed' : 'worked';
}

/**
 * One deployment's answer. It reaches the client's answer whole or not at all: from the moment on in which its head was passed
 * on, no other deployment is asked.
 */
export class Attempt implements AnswerHandler {
  private readonly circuitPass: number;
  private mode: Mode = 'waiting';
  private status: number | null = null;
  private flow: UpstreamFlow | null = null;
  private errorBody: Buffer[] | null = null;
  private errorBytes = 0;
  private headAtMs = 0;
  /** A probe whose answer is a stream, of events or of sound: its end may be minutes away. */
  private isStreamingProbe = false;
  private hasCircuitEnded = false;
  private hasEnded = false;

  constructor(
    private readonly route: Route,
    private readonly state: DeploymentState,
  ) {
    this.circuitPass = state.circuit.begin(route.parts.nowMs());
  }

  onStart(flow: UpstreamFlow): void {
    this.flow = flow;
    this.route.routing.answer.onStart(flow);
  }

  onHead(status: number, headers: IncomingHttpHeaders): void {
    this.status = status;
    const nowMs = this.route.parts.nowMs();
    const cooldown = cooldownMs(status, headers);
    if (cooldown > 0) this.state.coolDown(cooldown, nowMs);
    this.headAtMs = nowMs;
    const isGood = status >= 200 && status <= 299;
    const isProbe = this.state.circuit.stateAt(nowMs) === 'half_open';
    // A refusal says all there is to say by its status; its body may never end, or be given up.
    if (!isGood) this.endCircuit(isIll(status) ? 'failed' : 'worked');
    if (isWorthAnother(status) && this.goOn(status, null)) {
      this.mode = 'dropped';
      return;
    }
    this.mode = isGood ? 'passing' : 'refusing';
    const type = String(headers['content-type'] ?? '');
    // Of what is passed on as it comes the beginning can be judged; of the rest only the whole.
    const isStream = this.route.routing.answer.isPassedOn ? !WHOLE_TYPES.test(type) : SOUND_TYPES.test(type);
    this.isStreamingProbe = isProbe && isStream;
    this.route.routing.answer.onHead(status, headers);
  }

  onData(chunk: Buffer): void {
    if (this.mode === 'passing') return this.pass(chunk);
    this.errorBytes += chunk.length;
    const isTooLong = this.errorBytes > ERROR_BODY_BYTES_MAX;
    if (this.mode === 'refusing' && !isTooLong) {
      this.errorBody ??= [];
      this.errorBody.push(chunk);
    }
    if (!isTooLong && this.route.parts.nowMs() - this.headAtMs <= ERROR_BODY_MS_MAX) return;
    if (this.mode === 'refusing') this.passRefusal();
    this.flow?.abort();
  }

  onEnd(): void {
    const { answer } = this.route.routing;
    if (this.mode === 'passing') {
      // Only the answer can tell whether it was one.
      answer.onEnd();
      const flaw = answer.flaw ?? null;
      this.end(resultOf(flaw), flaw === null ? 'answered' : 'failed');
      return;
    }
    this.end('unknown', 'refused');
    if (this.mode === 'refusing') this.passRefusal();
  }

  onFailure(failure: UpstreamFailure): void {
    const isDone = this.mode === 'passing' && WHOLE.has(this.route.routing.call.exit.outcome ?? '');
    const isRefusal = this.status !== null && this.mode !== 'passing';
    // What a provider does with its connection behind a whole answer says nothing.
    this.end(isDone ? 'worked' : this.resultOfFailure(failure), isDone ? 'answered' : isRefusal ? 'refused' : 'failed');
    if (this.mode === 'dropped') return;
    if (this.mode === 'waiting' && isWorthAnotherAfter(failure) && this.goOn(null, failure)) return;
    this.route.routing.answer.onFailure(failure);
  }

  private pass(chunk: Buffer): void {
    const { answer } = this.route.routing;
    answer.onData(chunk);
    if (!this.isStreamingProbe) return;
    this.isStreamingProbe = false;
    // A stream that begins without an error has told what its probe was sent to find out.
    if ((answer.flaw ?? null) === null) this.endCircuit('worked');
  }

  /** What was given up for what it said counts as that; for any other reason it tells nothing. */
  private resultOfFailure(failure: UpstreamFailure): CircuitResult {
    if (failure !== 'aborted') return 'failed';
    const flaw = this.mode === 'passing' ? (this.route.routing.answer.flaw ?? null) : null;
    return flaw === null ? 'unknown' : resultOf(flaw);
  }

  /** Asks another deployment instead; false = there is none to ask. */
  private goOn(status: number | null, failure: UpstreamFailure | null): boolean {
    const next = this.route.findNext();
    if (next === null) return false;
    this.route.routing.call.endAttempt(status, failure);
    this.route.go(next);
    return true;
  }

  private passRefusal(): void {
    const { answer } = this.route.routing;
    this.mode = 'dropped';
    const text = Buffer.concat(this.errorBody ?? []).toString('utf8');
    answer.onData(Buffer.from(this.route.parts.credentials.scrub(text, this.state.deployment.credential)));
    answer.onEnd();
  }

  private end(result: CircuitResult, seen: AttemptResult): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.endCircuit(result);
    this.route.parts.onAttempt(this.state.deployment.id, seen);
    this.state.places.giveBack();
  }

  private endCircuit(result: CircuitResult): void {
    if (this.hasCircuitEnded) return;
    this.hasCircuitEnded = true;
    this.state.circuit.end(this.circuitPass, result, this.route.parts.nowMs());
  }
}
