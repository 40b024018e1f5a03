// SPDX-License-Identifier: MIT
/*
 * devrx reserve, restore, status: make a NIC ready by hand, undo it, see who holds
 * what. "devrx recv" does the first two by itself.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "report.h"
#include "verbs.h"

static const char reserve_help[] =
	"usage: devrx reserve NIC [OPTION]...\n"
	"\n"
	"Make a NIC's queue ready for zero-copy receive, until \"devrx "
	"restore\".\n"
	"\n"
	"  --queue N|last  this rx queue (default the last one that is free)\n"
	"  --port N        steer this TCP port to it; may be repeated\n"
	"  --dry-run       change nothing, print the commands that would do "
	"it\n"
	"  -j, --json      one JSON object on a line\n"
	"  -h, --help      this text\n";

static const char restore_help[] =
	"usage: devrx restore [NIC] [OPTION]...\n"
	"\n"
	"Undo what \"devrx reserve\", or programs that were killed, have left "
	"on a\n"
	"NIC, or on all. What programs that run hold is left to them.\n"
	"\n"
	"  -j, --json      one JSON object on a line\n"
	"  -h, --help      this text\n";

static const char status_help[] =
	"usage: devrx status [OPTION]...\n"
	"\n"
	"Who holds which queue of which NIC.\n"
	"\n"
	"  -j, --json      one JSON object on a line\n"
	"  -h, --help      this text\n";

enum { OPT_QUEUE = 256, OPT_PORT, OPT_DRY_RUN };

static const struct option reserve_options[] = {
	{ "queue", required_argument, NULL, OPT_QUEUE },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "dry-run", no_argument, NULL, OPT_DRY_RUN },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Of restore and status. */
static const struct option plain_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* What was said so far, and how. */
struct said {
	const char *verb;
	bool json;
	struct json j;
	unsigned int nr;
};

static void say_command(void *ctx, const char *command)
{
	struct said *said = ctx;

	said->nr++;
	if (said->json)
		json_str(&said->j, NULL, command);
	else
		puts(command);
}

/* The object's end: what went wrong, if anything. */
static int say_end(struct said *said, int err, const struct devrx_cause *cause)
{
	int code = err ? EXIT_ENVIRONMENT : 0;
	int rc;

	if (err)
		report_cause(said->verb, cause, err);
	if (!said->json) {
		rc = report_flush(said->verb);
		return rc ? rc : code;
	}
	json_open(&said->j, "errors", '[');
	if (err) {
		json_open(&said->j, NULL, '{');
		json_cause(&said->j, cause, err);
		json_close(&said->j, '}');
	}
	json_close(&said->j, ']');
	json_int(&said->j, "exit", code);
	rc = json_print(&said->j, said->verb);
	return rc ? rc : code;
}

struct reserve_args {
	struct devrx_queue_opts opts;
	uint16_t ports[DEVRX_QUEUE_PORTS_MAX];
	bool dry_run;
	bool json;
};

static int reserve_option(struct reserve_args *args, int c)
{
	uint16_t port;

	switch (c) {
	case OPT_QUEUE:
		if (!arg_queue(optarg, &args->opts.index))
			return arg_error("reserve", "queue", optarg,
					 ARG_QUEUE_WANT);
		break;
	case OPT_PORT:
		if (!arg_port(optarg, &port))
			return arg_error("reserve", "port", optarg,
					 ARG_PORT_WANT);
		if (args->opts.nr_ports == DEVRX_QUEUE_PORTS_MAX)
			return arg_misuse("reserve", "at most 64 --port");
		args->ports[args->opts.nr_ports++] = port;
		break;
	case OPT_DRY_RUN:
		args->dry_run = true;
		break;
	default:
		args->json = true;
	}
	return 0;
}

