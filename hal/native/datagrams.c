// Datagrams sent in batches, several in one where the kernel takes them so (UDP_SEGMENT, Linux 4.18), and what a socket is called.
// No call reads beyond the arrays it was given.
#define _GNU_SOURCE

#include "addon.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>

// Datagrams of one `sendBatch`, and numbers of each in `rows`: sockets.ts has the same.
#define BATCH 64
#define ROW 2

// linux/udp.h, whose file does not go with every C library's.
#define SOL_UDP 17
#define UDP_SEGMENT 103
// The longest payload over IPv4; all segments of one packet together may have no more.
#define LONGEST 65507
// Of one packet, since Linux 4.18.
#define SEGMENTS 64

// Datagrams that go to the kernel as one, and the one message that says so.
typedef struct {
  struct mmsghdr messages[BATCH];
  struct iovec parts[BATCH];
  // How many datagrams each message has.
  unsigned datagrams[BATCH];
  _Alignas(struct cmsghdr) uint8_t control[BATCH][CMSG_SPACE(sizeof(uint16_t))];
  unsigned count;
} batch;

// Each row: where the datagram begins and ends. False: not in the octets.
static bool read_parts(batch *into, const octets *from, const int32_t *rows, size_t count) {
  for (size_t at = 0; at < count; at++, rows += ROW) {
    int32_t start = rows[0], end = rows[1];
    if (start < 0 || end < start || (size_t)end > from->length) return false;
    into->parts[at] = (struct iovec){.iov_base = from->at + start, .iov_len = (size_t)(end - start)};
  }
  return true;
}

// How many of the datagrams may go as segments of one: all of one length, but for the last, which may be shorter.
static size_t segments_in(const struct iovec *parts, size_t count) {
  size_t length = parts[0].iov_len, whole = length, taken = 1;
  if (length == 0) return 1;
  while (taken < count && taken < SEGMENTS && parts[taken].iov_len > 0 && parts[taken].iov_len <= length &&
         whole + parts[taken].iov_len <= LONGEST) {
    whole += parts[taken].iov_len;
    if (parts[taken++].iov_len < length) break;
  }
  return taken;
}

static void say_segments(batch *into, struct msghdr *head, size_t length) {
  head->msg_control = into->control[into->count];
  head->msg_controllen = sizeof into->control[into->count];
  struct cmsghdr *note = CMSG_FIRSTHDR(head);
  note->cmsg_level = SOL_UDP;
  note->cmsg_type = UDP_SEGMENT;
  note->cmsg_len = CMSG_LEN(sizeof(uint16_t));
  memcpy(CMSG_DATA(note), &(uint16_t){(uint16_t)length}, sizeof(uint16_t));
}

static void make_messages(batch *into, size_t count, bool in_segments, struct sockaddr_storage *to, socklen_t length) {
  into->count = 0;
  for (size_t at = 0; at < count; into->count++) {
    struct mmsghdr *message = &into->messages[into->count];
    size_t taken = in_segments ? segments_in(into->parts + at, count - at) : 1;
    memset(message, 0, sizeof *message);
    message->msg_hdr = (struct msghdr){
        .msg_name = to, .msg_namelen = length, .msg_iov = &into->parts[at], .msg_iovlen = taken};
    if (taken > 1) say_segments(into, &message->msg_hdr, into->parts[at].iov_len);
    into->datagrams[into->count] = (unsigned)taken;
    at += taken;
  }
}

// Of the first datagrams how many have left; or why the first has not.
static long send_messages(int fd, batch *from) {
  int sent = sendmmsg(fd, from->messages, from->count, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return -errno;
  unsigned datagrams = 0;
  for (int at = 0; at < sent; at++) datagrams += from->datagrams[at];
  return datagrams;
}

static napi_value send_batch(napi_env env, napi_callback_info info) {
  napi_value given[7];
  int fd, first, count, in_segments;
  octets from, rows;
  struct sockaddr_storage to;
  socklen_t length;
  batch all;
  if (!arguments(env, info, 7, given) || !integer(env, given[0], 0, &fd) || !uint8s(env, given[1], &from) ||
      !typed(env, given[2], napi_int32_array, &rows) || !integer(env, given[3], 0, &first) ||
      !integer(env, given[4], 1, &count) || !address(env, given[5], &to, &length) ||
      !integer(env, given[6], 0, &in_segments))
    return NULL;
  bool are_there = count <= BATCH && (size_t)first + (size_t)count <= rows.length / ROW;
  if (!are_there || !read_parts(&all, &from, (int32_t *)(void *)rows.at + (size_t)first * ROW, (size_t)count)) {
    fail(env, are_there ? "a datagram outside the octets" : "fewer rows than datagrams, or too many");
    return NULL;
  }
  make_messages(&all, (size_t)count, in_segments != 0, &to, length);
  return number(env, (int)send_messages(fd, &all));
}

// The number of octets of the struct sockaddr that a socket is bound to.
static napi_value name_of(napi_env env, napi_callback_info info) {
  napi_value given[2];
  int fd;
  octets into;
  struct sockaddr_storage name;
  socklen_t length = sizeof name;
  if (!arguments(env, info, 2, given) || !integer(env, given[0], 0, &fd) || !uint8s(env, given[1], &into)) return NULL;
  memset(&name, 0, sizeof name);
  int result = getsockname(fd, (struct sockaddr *)&name, &length);
  if (result == 0) memcpy(into.at, &name, into.length < sizeof name ? into.length : sizeof name);
  return outcome(env, result < 0 ? result : (long)length);
}

bool add_datagrams(napi_env env, napi_value exports) {
  return add(env, exports, "sendBatch", send_batch) && add(env, exports, "name", name_of);
}
