// The system calls on sockets that Node does not have, as they are: numbers and octets in, a number out, a negative errno when the
// kernel refuses. Everything clever is in TypeScript beside this file, but for what ready.c opens ahead of it. N-API, so that one binary
// serves every Node.
//
// Promises: every descriptor is close-on-exec and does not block; no call reads or writes beyond the arrays it was given; a callback may
// close its own socket; an environment that ends (a worker, the process) leaves no poll handle behind.
// What is no descriptor, no number in range or no Uint8Array is the caller's mistake and throws TypeError.

#define _GNU_SOURCE

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <uv.h>

#include "addon.h"
#include "ready.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

// Packets of one `receive`, numbers of each in `rows`, and octets of each sender's address: sockets.ts has the same.
#define BATCH 64
#define ROW 8
#define ADDRESS 32
// PACKET_AUXDATA and IP_PKTINFO, with room.
#define CONTROL 128
// More instructions than this the kernel refuses (BPF_MAXINSNS).
#define PROGRAM 4096

// Of a watch: its function, and the three arrays of `receive`.
#define READABLE 0
#define SLOTS 1
#define ROWS 2
#define SENDERS 3
#define WATCH_ARGUMENTS 4

typedef struct watch {
  uv_poll_t poll;
  struct instance *owner;
  // What is called, and the room for what it is called about.
  napi_ref given[WATCH_ARGUMENTS];
  int slot;
  int fd;
  // Whether it is to be told when there is room to send.
  bool wants_room;
  struct watch *next;
} watch;

// One for each environment that loads the addon.
typedef struct instance {
  napi_env env;
  uv_loop_t *loop;
  napi_async_context context;
  watch *watches;
  ready *ready;
  srtp_keys *keys;
  // Handles that libuv has still to give back.
  unsigned closing;
  // Set once the environment ends.
  napi_async_cleanup_hook_handle ending;
} instance;

// Sockets

static napi_value make_socket(napi_env env, napi_callback_info info) {
  napi_value given[3];
  int domain, type, protocol;
  if (!arguments(env, info, 3, given) || !integer(env, given[0], 0, &domain) || !integer(env, given[1], 0, &type) ||
      !integer(env, given[2], 0, &protocol))
    return NULL;
  return outcome(env, socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol));
}

static napi_value bind_socket(napi_env env, napi_callback_info info) {
  napi_value given[2];
  int fd;
  struct sockaddr_storage to;
  socklen_t length;
  if (!arguments(env, info, 2, given) || !integer(env, given[0], 0, &fd) || !address(env, given[1], &to, &length))
    return NULL;
  return outcome(env, bind(fd, (struct sockaddr *)&to, length));
}

static napi_value set_option(napi_env env, napi_callback_info info) {
  napi_value given[4];
  int fd, level, option;
  octets value;
  if (!arguments(env, info, 4, given) || !integer(env, given[0], 0, &fd) || !integer(env, given[1], 0, &level) ||
      !integer(env, given[2], 0, &option) || !uint8s(env, given[3], &value))
    return NULL;
  if (level == SOL_SOCKET && (option == SO_ATTACH_FILTER || option == SO_ATTACH_REUSEPORT_CBPF)) {
    fail(env, "an option whose value holds a pointer");
    return NULL;
  }
  return outcome(env, setsockopt(fd, level, option, value.at, (socklen_t)value.length));
}

// The number of octets that the kernel wrote.
static napi_value get_option(napi_env env, napi_callback_info info) {
  napi_value given[4];
  int fd, level, option;
  octets value;
  if (!arguments(env, info, 4, given) || !integer(env, given[0], 0, &fd) || !integer(env, given[1], 0, &level) ||
      !integer(env, given[2], 0, &option) || !uint8s(env, given[3], &value))
    return NULL;
  socklen_t length = (socklen_t)value.length;
  int result = getsockopt(fd, level, option, value.at, &length);
  return outcome(env, result < 0 ? result : (long)length);
}

