// Multicast routes that a host's report opens before JavaScript has heard it, because it was said beforehand that whoever asks gets it.
#ifndef SEALCAST_READY_H
#define SEALCAST_READY_H

#include <stddef.h>
#include <stdint.h>

// struct mfcctl of linux/mroute.h, whose file does not go with every C library's netinet/in.h.
#define MFCCTL 60
#define VIFS 32

// What is ready, a table for each routing socket. NULL is none.
typedef struct ready ready;

// Virtual interface `vif` is the interface `index`; 0: none, and nothing is ready there any more. 0 or -ENOMEM.
int ready_interface(ready **all, int fd, unsigned vif, int index);
// The kernel has `entry`, and may be given it with any of the virtual interfaces in the mask `vifs` besides. No mask: not any more, and
// nothing is remembered of it. What was opened of it before and is not in `entry` is closed at once. 0 or -ENOMEM.
int ready_route(ready **all, int fd, const uint8_t entry[MFCCTL], uint32_t vifs);
// An IPv4 packet came in on the interface: opens what a host asks for in it, from whatever source.
void ready_heard(ready *all, int index, const uint8_t *packet, size_t length);
// Whoever decides has heard everything: closes what was opened and of which nothing was said since. It is not ready any more.
void ready_settle(ready *all);
// The routing socket is closed.
void ready_forget(ready **all, int fd);
// All of them are.
void ready_end(ready **all);

#endif
