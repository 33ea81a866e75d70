/** Where a member stands; -1 = nowhere. The roster alone writes it, and a member is in one roster at most. */
export interface RosterMember {
  rosterIndex: number;
}

/**
 * A set for objects that come and go thousands of times a second, such as calls. V8's own `Set` and `Map` are rebuilt every few
 * additions then, and the table before points to the one after it. Once a table is in the old generation, all that come
 * after it, and everything that was in them, outlive every collection of the young generation: each call, ended long
 * ago, is copied and promoted with all it held, until the old generation is collected as well, and the next chain begins there.
 */
export class Roster<Member extends RosterMember> {
  private readonly members: Member[] = [];

  get size(): number {
    return this.members.length;
  }

  add(member: Member): void {
    if (member.rosterIndex !== -1) return;
    member.rosterIndex = this.members.length;
    this.members.push(member);
  }

  /** The last one takes its place: the order means nothing. */
  delete(member: Member): void {
    const at = member.rosterIndex;
    if (at === -1) return;
    member.rosterIndex = -1;
    const last = this.members.pop() as Member;
    if (last === member) return;
    this.members[at] = last;
    last.rosterIndex = at;
  }

  /** Members may be deleted meanwhile, and each of the others is passed all the same; those that are added are not. */
  forEach(visit: (member: Member) => void): void {
    for (let at = this.members.length - 1; at >= 0; at--) {
      const member = this.members[at];
      if (member !== undefined) visit(member);
    }
  }

  list(): Member[] {
    return [...this.members];
  }
}