// `program`: struct sock_filter, one after the other, in the machine's byte order.
static napi_value attach_filter(napi_env env, napi_callback_info info) {
  napi_value given[2];
  int fd;
  octets program;
  if (!arguments(env, info, 2, given) || !integer(env, given[0], 0, &fd) || !uint8s(env, given[1], &program))
    return NULL;
  size_t count = program.length / sizeof(struct sock_filter);
  if (count == 0 || count > PROGRAM || program.length % sizeof(struct sock_filter) != 0) {
    fail(env, "no whole instructions");
    return NULL;
  }
  // The array's memory need not be aligned for them.
  struct sock_filter *copy = malloc(program.length);
  if (copy == NULL) return number(env, -ENOMEM);
  memcpy(copy, program.at, program.length);
  struct sock_fprog whole = {.len = (unsigned short)count, .filter = copy};
  napi_value result = outcome(env, setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof whole));
  free(copy);
  return result;
}

static napi_value send_packet(napi_env env, napi_callback_info info) {
  napi_value given[3];
  int fd;
  octets packet;
  struct sockaddr_storage to;
  socklen_t length;
  if (!arguments(env, info, 3, given) || !integer(env, given[0], 0, &fd) || !uint8s(env, given[1], &packet) ||
      !address(env, given[2], &to, &length))
    return NULL;
  return outcome(env,
                 sendto(fd, packet.at, packet.length, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, length));
}

// What the kernel said beside a packet. A row: length, flags, interface index, packet type, VLAN's TCI (-1: none), its TPID,
// status (TP_STATUS_*), length of the sender's address.
static void fill_row(int32_t *row, const struct mmsghdr *one) {
  const struct msghdr *head = &one->msg_hdr;
  const struct sockaddr_ll *from = head->msg_name;
  bool is_link = head->msg_namelen >= offsetof(struct sockaddr_ll, sll_addr) && from->sll_family == AF_PACKET;
  row[0] = (int32_t)one->msg_len;
  row[1] = head->msg_flags;
  row[2] = is_link ? from->sll_ifindex : 0;
  row[3] = is_link ? from->sll_pkttype : -1;
  row[4] = -1;
  row[5] = 0;
  row[6] = 0;
  row[7] = (int32_t)head->msg_namelen;
  for (struct cmsghdr *note = CMSG_FIRSTHDR(head); note != NULL; note = CMSG_NXTHDR((struct msghdr *)head, note)) {
    if (note->cmsg_level == SOL_PACKET && note->cmsg_type == PACKET_AUXDATA &&
        note->cmsg_len >= CMSG_LEN(sizeof(struct tpacket_auxdata))) {
      struct tpacket_auxdata told;
      memcpy(&told, CMSG_DATA(note), sizeof told);
      row[6] = (int32_t)told.tp_status;
      if (told.tp_status & TP_STATUS_VLAN_VALID) {
        row[4] = told.tp_vlan_tci;
        row[5] = told.tp_status & TP_STATUS_VLAN_TPID_VALID ? told.tp_vlan_tpid : 0x8100;
      }
    } else if (note->cmsg_level == IPPROTO_IP && note->cmsg_type == IP_PKTINFO &&
               note->cmsg_len >= CMSG_LEN(sizeof(struct in_pktinfo))) {
      struct in_pktinfo told;
      memcpy(&told, CMSG_DATA(note), sizeof told);
      row[2] = told.ipi_ifindex;
    }
  }
}

// What hosts ask for in packets that came in by themselves, not in frames and under no VLAN's tag.
static void hear_hosts(const instance *own, const int32_t *row, const uint8_t *packet, size_t slot) {
  bool is_in = row[3] == PACKET_HOST || row[3] == PACKET_BROADCAST || row[3] == PACKET_MULTICAST;
  if (is_in && row[4] < 0 && (size_t)row[0] <= slot) ready_heard(own->ready, row[2], packet, (size_t)row[0]);
}

