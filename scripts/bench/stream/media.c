// The plain programs that the media path is measured beside and with, on the loopback interface. Linked with hal/native/srtp.c, that is,
// with OpenSSL in C and nothing around it. Keys are session keys, in hexadecimal.
//   media generate GROUP PORT RATE SECONDS KEY VECTOR FIRST    SRTP (AES-GCM, MKI 1, SSRC 9), RATE packets a second; says how many
//   media sink PORT                                            takes everything; at SIGTERM says how many, and how many found no room
//   media loop GROUP PORT TO KEY VECTOR                        receives, opens, sends the payload to 127.0.0.1:TO; at SIGTERM says what
//   media evp KEY VECTOR PACKETS                               us a packet: bare EVP, sealed and opened
//   media libsrtp SUITE PACKETS                                the same through libsrtp2, with MKI
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../../../hal/native/srtp.h"
#ifdef LIBSRTP
#include <srtp2/srtp.h>
#endif

#define HEADER 12
#define PAYLOAD 1316
#define CLEAR (HEADER + PAYLOAD)
#define TAG 16
#define MKI 4
#define WHOLE (CLEAR + TAG + MKI)
#define SLOT 2048
#define BATCH 64
#define SEGMENTS 48
#define SOL_UDP 17
#define UDP_SEGMENT 103
// Counters of a socket, of which the ninth is what found no room in its queue.
#define MEMINFO 55
#define DROPS 8

static volatile sig_atomic_t ended;
static void end(int signal) { (void)signal, ended = 1; }

static void refuse(const char *what) { perror(what), exit(1); }

static size_t octets_of(const char *hex, uint8_t *into, size_t most) {
  size_t length = strlen(hex) / 2;
  if (length > most) exit(64);
  for (size_t at = 0; at < length; at++) sscanf(hex + 2 * at, "%2hhx", &into[at]);
  return length;
}

static srtp_keys *keys_of(const char *key, const char *vector) {
  uint8_t octets[32], base[SRTP_CM_BASE];
  srtp_keys *all = NULL;
  size_t length = octets_of(key, octets, sizeof octets), vector_length = octets_of(vector, base, sizeof base);
  if (srtp_make(&all, octets, length, octets, 0, base, vector_length) != 0) exit(1);
  return all;
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct sockaddr_in address(const char *ip, const char *port) {
  struct sockaddr_in one = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  inet_pton(AF_INET, ip, &one.sin_addr);
  return one;
}

// Bound to the address, and a member of it on the loopback interface when it is a group.
static int receiver(const char *ip, const char *port) {
  struct sockaddr_in own = address(ip, port);
  struct ip_mreq membership = {.imr_multiaddr = own.sin_addr, .imr_interface.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 8 << 20;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  // So that an end is noticed.
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_usec = 100000}, sizeof(struct timeval));
  if (bind(fd, (struct sockaddr *)&own, sizeof own) != 0) refuse("bind");
  if (IN_MULTICAST(ntohl(own.sin_addr.s_addr)) &&
      setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof membership) != 0)
    refuse("join");
  return fd;
}

static unsigned lost(int fd) {
  uint32_t counters[9] = {0};
  socklen_t length = sizeof counters;
  getsockopt(fd, SOL_SOCKET, MEMINFO, counters, &length);
  return counters[DROPS];
}

static uint8_t slots[BATCH][SLOT];

static void take_slots(struct mmsghdr *messages, struct iovec *parts) {
  memset(messages, 0, BATCH * sizeof *messages);
  for (int at = 0; at < BATCH; at++) {
    parts[at] = (struct iovec){.iov_base = slots[at], .iov_len = SLOT};
    messages[at].msg_hdr = (struct msghdr){.msg_iov = &parts[at], .msg_iovlen = 1};
  }
}

// Headers, a payload that is no zeros, and the MKI behind where the tag will be.
static void write_packet(uint8_t *packet) {
  for (int at = HEADER; at < CLEAR; at++) packet[at] = (uint8_t)(at * 7);
  memcpy(packet, (uint8_t[HEADER]){0x80, 33, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}, HEADER);
  memcpy(packet + CLEAR + TAG, (uint8_t[MKI]){0, 0, 0, 1}, MKI);
}

static void seal_next(const srtp_keys *keys, uint8_t *packet, uint64_t index) {
  srtp_place place = {.text = HEADER, .end = CLEAR, .tag = CLEAR, .roc = (uint32_t)(index >> 16), .sequence = index & 0xffff};
  packet[2] = (uint8_t)(index >> 8), packet[3] = (uint8_t)index;
  if (srtp_seal(keys, packet, WHOLE, &place) != SRTP_DONE) exit(1);
}

