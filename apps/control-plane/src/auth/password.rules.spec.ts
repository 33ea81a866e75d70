import { describe, expect, it } from '@jest/globals';
import { loadCommonPasswords } from './common-passwords.js';
import { refusePassword } from './password.rules.js';

const EMAIL = 'maria.lopez@northwind.example';
const common = loadCommonPasswords();
const refuse = (password: string) => refusePassword(password, EMAIL, common);

describe('a password (TL-1)', () => {
  it.each(['password1', 'PASSWORD', '1234567890', 'qwertyuiop', 'iloveyou1', 'trustno1', 'aaaaaaaaaaaa', 'abababababab'])(
    'that everybody tries is refused: %s',
    (password) => {
      expect(refuse(password)).toBe('password_too_common');
    },
  );

  it.each(['TensorLoop2026!', '--tensorloop--', 'Gateway#12345', 'maria.lopez1', 'lopez1987!!', 'Northwind99', EMAIL])(
    'made of the product or the address is refused: %s',
    (password) => {
      expect(refuse(password)).toBe('password_guessable');
    },
  );

  it.each(['correct horse battery staple', 'tensorloop runs on three machines', '83fk20dkw9', '73950261847', 'äöüßéèê¡¿ñ'])(
    'that nobody would try is taken, without rules of composition: %s',
    (password) => {
      expect(refuse(password)).toBeNull();
    },
  );

  it('has 8 to 128 characters', () => {
    expect([refuse('sh0rt-7'), refuse('x1'.repeat(65))]).toEqual(['password_length', 'password_length']);
    expect(refuse(`9${'xyz'.repeat(42)}`)).toBeNull();
  });
});

it('the list is one of many thousands, none shorter than what is taken', () => {
  expect(common.size).toBeGreaterThan(15_000);
  expect([...common].every((password) => password.length >= 8 && password === password.toLowerCase())).toBe(true);
});
