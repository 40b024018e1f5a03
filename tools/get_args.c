// SPDX-License-Identifier: MIT
/* devrx get, the command line. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "get.h"
#include "report.h"

const char get_help[] =
	"usage: devrx get URL [OPTION]...\n"
	"\n"
	"Fetch http://HOST[:PORT]/PATH into a memory.\n"
	"\n"
	"  --memory KIND       of this kind (default: host; with --nic "
	"udmabuf);\n"
	"                      \"devrx info\" lists them\n"
	"  --device DEVICE     which device of that kind\n"
	"  --nic NIC           zero-copy, by a queue of this NIC, made ready "
	"and "
	"given\n"
	"                      back; default: the kernel copies (tier recv)\n"
	"  --queue N           this queue (default: the last)\n"
	"  --as-is             change nothing of the NIC\n"
	"  --tier TIER         best, zcrx-device, zcrx-host, recv or "
	"zcrx-copy\n"
	"  --area SIZE         memory that the NIC or the kernel writes into, "
	"from where\n"
	"                      bytes are gathered (default 64M, without --nic "
	"16M)\n"
	"  --connections N     over N connections, 1 to 64 (default 4)\n"
	"  --request SIZE      bytes of one request (default 8M)\n"
	"  --range FIRST-LAST  only these bytes, both included; FIRST- to the "
	"end\n"
	"  --room SIZE         of the memory where the server does not say how "
	"long it\n"
	"                      is (default 256M)\n"
	"  --header LINE       \"Name: value\", with each request; may be "
	"repeated\n"
	"  --digest            its SHA-256, of the bytes as they lie in the "
	"memory\n"
	"  --out FILE          write it to a file\n"
	"  --retries N         go on after N failures in a row (default 4)\n"
	"  --timeout SECONDS   give up a connection that is silent (default "
	"30)\n"
	"  --deadline SECONDS  for all of it (default: none)\n"
	"  --quiet             no progress, no summary\n"
	"  -j, --json          end with one JSON object on a line\n"
	"  -h, --help          this text\n";

enum {
	OPT_MEMORY = 256,
	OPT_DEVICE,
	OPT_NIC,
	OPT_QUEUE,
	OPT_AS_IS,
	OPT_TIER,
	OPT_AREA,
	OPT_CONNECTIONS,
	OPT_REQUEST,
	OPT_RANGE,
	OPT_ROOM,
	OPT_HEADER,
	OPT_DIGEST,
	OPT_OUT,
	OPT_RETRIES,
	OPT_TIMEOUT,
	OPT_DEADLINE,
	OPT_QUIET,
};

static const struct option options[] = {
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "nic", required_argument, NULL, OPT_NIC },
	{ "queue", required_argument, NULL, OPT_QUEUE },
	{ "as-is", no_argument, NULL, OPT_AS_IS },
	{ "tier", required_argument, NULL, OPT_TIER },
	{ "area", required_argument, NULL, OPT_AREA },
	{ "connections", required_argument, NULL, OPT_CONNECTIONS },
	{ "request", required_argument, NULL, OPT_REQUEST },
	{ "range", required_argument, NULL, OPT_RANGE },
	{ "room", required_argument, NULL, OPT_ROOM },
	{ "header", required_argument, NULL, OPT_HEADER },
	{ "digest", no_argument, NULL, OPT_DIGEST },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "retries", required_argument, NULL, OPT_RETRIES },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "deadline", required_argument, NULL, OPT_DEADLINE },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* "0-99" or "100-" */
static bool parse_range(const char *text, struct get_opts *opts)
{
	const char *dash = strchr(text, '-');
	char first[32];
	uint64_t last;

	if (!dash || dash == text || (size_t)(dash - text) >= sizeof(first))
		return false;
	memcpy(first, text, (size_t)(dash - text));
	first[dash - text] = '\0';
	if (!arg_number(first, UINT64_MAX - 2, &opts->first))
		return false;
	opts->len = 0;
	if (!dash[1])
		return true;
	if (!arg_number(dash + 1, UINT64_MAX - 2, &last) || last < opts->first)
		return false;
	opts->len = last - opts->first + 1;
	return true;
}

static bool add_header(const char *line, struct get_opts *opts)
{
	const size_t used = strlen(opts->headers);

	if (!strchr(line, ':') || line[0] == ':' || strpbrk(line, "\r\n") ||
	    used + strlen(line) + 2 >= sizeof(opts->headers))
		return false;
	(void)snprintf(opts->headers + used, sizeof(opts->headers) - used,
		       "%s\r\n", line);
	return true;
}

