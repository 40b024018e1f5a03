/* SPDX-License-Identifier: MIT */
/* What "devrx send" was asked for. */
#ifndef DEVRX_TOOLS_SEND_H
#define DEVRX_TOOLS_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"

struct send_opts {
	const char *address;
	const char *file;
	char host[ARG_HOST_LEN];
	char port[ARG_PORT_LEN];
	uint64_t seed;
	uint64_t len; /* of each connection, bytes */
	size_t chunk;
	unsigned int connections;
	unsigned int connect_timeout;
	bool pattern;
	bool bytes_given;
	bool json;
};

extern const char send_help[];

/* 0, an exit code after an error, or -1 where help was asked for. */
int send_parse(int argc, char **argv, struct send_opts *opts);

#endif /* DEVRX_TOOLS_SEND_H */