// For a batch: `slots` is cut into slots of `slot` octets, of `rows` each packet takes ROW numbers, of `senders` ADDRESS octets.
typedef struct {
  uint8_t *slots;
  size_t slot;
  int32_t *rows;
  uint8_t *senders;
  size_t packets;
} room;

static bool room_in(napi_env env, napi_value slots, int slot, napi_value rows, napi_value senders, room *into) {
  octets places, numbers, addresses;
  if (!uint8s(env, slots, &places) || !typed(env, rows, napi_int32_array, &numbers) ||
      !uint8s(env, senders, &addresses))
    return false;
  size_t most = places.length / (size_t)slot;
  if (most > numbers.length / ROW) most = numbers.length / ROW;
  if (most > addresses.length / ADDRESS) most = addresses.length / ADDRESS;
  if (most > BATCH) most = BATCH;
  *into = (room){places.at, (size_t)slot, (int32_t *)(void *)numbers.at, addresses.at, most};
  return most > 0 || fail(env, "no room for a packet");
}

// Up to `BATCH` packets, or as many as there is room for. A packet longer than its slot is cut, its row has the whole length.
static int take_batch(const instance *own, int fd, const room *into) {
  size_t most = into->packets;
  struct mmsghdr packets[BATCH];
  struct iovec parts[BATCH];
  struct sockaddr_storage from[BATCH];
  _Alignas(struct cmsghdr) uint8_t control[BATCH][CONTROL];
  memset(packets, 0, most * sizeof *packets);
  for (size_t i = 0; i < most; i++) {
    parts[i] = (struct iovec){.iov_base = into->slots + i * into->slot, .iov_len = into->slot};
    packets[i].msg_hdr = (struct msghdr){.msg_name = &from[i],
                                         .msg_namelen = sizeof from[i],
                                         .msg_iov = &parts[i],
                                         .msg_iovlen = 1,
                                         .msg_control = control[i],
                                         .msg_controllen = CONTROL};
  }
  int count = recvmmsg(fd, packets, (unsigned)most, MSG_DONTWAIT | MSG_TRUNC, NULL);
  for (int i = 0; i < count; i++) {
    int32_t *row = into->rows + (size_t)i * ROW;
    fill_row(row, &packets[i]);
    hear_hosts(own, row, parts[i].iov_base, into->slot);
    socklen_t length = packets[i].msg_hdr.msg_namelen;
    memcpy(into->senders + (size_t)i * ADDRESS, &from[i], length < ADDRESS ? length : ADDRESS);
  }
  return count < 0 ? -errno : count;
}

// Behind the first `taken` packets of the room.
static bool behind(napi_env env, int taken, room *into) {
  size_t count = (size_t)taken;
  if (count >= into->packets) return fail(env, "no room for a packet");
  into->slots += count * into->slot;
  into->rows += count * ROW;
  into->senders += count * ADDRESS;
  into->packets -= count;
  return true;
}

static napi_value receive(napi_env env, napi_callback_info info) {
  napi_value given[6];
  int fd, slot, taken;
  room into;
  instance *own = NULL;
  if (!arguments(env, info, 6, given) || !integer(env, given[0], 0, &fd) || !integer(env, given[2], 1, &slot) ||
      !integer(env, given[5], 0, &taken) || !room_in(env, given[1], slot, given[3], given[4], &into) ||
      !behind(env, taken, &into))
    return NULL;
  if (napi_get_instance_data(env, (void **)&own) != napi_ok || own == NULL) return number(env, -ECANCELED);
  return number(env, take_batch(own, fd, &into));
}

// A second descriptor of what `fd` is in the process `pid`; needs PTRACE_MODE_ATTACH over it.
static napi_value take_descriptor(napi_env env, napi_callback_info info) {
  napi_value given[2];
  int pid, fd;
  if (!arguments(env, info, 2, given) || !integer(env, given[0], 1, &pid) || !integer(env, given[1], 0, &fd))
    return NULL;
  long process = syscall(SYS_pidfd_open, pid, 0);
  if (process < 0) return outcome(env, process);
  // The kernel makes it close-on-exec.
  napi_value result = outcome(env, syscall(SYS_pidfd_getfd, (int)process, fd, 0));
  close((int)process);
  return result;
}

