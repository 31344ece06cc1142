// srtp.h says what for. OpenSSL's functions are asked for weakly: a program that has none of them, or does not show them, can load this,
// and is told so when it makes a key.
#include "srtp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Of openssl/evp.h and openssl/sha.h, versions 1.1 to 3; written out because the OpenSSL that counts is not the compiler's.
typedef struct evp_cipher_ctx_st context;
typedef struct evp_cipher_st algorithm;
typedef struct engine_st engine;
// SHA_CTX: five words of state, two of length, a block of sixteen, and how much of it is filled.
typedef struct {
  uint32_t words[5 + 2 + 16 + 1];
} sha1;
#define WEAK __attribute__((weak))
extern context *EVP_CIPHER_CTX_new(void) WEAK;
extern void EVP_CIPHER_CTX_free(context *) WEAK;
extern int EVP_CIPHER_CTX_ctrl(context *, int type, int number, void *octets) WEAK;
extern const algorithm *EVP_aes_128_gcm(void) WEAK;
extern const algorithm *EVP_aes_256_gcm(void) WEAK;
extern const algorithm *EVP_aes_128_ctr(void) WEAK;
extern int EVP_EncryptInit_ex(context *, const algorithm *, engine *, const uint8_t *key, const uint8_t *iv) WEAK;
extern int EVP_EncryptUpdate(context *, uint8_t *to, int *written, const uint8_t *from, int length) WEAK;
extern int EVP_EncryptFinal_ex(context *, uint8_t *to, int *written) WEAK;
extern int EVP_DecryptInit_ex(context *, const algorithm *, engine *, const uint8_t *key, const uint8_t *iv) WEAK;
extern int EVP_DecryptUpdate(context *, uint8_t *to, int *written, const uint8_t *from, int length) WEAK;
extern int EVP_DecryptFinal_ex(context *, uint8_t *to, int *written) WEAK;
extern int SHA1_Init(sha1 *) WEAK;
extern int SHA1_Update(sha1 *, const void *octets, size_t length) WEAK;
extern int SHA1_Final(uint8_t *hash, sha1 *) WEAK;
extern void OPENSSL_cleanse(void *octets, size_t length) WEAK;
extern int CRYPTO_memcmp(const void *one, const void *other, size_t length) WEAK;
#define GET_TAG 0x10
#define SET_TAG 0x11

#define GCM_TAG 16
#define CM_TAG 10
// RFC 3711 allows no tag that is shorter (section 5.2), RFC 7714 none but the whole.
#define CM_LEAST_TAG 4
#define SHA1_OCTETS 20
#define SHA1_BLOCK 64

// More keys than any role has at once.
#define MOST 65536

typedef struct {
  // NULL: the place is free.
  context *cipher;
  // Whether it is AES-CM with HMAC-SHA1; else AES-GCM.
  bool is_cm;
  uint8_t base[SRTP_CM_BASE];
  // HMAC (RFC 2104): the hash after the key's block, inside and outside.
  sha1 inner, outer;
} key;

struct srtp_keys {
  size_t count;
  key *places;
};

static bool has_openssl(void) {
  return EVP_CIPHER_CTX_new && EVP_CIPHER_CTX_free && EVP_CIPHER_CTX_ctrl && EVP_aes_128_gcm && EVP_aes_256_gcm &&
         EVP_aes_128_ctr && EVP_EncryptInit_ex && EVP_EncryptUpdate && EVP_EncryptFinal_ex && EVP_DecryptInit_ex &&
         EVP_DecryptUpdate && EVP_DecryptFinal_ex && SHA1_Init && SHA1_Update && SHA1_Final && OPENSSL_cleanse &&
         CRYPTO_memcmp;
}

// Keys

static void start_hash(sha1 *hash, const uint8_t *authentication, uint8_t pad) {
  uint8_t block[SHA1_BLOCK];
  memset(block, pad, sizeof block);
  for (size_t at = 0; at < SRTP_AUTHENTICATION; at++) block[at] ^= authentication[at];
  SHA1_Init(hash);
  SHA1_Update(hash, block, sizeof block);
  OPENSSL_cleanse(block, sizeof block);
}

// NULL: no suite has such lengths.
static const algorithm *algorithm_for(size_t key_length, size_t authentication_length, size_t base_length) {
  if (base_length == SRTP_CM_BASE)
    return key_length == 16 && authentication_length == SRTP_AUTHENTICATION ? EVP_aes_128_ctr() : NULL;
  if (base_length != SRTP_GCM_BASE || authentication_length != 0) return NULL;
  return key_length == 16 ? EVP_aes_128_gcm() : key_length == 32 ? EVP_aes_256_gcm() : NULL;
}

