// SPDX-License-Identifier: MIT
/*
 * The script: which call fails with what, and what the device is.
 *
 * Words with blanks between, from $DEVRX_FAKE_CUDA when the library is loaded, or
 * handed to devrx_fake_cuda_script(), which first makes everything as new:
 *   NAME=R          each call of NAME ("cuMemAlloc") returns R
 *   NAME@N=R        the Nth one does
 *   works           no call fails any more
 *   lost@N=R        from the Nth call on, each that reaches the device returns R
 *   attrN=V         device attribute N is V; -1: the driver does not know it
 *   version=V       the driver is for CUDA V (11060 for 11.6)
 *   devices=N       how many there are
 *   pcie=R          the flag for the PCIe mapping returns R
 *   shift=N         addresses of cuMemAlloc() are N bytes off
 *   backing=KIND    vram, udmabuf, memfd or none
 *   cloexec=0       exported descriptors are left open across exec
 *   late=N          an event passes when it is asked for the Nth time (2), or when
 *                   somebody waits for it
 *   capture=1       some thread captures a graph in CUDA's default mode
 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 32, NAMES_MAX = 96 };

static const struct fake_settings as_new = {
	.version = 13000,
	.devices = 2,
	.late = 2,
	.attrs = { [16] = 1, /* multiprocessors */
		   [DRX_CU_ATTR_RDMA_WITH_VMM] = 1,
		   [DRX_CU_ATTR_RDMA] = 1,
		   [DRX_CU_ATTR_FLUSH_WRITES_OPTIONS] = 1,
		   [DRX_CU_ATTR_WRITES_ORDERING] = 0,
		   [DRX_CU_ATTR_DMA_BUF] = 1 },
};

struct fake_settings fake_set;

static struct rule {
	char name[48];
	long at; /* 0: always */
	int result;
} rules[RULES_MAX];
static int nr_rules;

static struct counter {
	const char *name;
	long calls;
} counters[NAMES_MAX];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long device_calls;

static struct counter *counter(const char *name)
{
	int i;

	for (i = 0; i < NAMES_MAX && counters[i].name; i++) {
		if (!strcmp(counters[i].name, name))
			return &counters[i];
	}
	if (i == NAMES_MAX)
		abort();
	counters[i].name = name;
	return &counters[i];
}

static int scripted(const char *name, long nr, bool reaches_device)
{
	int i;

	if (reaches_device && fake_set.lost &&
	    ++device_calls >= fake_set.lost_at)
		return fake_set.lost;
	for (i = 0; i < nr_rules; i++) {
		if (!strcmp(rules[i].name, name) &&
		    (!rules[i].at || rules[i].at == nr))
			return rules[i].result;
	}
	return 0;
}

int fake_lost(void)
{
	return device_calls >= fake_set.lost_at ? fake_set.lost : 0;
}

void fake_break(int result)
{
	fake_set.lost = result;
	fake_set.lost_at = 0;
}

int fake_begin(const char *name, bool reaches_device)
{
	int result;

	pthread_mutex_lock(&lock);
	result = scripted(name, ++counter(name)->calls, reaches_device);
	if (result)
		pthread_mutex_unlock(&lock);
	return result;
}

int fake_end(int result)
{
	pthread_mutex_unlock(&lock);
	return result;
}

static enum fake_backing backing_named(const char *name)
{
	if (!strcmp(name, "vram"))
		return FAKE_VRAM;
	if (!strcmp(name, "udmabuf"))
		return FAKE_UDMABUF;
	if (!strcmp(name, "memfd"))
		return FAKE_MEMFD;
	if (!strcmp(name, "none"))
		return FAKE_NONE;
	abort();
}

static void add_rule(const char *name, long at, int result)
{
	struct rule *rule = &rules[nr_rules];

	if (nr_rules == RULES_MAX)
		abort();
	nr_rules++;
	(void)snprintf(rule->name, sizeof(rule->name), "%s", name);
	rule->at = at;
	rule->result = result;
}

/* A word that is none of the script's is a mistake of the test's. */
static void take(char *word)
{
	char *value = strchr(word, '='), *at = strchr(word, '@');
	int number, attr;

	if (!strcmp(word, "works")) {
		nr_rules = 0;
		fake_set.lost = 0;
		return;
	}
	if (!value)
		abort();
	*value++ = '\0';
	if (at && at < value)
		*at++ = '\0';
	number = atoi(value);
	if (sscanf(word, "attr%d", &attr) == 1)
		fake_set.attrs[attr % 160] = number;
	else if (!strcmp(word, "version"))
		fake_set.version = number;
	else if (!strcmp(word, "devices"))
		fake_set.devices = number % (FAKE_DEVICES_MAX + 1);
	else if (!strcmp(word, "pcie"))
		fake_set.pcie = number;
	else if (!strcmp(word, "shift"))
		fake_set.shift = (unsigned int)number;
	else if (!strcmp(word, "cloexec"))
		fake_set.no_cloexec = !number;
	else if (!strcmp(word, "late"))
		fake_set.late = number;
	else if (!strcmp(word, "capture"))
		fake_set.capturing = number;
	else if (!strcmp(word, "backing"))
		fake_set.backing = backing_named(value);
	else if (!strcmp(word, "lost")) {
		fake_set.lost = number;
		fake_set.lost_at = at ? atol(at) : 1;
	} else if (!strncmp(word, "cu", 2))
		add_rule(word, at ? atol(at) : 0, number);
	else
		abort();
}

static void read_script(const char *script)
{
	char text[1024], *word, *rest = text;

	(void)snprintf(text, sizeof(text), "%s", script);
	while ((word = strsep(&rest, " "))) {
		if (*word)
			take(word);
	}
}

/* More of a script, from now on; what there is stays. */
FAKE_API void devrx_fake_cuda_add(const char *script)
{
	pthread_mutex_lock(&lock);
	device_calls = 0;
	memset(counters, 0, sizeof(counters));
	read_script(script);
	pthread_mutex_unlock(&lock);
}

/* A machine as new, with a script. No memory or context may be in use. */
FAKE_API void devrx_fake_cuda_script(const char *script)
{
	pthread_mutex_lock(&lock);
	fake_streams_gone(NULL);
	fake_reset_pinned();
	fake_reset_memory();
	fake_reset_contexts();
	fake_set = as_new;
	nr_rules = 0;
	device_calls = 0;
	memset(counters, 0, sizeof(counters));
	read_script(script);
	pthread_mutex_unlock(&lock);
}

/*
 * How many there are: "contexts" alive, "allocations", "reservations", "handles",
 * "streams", "events" and "pinned" ranges; or how often a call was made, by its name.
 */
FAKE_API long devrx_fake_cuda_count(const char *what)
{
	long nr;
	int i;

	pthread_mutex_lock(&lock);
	if (!strncmp(what, "cu", 2)) {
		nr = 0;
		for (i = 0; i < NAMES_MAX && counters[i].name; i++) {
			if (!strcmp(counters[i].name, what))
				nr = counters[i].calls;
		}
	} else if (!strcmp(what, "contexts")) {
		nr = fake_count_contexts();
	} else if (!strcmp(what, "pinned")) {
		nr = fake_count_pinned();
	} else if (!strcmp(what, "streams")) {
		nr = fake_count_streams();
	} else if (!strcmp(what, "events")) {
		nr = fake_count_events();
	} else {
		nr = fake_count_memory(what);
	}
	pthread_mutex_unlock(&lock);
	return nr;
}

__attribute__((constructor)) static void loaded(void)
{
	const char *script = getenv("DEVRX_FAKE_CUDA");

	devrx_fake_cuda_script(script ? script : "");
}
