/* SPDX-License-Identifier: MIT */
/* One run of "devrx doctor": cmd_doctor.c asks the kernel, doctor_way.c the hardware. */
#ifndef DEVRX_TOOLS_DOCTOR_H
#define DEVRX_TOOLS_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include <devrx/devrx.h>

#include "report.h"

struct doctor {
	struct devrx_memory_opts memory;
	struct devrx_queue_opts queue; /* ifname NULL: no NIC was named */
	uint16_t port;
	bool json;
	struct json j;
	unsigned int failed, unknown;
};

/* One line of the answer; of the type devrx_check_fn. */
void doctor_say(void *doctor, enum devrx_check state,
		const struct devrx_cause *line);
void doctor_pass(struct doctor *doctor, const char *id, const char *text);

void doctor_surroundings(struct doctor *doctor);

#endif /* DEVRX_TOOLS_DOCTOR_H */