static int free_place(srtp_keys **all) {
  if (*all == NULL && (*all = calloc(1, sizeof **all)) == NULL) return -ENOMEM;
  srtp_keys *keys = *all;
  for (size_t at = 0; at < keys->count; at++)
    if (keys->places[at].cipher == NULL) return (int)at;
  if (keys->count == MOST) return -ENOSPC;
  size_t more = keys->count == 0 ? 8 : keys->count * 2;
  key *places = calloc(more, sizeof *places);
  if (places == NULL) return -ENOMEM;
  if (keys->count > 0) {
    memcpy(places, keys->places, keys->count * sizeof *places);
    OPENSSL_cleanse(keys->places, keys->count * sizeof *places);
  }
  free(keys->places);
  int at = (int)keys->count;
  keys->places = places;
  keys->count = more;
  return at;
}

int srtp_make(srtp_keys **all, const uint8_t *octets, size_t key_length, const uint8_t *authentication,
              size_t authentication_length, const uint8_t *base, size_t base_length) {
  if (!has_openssl()) return -ENOSYS;
  const algorithm *suite = algorithm_for(key_length, authentication_length, base_length);
  if (suite == NULL) return -EINVAL;
  int at = free_place(all);
  if (at < 0) return at;
  context *cipher = EVP_CIPHER_CTX_new();
  if (cipher == NULL) return -ENOMEM;
  // The vector's length is the cipher's own, 12 octets and 16.
  if (EVP_EncryptInit_ex(cipher, suite, NULL, octets, NULL) != 1) {
    EVP_CIPHER_CTX_free(cipher);
    return -EIO;
  }
  key *one = &(*all)->places[at];
  one->cipher = cipher;
  one->is_cm = base_length == SRTP_CM_BASE;
  memcpy(one->base, base, base_length);
  if (one->is_cm) {
    start_hash(&one->inner, authentication, 0x36);
    start_hash(&one->outer, authentication, 0x5c);
  }
  return at;
}

static key *key_at(const srtp_keys *all, int32_t at) {
  if (all == NULL || at < 0 || (size_t)at >= all->count || all->places[at].cipher == NULL) return NULL;
  return &all->places[at];
}

int srtp_erase(srtp_keys *all, int at) {
  key *one = key_at(all, at);
  if (one == NULL) return -ENOENT;
  // Overwrites what it frees.
  EVP_CIPHER_CTX_free(one->cipher);
  OPENSSL_cleanse(one, sizeof *one);
  one->cipher = NULL;
  return 0;
}

void srtp_end(srtp_keys **all) {
  if (*all == NULL) return;
  for (size_t at = 0; at < (*all)->count; at++) srtp_erase(*all, (int)at);
  free((*all)->places);
  free(*all);
  *all = NULL;
}

// Packets

// One packet, whose places have been found to be sound.
typedef struct {
  key *key;
  uint8_t *header, *text, *tag;
  int header_length, length, tag_length;
  uint8_t roc[4];
  uint8_t iv[SRTP_CM_BASE];
} packet;

static void write32(uint8_t *into, uint32_t value) {
  for (int at = 0; at < 4; at++) into[at] = (uint8_t)(value >> (24 - 8 * at));
}

// RFC 7714 8.1 and RFC 3711 4.1.1: ROC and SEQ follow each other in either vector, in AES-CM with a block counter behind them.
static void make_vector(packet *one, const srtp_place *place) {
  size_t at = one->key->is_cm ? 8 : 6;
  memcpy(one->iv, one->key->base, sizeof one->iv);
  for (size_t octet = 0; octet < 4; octet++) one->iv[at + octet] ^= one->roc[octet];
  one->iv[at + 4] ^= (uint8_t)(place->sequence >> 8);
  one->iv[at + 5] ^= (uint8_t)place->sequence;
}

// 0: the suite has no tag of so many octets.
static int tag_length_of(const key *one, int32_t wanted) {
  int whole = one->is_cm ? CM_TAG : GCM_TAG;
  int least = one->is_cm ? CM_LEAST_TAG : GCM_TAG;
  if (wanted == 0) return whole;
  return wanted < least || wanted > whole ? 0 : wanted;
}

