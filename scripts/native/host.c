// Stands in for Node where there is none for a C library or a processor: loads the addon, gives it numbers and arrays as Node would, and
// writes what each call returned, a line each. Test support; of N-API and libuv it has what the addon asks for, and no more (the rest of it in host-rest.c).
//   host ADDON [releaseFiles]    that too, of which not every machine has what it needs
#define _GNU_SOURCE
#define NAPI_VERSION 8

#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <node_api.h>

#define MOST 32
#define GIVEN 7

struct napi_value__ {
  // Of a typed array.
  void *at;
  size_t length;
  napi_typedarray_type type;
  // Else of a number.
  double number;
};

static struct {
  const char *name;
  napi_callback call;
} functions[MOST];
static size_t count;
static struct napi_value__ given[GIVEN], result;
static const char *thrown;
static void *instance;

// N-API

napi_status napi_get_cb_info(napi_env env, napi_callback_info info, size_t *argc, napi_value *argv, napi_value *self,
                                 void **data) {
  (void)env, (void)info, (void)self, (void)data;
  for (size_t at = 0; at < *argc; at++) argv[at] = &given[at];
  return napi_ok;
}

napi_status napi_get_value_double(napi_env env, napi_value value, double *into) {
  (void)env;
  *into = value->number;
  return napi_ok;
}

napi_status napi_get_value_string_utf8(napi_env env, napi_value value, char *into, size_t room, size_t *length) {
  (void)env;
  *length = value->length < room ? value->length : room - 1;
  memcpy(into, value->at, *length);
  into[*length] = 0;
  return napi_ok;
}

napi_status napi_get_typedarray_info(napi_env env, napi_value value, napi_typedarray_type *type, size_t *length, void **data,
                                         napi_value *buffer, size_t *offset) {
  (void)env, (void)buffer, (void)offset;
  *type = value->type;
  *length = value->length;
  *data = value->at;
  return napi_ok;
}

napi_status napi_create_int32(napi_env env, int32_t value, napi_value *into) {
  (void)env;
  result = (struct napi_value__){.number = value};
  *into = &result;
  return napi_ok;
}

napi_status napi_create_function(napi_env env, const char *name, size_t length, napi_callback call, void *data,
                                     napi_value *into) {
  (void)env, (void)length, (void)data;
  if (count == MOST) return napi_generic_failure;
  functions[count].name = name;
  functions[count++].call = call;
  *into = &result;
  return napi_ok;
}

napi_status napi_set_instance_data(napi_env env, void *data, napi_finalize finalizer, void *hint) {
  (void)env, (void)finalizer, (void)hint;
  instance = data;
  return napi_ok;
}

napi_status napi_get_instance_data(napi_env env, void **data) {
  (void)env;
  *data = instance;
  return napi_ok;
}

napi_status napi_is_exception_pending(napi_env env, bool *into) {
  (void)env;
  *into = thrown != NULL;
  return napi_ok;
}

napi_status napi_throw_type_error(napi_env env, const char *code, const char *message) {
  (void)env, (void)code;
  thrown = message;
  return napi_ok;
}

// Calls

static napi_callback function_named(const char *name) {
  for (size_t at = 0; at < count; at++)
    if (strcmp(functions[at].name, name) == 0) return functions[at].call;
  fprintf(stderr, "the addon has no %s\n", name);
  exit(1);
}

#define NUMBER(value) ((struct napi_value__){.number = (value)})
#define OCTETS(array) ((struct napi_value__){.at = (array), .length = sizeof(array), .type = napi_uint8_array})
#define NONE ((struct napi_value__){.at = "", .type = napi_uint8_array})
#define TEXT(string) ((struct napi_value__){.at = (string), .length = strlen(string)})
#define INT32S(array) ((struct napi_value__){.at = (array), .length = sizeof(array) / 4, .type = napi_int32_array})
#define CALL(name, ...) called(name, (struct napi_value__[GIVEN]){__VA_ARGS__})

static int called(const char *name, const struct napi_value__ *arguments) {
  memcpy(given, arguments, sizeof given);
  thrown = NULL;
  napi_value returned = function_named(name)(NULL, NULL);
  if (thrown != NULL) return printf("%s throws: %s\n", name, thrown), 0;
  return printf("%s %d\n", name, (int)returned->number), (int)returned->number;
}