// Watches

static watch **place_of(instance *own, int fd) {
  watch **place = &own->watches;
  while (*place != NULL && (*place)->fd != fd) place = &(*place)->next;
  return place;
}

static void end_if_closed(instance *own) {
  if (own->ending == NULL || own->closing > 0) return;
  napi_remove_async_cleanup_hook(own->ending);
  free(own);
}

static void closed(uv_handle_t *handle) {
  watch *one = handle->data;
  instance *own = one->owner;
  free(one);
  own->closing--;
  end_if_closed(own);
}

static void release(const instance *own, watch *one) {
  for (size_t at = 0; at < WATCH_ARGUMENTS; at++) {
    if (one->given[at] != NULL) napi_delete_reference(own->env, one->given[at]);
    one->given[at] = NULL;
  }
}

// Takes the watch out and has its memory given back once libuv no longer needs it.
static void end_watch(instance *own, watch **place) {
  watch *one = *place;
  *place = one->next;
  release(own, one);
  own->closing++;
  uv_poll_stop(&one->poll);
  uv_close((uv_handle_t *)&one->poll, closed);
}

static void become_readable(uv_poll_t *poll, int status, int events);

// Receives before anything of JavaScript runs, so that what is ready need not wait for it; and tells how much has come, and whether the
// room has that it has waited for.
static void receive_and_tell(instance *own, watch *one, bool has_room) {
  napi_env env = own->env;
  napi_value given[WATCH_ARGUMENTS], global, told[2];
  room into;
  for (size_t at = 0; at < WATCH_ARGUMENTS; at++)
    if (napi_get_reference_value(env, one->given[at], &given[at]) != napi_ok) return;
  if (!room_in(env, given[SLOTS], one->slot, given[ROWS], given[SENDERS], &into)) return;
  told[0] = number(env, take_batch(own, one->fd, &into));
  told[1] = number(env, has_room);
  if (napi_get_global(env, &global) == napi_ok)
    napi_make_callback(env, own->context, global, given[READABLE], 2, told, NULL);
}

static void call(instance *own, watch *one, bool has_room) {
  napi_env env = own->env;
  napi_handle_scope scope;
  napi_value mistake;
  bool thrown = false;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  receive_and_tell(own, one, has_room);
  if (napi_is_exception_pending(env, &thrown) == napi_ok && thrown &&
      napi_get_and_clear_last_exception(env, &mistake) == napi_ok)
    napi_fatal_exception(env, mistake);
  napi_close_handle_scope(env, scope);
}

static int poll_for(watch *one) {
  return uv_poll_start(&one->poll, one->wants_room ? UV_READABLE | UV_WRITABLE : UV_READABLE, become_readable);
}

static void become_readable(uv_poll_t *poll, int status, int events) {
  watch *one = poll->data;
  bool has_room = one->wants_room && (status < 0 || (events & UV_WRITABLE) != 0);
  if (has_room) one->wants_room = false;
  call(one->owner, one, has_room);
  ready_settle(one->owner->ready);
  // libuv stops polling at POLLERR, which a socket has until its error is read; the callback has read it, or closed the socket.
  if ((status < 0 || has_room) && one->given[READABLE] != NULL) poll_for(one);
}

static bool keep(napi_env env, watch *one, size_t at, napi_value value) {
  return napi_create_reference(env, value, 1, &one->given[at]) == napi_ok;
}