// 0, or a negative errno. Text and tag may be empty or apart, and must lie in this order.
static int read_place(const srtp_keys *all, uint8_t *octets, size_t length, const srtp_place *place, packet *into) {
  key *found = key_at(all, place->key);
  if (found == NULL) return -ENOENT;
  int64_t tag_length = tag_length_of(found, place->tag_octets);
  bool is_ordered = place->start >= 0 && place->start <= place->text && place->text <= place->end && place->end <= place->tag;
  if (tag_length == 0 || !is_ordered || (uint64_t)(place->tag + tag_length) > length) return -EINVAL;
  *into = (packet){.key = found,
                   .header = octets + place->start,
                   .text = octets + place->text,
                   .tag = octets + place->tag,
                   .header_length = place->text - place->start,
                   .length = place->end - place->text,
                   .tag_length = (int)tag_length};
  write32(into->roc, place->roc);
  make_vector(into, place);
  return 0;
}

// The keystream goes over the text twice the same way: once more, and it is as it was.
static bool crypt(packet *one, bool is_gcm) {
  int written;
  context *cipher = one->key->cipher;
  return EVP_DecryptInit_ex(cipher, NULL, NULL, NULL, one->iv) == 1 &&
         (!is_gcm || one->header_length == 0 ||
          EVP_DecryptUpdate(cipher, NULL, &written, one->header, one->header_length) == 1) &&
         (one->length == 0 || EVP_DecryptUpdate(cipher, one->text, &written, one->text, one->length) == 1);
}

static int seal_gcm(packet *one) {
  int written;
  context *cipher = one->key->cipher;
  uint8_t none[GCM_TAG];
  bool is_sealed =
      EVP_EncryptInit_ex(cipher, NULL, NULL, NULL, one->iv) == 1 &&
      (one->header_length == 0 || EVP_EncryptUpdate(cipher, NULL, &written, one->header, one->header_length) == 1) &&
      (one->length == 0 || EVP_EncryptUpdate(cipher, one->text, &written, one->text, one->length) == 1) &&
      EVP_EncryptFinal_ex(cipher, none, &written) == 1 && EVP_CIPHER_CTX_ctrl(cipher, GET_TAG, GCM_TAG, one->tag) == 1;
  return is_sealed ? SRTP_DONE : -EIO;
}

static int open_gcm(packet *one) {
  int written;
  uint8_t none[GCM_TAG];
  context *cipher = one->key->cipher;
  if (!crypt(one, true) || EVP_CIPHER_CTX_ctrl(cipher, SET_TAG, GCM_TAG, one->tag) != 1) return -EIO;
  if (EVP_DecryptFinal_ex(cipher, none, &written) == 1) return SRTP_DONE;
  return crypt(one, true) ? SRTP_WRONG_TAG : -EIO;
}

// RFC 3711 4.2: over header and encrypted text, and the ROC behind them; not the MKI.
static void hash(const packet *one, uint8_t mac[SHA1_OCTETS]) {
  sha1 state = one->key->inner;
  SHA1_Update(&state, one->header, (size_t)(one->header_length + one->length));
  SHA1_Update(&state, one->roc, sizeof one->roc);
  SHA1_Final(mac, &state);
  state = one->key->outer;
  SHA1_Update(&state, mac, SHA1_OCTETS);
  SHA1_Final(mac, &state);
}

static int seal_cm(packet *one) {
  uint8_t mac[SHA1_OCTETS];
  if (!crypt(one, false)) return -EIO;
  hash(one, mac);
  memcpy(one->tag, mac, (size_t)one->tag_length);
  return SRTP_DONE;
}

static int open_cm(packet *one) {
  uint8_t mac[SHA1_OCTETS];
  hash(one, mac);
  if (CRYPTO_memcmp(mac, one->tag, (size_t)one->tag_length) != 0) return SRTP_WRONG_TAG;
  return crypt(one, false) ? SRTP_DONE : -EIO;
}

int srtp_seal(const srtp_keys *all, uint8_t *octets, size_t length, const srtp_place *place) {
  packet one;
  int refused = read_place(all, octets, length, place, &one);
  if (refused != 0) return refused;
  return one.key->is_cm ? seal_cm(&one) : seal_gcm(&one);
}

int srtp_open(const srtp_keys *all, uint8_t *octets, size_t length, const srtp_place *place) {
  packet one;
  int refused = read_place(all, octets, length, place, &one);
  if (refused != 0) return refused;
  return one.key->is_cm ? open_cm(&one) : open_gcm(&one);
}
