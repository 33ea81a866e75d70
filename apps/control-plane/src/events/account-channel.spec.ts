import { describe, expect, it } from '@jest/globals';
import { AccountChannel, EVENTS_KEPT_MAX } from './account-channel.js';
import type { LiveEvent } from './events.types.js';

function listen(channel: AccountChannel, lastEventId: string | null = null) {
  const heard: LiveEvent[] = [];
  const leave = channel.join((event) => heard.push(event), lastEventId);
  return { heard, leave, types: () => heard.map(({ type }) => type), lastId: () => heard.at(-1)?.id ?? '' };
}

describe('a channel of changes', () => {
  it('tells every listener of what happens while it listens', () => {
    const channel = new AccountChannel();
    const [first, second] = [listen(channel), listen(channel)];
    channel.changed(['activity']);
    second.leave();
    channel.changed(['keys', 'usage']);
    expect(first.types()).toEqual(['ready', 'changed', 'changed']);
    expect(first.heard.at(-1)).toMatchObject({ kinds: ['keys', 'usage'] });
    expect(second.types()).toEqual(['ready', 'changed']);
  });

  it('tells one that comes back what it missed, each once and in order', () => {
    const channel = new AccountChannel();
    const gone = listen(channel);
    channel.changed(['activity']);
    gone.leave();
    channel.changed(['keys']);
    channel.changed(['members']);
    const back = listen(channel, gone.lastId());
    expect(back.heard).toMatchObject([{ type: 'ready' }, { kinds: ['keys'] }, { kinds: ['members'] }]);
    expect(listen(channel, back.lastId()).types()).toEqual(['ready']);
  });

  it('tells one that is cut off again before that has come all of it the next time', () => {
    const channel = new AccountChannel();
    const gone = listen(channel);
    gone.leave();
    channel.changed(['keys']);
    const [ready, missed] = listen(channel, gone.lastId()).heard;
    // A client keeps the id it had where an event has none.
    expect(ready).toEqual({ id: null, type: 'ready' });
    expect(listen(channel, gone.lastId()).heard).toContainEqual(missed);
    expect(listen(channel, 'of-another-replica.7').heard[0]).toEqual({ id: null, type: 'ready' });
    expect(listen(channel, missed?.id ?? null).heard).toEqual([{ id: missed?.id, type: 'ready' }]);
  });

  it('tells it to start anew where what it missed is not known: too old, of another replica, made up', () => {
    const channel = new AccountChannel();
    const { lastId } = listen(channel);
    const before = lastId();
    for (let event = 0; event <= EVENTS_KEPT_MAX; event++) channel.changed(['activity']);
    for (const id of [before, listen(new AccountChannel()).lastId(), 'x', '', `${lastId()}0`, `${before.split('.')[0]}.1.5`]) {
      expect(listen(channel, id).types()).toEqual(['ready', 'reset']);
    }
  });

  it('tells all to start anew after an outage, also those who come back after it', () => {
    const channel = new AccountChannel();
    const stayed = listen(channel);
    const gone = listen(channel);
    gone.leave();
    channel.reset();
    expect(stayed.types()).toEqual(['ready', 'reset']);
    expect(listen(channel, gone.lastId()).types()).toEqual(['ready', 'reset']);
  });

  it('says nothing of changes that this release does not know', () => {
    const channel = new AccountChannel();
    const { types } = listen(channel);
    channel.changed([]);
    expect(types()).toEqual(['ready']);
  });
});
