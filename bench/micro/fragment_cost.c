// SPDX-License-Identifier: MIT
/*
 * What a fragment costs in steady state, for counting:
 *
 *	fragment_cost BATCH CONNECTIONS ROUNDS [mixed] [device | framing | recover]
 *
 * goes through the steps of cycle.h ROUNDS times. It is to be run under callgrind,
 * which counts the instructions within one function of the library and of nothing
 * else; see fragment_cost.sh. Prints the number of fragments that went all the way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "micro/cycle.h"
#include "micro/fake.h"

static bool has_word(int argc, char **argv, const char *word)
{
	for (int i = 4; i < argc; i++) {
		if (!strcmp(argv[i], word))
			return true;
	}
	return false;
}

static void one_round(enum cycle_kind kind)
{
	cycle_post();
	cycle_wait();
	if (kind == CYCLE_FRAMING)
		cycle_frame();
	if (kind == CYCLE_DEVICE) {
		cycle_push();
		cycle_release_after();
		cycle_give_back();
	} else {
		cycle_release();
	}
	cycle_end();
}

int main(int argc, char **argv)
{
	struct cycle_opts opts = { .kind = CYCLE_PLAIN };
	unsigned long batch, connections, rounds;

	if (argc < 4) {
		fprintf(stderr, "usage: fragment_cost BATCH CONNECTIONS ROUNDS "
				"[mixed] [device | framing | recover]\n");
		return 2;
	}
	batch = strtoul(argv[1], NULL, 10);
	connections = strtoul(argv[2], NULL, 10);
	rounds = strtoul(argv[3], NULL, 10);
	if (has_word(argc, argv, "device"))
		opts.kind = CYCLE_DEVICE;
	if (has_word(argc, argv, "framing"))
		opts.kind = CYCLE_FRAMING;
	if (has_word(argc, argv, "recover"))
		opts.kind = CYCLE_RECOVER;
	if (!batch || batch > CYCLE_BATCH_MAX || !connections ||
	    connections > FAKE_CONNECTIONS_MAX ||
	    (opts.kind == CYCLE_RECOVER && batch != 1) ||
	    (opts.kind == CYCLE_FRAMING && connections != 1)) {
		fprintf(stderr,
			"fragment_cost: 1 to %u fragments, 1 to %u "
			"connections; one with recover, or framing\n",
			CYCLE_BATCH_MAX, FAKE_CONNECTIONS_MAX);
		return 2;
	}
	opts.batch = (unsigned int)batch;
	opts.connections = (unsigned int)connections;
	opts.mixed = has_word(argc, argv, "mixed");
	cycle_open(&opts);
	for (unsigned long i = 0; i < rounds; i++)
		one_round(opts.kind);
	printf("%lu\n", rounds * batch);
	cycle_close();
	return 0;
}
