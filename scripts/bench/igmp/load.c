// The tester of bench:igmp, a program of its own that shares nothing with the router: hosts, stream and receivers in one process, so that
// one clock stamps everything. It enters the network namespaces itself: the stream is sent from `source`, the hosts speak on `lan`'s
// eth0 and eth1 by raw frames, and what passes those interfaces is read from packet rings with the kernel's own time stamps.
//   load COMMAND source=NAMESPACE lan=NAMESPACE KEY=NUMBER...
// Answers are lines of JSON; times in nanoseconds, instants since 1970. Group k is 239.50.0.0 + k, host k is 10.60.(1 + k / 250).(1 + k % 250).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  GROUPS = 65536,
  FIRST_GROUP = 0xef320000, // 239.50.0.0
  UNICAST = 0x0a3c0009,     // 10.60.0.9, a neighbour that the router knows by heart
  PORT = 5000,
  HOSTS = 1000,
  GUARD = 65534, // a group that is never left: when its packets come and another's do not, that one has ended
  QUIET = 20,    // packets of the guard
  IP = 14,
  RING_FRAME = 256,
  RING_BLOCK = 1 << 20,
  RING_BLOCKS = 32,
  SNAP = 96,
  BATCH = 64,
  LINKS = 2,
  SENT_AT = 8, // in the payload, after the packet's number
  SMALLEST = 16,
  LARGEST = 1472,
};
static const int64_t MS = 1000000, SECOND = 1000000000;

static void fail(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return time.tv_sec * SECOND + time.tv_nsec;
}

static void nap(int64_t span) {
  struct timespec time = {span / SECOND, span % SECOND};
  nanosleep(&time, NULL);
}

// --- arguments

static int arguments;
static char **argument;

static const char *text(const char *key) {
  size_t length = strlen(key);
  for (int index = 2; index < arguments; index++)
    if (strncmp(argument[index], key, length) == 0 && argument[index][length] == '=') return argument[index] + length + 1;
  return NULL;
}

static long number(const char *key, long otherwise) {
  const char *value = text(key);
  return value == NULL ? otherwise : atol(value);
}

// --- links: a ring that hears both directions of an interface, and a socket that sends frames

typedef struct {
  int send, listen;
  char *ring;
  unsigned next;
} Link;

/** Everything of interest of one frame. */
typedef struct {
  int64_t at;
  bool outgoing;
  uint32_t destination;
  uint8_t protocol;
  const uint8_t *payload; // what follows the IPv4 header
} Frame;

static Link link_of[LINKS], source_link;

static void enter(const char *namespace) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", namespace);
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || setns(descriptor, CLONE_NEWNET) != 0) fail(path);
  close(descriptor);
}

/** IPv4 that is IGMP, or UDP to our port. */
static void listen_for_ours(int socket) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 0, 6),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, IP + 9),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_IGMP, 5, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 3),
      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, IP),
      BPF_STMT(BPF_LD | BPF_H | BPF_IND, IP + 2),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PORT, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, SNAP),
  };
  struct sock_fprog program = {sizeof code / sizeof *code, code};
  if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) fail("filter");
}

