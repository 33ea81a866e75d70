import { Injectable } from '@nestjs/common';
import { type ChainHead, type ChainProblem, ChainVerifier } from './audit-chain.rules.js';
import { ExportUnreadable, readExport } from './audit-export.rules.js';

export interface VerifiedFile {
  entries: number;
  last: ChainHead;
  /** All of them are counted, the first hundred spelled out. */
  problems: readonly ChainProblem[];
  problemCount: number;
}

const HEAD = /^([1-9]\d{0,15}):([0-9a-f]{64})$/;

/** Verifies an export of an audit log, and needs nothing else. */
@Injectable()
export class AuditFileService {
  /** `head` is the last entry that the log must have, "<sequence>:<hash>". Throws ExportUnreadable. */
  verify(text: string, head: string | null): VerifiedFile {
    const noted = head === null ? null : parseHead(head);
    const verifier = new ChainVerifier();
    for (const entry of readExport(text)) verifier.add(entry);
    verifier.finish(noted);
    const { entries, head: last, problems, problemCount } = verifier;
    return { entries, last, problems, problemCount };
  }
}

function parseHead(text: string): ChainHead {
  const [, sequence, hash] = HEAD.exec(text) ?? [];
  if (sequence === undefined || hash === undefined)
    throw new ExportUnreadable('the head is expected as <sequence>:<64 hexadecimal digits>');
  return { sequence: Number(sequence), hash };
}