// Receives whenever there is something, and calls `readable` with the number of packets, until `unwatch` or `close`. -EEXIST: it is
// watched already.
static napi_value start_watch(napi_env env, napi_callback_info info) {
  napi_value given[6];
  int fd, slot;
  room into;
  instance *own = NULL;
  napi_valuetype type;
  if (!arguments(env, info, 6, given) || !integer(env, given[0], 0, &fd) || !integer(env, given[3], 1, &slot) ||
      !room_in(env, given[2], slot, given[4], given[5], &into))
    return NULL;
  if (napi_typeof(env, given[1], &type) != napi_ok || type != napi_function) {
    fail(env, "not a function");
    return NULL;
  }
  if (napi_get_instance_data(env, (void **)&own) != napi_ok || own == NULL || own->ending != NULL)
    return number(env, -ECANCELED);
  if (*place_of(own, fd) != NULL) return number(env, -EEXIST);
  watch *one = calloc(1, sizeof *one);
  if (one == NULL) return number(env, -ENOMEM);
  one->owner = own;
  one->fd = fd;
  one->slot = slot;
  int refused = uv_poll_init(own->loop, &one->poll, fd);
  if (refused != 0) {
    free(one);
    return number(env, refused);
  }
  one->poll.data = one;
  one->next = own->watches;
  own->watches = one;
  if (!keep(env, one, READABLE, given[1]) || !keep(env, one, SLOTS, given[2]) || !keep(env, one, ROWS, given[4]) ||
      !keep(env, one, SENDERS, given[5]))
    refused = -ENOMEM;
  if (refused == 0) refused = poll_for(one);
  if (refused != 0) end_watch(own, &own->watches);
  return number(env, refused);
}

// The watch tells, once, when there is room to send. -ENOENT: there is no watch.
static napi_value await_room(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int fd;
  instance *own = NULL;
  if (!arguments(env, info, 1, given) || !integer(env, given[0], 0, &fd)) return NULL;
  if (napi_get_instance_data(env, (void **)&own) != napi_ok || own == NULL) return number(env, -ECANCELED);
  watch *one = *place_of(own, fd);
  if (one == NULL) return number(env, -ENOENT);
  one->wants_room = true;
  return number(env, poll_for(one));
}

static void unwatch(napi_env env, int fd) {
  instance *own = NULL;
  if (napi_get_instance_data(env, (void **)&own) != napi_ok || own == NULL) return;
  watch **place = place_of(own, fd);
  if (*place != NULL) end_watch(own, place);
}

static napi_value stop_watch(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int fd;
  if (!arguments(env, info, 1, given) || !integer(env, given[0], 0, &fd)) return NULL;
  unwatch(env, fd);
  return number(env, 0);
}

static napi_value close_socket(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int fd;
  if (!arguments(env, info, 1, given) || !integer(env, given[0], 0, &fd)) return NULL;
  unwatch(env, fd);
  instance *own = NULL;
  if (napi_get_instance_data(env, (void **)&own) == napi_ok && own != NULL) ready_forget(&own->ready, fd);
  return outcome(env, close(fd));
}

// Routes that are ready

static napi_value ready_at(napi_env env, napi_callback_info info) {
  napi_value given[3];
  int fd, vif, index;
  instance *own = NULL;
  if (!arguments(env, info, 3, given) || !integer(env, given[0], 0, &fd) || !integer(env, given[1], 0, &vif) ||
      !integer(env, given[2], 0, &index))
    return NULL;
  if (vif >= VIFS) {
    fail(env, "no virtual interface");
    return NULL;
  }
  if (napi_get_instance_data(env, (void **)&own) != napi_ok || own == NULL) return number(env, -ECANCELED);
  return number(env, ready_interface(&own->ready, fd, (unsigned)vif, index));
}