// Up to so many packets, as segments of one.
static void send_next(int fd, const struct sockaddr_in *to, const srtp_keys *keys, uint64_t index, int count) {
  static uint8_t octets[SEGMENTS * WHOLE];
  _Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(2)] = {0};
  for (int at = 0; at < count; at++) {
    write_packet(octets + at * WHOLE);
    seal_next(keys, octets + at * WHOLE, index + (uint64_t)at);
  }
  struct iovec part = {.iov_base = octets, .iov_len = (size_t)count * WHOLE};
  struct msghdr head = {.msg_name = (void *)to, .msg_namelen = sizeof *to, .msg_iov = &part, .msg_iovlen = 1};
  if (count > 1) {
    head.msg_control = control, head.msg_controllen = sizeof control;
    struct cmsghdr *note = CMSG_FIRSTHDR(&head);
    note->cmsg_level = SOL_UDP, note->cmsg_type = UDP_SEGMENT, note->cmsg_len = CMSG_LEN(2);
    memcpy(CMSG_DATA(note), &(uint16_t){WHOLE}, 2);
  }
  while (sendmsg(fd, &head, 0) < 0)
    if (errno != ENOBUFS && errno != EAGAIN) refuse("send");
}

// At most a millisecond's packets at once: what a stream's sender paces.
static int generate(char **with) {
  struct sockaddr_in to = address(with[0], with[1]);
  double rate = atof(with[2]), span = atof(with[3]), begin = seconds(CLOCK_MONOTONIC);
  srtp_keys *keys = keys_of(with[4], with[5]);
  uint64_t first = strtoull(with[6], NULL, 10), sent = 0, all = (uint64_t)(rate * span);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct in_addr out = {.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &out, sizeof out);
  while (sent < all) {
    uint64_t due = (uint64_t)((seconds(CLOCK_MONOTONIC) - begin) * rate);
    if (due > all) due = all;
    while (sent < due) {
      int count = due - sent > SEGMENTS ? SEGMENTS : (int)(due - sent);
      send_next(fd, &to, keys, first + sent, count);
      sent += (uint64_t)count;
    }
    nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
  }
  printf("{\"sent\":%llu,\"took\":%.3f}\n", (unsigned long long)sent, seconds(CLOCK_MONOTONIC) - begin);
  return 0;
}

static int sink(char **with) {
  struct mmsghdr messages[BATCH];
  struct iovec parts[BATCH];
  int fd = receiver("127.0.0.1", with[0]);
  unsigned long packets = 0;
  take_slots(messages, parts);
  // What is longer than this is not copied: it is only counted.
  for (int at = 0; at < BATCH; at++) parts[at].iov_len = 16;
  while (!ended) {
    int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (count > 0) packets += (unsigned long)count;
  }
  printf("{\"packets\":%lu,\"overflows\":%u}\n", packets, lost(fd));
  return 0;
}

static int open_batch(const srtp_keys *keys, struct mmsghdr *messages, struct iovec *out, int count) {
  int opened = 0;
  for (int at = 0; at < count; at++) {
    uint8_t *packet = slots[at];
    int length = (int)messages[at].msg_len, text_end = length - TAG - MKI;
    // The ROC of a stream that began at the turn before: enough for a comparison that lasts less than a turn.
    srtp_place place = {.text = HEADER, .end = text_end, .tag = text_end, .sequence = (uint32_t)(packet[2] << 8 | packet[3])};
    static uint32_t roc, last;
    if (place.sequence < 0x4000 && last > 0xc000) roc++;
    last = place.sequence, place.roc = roc;
    if (length < HEADER + TAG + MKI || srtp_open(keys, packet, (size_t)length, &place) != SRTP_DONE) continue;
    out[opened++] = (struct iovec){.iov_base = packet + HEADER, .iov_len = (size_t)(text_end - HEADER)};
  }
  return opened;
}

static int loop(char **with) {
  struct mmsghdr messages[BATCH], sends[BATCH];
  struct iovec parts[BATCH], out[BATCH];
  int fd = receiver(with[0], with[1]), way_out = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = address("127.0.0.1", with[2]);
  srtp_keys *keys = keys_of(with[3], with[4]);
  unsigned long packets = 0;
  take_slots(messages, parts);
  while (!ended) {
    int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
    if (count <= 0) continue;
    int opened = open_batch(keys, messages, out, count);
    memset(sends, 0, sizeof sends);
    for (int at = 0; at < opened; at++)
      sends[at].msg_hdr = (struct msghdr){.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &out[at], .msg_iovlen = 1};
    if (opened > 0 && sendmmsg(way_out, sends, (unsigned)opened, 0) == opened) packets += (unsigned long)opened;
  }
  printf("{\"packets\":%lu,\"overflows\":%u}\n", packets, lost(fd));
  return 0;
}

// Microseconds of this process, a packet, the least of several rounds.
typedef void (*round_of)(void *state, int packets);

