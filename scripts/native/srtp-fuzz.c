// Chance against hal/native/srtp.c, for the sanitisers: keys of all lengths and octets of all lengths, each in memory of its own, and
// places in and around them. Octets that say what to do come from a seed, or from libFuzzer (-fsanitize=fuzzer -DLIBFUZZER).
//   srtp-fuzz SEED ROUNDS    ends with the number of packets that were sealed and opened again
// What must hold: what is refused or has a wrong tag is as it was, and what was sealed opens and is as it was before.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../hal/native/srtp.h"

#define TAG_MOST 16

typedef struct {
  const uint8_t *at;
  size_t left;
} program;

static unsigned long sealed;

static uint32_t next(program *from, size_t octets) {
  uint32_t value = 0;
  for (; octets > 0 && from->left > 0; octets--, from->left--) value = value << 8 | *from->at++;
  return value;
}

// Octets in memory of exactly their length, whatever is left of the program first.
static uint8_t *drawn(program *from, size_t length) {
  uint8_t *octets = malloc(length > 0 ? length : 1);
  if (octets == NULL) abort();
  for (size_t at = 0; at < length; at++) octets[at] = (uint8_t)next(from, 1);
  return octets;
}

static void fail(const char *what) {
  fprintf(stderr, "srtp-fuzz: %s\n", what);
  abort();
}

// One that a suite has, as a rule.
static size_t length_of(program *from, const size_t *usual, size_t count) {
  uint32_t choice = next(from, 1);
  return choice < 16 ? next(from, 1) : usual[choice % count];
}

static void make(program *from, srtp_keys **all) {
  size_t cipher = next(from, 1) % 2;
  size_t key_length = length_of(from, (const size_t[]){16, 32}, cipher == 0 ? 2 : 1);
  size_t authentication_length = length_of(from, (const size_t[]){cipher == 0 ? 0 : SRTP_AUTHENTICATION}, 1);
  size_t base_length = length_of(from, (const size_t[]){cipher == 0 ? SRTP_GCM_BASE : SRTP_CM_BASE}, 1);
  uint8_t *key = drawn(from, key_length), *authentication = drawn(from, authentication_length), *base = drawn(from, base_length);
  int made = srtp_make(all, key, key_length, authentication, authentication_length, base, base_length);
  if (made == -ENOSYS) fail("no OpenSSL");
  free(key), free(authentication), free(base);
}

// Within or about the octets, in order or not; or anything.
static int32_t place(program *from, int32_t least, size_t length) {
  uint32_t choice = next(from, 1);
  if (choice < 24) return (int32_t)next(from, 4);
  if (choice < 48) return (int32_t)length - (int32_t)(choice % 24);
  if (least < 0 || (size_t)least > length) least = 0;
  return least + (int32_t)(next(from, 2) % (length - (size_t)least + 1) / 2);
}

static srtp_place places(program *from, size_t length) {
  srtp_place one = {.key = (int32_t)next(from, 1) % 20 - 2, .roc = next(from, 4), .sequence = next(from, 2)};
  one.start = place(from, 0, length);
  one.text = place(from, one.start, length);
  one.end = place(from, one.text, length);
  one.tag = next(from, 1) < 128 ? one.end : place(from, one.end, length);
  if (next(from, 1) < 128) one.tag_octets = (int32_t)next(from, 1) % 20 - 2;
  return one;
}

static void seal_and_open(const srtp_keys *all, uint8_t *octets, const uint8_t *before, size_t length, const srtp_place *at) {
  int done = srtp_seal(all, octets, length, at);
  if (done != SRTP_DONE) {
    if (memcmp(octets, before, length) != 0) fail("refused, and changed");
    return;
  }
  if (memcmp(octets, before, (size_t)at->text) != 0) fail("changed before its text");
  if (srtp_open(all, octets, length, at) != SRTP_DONE) fail("sealed, and does not open");
  if (memcmp(octets, before, (size_t)at->tag) != 0) fail("opened, and is not as it was");
  sealed++;
}

static void packet(program *from, const srtp_keys *all) {
  size_t length = next(from, 1) < 200 ? next(from, 1) : next(from, 2) % 3000;
  uint8_t *octets = drawn(from, length), *before = malloc(length + 1);
  if (before == NULL) abort();
  memcpy(before, octets, length);
  srtp_place at = places(from, length);
  // A tag by chance is wrong.
  if (srtp_open(all, octets, length, &at) == SRTP_DONE) fail("opened by chance");
  if (memcmp(octets, before, length) != 0) fail("not opened, and changed");
  seal_and_open(all, octets, before, length, &at);
  free(octets), free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  program from = {data, size};
  srtp_keys *all = NULL;
  while (from.left > 0) switch (next(&from, 1) % 8) {
      case 0:
      case 1: make(&from, &all); break;
      case 2: srtp_erase(all, (int)next(&from, 1) % 20 - 2); break;
      default: packet(&from, all);
    }
  srtp_end(&all);
  return 0;
}

#ifndef LIBFUZZER
int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "srtp-fuzz SEED ROUNDS\n"), 64;
  uint64_t state = strtoull(argv[1], NULL, 10) * 2654435769u + 1;
  static uint8_t data[8192];
  for (unsigned long rounds = strtoul(argv[2], NULL, 10); rounds > 0; rounds--) {
    for (size_t at = 0; at < sizeof data; at++) {
      // xorshift64* (Vigna 2016).
      state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
      data[at] = (uint8_t)(state * 2685821657736338717u >> 56);
    }
    LLVMFuzzerTestOneInput(data, sizeof data);
  }
  printf("%lu\n", sealed);
  return 0;
}
#endif
