// Batches of packets through srtp.c: what JavaScript gives are octets and rows of numbers, what it gets is how each went.
#include "addon.h"

#include <errno.h>
#include <string.h>

// Numbers of a packet in the rows: sockets.ts has the same. Its key, where header, text and tag begin and where the text ends, the tag's
// octets, ROC and sequence number; and, written here, how it went.
#define ROW 9
#define OUTCOME 8

// The authentication key is empty for AES-GCM.
static napi_value make_key(napi_env env, napi_callback_info info) {
  napi_value given[3];
  octets key, authentication, base;
  if (!arguments(env, info, 3, given) || !uint8s(env, given[0], &key) || !uint8s(env, given[1], &authentication) ||
      !uint8s(env, given[2], &base))
    return NULL;
  srtp_keys **all = keys_of(env);
  if (all == NULL) return number(env, -ECANCELED);
  return number(env, srtp_make(all, key.at, key.length, authentication.at, authentication.length, base.at, base.length));
}

static napi_value erase_key(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int key;
  if (!arguments(env, info, 1, given) || !integer(env, given[0], 0, &key)) return NULL;
  srtp_keys **all = keys_of(env);
  return number(env, all == NULL ? -ECANCELED : srtp_erase(*all, key));
}

typedef int (*operation)(const srtp_keys *, uint8_t *, size_t, const srtp_place *);

// How many are done. Each row is read once: another thread may share its memory.
static int each(const srtp_keys *all, const octets *packets, int32_t *rows, size_t count, operation act) {
  int done = 0;
  for (size_t at = 0; at < count; at++, rows += ROW) {
    srtp_place place = {.key = rows[0],
                        .start = rows[1],
                        .text = rows[2],
                        .end = rows[3],
                        .tag = rows[4],
                        .tag_octets = rows[5],
                        .roc = (uint32_t)rows[6],
                        .sequence = (uint32_t)rows[7]};
    int went = act(all, packets->at, packets->length, &place);
    rows[OUTCOME] = went;
    if (went == SRTP_DONE) done++;
  }
  return done;
}

static napi_value each_of(napi_env env, napi_callback_info info, operation act) {
  napi_value given[3];
  octets packets, rows;
  int count;
  if (!arguments(env, info, 3, given) || !uint8s(env, given[0], &packets) ||
      !typed(env, given[1], napi_int32_array, &rows) || !integer(env, given[2], 0, &count))
    return NULL;
  if ((size_t)count > rows.length / ROW) {
    fail(env, "fewer rows than packets");
    return NULL;
  }
  srtp_keys **all = keys_of(env);
  if (all == NULL) return number(env, -ECANCELED);
  return number(env, each(*all, &packets, (int32_t *)(void *)rows.at, (size_t)count, act));
}

static napi_value seal_packets(napi_env env, napi_callback_info info) { return each_of(env, info, srtp_seal); }

static napi_value open_packets(napi_env env, napi_callback_info info) { return each_of(env, info, srtp_open); }

bool add_ciphers(napi_env env, napi_value exports) {
  return add(env, exports, "srtpKey", make_key) && add(env, exports, "srtpErase", erase_key) &&
         add(env, exports, "srtpSeal", seal_packets) && add(env, exports, "srtpOpen", open_packets);
}
