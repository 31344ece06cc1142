// SRTP's ciphers over whole packets, in place (RFC 3711 4.1.1 and 4.2, RFC 7714), by the OpenSSL of the program that has loaded us. A key
// has its contexts made once. No argument makes it read or write outside the octets it was given.
#ifndef SEALCAST_SRTP_H
#define SEALCAST_SRTP_H

#include <stddef.h>
#include <stdint.h>

// The keys of an environment. NULL is none.
typedef struct srtp_keys srtp_keys;

// Octets of a session key, of an authentication key, of an initialisation vector: AES-GCM has the last 12 octets of the vector and no
// authentication key, AES-CM 16 octets and an authentication key of 20.
#define SRTP_GCM_BASE 12
#define SRTP_CM_BASE 16
#define SRTP_AUTHENTICATION 20

// What is to be made with a packet. Offsets into the octets; the header begins at `start`, the text at `text`.
typedef struct {
  int32_t key, start, text, end, tag;
  // So many octets of the tag, in AES-CM 4 to 10, in AES-GCM 16; 0 for all of it.
  int32_t tag_octets;
  // The upper and lower part of the packet's index.
  uint32_t roc;
  uint32_t sequence;
} srtp_place;

#define SRTP_DONE 1
#define SRTP_WRONG_TAG 0

// A key's number, or a negative errno: -ENOSYS the program has no OpenSSL that it shows, -EINVAL lengths that no suite has, -ENOSPC too
// many keys. `base` is the vector for the index 0.
int srtp_make(srtp_keys **all, const uint8_t *key, size_t key_length, const uint8_t *authentication,
              size_t authentication_length, const uint8_t *base, size_t base_length);
// 0, or -ENOENT when there is no such key.
int srtp_erase(srtp_keys *all, int key);
void srtp_end(srtp_keys **all);

// SRTP_DONE, or a negative errno: -EINVAL the places do not lie in the octets in order, or no tag is so long, -ENOENT no such key, -EIO OpenSSL refuses.
int srtp_seal(const srtp_keys *all, uint8_t *octets, size_t length, const srtp_place *place);
// The same, or SRTP_WRONG_TAG: then the octets are as they were.
int srtp_open(const srtp_keys *all, uint8_t *octets, size_t length, const srtp_place *place);

#endif
