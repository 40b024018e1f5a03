// SPDX-License-Identifier: MIT
/* Reading the command line (args.h). */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <devrx/receiver.h>

#include "args.h"
#include "report.h"

/* strtoull() takes signs and blanks; a size or a queue has neither. */
static bool number_prefix(const char *text, uint64_t *ret, const char **ret_end)
{
	int base = text[0] == '0' && (text[1] | 0x20) == 'x' ? 16 : 10;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, base);
	*ret_end = end;
	return !errno && end != text;
}

bool arg_number(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value;
	const char *end;

	if (!number_prefix(text, &value, &end) || *end || value > max)
		return false;
	*ret = value;
	return true;
}

bool arg_queue(const char *text, uint32_t *ret)
{
	uint64_t n = DEVRX_QUEUE_LAST;

	if (strcmp(text, "last") != 0 &&
	    !arg_number(text, DEVRX_QUEUE_LAST - 1, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

bool arg_tier(const char *text, uint32_t *ret)
{
	if (!strcmp(text, "best")) {
		*ret = DEVRX_TIER_BEST;
		return true;
	}
	for (uint32_t tier = 1; strcmp(devrx_tier_name(tier), "unknown");
	     tier++) {
		if (!strcmp(text, devrx_tier_name(tier))) {
			*ret = tier;
			return true;
		}
	}
	return false;
}

bool arg_port(const char *text, uint16_t *ret)
{
	uint64_t n;

	if (!arg_number(text, UINT16_MAX, &n) || !n)
		return false;
	*ret = (uint16_t)n;
	return true;
}

bool arg_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	unsigned int shift = 0;
	const char *end, *unit;
	uint64_t value;

	if (!number_prefix(text, &value, &end))
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit)
			return false;
		shift = 10 * (unsigned int)(unit - units + 1);
		end++;
		if (*end && strcmp(end, "iB"))
			return false;
	}
	if (value > UINT64_MAX >> shift)
		return false;
	*ret = value << shift;
	return true;
}

bool arg_address(const char *text, char host[static ARG_HOST_LEN],
		 char port[static ARG_PORT_LEN])
{
	const char *colon = strrchr(text, ':');
	const char *name = text;
	size_t len = colon ? (size_t)(colon - text) : 0;
	const char *service = colon ? colon + 1 : text;
	uint64_t number;

	if (len && name[0] == '[') {
		if (name[len - 1] != ']' || len < 3)
			return false;
		name++;
		len -= 2;
	} else if (len && memchr(name, ':', len)) {
		return false; /* an IPv6 address needs its brackets */
	}
	if (len >= ARG_HOST_LEN || !arg_number(service, 65535, &number))
		return false;
	memcpy(host, name, len);
	host[len] = '\0';
	snprintf(port, ARG_PORT_LEN, "%u", (unsigned int)number);
	return true;
}

int arg_misuse(const char *verb, const char *fmt, ...)
{
	struct devrx_cause cause = { .id = "usage" };
	va_list ap;

	snprintf(cause.next, sizeof(cause.next), "devrx %s --help", verb);
	va_start(ap, fmt);
	vsnprintf(cause.text, sizeof(cause.text), fmt, ap);
	va_end(ap);
	report_cause(verb, &cause, 0);
	return EXIT_USAGE;
}

int arg_error(const char *verb, const char *option, const char *value,
	      const char *want)
{
	return arg_misuse(verb, "--%s %s: expected %s", option, value, want);
}

int arg_next(const char *verb, int argc, char **argv,
	     const struct option *options)
{
	int at = optind ? optind : 1;
	int c;

	opterr = 0;
	c = getopt_long(argc, argv, ":hj", options, NULL);
	if (c == ':')
		(void)arg_misuse(verb, "%s needs a value", argv[optind - 1]);
	else if (c == '?')
		(void)arg_misuse(verb, "%s: no such option, or not its form",
				 at < argc ? argv[at] : "?");
	return c == ':' ? '?' : c;
}

const char *arg_name(const struct option *options, int c)
{
	for (const struct option *o = options; o->name; o++) {
		if (o->val == c)
			return o->name;
	}
	return "?";
}