// `vifs`: of the virtual interfaces that are ready, each once.
static napi_value make_ready(napi_env env, napi_callback_info info) {
  napi_value given[3];
  int fd;
  octets entry, vifs;
  uint32_t mask = 0;
  instance *own = NULL;
  if (!arguments(env, info, 3, given) || !integer(env, given[0], 0, &fd) || !uint8s(env, given[1], &entry) ||
      !uint8s(env, given[2], &vifs))
    return NULL;
  for (size_t at = 0; at < vifs.length; at++) {
    if (vifs.at[at] < VIFS) mask |= UINT32_C(1) << vifs.at[at];
    else fail(env, "no virtual interface");
  }
  if (entry.length != MFCCTL) fail(env, "no entry of the forwarding cache");
  bool thrown = false;
  if (napi_is_exception_pending(env, &thrown) != napi_ok || thrown) return NULL;
  if (napi_get_instance_data(env, (void **)&own) != napi_ok || own == NULL) return number(env, -ECANCELED);
  return number(env, ready_route(&own->ready, fd, entry.at, mask));
}

// Memory

// Of glibc (malloc.h). Weak: another C library has none, and one binary is for all of them.
#define TRIM_THRESHOLD (-1)
extern int mallopt(int option, int value) __attribute__((weak));
extern int malloc_trim(size_t pad) __attribute__((weak));

// Gives free memory back to the kernel, now, and from now on so many free octets at the end of an arena. Else glibc raises the mark with
// every large block that is freed, and what a burst (the compiler's, for one) took stays. Other C libraries do it by themselves.
static napi_value trim_at(napi_env env, napi_callback_info info) {
  napi_value given[1];
  int octets;
  if (!arguments(env, info, 1, given) || !integer(env, given[0], 0, &octets)) return NULL;
  if (mallopt == NULL || malloc_trim == NULL) return number(env, -ENOSYS);
  if (mallopt(TRIM_THRESHOLD, octets) != 1) return number(env, -EINVAL);
  malloc_trim(0);
  return number(env, 0);
}

// What smaps says of one mapping.
typedef struct {
  uintptr_t from, to;
  // Of a file, and not writable.
  bool is_file;
  // None of its pages in memory is another than the file's.
  bool is_unchanged;
} mapping;

// A number at `*text`, which then is behind it; false: there is none, or none that an address can be. By hand: what glibc's headers make
// of sscanf and strtoul (__isoc23_sscanf) other C libraries do not have.
static bool takes_number(const char **text, unsigned base, uintptr_t *into) {
  static const char digits[] = "0123456789abcdef";
  const char *from = *text, *digit;
  for (*into = 0; **text != 0 && (digit = memchr(digits, **text, base)) != NULL; ++*text) {
    if (*into > UINTPTR_MAX / base - 1) return false;
    *into = *into * base + (uintptr_t)(digit - digits);
  }
  return *text > from;
}

static bool takes(const char **text, char wanted) {
  if (**text != wanted) return false;
  ++*text;
  return true;
}

static void skip_word(const char **text) {
  while (**text != 0 && **text != ' ') ++*text;
  while (**text == ' ') ++*text;
}

// The head of a mapping's lines, "FROM-TO r-xp OFFSET DEVICE INODE PATH"; false: another line.
static bool begins_mapping(const char *line, mapping *into) {
  uintptr_t from, to, inode;
  if (!takes_number(&line, 16, &from) || !takes(&line, '-') || !takes_number(&line, 16, &to) || !takes(&line, ' '))
    return false;
  bool is_writable = line[0] != 0 && line[1] == 'w';
  for (int words = 0; words < 3; words++) skip_word(&line);
  if (!takes_number(&line, 10, &inode)) return false;
  *into = (mapping){.from = from, .to = to, .is_file = inode != 0 && !is_writable};
  return true;
}

// "Anonymous:      12 kB": a number that is told of the mapping by this name; false: another line.
static bool tells(const char *line, const char *name, uintptr_t *into) {
  size_t length = strlen(name);
  if (strncmp(line, name, length) != 0 || line[length] != ':') return false;
  skip_word(&line);
  return takes_number(&line, 10, into);
}

