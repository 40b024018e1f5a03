/* SPDX-License-Identifier: MIT */
/* Which local ports may be chosen; see port.c. */
#ifndef DRX_PORT_H
#define DRX_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct drx_ports {
	uint16_t first;
	uint16_t last;
};

/* A line of ip_local_port_range; what makes no sense changes nothing. */
void drx_ports_parse(struct drx_ports *ports, const char *range);

/* By a socket's IP_LOCAL_PORT_RANGE: the first in the lower half, 0 for unset. */
void drx_ports_narrow(struct drx_ports *ports, uint32_t own);

/* Is it in a line of ip_local_reserved_ports, "1-5,7"? */
bool drx_port_reserved(const char *list, uint16_t port);

#endif /* DRX_PORT_H */
