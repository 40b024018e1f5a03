/* SPDX-License-Identifier: MIT */
/*
 * What is done to the NIC while traffic flows, in calls that are quick enough for
 * it: a program started for each change would take longer than the change is to
 * last.
 */
#ifndef DEVRX_TESTS_FAULTS_NIC_H
#define DEVRX_TESTS_FAULTS_NIC_H

#include <cstdint>
#include <string>
#include <vector>

#include <linux/ethtool.h>

#include "support_net.h"

namespace faults
{

/* The flow rules that tests/vm/link.sh made for TCP port 9000. */
class Steering
{
      public:
	Steering();
	/* Back to the receiver's queue. */
	~Steering();
	Steering(const Steering &) = delete;
	/* Both families' rules were found. */
	bool ok() const
	{
		return rules_.size() == 2;
	}
	/* Send the flows to @queue; false where the NIC refuses. */
	bool to(uint32_t queue) const;

      private:
	vm::Fd socket_;
	std::vector<ethtool_rx_flow_spec> rules_;
};

/* A counter of ethtool -S; 0 where there is none of that name. */
uint64_t counter(const std::string &name);

/* A fault of the NIC (docs/softnic.md); false where it cannot be set. */
bool fault(const std::string &name, uint32_t value);

/* A link model on the sender's end, as words for tc-netem(8); none: no model. */
bool netem(const std::vector<std::string> &model);

/* With the pair's other end, and as link.sh made them; false where that fails. */
bool nic_remove();
bool nic_renew();

} /* namespace faults */

#endif /* DEVRX_TESTS_FAULTS_NIC_H */
