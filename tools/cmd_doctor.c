// SPDX-License-Identifier: MIT
/*
 * devrx doctor: each precondition of zero-copy receive, in the order in which the
 * kernel asks for them, one line each, with the command that mends it.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <devrx/devrx.h>

#include "args.h"
#include "doctor.h"
#include "privilege.h"
#include "report.h"
#include "verbs.h"

static const char help[] =
	"usage: devrx doctor [NIC] [OPTION]...\n"
	"\n"
	"Say of each precondition of zero-copy receive whether it is met, and "
	"what\n"
	"mends it. \"devrx recv\" and \"devrx reserve\" mend what concerns the "
	"NIC.\n"
	"\n"
	"  --queue N|last  this rx queue (default last)\n"
	"  --port N        this TCP port is to reach it (default 9000)\n"
	"  --memory KIND   into this kind of memory (default udmabuf)\n"
	"  --device NAME   of this device\n"
	"  --size SIZE     so much of it (default 64M)\n"
	"  -j, --json      one JSON object on a line\n"
	"  -h, --help      this text\n"
	"\n"
	"Exit codes: 0 all is met, 3 a line failed, 5 none failed and one "
	"cannot be seen.\n";

enum { OPT_QUEUE = 256, OPT_PORT, OPT_MEMORY, OPT_DEVICE, OPT_SIZE };

static const struct option options[] = {
	{ "queue", required_argument, NULL, OPT_QUEUE },
	{ "port", required_argument, NULL, OPT_PORT },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "device", required_argument, NULL, OPT_DEVICE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const char *const state_names[] = { "pass", "FAIL", "unknown" };

void doctor_say(void *ctx, enum devrx_check state,
		const struct devrx_cause *line)
{
	struct doctor *doctor = ctx;

	doctor->failed += state == DEVRX_CHECK_FAIL;
	doctor->unknown += state == DEVRX_CHECK_UNKNOWN;
	if (doctor->json) {
		json_open(&doctor->j, NULL, '{');
		json_str(&doctor->j, "id", line->id);
		json_str(&doctor->j, "state",
			 state == DEVRX_CHECK_FAIL ? "fail" :
						     state_names[state]);
		json_str(&doctor->j, "text", line->text);
		json_str(&doctor->j, "next", line->next[0] ? line->next : NULL);
		json_close(&doctor->j, '}');
		return;
	}
	printf("%-7s %-19s %s\n", state_names[state], line->id, line->text);
	if (line->next[0])
		printf("%27s next: %s\n", "", line->next);
}

void doctor_pass(struct doctor *doctor, const char *id, const char *text)
{
	struct devrx_cause line;

	cause_set(&line, id, NULL, "%s", text);
	doctor_say(doctor, DEVRX_CHECK_PASS, &line);
}

/* The kernel itself; false where there is no zero-copy receive to ask more about. */
static bool check_kernel(struct doctor *doctor)
{
	struct devrx_features features = { .size = sizeof(features) };
	struct devrx_cause line = { 0 };
	char len[HUMAN_LEN];
	int rc = devrx_features_probe(&features, &line);

	if (rc) {
		if (!line.id[0])
			cause_set(&line, "os-error", NULL, "%s", strerror(-rc));
		doctor_say(doctor, DEVRX_CHECK_FAIL, &line);
		return false;
	}
	doctor_pass(doctor, "io-uring-disabled", "io_uring can be used");
	if (!(features.flags & DEVRX_FEATURE_RECV_ZC)) {
		cause_set(&line, "zcrx-missing",
			  "boot Linux 6.19 or newer with CONFIG_IO_URING_ZCRX",
			  "Linux %s has no zero-copy receive",
			  features.release);
		doctor_say(doctor, DEVRX_CHECK_FAIL, &line);
		return false;
	}
	cause_set(&line, "zcrx-missing", NULL, "Linux %s has zero-copy receive",
		  features.release);
	doctor_say(doctor, DEVRX_CHECK_PASS, &line);
	if (strcmp(doctor->memory.kind, "host") != 0 &&
	    !(features.flags & DEVRX_FEATURE_DMABUF_AREA)) {
		cause_set(&line, "no-dmabuf-area",
			  "boot Linux 6.19 or newer, or take --memory host",
			  "Linux %s does not say that it takes dmabufs",
			  features.release);
		doctor_say(doctor, DEVRX_CHECK_FAIL, &line);
	}
	if (doctor->memory.len > features.max_area_len) {
		cause_set(&line, "area-too-large", "devrx doctor --size 1G",
			  "Linux %s takes areas of at most %s",
			  features.release,
			  human_bytes(len, (double)features.max_area_len));
		doctor_say(doctor, DEVRX_CHECK_FAIL, &line);
	}
	return true;
}

static void check_privilege(struct doctor *doctor)
{
	struct devrx_cause line;

	switch (look_for_cap(CAP_NET_ADMIN_BIT)) {
	case CAP_YES:
		doctor_pass(doctor, "cap-net-admin",
			    "this process has CAP_NET_ADMIN");
		return;
	case CAP_ONLY_IN_USER_NAMESPACE:
		cause_set(&line, "cap-net-admin",
			  "run it outside of the container's user namespace",
			  "CAP_NET_ADMIN counts only in the initial user "
			  "namespace");
		break;
	default:
		cause_set(&line, "cap-net-admin",
			  "run it as root, or: setcap cap_net_admin+ep "
			  "PROGRAM",
			  "this process does not have CAP_NET_ADMIN");
	}
	doctor_say(doctor, DEVRX_CHECK_FAIL, &line);
}

