import { describe, expect, it } from '@jest/globals';
import { DIMENSIONS, type Dimension } from '@tensorloop/contracts/usage';
import fc from 'fast-check';
import { normaliseImagesUsage } from './images-usage.js';

const priced = (...dimensions: Dimension[]) => new Set(dimensions);
const two = { dimension: 'image_hd', count: 2 } as const;
const reported = { input_tokens: 30, input_tokens_details: { text_tokens: 20, image_tokens: 10 }, output_tokens: 400 };

describe('usage of pictures', () => {
  it('is what was delivered, where pictures have a price', () => {
    expect(normaliseImagesUsage({}, priced('image', 'image_hd'), two)).toEqual({ usage: { image_hd: 2 } });
    expect(normaliseImagesUsage(reported, priced('image_hd'), two)).toEqual({ usage: { image_hd: 2 } });
    expect(normaliseImagesUsage({}, priced('image_hd'), { ...two, count: 0 })).toEqual({ usage: {} });
  });

  it('is the tokens reported, where those have a price, and both where both have', () => {
    expect(normaliseImagesUsage(reported, priced('input', 'output_image'), two)).toEqual({
      usage: { input: 30, output_image: 400 },
    });
    expect(normaliseImagesUsage(reported, priced('input', 'input_image', 'output_image', 'image_hd'), two)).toEqual({
      usage: { input: 20, input_image: 10, output_image: 400, image_hd: 2 },
    });
  });

  it('tells text that was written apart only where it has a price', () => {
    const raw = { ...reported, output_tokens_details: { text_tokens: 50, image_tokens: 350 } };
    expect(normaliseImagesUsage(raw, priced('input', 'output', 'output_image'), two)).toEqual({
      usage: { input: 30, output: 50, output_image: 350 },
    });
    expect(normaliseImagesUsage(raw, priced('input', 'output_image'), two)).toEqual({
      usage: { input: 30, output_image: 400 },
    });
  });

  it.each([
    {},
    { input_tokens: 3 },
    { input_tokens: '3', output_tokens: 4 },
    { input_tokens: 3, output_tokens: -4 },
    { input_tokens: 3, output_tokens: 4, input_tokens_details: { image_tokens: 5 } },
    { input_tokens: 3, output_tokens: 4, output_tokens_details: { text_tokens: 5 } },
  ])('is nonsense in %j, where tokens have a price', (raw) => {
    expect(normaliseImagesUsage(raw, priced('input', 'output_image'), two)).toHaveProperty('nonsense');
  });

  it('never has a dimension without a price, nor more tokens than were reported', () => {
    const count = fc.nat(1_000);
    fc.assert(
      fc.property(fc.tuple(count, count, count, count), fc.subarray([...DIMENSIONS]), ([seen, text, written, drawn], list) => {
        const raw = {
          input_tokens: seen + text,
          input_tokens_details: { image_tokens: seen },
          output_tokens: written + drawn,
          output_tokens_details: { text_tokens: written },
        };
        const result = normaliseImagesUsage(raw, new Set(list), { dimension: 'image', count: 3 });
        if ('nonsense' in result) return false;
        const { image, ...tokens } = result.usage;
        const sum = Object.values(tokens).reduce((total, quantity) => total + quantity, 0);
        return (
          Object.keys(result.usage).every((name) => list.includes(name as Dimension)) && sum <= seen + text + written + drawn
        );
      }),
    );
  });
});
