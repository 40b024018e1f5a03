// SPDX-License-Identifier: MIT
/* The devrx command: finds the verb and runs it. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <devrx/devrx.h>

#include "report.h"
#include "verbs.h"

static const struct verb {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{ "bench", "what receiving costs here, beside other ways", cmd_bench },
	{ "doctor", "what zero-copy receive still needs, and what mends it",
	  cmd_doctor },
	{ "get", "fetch a URL into a memory", cmd_get },
	{ "info", "what this machine can do, and what is missing", cmd_info },
	{ "recv", "receive TCP connections into a memory", cmd_recv },
	{ "reserve", "make a NIC ready, until \"devrx restore\"", cmd_reserve },
	{ "restore", "undo what was changed of NICs", cmd_restore },
	{ "send", "send a file or a pattern over TCP", cmd_send },
	{ "status", "who holds which queue of which NIC", cmd_status },
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static void print_help(FILE *out)
{
	fputs("usage: devrx VERB [OPTION]...\n"
	      "\n"
	      "Network bytes land straight in device memory.\n"
	      "\n",
	      out);
	for (size_t i = 0; i < NR_VERBS; i++)
		fprintf(out, "  %-8s %s\n", verbs[i].name, verbs[i].summary);
	fputs("\n"
	      "  devrx VERB --help   the verb's options\n"
	      "  devrx --version     this program's version\n"
	      "\n"
	      "Exit codes: 0 done, 1 transfer failed or wrong bytes, 2 usage,\n"
	      "3 the machine refused (NIC, queue, memory, privilege, port),\n"
	      "4 output could not be written, 128 + n ended by signal n.\n",
	      out);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	/* A closed pipe or a full quota is a failed write, not a silent death. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	if (!name) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") ||
	    !strcmp(name, "help")) {
		print_help(stdout);
		return report_flush("help");
	}
	if (!strcmp(name, "--version")) {
		printf("devrx %s\n", devrx_version());
		return report_flush("version");
	}
	/* Started by the library, not by people. */
	if (!strcmp(name, "guard"))
		return devrx_guard(argc, argv);
	for (size_t i = 0; i < NR_VERBS; i++) {
		if (!strcmp(name, verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "devrx: no verb \"%s\"\nnext: devrx --help\n", name);
	return EXIT_USAGE;
}