static double least(round_of act, void *state, int packets) {
  double best = 1e9;
  for (int round = 0; round < 9; round++) {
    double begin = seconds(CLOCK_PROCESS_CPUTIME_ID);
    act(state, packets);
    double spent = (seconds(CLOCK_PROCESS_CPUTIME_ID) - begin) * 1e6 / packets;
    if (spent < best) best = spent;
  }
  return best;
}

static uint8_t sealed[WHOLE + 64];

static void seal_many(void *keys, int packets) {
  for (int at = 0; at < packets; at++) seal_next(keys, slots[0], (uint64_t)at);
}

static void open_many(void *keys, int packets) {
  srtp_place place = {.text = HEADER, .end = CLEAR, .tag = CLEAR, .sequence = 5};
  for (int at = 0; at < packets; at++) {
    memcpy(slots[0], sealed, WHOLE);
    if (srtp_open(keys, slots[0], WHOLE, &place) != SRTP_DONE) exit(1);
  }
}

static int evp(char **with) {
  srtp_keys *keys = keys_of(with[0], with[1]);
  write_packet(slots[0]);
  double seal = least(seal_many, keys, atoi(with[2]));
  write_packet(slots[0]);
  seal_next(keys, slots[0], 5);
  memcpy(sealed, slots[0], WHOLE);
  printf("{\"protect\":%.4f,\"unprotect\":%.4f}\n", seal, least(open_many, keys, atoi(with[2])));
  return 0;
}

#ifdef LIBSRTP
static uint8_t *stream;

typedef struct {
  srtp_policy_t policy;
  srtp_t session;
  // Of a protected packet.
  int length;
} session;

static void protect_many(void *state, int packets) {
  session *one = state;
  srtp_dealloc(one->session);
  srtp_create(&one->session, &one->policy);
  for (int at = 0; at < packets; at++) {
    uint8_t *packet = stream + (size_t)at * SLOT;
    int length = CLEAR;
    write_packet(packet);
    packet[2] = (uint8_t)(at >> 8), packet[3] = (uint8_t)at;
    if (srtp_protect_mki(one->session, packet, &length, 1, 0) != srtp_err_status_ok) exit(1);
    one->length = length;
  }
}

// Only what the writing of the packets costs.
static void write_many(void *state, int packets) {
  (void)state;
  for (int at = 0; at < packets; at++) write_packet(stream + (size_t)at * SLOT);
}

static void unprotect_many(void *state, int packets) {
  session *one = state;
  static uint8_t packet[SLOT];
  srtp_dealloc(one->session);
  srtp_create(&one->session, &one->policy);
  for (int at = 0; at < packets; at++) {
    int length = one->length;
    memcpy(packet, stream + (size_t)at * SLOT, (size_t)length);
    if (srtp_unprotect_mki(one->session, packet, &length, 1) != srtp_err_status_ok) exit(1);
  }
}

// No more packets than a turn has.
static int libsrtp(char **with) {
  static uint8_t key[64], mki[MKI] = {0, 0, 0, 1};
  srtp_master_key_t master = {.key = key, .mki_id = mki, .mki_size = MKI}, *masters[] = {&master};
  session one = {.policy = {.ssrc = {ssrc_any_outbound, 0}, .keys = masters, .num_master_keys = 1, .window_size = 1024}};
  srtp_init();
  if (strcmp(with[0], "AEAD_AES_128_GCM") == 0) srtp_crypto_policy_set_aes_gcm_128_16_auth(&one.policy.rtp);
  else if (strcmp(with[0], "AEAD_AES_256_GCM") == 0) srtp_crypto_policy_set_aes_gcm_256_16_auth(&one.policy.rtp);
  else srtp_crypto_policy_set_rtp_default(&one.policy.rtp);
  one.policy.rtcp = one.policy.rtp;
  int packets = atoi(with[1]) < 30000 ? atoi(with[1]) : 30000;
  stream = malloc((size_t)packets * SLOT);
  if (stream == NULL || srtp_create(&one.session, &one.policy) != srtp_err_status_ok) return 1;
  double writing = least(write_many, &one, packets), protect = least(protect_many, &one, packets) - writing;
  one.policy.ssrc.type = ssrc_any_inbound;
  printf("{\"protect\":%.4f,\"unprotect\":%.4f}\n", protect, least(unprotect_many, &one, packets));
  return 0;
}
#endif

int main(int argc, char **argv) {
  struct { const char *name; int arguments; int (*run)(char **); } modes[] = {
      {"generate", 7, generate}, {"sink", 1, sink}, {"loop", 5, loop}, {"evp", 3, evp},
#ifdef LIBSRTP
      {"libsrtp", 2, libsrtp},
#endif
  };
  signal(SIGTERM, end);
  for (size_t at = 0; at < sizeof modes / sizeof *modes; at++)
    if (argc > 1 && strcmp(argv[1], modes[at].name) == 0 && argc == modes[at].arguments + 2) return modes[at].run(argv + 2);
  fprintf(stderr, "media MODE ...: see the head of media.c\n");
  return 64;
}
