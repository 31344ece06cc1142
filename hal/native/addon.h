// What every file of the addon that JavaScript calls has in common: arguments in, numbers out. What is no argument of the kind throws
// TypeError; then these return false, and so must the caller.
#ifndef SEALCAST_ADDON_H
#define SEALCAST_ADDON_H

#define NAPI_VERSION 8

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <node_api.h>

#include "srtp.h"

typedef struct {
  uint8_t *at;
  size_t length;
} octets;

// Always false: there is a TypeError to be thrown, this one if there was none before.
bool fail(napi_env env, const char *message);
bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value *into);
// `least` up to INT_MAX.
bool integer(napi_env env, napi_value value, int least, int *into);
bool typed(napi_env env, napi_value value, napi_typedarray_type wanted, octets *into);
bool uint8s(napi_env env, napi_value value, octets *into);
// A struct sockaddr of any family.
bool address(napi_env env, napi_value value, struct sockaddr_storage *into, socklen_t *length);

napi_value number(napi_env env, int value);
// `result` of a system call, or what it was refused with.
napi_value outcome(napi_env env, long result);

bool add(napi_env env, napi_value exports, const char *name, napi_callback function);

// sockets.c: what this environment has of keys; NULL while it ends.
srtp_keys **keys_of(napi_env env);

// ciphers.c and datagrams.c: what they give to JavaScript.
bool add_ciphers(napi_env env, napi_value exports);
bool add_datagrams(napi_env env, napi_value exports);

#endif