// The next mapping that is the same as its file. "Anonymous" counts the pages in memory alone: a page that was changed may be in swap,
// which is told of further down.
static bool next_unchanged(FILE *smaps, mapping *into) {
  char line[512];
  uintptr_t kilobytes;
  *into = (mapping){0};
  while (fgets(line, sizeof line, smaps) != NULL) {
    if (begins_mapping(line, into)) continue;
    if (tells(line, "Anonymous", &kilobytes)) into->is_unchanged = kilobytes == 0;
    if (!tells(line, "Swap", &kilobytes)) continue;
    if (kilobytes == 0 && into->is_file && into->is_unchanged) return true;
    // Said once of each: the next may be of a mapping whose head was not understood.
    into->is_file = false;
  }
  return false;
}

// Takes the pages of mapped files out of this process where it has changed none of the mapping's (programs and libraries): each comes back
// from the file when it is used again. An octet that was changed in memory would be lost, so such a mapping stays as it is.
static napi_value release_files(napi_env env, napi_callback_info info) {
  napi_value given[1];
  char path[256];
  size_t length;
  mapping one;
  int released = 0;
  if (!arguments(env, info, 1, given)) return NULL;
  if (napi_get_value_string_utf8(env, given[0], path, sizeof path, &length) != napi_ok) {
    fail(env, "no path");
    return NULL;
  }
  FILE *smaps = fopen(path, "re");
  if (smaps == NULL) return number(env, -errno);
  for (; next_unchanged(smaps, &one); released++) madvise((void *)one.from, one.to - one.from, MADV_DONTNEED);
  fclose(smaps);
  return number(env, released);
}

// Beginning and end

static void end_instance(napi_async_cleanup_hook_handle handle, void *data) {
  instance *own = data;
  own->ending = handle;
  ready_end(&own->ready);
  srtp_end(&own->keys);
  while (own->watches != NULL) end_watch(own, &own->watches);
  napi_async_destroy(own->env, own->context);
  end_if_closed(own);
}

static bool start_instance(napi_env env) {
  instance *own = calloc(1, sizeof *own);
  napi_value name;
  if (own == NULL) return false;
  own->env = env;
  if (napi_get_uv_event_loop(env, &own->loop) == napi_ok &&
      napi_create_string_utf8(env, "sealcast.sockets", NAPI_AUTO_LENGTH, &name) == napi_ok &&
      napi_async_init(env, NULL, name, &own->context) == napi_ok) {
    // No finalizer: the end of the environment frees it, after the last handle.
    if (napi_set_instance_data(env, own, NULL, NULL) == napi_ok &&
        napi_add_async_cleanup_hook(env, end_instance, own, NULL) == napi_ok)
      return true;
    napi_set_instance_data(env, NULL, NULL, NULL);
    napi_async_destroy(env, own->context);
  }
  free(own);
  return false;
}

srtp_keys **keys_of(napi_env env) {
  instance *own = NULL;
  bool is_there = napi_get_instance_data(env, (void **)&own) == napi_ok && own != NULL && own->ending == NULL;
  return is_there ? &own->keys : NULL;
}

NAPI_MODULE_INIT() {
  if (start_instance(env) && add(env, exports, "socket", make_socket) && add(env, exports, "bind", bind_socket) &&
      add(env, exports, "setOption", set_option) && add(env, exports, "getOption", get_option) &&
      add(env, exports, "filter", attach_filter) && add(env, exports, "send", send_packet) &&
      add(env, exports, "receive", receive) && add(env, exports, "takeDescriptor", take_descriptor) &&
      add(env, exports, "watch", start_watch) && add(env, exports, "unwatch", stop_watch) &&
      add(env, exports, "awaitRoom", await_room) &&
      add(env, exports, "close", close_socket) && add(env, exports, "trimAt", trim_at) &&
      add(env, exports, "releaseFiles", release_files) &&
      add(env, exports, "readyAt", ready_at) && add(env, exports, "ready", make_ready) &&
      add_ciphers(env, exports) && add_datagrams(env, exports))
    return exports;
  fail(env, "the socket addon cannot start here");
  return NULL;
}