/* Pages of a process's own are counted, and a dmabuf's are not. */
static void check_memlock(struct doctor *doctor)
{
	char have[HUMAN_LEN], need[HUMAN_LEN];
	struct devrx_cause line;
	struct rlimit limit;

	if (strcmp(doctor->memory.kind, "host") != 0 ||
	    getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	if (limit.rlim_cur == RLIM_INFINITY ||
	    limit.rlim_cur >= doctor->memory.len ||
	    look_for_cap(CAP_IPC_LOCK_BIT) == CAP_YES) {
		doctor_pass(doctor, "memlock", "its pages may be locked");
		return;
	}
	cause_set(&line, "memlock", "ulimit -l unlimited",
		  "at most %s may be locked, and %s are to be",
		  human_bytes(have, (double)limit.rlim_cur),
		  human_bytes(need, (double)doctor->memory.len));
	doctor_say(doctor, DEVRX_CHECK_FAIL, &line);
}

/* By allocating it. */
static void check_memory(struct doctor *doctor)
{
	struct devrx_memory_info info = { .size = sizeof(info) };
	struct devrx_memory *memory = NULL;
	struct devrx_cause line = { 0 };
	char len[HUMAN_LEN];
	int rc;

	doctor->memory.cause = &line;
	rc = devrx_memory_alloc(&memory, &doctor->memory);
	if (!rc)
		rc = devrx_memory_info(memory, &info);
	if (rc && !line.id[0])
		cause_set(&line, "os-error", NULL, "%s: %s",
			  doctor->memory.kind, strerror(-rc));
	if (!rc)
		cause_set(&line, "memory", NULL, "%s of %s: %s (%s)",
			  human_bytes(len, (double)info.len), info.kind,
			  placement_phrase(info.placement), info.proof);
	doctor_say(doctor, rc ? DEVRX_CHECK_FAIL : DEVRX_CHECK_PASS, &line);
	(void)devrx_memory_free(memory);
}

static int check_nic(struct doctor *doctor, struct devrx_cause *cause)
{
	uint32_t flags = 0;
	int rc;

	if (!doctor->queue.ifname)
		return 0;
	if (!strcmp(doctor->memory.kind, "cuda"))
		flags |= DEVRX_CHECK_F_PCI;
	doctor->queue.cause = cause;
	rc = devrx_queue_diagnose(&doctor->queue, flags, doctor_say, doctor);
	return rc < 0 ? rc : 0;
}

static int option(struct doctor *doctor, int c)
{
	switch (c) {
	case OPT_QUEUE:
		if (!arg_queue(optarg, &doctor->queue.index))
			return arg_error("doctor", "queue", optarg,
					 ARG_QUEUE_WANT);
		break;
	case OPT_PORT:
		if (!arg_port(optarg, &doctor->port))
			return arg_error("doctor", "port", optarg,
					 ARG_PORT_WANT);
		break;
	case OPT_MEMORY:
		doctor->memory.kind = optarg;
		break;
	case OPT_DEVICE:
		doctor->memory.device = optarg;
		break;
	case OPT_SIZE:
		if (!arg_size(optarg, &doctor->memory.len) ||
		    !doctor->memory.len)
			return arg_error("doctor", "size", optarg,
					 "a size like 64M");
		break;
	default:
		doctor->json = true;
	}
	return 0;
}

/* 0, an exit code after an error, or -1 where help was asked for. */
static int parse(int argc, char **argv, struct doctor *doctor)
{
	int c, rc;

	while ((c = arg_next("doctor", argc, argv, options)) != -1) {
		if (c == '?')
			return EXIT_USAGE;
		if (c == 'h')
			return -1;
		rc = option(doctor, c);
		if (rc)
			return rc;
	}
	if (optind < argc)
		doctor->queue.ifname = argv[optind++];
	if (optind < argc)
		return arg_misuse("doctor", "%s: not an option", argv[optind]);
	return 0;
}

static int finish(struct doctor *doctor, int rc,
		  const struct devrx_cause *cause)
{
	int code = doctor->failed  ? EXIT_ENVIRONMENT :
		   doctor->unknown ? EXIT_UNKNOWN :
				     0;
	int out;

	if (rc) {
		report_cause("doctor", cause, rc);
		code = EXIT_ENVIRONMENT;
	}
	if (!doctor->json) {
		if (!doctor->queue.ifname)
			printf("next: devrx doctor NIC, see \"ip -brief "
			       "link\"\n");
		out = report_flush("doctor");
		return out ? out : code;
	}
	json_close(&doctor->j, ']');
	json_u64(&doctor->j, "failed", doctor->failed);
	json_u64(&doctor->j, "unknown", doctor->unknown);
	json_int(&doctor->j, "exit", code);
	out = json_print(&doctor->j, "doctor");
	return out ? out : code;
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor doctor = { .memory = DEVRX_MEMORY_OPTS_INIT,
				 .queue = DEVRX_QUEUE_OPTS_INIT,
				 .port = 9000 };
	struct devrx_cause cause = { 0 };
	int rc;

	doctor.memory.kind = "udmabuf";
	doctor.memory.len = 64u << 20;
	doctor.queue.ports = &doctor.port;
	doctor.queue.nr_ports = 1;
	rc = parse(argc, argv, &doctor);
	if (rc > 0)
		return rc;
	if (rc < 0) {
		fputs(help, stdout);
		return report_flush("doctor");
	}
	if (doctor.json) {
		json_begin(&doctor.j);
		json_str(&doctor.j, "nic", doctor.queue.ifname);
		json_str(&doctor.j, "memory", doctor.memory.kind);
		json_open(&doctor.j, "lines", '[');
	}
	if (check_kernel(&doctor)) {
		check_privilege(&doctor);
		check_memory(&doctor);
		check_memlock(&doctor);
	}
	rc = check_nic(&doctor, &cause);
	if (!rc)
		doctor_surroundings(&doctor);
	return finish(&doctor, rc, &cause);
}
