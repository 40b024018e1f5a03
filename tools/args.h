/* SPDX-License-Identifier: MIT */
/*
 * Reading the command line: what getopt_long() leaves to be read.
 *
 * The parsers return false for anything that is not wholly understood; the
 * caller then says so with arg_error(), which names option and value.
 */
#ifndef DEVRX_TOOLS_ARGS_H
#define DEVRX_TOOLS_ARGS_H

#include <stdbool.h>
#include <stdint.h>

struct option;

/* "12", "0x10": at most @max. */
bool arg_number(const char *text, uint64_t max, uint64_t *ret);

/* "3", or "last", which is DEVRX_QUEUE_LAST. */
#define ARG_QUEUE_WANT "a queue's number, or last"
bool arg_queue(const char *text, uint32_t *ret);

/* "best", "recv", ...: enum devrx_tier. */
#define ARG_TIER_WANT "best, zcrx-device, zcrx-host, recv or zcrx-copy"
bool arg_tier(const char *text, uint32_t *ret);

/* A port that can be listened on: not 0. */
#define ARG_PORT_WANT "a port, 1 to 65535"
bool arg_port(const char *text, uint16_t *ret);

/* A number of bytes: "4096", "4K", "64M", "1GiB"; units of 1024. */
bool arg_size(const char *text, uint64_t *ret);

/*
 * "HOST:PORT", "[ADDR]:PORT", ":PORT" or "PORT", taken apart. Without a host
 * @host becomes "". @host has room for 256 characters, @port for 32.
 */
#define ARG_HOST_LEN 256
#define ARG_PORT_LEN 32
bool arg_address(const char *text, char host[static ARG_HOST_LEN],
		 char port[static ARG_PORT_LEN]);

/* Both print one sentence and the next step, and return EXIT_USAGE. */
int arg_error(const char *verb, const char *option, const char *value,
	      const char *want);
int arg_misuse(const char *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * getopt_long() with errors in our words: the option's value, -1 at the end,
 * '?' after an error, which has been printed.
 */
int arg_next(const char *verb, int argc, char **argv,
	     const struct option *options);

/* The long name of option value @c. */
const char *arg_name(const struct option *options, int c);

#endif /* DEVRX_TOOLS_ARGS_H */
