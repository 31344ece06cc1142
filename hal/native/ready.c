// ready.h says what for. Promises: no octet beyond a packet's end is read, and nothing is opened that was not said to be ready.
#include "ready.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

// linux/mroute.h
#define ADD_MFC 204
#define GROUP_AT 4
#define TTLS_AT 10
#define STREAM 8
// Packets with a TTL of 1 stay on their link.
#define THRESHOLD 1

// Lists of routes; a list has one of each 1,024 groups.
#define LISTS 1024

typedef struct route {
  uint8_t entry[MFCCTL];
  uint32_t ready;
  // Opened, and not confirmed.
  uint32_t opened;
  struct route *next;
  struct route *next_opened;
} route;

struct ready {
  int fd;
  int interfaces[VIFS];
  route *lists[LISTS];
  route *opened;
  struct ready *next;
};

// Tables

static ready **table_of(ready **all, int fd) {
  while (*all != NULL && (*all)->fd != fd) all = &(*all)->next;
  return all;
}

static ready *made_table(ready **all, int fd) {
  ready **place = table_of(all, fd);
  if (*place == NULL && (*place = calloc(1, sizeof **place)) != NULL) (*place)->fd = fd;
  return *place;
}

// Neighbouring groups differ in the last octets.
static route **list_of(ready *table, const uint8_t *group) {
  return &table->lists[((unsigned)group[2] << 8 | group[3]) % LISTS];
}

static route **place_of(ready *table, const uint8_t *entry) {
  route **place = list_of(table, entry + GROUP_AT);
  while (*place != NULL && memcmp((*place)->entry, entry, STREAM) != 0) place = &(*place)->next;
  return place;
}

static void unlist_opened(ready *table, route *one) {
  route **place = &table->opened;
  while (*place != NULL && *place != one) place = &(*place)->next_opened;
  if (*place != NULL) *place = one->next_opened;
  one->opened = 0;
}

int ready_interface(ready **all, int fd, unsigned vif, int index) {
  ready *table = index == 0 ? *table_of(all, fd) : made_table(all, fd);
  if (table == NULL) return index == 0 ? 0 : -ENOMEM;
  table->interfaces[vif] = index;
  if (index != 0) return 0;
  for (size_t list = 0; list < LISTS; list++)
    for (route *one = table->lists[list]; one != NULL; one = one->next) one->ready &= ~(UINT32_C(1) << vif);
  return 0;
}

static void tell_kernel(const ready *table, const uint8_t entry[MFCCTL]) {
  // Refused, the route is as it was: whoever decides will be refused too, and tells.
  setsockopt(table->fd, IPPROTO_IP, ADD_MFC, entry, MFCCTL);
}

static bool leads_to(const uint8_t entry[MFCCTL], uint32_t vifs) {
  for (unsigned vif = 0; vif < VIFS; vif++)
    if ((vifs & UINT32_C(1) << vif) != 0 && entry[TTLS_AT + vif] == 0) return false;
  return true;
}

// What the entry does not confirm must not stay open: perhaps nobody says more of it.
static void settle_by(ready *table, route *one, const uint8_t entry[MFCCTL]) {
  if (one->opened == 0) return;
  if (!leads_to(entry, one->opened)) tell_kernel(table, entry);
  unlist_opened(table, one);
}

int ready_route(ready **all, int fd, const uint8_t entry[MFCCTL], uint32_t vifs) {
  ready *table = vifs == 0 ? *table_of(all, fd) : made_table(all, fd);
  if (table == NULL) return vifs == 0 ? 0 : -ENOMEM;
  route **place = place_of(table, entry), *one = *place;
  if (one != NULL) settle_by(table, one, entry);
  if (vifs == 0) {
    if (one == NULL) return 0;
    *place = one->next;
    free(one);
    return 0;
  }
  if (one == NULL && (one = *place = calloc(1, sizeof *one)) == NULL) return -ENOMEM;
  memcpy(one->entry, entry, MFCCTL);
  one->ready = vifs;
  return 0;
}

static void empty(ready *table) {
  for (size_t list = 0; list < LISTS; list++)
    while (table->lists[list] != NULL) {
      route *one = table->lists[list];
      table->lists[list] = one->next;
      free(one);
    }
}

