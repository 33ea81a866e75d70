import { describe, expect, it } from '@jest/globals';
import { findApiSection, keepApiSection, withApiSection } from './docs-section.js';

describe('the section of docs/performance.md', () => {
  it('is put at the end of a document that has none, and later in its place', () => {
    const first = withApiSection('# Performance\n\nText.\n', '## API\n\nold');
    expect(first).toMatch(/^# Performance\n\nText\.\n\n<!-- begin[\s\S]*## API\n\nold\n<!-- end[^\n]*\n$/);
    const second = withApiSection(`${first}\nAfter it.\n`, '## API\n\n$& new');
    expect(second).toContain('$& new');
    expect(second).not.toContain('old');
    expect(second.match(/<!-- begin/g)).toHaveLength(1);
    expect(second).toMatch(/^# Performance[\s\S]*After it\.\n$/);
  });

  it('outlives a document that is written anew', () => {
    const before = withApiSection('# Performance\n', '## API');
    const after = keepApiSection('# Other\n', before);
    expect(after).toMatch(/^# Other\n\n<!-- begin/);
    expect(findApiSection(after)).toBe(findApiSection(before));
    expect(keepApiSection('# Other\n', '# Performance\n')).toBe('# Other\n');
  });
});
