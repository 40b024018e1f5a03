/* SPDX-License-Identifier: MIT */
/* What goes wrong, one function for each row of the matrix. */
#ifndef DEVRX_TESTS_FAULTS_FAULTS_H
#define DEVRX_TESTS_FAULTS_FAULTS_H

#include <string>
#include <vector>

#include "rig.h"

namespace faults
{

struct Fault {
	const char *name; /* of the test */
	const char *text; /* of the row */
	/* Opens, starts, does it, and finishes. "" or what went wrong. */
	std::string (*run)(Rig &rig);
	/* Nothing to be seen on a tier without one. */
	bool needs_queue = false;
};

extern const std::vector<Fault> all;

} /* namespace faults */

#endif /* DEVRX_TESTS_FAULTS_FAULTS_H */