void ready_forget(ready **all, int fd) {
  ready **place = table_of(all, fd), *table = *place;
  if (table == NULL) return;
  *place = table->next;
  empty(table);
  free(table);
}

void ready_end(ready **all) {
  while (*all != NULL) ready_forget(all, (*all)->fd);
}

// Opening and closing

static void open_group(ready *table, unsigned vif, const uint8_t *group) {
  uint32_t bit = UINT32_C(1) << vif;
  for (route *one = *list_of(table, group); one != NULL; one = one->next) {
    if (memcmp(one->entry + GROUP_AT, group, 4) != 0 || (one->ready & bit) == 0) continue;
    one->entry[TTLS_AT + vif] = THRESHOLD;
    one->ready &= ~bit;
    if (one->opened == 0) {
      one->next_opened = table->opened;
      table->opened = one;
    }
    one->opened |= bit;
    tell_kernel(table, one->entry);
  }
}

void ready_settle(ready *all) {
  for (ready *table = all; table != NULL; table = table->next)
    while (table->opened != NULL) {
      route *one = table->opened;
      for (unsigned vif = 0; vif < VIFS; vif++)
        if ((one->opened & UINT32_C(1) << vif) != 0) one->entry[TTLS_AT + vif] = 0;
      table->opened = one->next_opened;
      one->opened = 0;
      tell_kernel(table, one->entry);
    }
}

// What hosts say. As strict as the gate of core (core/igmp/messages/packet.ts): what it would drop must not open anything.

static unsigned read16(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }

static bool is_whole(const uint8_t *octets, size_t length) {
  uint32_t sum = length % 2 == 0 ? 0 : (uint32_t)octets[length - 1] << 8;
  for (size_t at = 0; at + 1 < length; at += 2) sum += read16(octets + at);
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return sum == 0xffff;
}

static bool is_group(const uint8_t *address) { return address[0] >> 4 == 14; }

// RFC 3376 4.2: IS_EX and TO_EX of no source are for the whole group.
static bool asks_for_all(const uint8_t *record) {
  return (record[0] == 2 || record[0] == 4) && read16(record + 2) == 0 && is_group(record + 4);
}

static size_t record_length(const uint8_t *record) { return 8 + 4 * read16(record + 2) + 4 * (size_t)record[1]; }

static bool are_records(const uint8_t *igmp, size_t length) {
  size_t at = 8;
  for (unsigned left = read16(igmp + 6); left > 0; left--) {
    if (at + 8 > length) return false;
    at += record_length(igmp + at);
    if (at > length) return false;
  }
  return true;
}

static void heard_message(ready *table, unsigned vif, const uint8_t *igmp, size_t length) {
  if (igmp[0] == 0x12 || igmp[0] == 0x16) {
    if (is_group(igmp + 4)) open_group(table, vif, igmp + 4);
  } else if (igmp[0] == 0x22 && are_records(igmp, length)) {
    const uint8_t *record = igmp + 8;
    for (unsigned left = read16(igmp + 6); left > 0; left--, record += record_length(record))
      if (asks_for_all(record)) open_group(table, vif, record + 4);
  }
}

// Of the IGMP message in an IPv4 packet to a group; NULL: there is none.
static const uint8_t *message_in(const uint8_t *packet, size_t length, size_t *octets) {
  if (length < 20 || packet[0] >> 4 != 4 || packet[9] != IPPROTO_IGMP || !is_group(packet + 16)) return NULL;
  size_t start = (size_t)(packet[0] & 15) * 4, end = read16(packet + 2);
  bool is_fragment = (read16(packet + 6) & 0x3fff) != 0;
  if (start < 20 || end > length || end < start + 8 || is_fragment || packet[12] >= 224) return NULL;
  if (!is_whole(packet, start) || !is_whole(packet + start, end - start)) return NULL;
  *octets = end - start;
  return packet + start;
}

void ready_heard(ready *all, int index, const uint8_t *packet, size_t length) {
  size_t octets;
  if (all == NULL || index == 0) return;
  const uint8_t *igmp = message_in(packet, length, &octets);
  if (igmp == NULL) return;
  for (ready *table = all; table != NULL; table = table->next)
    for (unsigned vif = 0; vif < VIFS; vif++)
      if (table->interfaces[vif] == index) heard_message(table, vif, igmp, octets);
}
