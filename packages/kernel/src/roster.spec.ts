import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Roster, type RosterMember } from './roster.js';

interface Numbered extends RosterMember {
  number: number;
}

const numbered = (number: number): Numbered => ({ number, rosterIndex: -1 });
const numbersOf = (members: readonly Numbered[]) => members.map(({ number }) => number).sort((one, other) => one - other);

describe('a roster', () => {
  it('holds what a set would hold, whatever comes and goes', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ number: fc.nat(12), isAdded: fc.boolean() }), { maxLength: 200 }), (steps) => {
        const members = Array.from({ length: 13 }, (_, number) => numbered(number));
        const [roster, set] = [new Roster<Numbered>(), new Set<Numbered>()];
        for (const { number, isAdded } of steps) {
          const member = members[number] as Numbered;
          if (isAdded) roster.add(member);
          else roster.delete(member);
          if (isAdded) set.add(member);
          else set.delete(member);
          expect(roster.size).toBe(set.size);
        }
        expect(numbersOf(roster.list())).toEqual(numbersOf([...set]));
      }),
    );
  });

  it('passes every member once, although members leave while it is gone through', () => {
    fc.assert(
      fc.property(fc.nat(20), fc.array(fc.nat(20), { maxLength: 21 }), (count, leaving) => {
        const roster = new Roster<Numbered>();
        const members = Array.from({ length: count + 1 }, (_, number) => numbered(number));
        for (const member of members) roster.add(member);
        const visited: Numbered[] = [];
        roster.forEach((member) => {
          visited.push(member);
          if (leaving.includes(member.number)) roster.delete(member);
        });
        expect(numbersOf(visited)).toEqual(numbersOf(members));
        expect(numbersOf(roster.list())).toEqual(numbersOf(members).filter((number) => !leaving.includes(number)));
      }),
    );
  });

  it('passes all who stay, whoever else a member takes along', () => {
    const roster = new Roster<Numbered>();
    const members = Array.from({ length: 6 }, (_, number) => numbered(number));
    for (const member of members) roster.add(member);
    const visited = new Set<number>();
    roster.forEach((member) => {
      visited.add(member.number);
      for (const other of [0, 5]) roster.delete(members[other] as Numbered);
    });
    expect([1, 2, 3, 4].every((number) => visited.has(number))).toBe(true);
    expect(numbersOf(roster.list())).toEqual([1, 2, 3, 4]);
  });
});