/* 0, an exit code after an error, or -1 where help was asked for. */
static int reserve_parse(int argc, char **argv, struct reserve_args *args)
{
	int c, rc;

	while ((c = arg_next("reserve", argc, argv, reserve_options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'h')
			return -1;
		rc = reserve_option(args, c);
		if (rc)
			return rc;
	}
	if (optind == argc)
		return arg_misuse("reserve", "which NIC?");
	args->opts.ifname = argv[optind++];
	if (optind < argc)
		return arg_misuse("reserve", "%s: not an option", argv[optind]);
	return 0;
}

int cmd_reserve(int argc, char **argv)
{
	struct reserve_args args = { .opts = DEVRX_QUEUE_OPTS_INIT };
	struct devrx_queue_info info = { .size = sizeof(info) };
	struct devrx_cause cause = { 0 };
	struct devrx_queue *queue = NULL;
	struct said said = { .verb = "reserve" };
	int rc = reserve_parse(argc, argv, &args);

	if (rc > 0)
		return rc;
	if (rc < 0) {
		fputs(reserve_help, stdout);
		return report_flush("reserve");
	}
	said.json = args.json;
	args.opts.cause = &cause;
	args.opts.ports = args.ports;
	args.opts.flags = DEVRX_QUEUE_F_CONFIGURE | DEVRX_QUEUE_F_KEEP;
	if (said.json) {
		json_begin(&said.j);
		json_str(&said.j, "nic", args.opts.ifname);
		json_open(&said.j, "commands", '[');
	}
	rc = devrx_queue_plan(&args.opts, say_command, &said);
	if (said.json)
		json_close(&said.j, ']');
	if (rc >= 0 && !args.dry_run) {
		rc = devrx_queue_reserve(&queue, &args.opts);
		if (!rc)
			rc = devrx_queue_info(queue, &info);
		if (!rc && said.json)
			json_u64(&said.j, "queue", info.index);
		else if (!rc)
			fprintf(stderr,
				"devrx reserve: rx queue %" PRIu32
				" of %s is ready\n"
				"next: devrx recv --nic %s; devrx restore %s "
				"undoes it\n",
				info.index, info.ifname, info.ifname,
				info.ifname);
		(void)devrx_queue_restore(queue);
	} else if (!rc && !said.json) {
		fprintf(stderr, "devrx reserve: nothing has to change\n");
	}
	return say_end(&said, rc < 0 ? rc : 0, &cause);
}

/* -j and a NIC, if @nic is not NULL: 0, an exit code, or -1 for help. */
static int plain_parse(const char *verb, int argc, char **argv, bool *json,
		       const char **nic)
{
	int c;

	while ((c = arg_next(verb, argc, argv, plain_options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'h')
			return -1;
		*json = true;
	}
	if (nic && optind < argc)
		*nic = argv[optind++];
	if (optind < argc)
		return arg_misuse(verb, "%s: not an option", argv[optind]);
	return 0;
}

static void say_undo(void *ctx, enum devrx_undo what, const char *ifname,
		     const char *command, int err)
{
	static const char *const words[] = { "undone", "changed since",
					     "refused" };
	struct said *said = ctx;

	said->nr++;
	if (!said->json) {
		printf("%s: %s%s%s\n", words[what], command, err ? ": " : "",
		       err ? strerror(-err) : "");
		return;
	}
	json_open(&said->j, NULL, '{');
	json_str(&said->j, "nic", ifname);
	json_str(&said->j, "what", words[what]);
	json_str(&said->j, "command", command);
	json_int(&said->j, "errno", -err);
	json_close(&said->j, '}');
}

int cmd_restore(int argc, char **argv)
{
	struct said said = { .verb = "restore" };
	struct devrx_cause cause = { 0 };
	const char *nic = NULL;
	int rc = plain_parse("restore", argc, argv, &said.json, &nic);

	if (rc > 0)
		return rc;
	if (rc < 0) {
		fputs(restore_help, stdout);
		return report_flush("restore");
	}
	if (said.json) {
		json_begin(&said.j);
		json_open(&said.j, "changes", '[');
	}
	rc = devrx_queue_undo(nic, DEVRX_UNDO_F_KEPT, say_undo, &said, &cause);
	if (said.json)
		json_close(&said.j, ']');
	else if (!rc && !said.nr)
		fprintf(stderr, "devrx restore: nothing to undo\n");
	return say_end(&said, rc, &cause);
}

static const char *user_name(uint32_t user)
{
	static const char *const names[] = { "?", "nobody", "io_uring",
					     "devmem", "AF_XDP" };

	return user < sizeof(names) / sizeof(names[0]) ? names[user] : "?";
}

static void say_reservation(void *ctx, const struct devrx_reservation *res)
{
	struct said *said = ctx;
	char since[32] = "?", holder[32] = "kept";
	const time_t at = (time_t)res->since;
	struct tm tm;

	if (localtime_r(&at, &tm))
		(void)strftime(since, sizeof(since), "%Y-%m-%d %H:%M:%S", &tm);
	if (res->pid)
		(void)snprintf(holder, sizeof(holder), "%s %" PRIu32,
			       res->alive ? "process" : "dead", res->pid);
	if (!said->json) {
		if (!said->nr++)
			printf("%-15s %5s  %-16s %-19s  %-9s %s\n", "NIC",
			       "queue", "holder", "since", "receives",
			       "changes");
		printf("%-15s %5" PRIu32 "  %-16s %-19s  %-9s %" PRIu32 "\n",
		       res->ifname, res->queue, holder, since,
		       user_name(res->user), res->changes);
		return;
	}
	json_open(&said->j, NULL, '{');
	json_str(&said->j, "nic", res->ifname);
	json_u64(&said->j, "queue", res->queue);
	if (res->pid)
		json_u64(&said->j, "pid", res->pid);
	else
		json_null(&said->j, "pid");
	json_bool(&said->j, "alive", res->alive);
	json_u64(&said->j, "since", res->since);
	json_str(&said->j, "user", user_name(res->user));
	json_u64(&said->j, "changes", res->changes);
	json_close(&said->j, '}');
}

int cmd_status(int argc, char **argv)
{
	struct said said = { .verb = "status" };
	struct devrx_cause cause = { 0 };
	int rc = plain_parse("status", argc, argv, &said.json, NULL);

	if (rc > 0)
		return rc;
	if (rc < 0) {
		fputs(status_help, stdout);
		return report_flush("status");
	}
	if (said.json) {
		json_begin(&said.j);
		json_open(&said.j, "reservations", '[');
	}
	rc = devrx_queue_list(say_reservation, &said, &cause);
	if (said.json)
		json_close(&said.j, ']');
	else if (!rc)
		fprintf(stderr, "devrx status: no queue is reserved\n");
	return say_end(&said, rc < 0 ? rc : 0, &cause);
}
