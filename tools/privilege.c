// SPDX-License-Identifier: MIT
/* Capabilities, as /proc tells them. */
#include "privilege.h"

#include <stdint.h>
#include <stdio.h>

enum cap_state look_for_cap(unsigned int bit)
{
	unsigned long long caps = 0, first, outside, count;
	enum cap_state state = CAP_NO;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	}
	if (f)
		(void)fclose(f);
	if (!(caps >> bit & 1))
		return CAP_NO;
	f = fopen("/proc/self/uid_map", "re");
	state = CAP_YES;
	/* The initial one maps every user to itself. */
	if (f && fscanf(f, "%llu %llu %llu", &first, &outside, &count) == 3 &&
	    (first || outside || count != UINT32_MAX))
		state = CAP_ONLY_IN_USER_NAMESPACE;
	if (f)
		(void)fclose(f);
	return state;
}