static void link_open(Link *link, const char *interface) {
  int version = TPACKET_V2, on = 1;
  struct tpacket_req ring = {RING_BLOCK, RING_BLOCKS, RING_FRAME, RING_BLOCK / RING_FRAME * RING_BLOCKS};
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(interface)};
  if (address.sll_ifindex == 0) fail(interface);
  // Protocol 0: it hears nothing before it is bound. Two sockets: none hears what it sends itself.
  link->listen = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  link->send = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (link->listen < 0 || link->send < 0) fail("packet socket");
  listen_for_ours(link->listen);
  setsockopt(link->listen, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  if (setsockopt(link->listen, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) fail("packet version");
  if (setsockopt(link->listen, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) fail("packet ring");
  link->ring = mmap(NULL, (size_t)RING_BLOCK * RING_BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, link->listen, 0);
  if (link->ring == MAP_FAILED) fail("packet ring");
  if (bind(link->listen, (struct sockaddr *)&address, sizeof address) != 0) fail(interface);
  address.sll_protocol = 0;
  if (bind(link->send, (struct sockaddr *)&address, sizeof address) != 0) fail(interface);
}

/** The next frame of a link; false when there is none. `link_done` gives its place in the ring back. */
static bool link_next(Link *link, Frame *frame) {
  struct tpacket2_hdr *header = (void *)(link->ring + (size_t)link->next * RING_FRAME);
  if ((__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return false;
  const struct sockaddr_ll *from = (void *)((char *)header + TPACKET_ALIGN(sizeof *header));
  const uint8_t *packet = (uint8_t *)header + header->tp_mac + IP;
  uint32_t destination;
  memcpy(&destination, packet + 16, 4);
  *frame = (Frame){header->tp_sec * SECOND + header->tp_nsec, from->sll_pkttype == PACKET_OUTGOING, ntohl(destination), packet[9],
                   packet + (packet[0] & 15) * 4};
  return true;
}

static void link_done(Link *link) {
  struct tpacket2_hdr *header = (void *)(link->ring + (size_t)link->next * RING_FRAME);
  __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
  link->next = (link->next + 1) % (RING_BLOCK / RING_FRAME * RING_BLOCKS);
}

/** Frames that this program was too slow for, since the last time. */
static unsigned link_lost(Link *link) {
  struct tpacket_stats stats;
  socklen_t length = sizeof stats;
  if (getsockopt(link->listen, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0) fail("packet statistics");
  return stats.tp_drops;
}

// --- IGMP, as hosts say it

static uint16_t checksum(const uint8_t *octets, size_t length) {
  uint32_t sum = 0;
  for (size_t index = 0; index < length; index += 2) sum += octets[index] << 8 | octets[index + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}

static void put16(uint8_t *at, uint32_t value) { at[0] = value >> 8, at[1] = value; }
static void put32(uint8_t *at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value); }
static uint32_t get32(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }

typedef enum { JOIN, LEAVE, STILL } Word; // STILL: the answer to a query

/** RFC 2236 2, RFC 3376 4.2: one statement about one group; its length. */
static size_t igmp_write(uint8_t *at, long version, Word word, uint32_t group) {
  bool third = version == 3;
  size_t length = third ? 16 : 8;
  memset(at, 0, length);
  at[0] = third ? 0x22 : word == LEAVE ? 0x17 : 0x16;
  if (third) at[7] = 1, at[8] = word == JOIN ? 4 : word == LEAVE ? 3 : 2;
  put32(at + (third ? 12 : 4), group);
  put16(at + 2, checksum(at, length));
  return length;
}

/** Host k of link k2 (10.60 or 10.61) says it, with Router Alert, TTL 1 and TOS 0xc0. */
static void say(int link, unsigned host, long version, Word word, unsigned group) {
  uint8_t frame[IP + 24 + 16] = {0}, *ip = frame + IP;
  uint32_t about = FIRST_GROUP + group, to = version == 3 ? 0xe0000016 : word == LEAVE ? 0xe0000002 : about;
  size_t length = igmp_write(ip + 24, version, word, about);
  host %= HOSTS;
  memcpy(frame, (uint8_t[]){1, 0, 0x5e, to >> 16 & 0x7f, to >> 8, to}, 6);
  memcpy(frame + 6, (uint8_t[]){2, 0, 0x60 + link, 0, host >> 8, host, 8, 0}, 8);
  memcpy(ip, (uint8_t[]){0x46, 0xc0, 0, 24 + length, 0, 0, 0x40, 0, 1, IPPROTO_IGMP, 0, 0, 10, 60 + link, 1 + host / 250, 1 + host % 250}, 16);
  put32(ip + 16, to);
  put32(ip + 20, 0x94040000);
  put16(ip + 10, checksum(ip, 24));
  if (send(link_of[link].send, frame, IP + 24 + length, 0) < 0) fail("send a report");
}

// --- what the LAN has seen of each group

typedef struct {
  int64_t asked, left;  // when the report, the leave was on the wire
  int64_t first, last;  // packets: the first after the report, the last of all
  int64_t live;         // the first that had not left the source before the report: the kernel keeps some of a group that has no route
  long packets[LINKS];
  long guarded;         // packets of the guard before the last packet, or before the leave
} Group;

static Group seen[GROUPS];
static long guard_seen;
static long received[LINKS], unicast_received;
static int64_t first_query;

static void see_igmp(const Frame *frame) {
  const uint8_t *igmp = frame->payload;
  if (!frame->outgoing) {
    if (igmp[0] == 0x11 && get32(igmp + 4) == 0 && first_query == 0) first_query = frame->at;
    return;
  }
  unsigned group = (get32(igmp + (igmp[0] == 0x22 ? 12 : 4)) - FIRST_GROUP) % GROUPS;
  if (igmp[0] == 0x16 || (igmp[0] == 0x22 && igmp[8] == 4)) {
    if (seen[group].asked == 0) seen[group].asked = frame->at, seen[group].first = seen[group].live = 0;
  } else if (igmp[0] == 0x17 || (igmp[0] == 0x22 && igmp[8] == 3)) {
    seen[group].left = frame->at, seen[group].asked = 0, seen[group].guarded = guard_seen;
  }
}

static void see_stream(int link, const Frame *frame) {
  if (frame->outgoing) return;
  if (frame->destination == UNICAST) {
    unicast_received++;
    return;
  }
  unsigned index = frame->destination - FIRST_GROUP;
  if (index >= GROUPS) return;
  Group *group = &seen[index];
  received[link]++;
  group->packets[link]++;
  group->last = frame->at;
  if (index == GUARD) guard_seen++;
  group->guarded = guard_seen;
  if (group->asked == 0 || frame->at < group->asked) return;
  int64_t sent;
  memcpy(&sent, frame->payload + 8 + SENT_AT, sizeof sent);
  if (group->first == 0) group->first = frame->at;
  if (group->live == 0 && sent >= group->asked) group->live = frame->at;
}

static void look(void) {
  Frame frame;
  for (int link = 0; link < LINKS; link++)
    for (; link_next(&link_of[link], &frame); link_done(&link_of[link]))
      if (frame.protocol == IPPROTO_IGMP) see_igmp(&frame);
      else see_stream(link, &frame);
}

/** Reads the links until `end`, or until `enough` says so. */
static void watch(int64_t end, bool (*enough)(void)) {
  struct pollfd waiting[LINKS] = {{link_of[0].listen, POLLIN, 0}, {link_of[1].listen, POLLIN, 0}};
  for (;;) {
    look();
    if ((enough != NULL && enough()) || now() >= end) return;
    // Not for each packet by itself: stamps are the kernel's, and a busy tester would take the router's processor.
    poll(waiting, LINKS, 1);
    nap(200000);
  }
}

// --- the stream: a thread that sends to a range of groups in turn at a total rate

typedef struct {
  unsigned first, count;
  long rate;    // packets a second; 0: none
  long most;    // after which it stops; 0: never
  long unicast; // packets a second beside those, evenly among them
  bool guarded; // one more group, GUARD, which is sent to as often as each of the others
} Plan;

static pthread_mutex_t plan_lock = PTHREAD_MUTEX_INITIALIZER;
static Plan plan;
static atomic_uint plan_number;
static atomic_long multicast_sent, unicast_sent;
static long unicast_told; // of earlier plans
static atomic_bool plan_done;
static atomic_llong plan_took;
static pthread_t stream_thread;
static int stream_socket;
static long size;

static struct sockaddr_in address_of(uint32_t to) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(to)};
}

static uint32_t destination(const Plan *what, uint64_t packet) {
  uint64_t index = packet % (what->count + what->guarded);
  return FIRST_GROUP + (index == what->count ? GUARD : what->first + index);
}

/** How many of a plan's first packets are unicast. */
static uint64_t unicasts(const Plan *what, uint64_t packets) {
  return what->unicast == 0 ? 0 : packets * what->unicast / (what->rate + what->unicast);
}

/** Sends the packets number `from` to `from + count - 1` of a plan. */
static void send_batch(const Plan *what, long from, long count) {
  static uint8_t payload[BATCH][LARGEST];
  static struct sockaddr_in to[BATCH];
  static struct iovec part[BATCH];
  static struct mmsghdr message[BATCH];
  long unicast = 0;
  int64_t at = now();
  for (long index = 0; index < count; index++) {
    uint64_t packet = from + index, before = unicasts(what, packet);
    bool single = unicasts(what, packet + 1) > before;
    unicast += single;
    memcpy(payload[index], &packet, sizeof packet);
    memcpy(payload[index] + SENT_AT, &at, sizeof at);
    to[index] = address_of(single ? UNICAST : destination(what, packet - before));
    part[index] = (struct iovec){payload[index], size};
    message[index].msg_hdr = (struct msghdr){.msg_name = &to[index], .msg_namelen = sizeof *to, .msg_iov = &part[index], .msg_iovlen = 1};
  }
  for (long done = 0; done < count;) {
    int sent = sendmmsg(stream_socket, message + done, count - done, 0);
    if (sent < 0 && errno != ENOBUFS && errno != EINTR) fail("send the stream");
    if (sent > 0) done += sent;
  }
  unicast_sent += unicast;
  multicast_sent += count - unicast;
}

/** Carries one plan out until there is another. */
static void follow(Plan what, unsigned number) {
  int64_t begin = now(), rate = what.rate + what.unicast;
  for (long done = 0; number == plan_number;) {
    long due = rate == 0 ? 0 : (now() - begin) * rate / SECOND - done;
    if (what.most != 0 && due > what.most - done) due = what.most - done;
    if (due > BATCH) due = BATCH;
    if (due > 0) send_batch(&what, done, due), done += due;
    if (what.most != 0 && done == what.most && !plan_done) {
      plan_took = now() - begin;
      plan_done = true;
    }
    if (due < BATCH) nap(100000);
  }
}

static void *streaming(void *unused) {
  for (;;) {
    pthread_mutex_lock(&plan_lock);
    Plan what = plan;
    unsigned number = plan_number;
    pthread_mutex_unlock(&plan_lock);
    follow(what, number);
  }
  return unused;
}

static void stream(Plan next) {
  pthread_mutex_lock(&plan_lock);
  plan = next;
  plan_done = false;
  guard_seen = 0;
  for (unsigned group = 0; group < GROUPS; group++) seen[group].guarded = 0;
  unicast_told += unicast_sent;
  multicast_sent = unicast_sent = 0;
  plan_number++;
  pthread_mutex_unlock(&plan_lock);
}

static void stream_open(void) {
  unsigned char ttl = 16;
  struct ip_mreqn interface = {.imr_ifindex = if_nametoindex("eth0")};
  stream_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (setsockopt(stream_socket, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface) != 0) fail("multicast interface");
  if (setsockopt(stream_socket, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof ttl) != 0) fail("multicast TTL");
  if (pthread_create(&stream_thread, NULL, streaming, NULL) != 0) fail("thread");
}

// --- conditions

// A tester of hardware is never kept waiting for a processor. Only for what sleeps between packets.
static void never_wait(void) {
  cpu_set_t last;
  CPU_ZERO(&last);
  CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &last);
  // One processor forwards the whole stream, so that no packet overtakes another.
  pthread_setaffinity_np(stream_thread, sizeof last, &last);
  struct sched_param priority = {.sched_priority = 10};
  if (sched_setscheduler(0, SCHED_FIFO, &priority) != 0 || pthread_setschedparam(stream_thread, SCHED_FIFO, &priority) != 0) printf("{\"note\":\"no real-time priority for the tester\"}\n");
}

static unsigned first_group, group_count;
static long links_used = 1;

/** True when `holds` is true of each group under test. */
static bool all(bool (*holds)(const Group *)) {
  for (unsigned index = 0; index < group_count; index++)
    if (!holds(&seen[first_group + index])) return false;
  return true;
}

static bool is_flowing(const Group *group) { return group->live != 0; }
static bool is_here(const Group *group) { return group->packets[0] > 0 && (links_used == 1 || group->packets[1] > 0); }
/** The guard has come QUIET times since, so it is not the source or the way that is slow. Counted as it comes: after a gap one packet more says nothing. */
static bool is_quiet(const Group *group) { return guard_seen - group->guarded > QUIET; }
static bool all_flowing(void) { return all(is_flowing); }
static bool all_here(void) { return all(is_here); }
static bool all_quiet(void) { return all(is_quiet); }
static bool is_queried(void) { return first_query != 0; }
static bool is_sent(void) { return plan_done; }

static long only_group;
static bool one_flowing(void) { return is_flowing(&seen[only_group]); }

static void test_groups(unsigned first, unsigned count) { first_group = first, group_count = count; }

/** Null for what did not happen. */
static void tell(const char *name, bool happened, int64_t span) {
  if (happened) printf("{\"%s\":%lld}\n", name, (long long)span);
  else printf("{\"%s\":null}\n", name);
}

static void tell_join(const char *name, const Group *group) {
  if (group->live == 0) printf("{\"%s\":null}\n", name);
  else printf("{\"%s\":%lld,\"live\":%lld}\n", name, (long long)(group->first - group->asked), (long long)(group->live - group->asked));
}

static void tell_leave(const char *name, const Group *group) {
  tell(name, is_quiet(group), group->last > group->left ? group->last - group->left : 0);
}

// --- commands

static long joins_each;

/** The first half of the groups is of IGMPv3 hosts, the other half of IGMPv2 hosts. */
static bool is_third(long group) { return group - first_group < joins_each; }

/** All groups under test get traffic; so does the guard, which is joined first. */
static void stream_guarded(long pps) {
  only_group = GUARD;
  stream((Plan){.first = first_group, .count = group_count, .rate = pps * (group_count + 1), .unicast = number("beside", 0), .guarded = true});
  watch(now() + 100 * MS, NULL);
  say(0, HOSTS - 1, 2, JOIN, GUARD);
  watch(now() + 3 * SECOND, one_flowing);
  watch(now() + 500 * MS, NULL);
}

static void join_one(long group) {
  stream((Plan){.first = group, .count = 1, .rate = number("pps", 5000), .unicast = number("beside", 0)});
  watch(now() + 30 * MS, NULL);
  say(0, group, is_third(group) ? 3 : 2, JOIN, group);
  only_group = group;
  watch(now() + 3 * SECOND, one_flowing);
  tell_join(is_third(group) ? "join3" : "join2", &seen[group]);
}

static void leave_one(long group) {
  say(0, group, is_third(group) ? 3 : 2, LEAVE, group);
  watch(now() + 10 * MS, NULL);
}

/**
 * One join after another, each of a group that has had traffic for a moment; then all leaves, while all groups have traffic. `beside`:
 * unicast packets a second through the router meanwhile.
 */
static void joins(void) {
  joins_each = number("count", 30);
  test_groups(number("first", 0), 2 * joins_each);
  never_wait();
  for (unsigned index = 0; index < group_count; index++) join_one(first_group + index);
  stream_guarded(200);
  for (unsigned index = 0; index < group_count; index++) leave_one(first_group + index);
  watch(now() + number("patience", 15) * SECOND, all_quiet);
  for (unsigned index = 0; index < group_count; index++) tell_leave(index < joins_each ? "leave3" : "leave2", &seen[first_group + index]);
  printf("{\"beside\":%ld,\"of\":%ld}\n", unicast_received, unicast_told + unicast_sent);
}

/** Many joins back to back, of groups that all have traffic. */
static void burst(void) {
  long version = number("version", 2), count = number("count", 50), rounds = number("rounds", 3), pps = number("pps", 400);
  never_wait();
  for (long round = 0; round < rounds; round++) {
    test_groups(number("first", 0) + round * count, count);
    stream((Plan){.first = first_group, .count = count, .rate = pps * count});
    watch(now() + 200 * MS, NULL);
    for (long index = 0; index < count; index++) say(0, first_group + index, version, JOIN, first_group + index);
    watch(now() + 5 * SECOND, all_flowing);
    for (long index = 0; index < count; index++) tell_join("join", &seen[first_group + index]);
    for (long index = 0; index < count; index++) say(0, first_group + index, version, LEAVE, first_group + index);
  }
}

enum { NOTHING = -1 };

/** Nobody watches it, its last leave has been told of, and nothing of it flows any more. */
static bool is_free(const Group *group) { return group->asked == 0 && group->left == 0 && is_quiet(group); }

/** A free group by chance that is the same in every run; NOTHING when there is none. */
static long free_group(unsigned *chance, long first, long count) {
  *chance = *chance * 1103515245 + 12345;
  for (long tried = 0; tried < count; tried++) {
    long group = first + (*chance / 65536 + tried) % count;
    if (is_free(&seen[group])) return group;
  }
  return NOTHING;
}

/** Tells how the last leave of a group went, once; it may still flow when the run ends. */
static void tell_ended(long first, long count, bool end) {
  for (long group = first; group < first + count; group++) {
    Group *one = &seen[group];
    if (one->left == 0 || one->asked != 0 || (!end && !is_quiet(one))) continue;
    tell_leave("leave", one);
    one->left = 0;
  }
}

/** Hosts that change from one group to another once a second each, while all groups have traffic. */
static void zap(void) {
  long hosts = number("hosts", 20), first = number("first", 0), count = number("count", 100), version = number("version", 2);
  long watching[HOSTS];
  unsigned chance = number("seed", 1);
  int64_t begin, next;
  never_wait();
  for (long host = 0; host < hosts; host++) watching[host] = NOTHING;
  test_groups(first, count);
  stream_guarded(number("pps", 200));
  begin = next = now();
  for (long turn = 0; next < begin + number("ms", 8000) * MS; turn++, next += SECOND / hosts) {
    long *group = &watching[turn % hosts];
    watch(next, NULL);
    if (*group != NOTHING) tell_join("join", &seen[*group]), say(0, turn % hosts, version, LEAVE, *group);
    look();
    tell_ended(first, count, false);
    *group = free_group(&chance, first, count);
    if (*group == NOTHING) printf("{\"unfree\":1}\n");
    else say(0, turn % hosts, version, JOIN, *group);
  }
  watch(now() + SECOND, NULL);
  for (long host = 0; host < hosts; host++)
    if (watching[host] != NOTHING) tell_join("join", &seen[watching[host]]), say(0, host, version, LEAVE, watching[host]);
  watch(now() + 3 * SECOND, NULL);
  tell_ended(first, count, true);
}

/** About each group under test, on each link in use, at a rate; of those that come already only when `of_all`. How long it took. */
static int64_t say_all(Word word, bool of_all, long rate) {
  int64_t begin = now();
  long said = 0, version = number("version", 2);
  for (unsigned index = 0; index < group_count; index++) {
    if (!of_all && is_here(&seen[first_group + index])) continue;
    while ((now() - begin) * rate / SECOND < said) watch(now() + 200000, NULL);
    for (long link = 0; link < links_used; link++) say(link, index, version, word, first_group + index);
    said++;
  }
  return now() - begin;
}

static long forwarded(void) {
  long count = 0;
  for (unsigned index = 0; index < group_count; index++) count += is_here(&seen[first_group + index]);
  return count;
}

/** Asks for all groups at a rate, then looks which of them come, and asks again for the others; how long the first asking took. */
static int64_t ask_for_all(bool with_reports) {
  int64_t took = 0;
  Plan plan = {.first = first_group, .count = group_count, .rate = number("pps", 10000)};
  for (long round = 0, rounds = number("rounds", 1); round < rounds && !all_here(); round++) {
    int64_t span = with_reports ? say_all(JOIN, false, number("rate", 1000)) : 0;
    if (round == 0) {
      took = span;
      watch(now() + number("settle", 0) * MS, NULL);
      stream(plan);
    }
    watch(now() + number("limit", 3000) * MS, all_here);
  }
  return took;
}

/** Which groups are forwarded to hosts that ask; with `ms`, they are held for so long, each confirmed once. */
static void hold(void) {
  bool with_reports = number("static", 0) == 0;
  long ms = number("ms", 0);
  links_used = number("links", 1);
  test_groups(number("first", 0), number("count", 1));
  int64_t took = ask_for_all(with_reports), begin;
  printf("{\"asked\":%u,\"askedIn\":%lld,\"forwarded\":%ld}\n", group_count, (long long)took, forwarded());
  if (ms == 0) return;
  watch(now() + SECOND, NULL);
  printf("{\"holding\":1}\n");
  fflush(stdout);
  begin = now();
  if (with_reports) say_all(STILL, true, group_count * 1000L / ms);
  watch(begin + ms * MS, NULL);
  printf("{\"held\":%lld}\n", (long long)(now() - begin));
}

/** One trial: so many packets at a rate, `unicast` of 100 to a host; what arrived where. */
static void trial(void) {
  long rate = number("rate", 10000), count = number("count", 1), most = number("packets", 10000);
  long unicast = rate * number("unicast", 0) / 100;
  Plan what = {.first = number("first", 0), .count = count, .rate = rate - unicast, .most = most, .unicast = unicast};
  stream(what);
  watch(now() + 30 * SECOND, is_sent);
  watch(now() + 100 * MS, NULL);
  printf("{\"sent\":%ld,\"unicastSent\":%ld,\"took\":%lld,\"received\":[%ld,%ld],\"unicastReceived\":%ld,\"unread\":%u}\n", multicast_sent,
         unicast_sent, (long long)plan_took, received[0], received[1], unicast_received, link_lost(&link_of[0]) + link_lost(&link_of[1]));
}

static int64_t *sent_at;

/** Keeps when each packet was on the source's wire. */
static void look_at_source(long most) {
  Frame frame;
  for (; link_next(&source_link, &frame); link_done(&source_link)) {
    uint64_t packet;
    memcpy(&packet, frame.payload + 8, sizeof packet);
    if (frame.outgoing && frame.protocol == IPPROTO_UDP && packet < (uint64_t)most) sent_at[packet] = frame.at;
  }
}

/** From the source's wire to the LAN's, packet by packet. */
static void latency(void) {
  long rate = number("rate", 1000), most = rate * number("ms", 1000) / 1000;
  Frame frame;
  never_wait();
  sent_at = calloc(most, sizeof *sent_at);
  stream((Plan){.first = number("first", 0), .count = number("count", 1), .rate = rate, .most = most});
  // The ring holds more than is sent.
  while (!plan_done) nap(MS);
  nap(100 * MS);
  look_at_source(most);
  for (; link_next(&link_of[0], &frame); link_done(&link_of[0])) {
    uint64_t packet;
    memcpy(&packet, frame.payload + 8, sizeof packet);
    if (frame.outgoing || frame.protocol != IPPROTO_UDP || packet >= (uint64_t)most || sent_at[packet] == 0) continue;
    tell("latency", true, frame.at - sent_at[packet]);
    sent_at[packet] = 0;
  }
  for (long packet = 0; packet < most; packet++)
    if (sent_at[packet] != 0) tell("latency", false, 0);
}

/** The instant of the first general query. */
static void query(void) {
  never_wait();
  printf("{\"listening\":1}\n");
  fflush(stdout);
  watch(now() + number("limit", 20000) * MS, is_queried);
  tell("query", first_query != 0, first_query);
}

int main(int count, char **values) {
  static const struct {
    const char *name;
    void (*run)(void);
  } commands[] = {{"joins", joins}, {"burst", burst}, {"zap", zap}, {"hold", hold}, {"trial", trial}, {"latency", latency}, {"query", query}};
  arguments = count, argument = values;
  if (count < 4 || text("source") == NULL || text("lan") == NULL) return fprintf(stderr, "load: see the head of load.c\n"), 64;
  size = number("size", 1316);
  if (size < SMALLEST || size > LARGEST) return fprintf(stderr, "load: size is %d to %d octets\n", SMALLEST, LARGEST), 64;
  enter(text("lan"));
  link_open(&link_of[0], "eth0");
  link_open(&link_of[1], "eth1");
  enter(text("source"));
  link_open(&source_link, "eth0");
  for (size_t index = 0; index < sizeof commands / sizeof *commands; index++)
    if (strcmp(commands[index].name, values[1]) == 0) {
      stream_open();
      commands[index].run();
      fflush(stdout);
      _exit(0);
    }
  return fprintf(stderr, "load: no command %s\n", values[1]), 64;
}
