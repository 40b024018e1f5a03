// SPDX-License-Identifier: MIT
/*
 * The script: which call fails with what, and what the device is.
 *
 * Words with blanks between, from $DEVRX_FAKE_VULKAN when the library is loaded, or
 * handed to devrx_fake_vulkan_script(), which first makes everything as new:
 *   NAME=R          each call of NAME ("vkAllocateMemory") returns R
 *   NAME@N=R        the Nth one does
 *   works           no call fails any more
 *   lost@N=R        from the Nth call on, each that reaches the device returns R
 *   devices=N       how many there are
 *   typeN=V         device N is of VkPhysicalDeviceType V
 *   minor=N         of Vulkan 1.N
 *   queues=N        of the first family that computes
 *   visible=0|1     the host sees the device's own memory
 *   local=0         the device has none of its own
 *   bar=N           the host sees N MiB of it
 *   unit=N          memory comes in whole N bytes
 *   extra=N         a dmabuf is N bytes longer than its memory
 *   limit=N         at most N bytes at once
 *   udmabuf=1       exported descriptors are udmabufs
 *   dedicated=1     external memory wants an allocation to itself
 *   without=WHAT    an extension, a feature, an entry point, "export", "import"
 *                   or "compute" is not there
 */
#include "fake.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 16, NAMES_MAX = 80 };

static const struct fake_settings as_new = {
	.devices = 2,
	.types = { VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
		   VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
		   VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU,
		   VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU },
	.minor = 3,
	.queues = 2,
	.local = 1,
	.bar_mib = 256,
	.unit = 4096,
	.limit = UINT64_C(1) << 32,
};

struct fake_settings fake_set;

static struct rule {
	char name[48];
	long at; /* 0: always */
	VkResult result;
} rules[RULES_MAX];
static int nr_rules;

static struct counter {
	const char *name;
	long calls;
} counters[NAMES_MAX];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long device_calls, alive[FAKE_KINDS];
static const char *const kind_names[FAKE_KINDS] = {
	"instances", "devices", "buffers",    "memories",
	"fences",    "pools",	"semaphores",
};

static long count_call(const char *name)
{
	int i;

	for (i = 0; i < NAMES_MAX && counters[i].name; i++) {
		if (!strcmp(counters[i].name, name))
			return ++counters[i].calls;
	}
	if (i == NAMES_MAX)
		abort();
	counters[i].name = name;
	return ++counters[i].calls;
}

VkResult fake_begin(const char *name, bool reaches_device)
{
	VkResult result = VK_SUCCESS;
	long nr;
	int i;

	pthread_mutex_lock(&lock);
	nr = count_call(name);
	if (reaches_device && fake_set.lost &&
	    ++device_calls >= fake_set.lost_at)
		result = fake_set.lost;
	for (i = 0; !result && i < nr_rules; i++) {
		if (!strcmp(rules[i].name, name) &&
		    (!rules[i].at || rules[i].at == nr))
			result = rules[i].result;
	}
	if (result)
		pthread_mutex_unlock(&lock);
	return result;
}

VkResult fake_end(VkResult result)
{
	pthread_mutex_unlock(&lock);
	return result;
}

bool fake_without(const char *name)
{
	int i;

	for (i = 0; i < 8; i++) {
		if (!strcmp(fake_set.without[i], name))
			return true;
	}
	return false;
}

void fake_add(enum fake_kind kind, int nr)
{
	alive[kind] += nr;
	if (alive[kind] < 0)
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

static void take_away(const char *name)
{
	int i;

	for (i = 0; fake_set.without[i][0]; i++) {
		if (i == 7)
			abort();
	}
	(void)snprintf(fake_set.without[i], sizeof(fake_set.without[i]), "%s",
		       name);
}

/* A word that is none of the script's is a mistake of the test's. */
static void take(char *word)
{
	const struct {
		const char *name;
		int *at;
	} ints[] = { { "devices", &fake_set.devices },
		     { "minor", &fake_set.minor },
		     { "queues", &fake_set.queues },
		     { "visible", &fake_set.visible },
		     { "local", &fake_set.local },
		     { "bar", &fake_set.bar_mib } };
	char *value = strchr(word, '='), *at = strchr(word, '@');
	unsigned long long number;
	unsigned int dev;
	size_t i;

	if (!strcmp(word, "works")) {
		nr_rules = 0;
		return;
	}
	if (!value)
		abort();
	*value++ = '\0';
	if (at && at < value)
		*at++ = '\0';
	number = strtoull(value, NULL, 0);
	for (i = 0; i < sizeof(ints) / sizeof(ints[0]); i++) {
		if (!strcmp(word, ints[i].name)) {
			*ints[i].at = (int)number;
			return;
		}
	}
	if (sscanf(word, "type%u", &dev) == 1)
		fake_set.types[dev % FAKE_DEVICES_MAX] = (int)number;
	else if (!strcmp(word, "unit"))
		fake_set.unit = number;
	else if (!strcmp(word, "extra"))
		fake_set.extra = number;
	else if (!strcmp(word, "limit"))
		fake_set.limit = number;
	else if (!strcmp(word, "udmabuf"))
		fake_set.udmabuf = number;
	else if (!strcmp(word, "dedicated"))
		fake_set.dedicated = number;
	else if (!strcmp(word, "without"))
		take_away(value);
	else if (!strcmp(word, "lost")) {
		fake_set.lost = atoi(value);
		fake_set.lost_at = at ? atol(at) : 1;
	} else if (!strncmp(word, "vk", 2))
		add_rule(word, at ? atol(at) : 0, atoi(value));
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
FAKE_API void devrx_fake_vulkan_add(const char *script)
{
	pthread_mutex_lock(&lock);
	device_calls = 0;
	memset(counters, 0, sizeof(counters));
	read_script(script);
	pthread_mutex_unlock(&lock);
}

/* A machine as new, with a script. */
FAKE_API void devrx_fake_vulkan_script(const char *script)
{
	pthread_mutex_lock(&lock);
	fake_set = as_new;
	nr_rules = 0;
	device_calls = 0;
	memset(counters, 0, sizeof(counters));
	read_script(script);
	pthread_mutex_unlock(&lock);
}

/* How many there are of "instances", "devices", "buffers", "memories", "fences",
 * "pools", "semaphores"; or how often a call was made, by its name. */
FAKE_API long devrx_fake_vulkan_count(const char *what)
{
	long nr = 0;
	int i;

	pthread_mutex_lock(&lock);
	for (i = 0; i < FAKE_KINDS; i++) {
		if (!strcmp(kind_names[i], what))
			nr = alive[i];
	}
	for (i = 0; i < NAMES_MAX && counters[i].name; i++) {
		if (!strcmp(counters[i].name, what))
			nr = counters[i].calls;
	}
	pthread_mutex_unlock(&lock);
	return nr;
}

__attribute__((constructor)) static void loaded(void)
{
	const char *script = getenv("DEVRX_FAKE_VULKAN");

	devrx_fake_vulkan_script(script ? script : "");
}
