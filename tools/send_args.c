// SPDX-License-Identifier: MIT
/* devrx send, the command line. */
#include <getopt.h>
#include <string.h>

#include "report.h"
#include "send.h"

#define MAX_CONNECTIONS 16384
#define MAX_CHUNK (64u << 20)

const char send_help[] =
	"usage: devrx send HOST:PORT [--file] FILE [OPTION]...\n"
	"       devrx send HOST:PORT --pattern SEED --bytes SIZE [OPTION]...\n"
	"\n"
	"Send a file or a pattern over TCP.\n"
	"\n"
	"  --file FILE         send this file\n"
	"  --pattern SEED      send the pattern that \"devrx recv --verify "
	"SEED\"\n"
	"                      checks\n"
	"  --bytes SIZE        so much of it\n"
	"  --connections N     over N connections, all of it on each (default "
	"1)\n"
	"  --chunk SIZE        bytes for each system call (default 256K)\n"
	"  --connect-timeout SECONDS  try to connect for so long (default 10)\n"
	"  -j, --json          end with one JSON object on a line\n"
	"  -h, --help          this text\n";

enum {
	OPT_FILE = 256,
	OPT_PATTERN,
	OPT_BYTES,
	OPT_CONNECTIONS,
	OPT_CHUNK,
	OPT_CONNECT_TIMEOUT,
};

static const struct option options[] = {
	{ "file", required_argument, NULL, OPT_FILE },
	{ "pattern", required_argument, NULL, OPT_PATTERN },
	{ "bytes", required_argument, NULL, OPT_BYTES },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "chunk", required_argument, NULL, OPT_CHUNK },
	{ "connect-timeout", required_argument, NULL, OPT_CONNECT_TIMEOUT },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* What was expected instead, or NULL. */
static const char *parse_value(int c, struct send_opts *opts)
{
	uint64_t n = 0;

	switch (c) {
	case OPT_FILE:
		opts->file = optarg;
		return NULL;
	case OPT_PATTERN:
		opts->pattern = true;
		return arg_number(optarg, UINT64_MAX, &opts->seed) ?
			       NULL :
			       "a seed, a number";
	case OPT_BYTES:
		opts->bytes_given = true;
		return arg_size(optarg, &opts->len) ? NULL : "a size like 64M";
	case OPT_CONNECTIONS:
		if (!arg_number(optarg, MAX_CONNECTIONS, &n) || !n)
			return "a number from 1 to 16384";
		opts->connections = (unsigned int)n;
		return NULL;
	case OPT_CHUNK:
		if (!arg_size(optarg, &n) || !n || n > MAX_CHUNK)
			return "a size from 1 to 64M";
		opts->chunk = (size_t)n;
		return NULL;
	case OPT_CONNECT_TIMEOUT:
		if (!arg_number(optarg, 1000000, &n))
			return "seconds";
		opts->connect_timeout = (unsigned int)n;
		return NULL;
	default:
		opts->json = true;
		return NULL;
	}
}

int send_parse(int argc, char **argv, struct send_opts *opts)
{
	const char *want;
	int c;

	while ((c = arg_next("send", argc, argv, options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'h')
			return -1;
		want = parse_value(c, opts);
		if (want)
			return arg_error("send", arg_name(options, c), optarg,
					 want);
	}
	if (optind < argc)
		opts->address = argv[optind++];
	if (optind < argc && !opts->file)
		opts->file = argv[optind++];
	if (optind < argc)
		return arg_misuse("send", "%s: one too many", argv[optind]);
	if (!opts->address)
		return arg_misuse("send", "HOST:PORT is missing");
	if (!arg_address(opts->address, opts->host, opts->port) ||
	    !opts->host[0] || !strcmp(opts->port, "0"))
		return arg_misuse("send", "%s: expected HOST:PORT",
				  opts->address);
	if (!opts->file == !opts->pattern)
		return arg_misuse("send", "give either a file or --pattern");
	if (opts->pattern != opts->bytes_given)
		return arg_misuse("send", "--pattern and --bytes go together");
	return 0;
}
