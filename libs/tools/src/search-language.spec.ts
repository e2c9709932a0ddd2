import { expect, it } from '@jest/globals';
import { languageOf } from './search-language.ts';

it.each([
  ['who renews the lock', undefined],
  ['wer verlängert die Sperre', undefined],
  ['2024', undefined],
  ['', undefined],
  ['気 は なに', 'ja'],
  ['谁续租锁', 'zh'],
  ['잠금', 'ko'],
  ['кто продлевает блокировку', 'ru'],
  ['хто подовжує блокування її', 'uk'],
  ['قفل', 'ar'],
  ['چه کسی قفل را تمدید می‌کند', 'fa'],
  ['קיצור', 'he'],
  ['κλειδί', 'el'],
  ['what does 気 mean in a lock', undefined],
  ['BullMQ 锁 续租 机制', 'zh'],
])('takes %j for %s', (query, language) => {
  expect(languageOf(query)).toBe(language);
});