/* The options that take a word as it is. */
static void parse_word(int c, struct get_opts *opts)
{
	switch (c) {
	case OPT_MEMORY:
		opts->memory = optarg;
		break;
	case OPT_DEVICE:
		opts->device = optarg;
		break;
	case OPT_NIC:
		opts->nic = optarg;
		break;
	case OPT_AS_IS:
		opts->as_is = true;
		break;
	case OPT_DIGEST:
		opts->sink.digest = true;
		break;
	case OPT_OUT:
		opts->sink.out = optarg;
		break;
	case OPT_QUIET:
		opts->quiet = true;
		break;
	case 'j':
		opts->json = true;
		break;
	default:
		break;
	}
}

static const char *parse_size(const char *text, uint64_t *ret)
{
	return arg_size(text, ret) && *ret ? NULL : "a size like 64M";
}

static const char *parse_count(const char *text, uint64_t max,
			       unsigned int *ret)
{
	uint64_t n = 0;

	if (!arg_number(text, max, &n) || !n)
		return "a number, 1 or more";
	*ret = (unsigned int)n;
	return NULL;
}

/* The options whose value has to be understood; what was expected, or NULL. */
static const char *parse_value(int c, struct get_opts *opts)
{
	switch (c) {
	case OPT_QUEUE:
		opts->queue_given = true;
		return arg_queue(optarg, &opts->queue) ? NULL : ARG_QUEUE_WANT;
	case OPT_TIER:
		return arg_tier(optarg, &opts->tier) ? NULL : ARG_TIER_WANT;
	case OPT_AREA:
		return parse_size(optarg, &opts->area_len);
	case OPT_ROOM:
		return parse_size(optarg, &opts->room);
	case OPT_REQUEST:
		return parse_size(optarg, &opts->request_len) ||
				       opts->request_len < 4096 ?
			       "a size of 4K or more" :
			       NULL;
	case OPT_CONNECTIONS:
		return parse_count(optarg, DEVRX_HTTP_CONNECTIONS_MAX,
				   &opts->connections) ?
			       "a number from 1 to 64" :
			       NULL;
	case OPT_RANGE:
		return parse_range(optarg, opts) ? NULL :
						   "FIRST-LAST, or FIRST-";
	case OPT_HEADER:
		return add_header(optarg, opts) ?
			       NULL :
			       "\"Name: value\", and not more than 4096 bytes "
			       "of them";
	case OPT_RETRIES:
		return parse_count(optarg, 1000000, &opts->retries);
	case OPT_TIMEOUT:
		return parse_count(optarg, 1000000, &opts->idle);
	case OPT_DEADLINE:
		return parse_count(optarg, 1000000, &opts->deadline);
	default:
		parse_word(c, opts);
		return NULL;
	}
}

/* Two tiers are without a NIC, and all others with one. */
static int check_nic(struct get_opts *opts)
{
	const bool alone = opts->tier == DEVRX_TIER_RECV ||
			   opts->tier == DEVRX_TIER_ZCRX_COPY;

	if (!opts->memory)
		opts->memory = opts->nic ? "udmabuf" : "host";
	if (!opts->area_len)
		opts->area_len = opts->nic ? 64u << 20 : 16u << 20;
	if (opts->nic)
		return alone ? arg_misuse("get", "--tier %s is without --nic",
					  devrx_tier_name(opts->tier)) :
			       0;
	if (!alone && opts->tier != DEVRX_TIER_BEST)
		return arg_misuse("get", "--tier %s needs --nic",
				  devrx_tier_name(opts->tier));
	if (opts->queue_given)
		return arg_misuse("get", "--queue needs --nic");
	if (opts->as_is)
		return arg_misuse("get", "--as-is needs --nic");
	return 0;
}

int get_parse(int argc, char **argv, struct get_opts *opts)
{
	const char *want;
	int c;

	while ((c = arg_next("get", argc, argv, options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'h')
			return -1;
		want = parse_value(c, opts);
		if (want)
			return arg_error("get", arg_name(options, c), optarg,
					 want);
	}
	if (optind < argc)
		opts->url = argv[optind++];
	if (optind < argc)
		return arg_misuse("get", "%s: one too many", argv[optind]);
	if (!opts->url)
		return arg_misuse("get", "URL is missing");
	return check_nic(opts);
}
