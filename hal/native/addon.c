// addon.h says what for.
#include "addon.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

bool fail(napi_env env, const char *message) {
  bool thrown = false;
  napi_is_exception_pending(env, &thrown);
  if (!thrown) napi_throw_type_error(env, NULL, message);
  return false;
}

bool arguments(napi_env env, napi_callback_info info, size_t count, napi_value *into) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, into, NULL, NULL) != napi_ok) return fail(env, "arguments cannot be read");
  return given >= count || fail(env, "an argument is missing");
}

bool integer(napi_env env, napi_value value, int least, int *into) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return fail(env, "not a number");
  // Written so that NaN fails.
  if (!(number >= least && number <= INT_MAX)) return fail(env, "a number out of range");
  *into = (int)number;
  return (double)*into == number || fail(env, "not a whole number");
}

bool typed(napi_env env, napi_value value, napi_typedarray_type wanted, octets *into) {
  napi_typedarray_type type;
  void *data = NULL;
  if (napi_get_typedarray_info(env, value, &type, &into->length, &data, NULL, NULL) != napi_ok)
    return fail(env, "not a typed array");
  if (type != wanted) return fail(env, "a typed array of another kind");
  into->at = data;
  return true;
}

bool uint8s(napi_env env, napi_value value, octets *into) { return typed(env, value, napi_uint8_array, into); }

bool address(napi_env env, napi_value value, struct sockaddr_storage *into, socklen_t *length) {
  octets given;
  if (!uint8s(env, value, &given)) return false;
  if (given.length < sizeof(sa_family_t) || given.length > sizeof *into) return fail(env, "no socket address");
  memset(into, 0, sizeof *into);
  memcpy(into, given.at, given.length);
  *length = (socklen_t)given.length;
  return true;
}

napi_value number(napi_env env, int value) {
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

napi_value outcome(napi_env env, long result) { return number(env, result < 0 ? -errno : (int)result); }

bool add(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}