// As CALL, of a number that differs from run to run: only whether it was refused.
#define OPENED(name, ...) opened(name, (struct napi_value__[GIVEN]){__VA_ARGS__})

static int opened(const char *name, const struct napi_value__ *arguments) {
  memcpy(given, arguments, sizeof given);
  int fd = (int)function_named(name)(NULL, NULL)->number;
  printf("%s %s\n", name, fd < 0 ? "refused" : "opened");
  return fd;
}

int main(int argc, char **argv) {
  void *addon = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (addon == NULL) return fprintf(stderr, "%s\n", argc > 1 ? dlerror() : "host ADDON"), 1;
  napi_value (*start)(napi_env, napi_value);
  *(void **)&start = dlsym(addon, "napi_register_module_v1");
  if (start == NULL || start(NULL, &result) == NULL) return fprintf(stderr, "the addon does not start\n"), 1;
  printf("functions %zu\n", count);

  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  uint8_t address[sizeof own], packet[3] = {1, 2, 3}, slots[2 * 64] = {0}, senders[2 * 32] = {0}, option[4] = {0};
  // BPF_RET | BPF_K, all of the packet; in the machine's byte order.
  struct { uint16_t code; uint8_t yes, no; uint32_t value; } everything[] = {{6, 0, 0, 0xffffffff}};
  int32_t rows[2 * 8] = {0}, packets[2 * 9] = {0};
  uint8_t entry[60] = {0}, vifs[] = {1}, key[16] = {0}, vector[12] = {0};

  int fd = OPENED("socket", NUMBER(AF_INET), NUMBER(SOCK_DGRAM), NUMBER(0));
  memcpy(address, &own, sizeof own);
  CALL("bind", NUMBER(fd), OCTETS(address));
  socklen_t length = sizeof own;
  getsockname(fd, (struct sockaddr *)&own, &length);
  memcpy(address, &own, sizeof own);
  // IP_PKTINFO: the interface comes with each packet.
  memcpy(option, &(int){1}, sizeof option);
  CALL("setOption", NUMBER(fd), NUMBER(IPPROTO_IP), NUMBER(8), OCTETS(option));
  CALL("getOption", NUMBER(fd), NUMBER(SOL_SOCKET), NUMBER(SO_TYPE), OCTETS(option));
  CALL("filter", NUMBER(fd), ((struct napi_value__){.at = everything, .length = sizeof everything, .type = napi_uint8_array}));
  CALL("receive", NUMBER(fd), OCTETS(slots), NUMBER(64), INT32S(rows), OCTETS(senders));
  CALL("send", NUMBER(fd), OCTETS(packet), OCTETS(address));
  CALL("send", NUMBER(fd), OCTETS(packet), OCTETS(address));
  CALL("receive", NUMBER(fd), OCTETS(slots), NUMBER(64), INT32S(rows), OCTETS(senders));
  printf("rows %d %d interface %d octets %d %d from %d.%d.%d.%d\n", rows[0], rows[8], rows[2], slots[0], slots[66], senders[4],
         senders[5], senders[6], senders[7]);
  int32_t places[] = {0, 3, 1, 3};
  CALL("name", NUMBER(fd), OCTETS(address));
  CALL("sendBatch", NUMBER(fd), OCTETS(packet), INT32S(places), NUMBER(0), NUMBER(2), OCTETS(address), NUMBER(0));
  CALL("receive", NUMBER(fd), OCTETS(slots), NUMBER(64), INT32S(rows), OCTETS(senders), NUMBER(0));
  CALL("readyAt", NUMBER(fd), NUMBER(1), NUMBER(1));
  CALL("ready", NUMBER(fd), OCTETS(entry), OCTETS(vifs));
  close(OPENED("takeDescriptor", NUMBER(getpid()), NUMBER(fd)));
  CALL("close", NUMBER(fd));
  CALL("close", NUMBER(fd));
  CALL("bind", NUMBER(0), OCTETS(packet));
  CALL("receive", NUMBER(0), OCTETS(slots), NUMBER(0), INT32S(rows), OCTETS(senders));
  CALL("srtpKey", OCTETS(key), NONE, OCTETS(vector));
  CALL("srtpSeal", OCTETS(slots), INT32S(packets), NUMBER(2));
  CALL("trimAt", NUMBER(65536));
  if (argc > 2) CALL("releaseFiles", TEXT("/proc/self/smaps"));
  return 0;
}
