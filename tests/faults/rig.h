/* SPDX-License-Identifier: MIT */
/*
 * One cell of the matrix: a receiver on one tier, streams into it whose every
 * byte is compared, and what a fault needs to know of them.
 */
#ifndef DEVRX_TESTS_FAULTS_RIG_H
#define DEVRX_TESTS_FAULTS_RIG_H

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "support_devrx.h"

namespace faults
{

struct Tier {
	const char *name;
	const char *kind; /* of memory */
	uint32_t tier;
};

constexpr uint64_t stream_len = 4 * vm::MiB;
constexpr unsigned int streams = 2; /* one over IPv4, one over IPv6 */

/* Functions that can fail return "" or what went wrong. */
class Rig
{
      public:
	explicit Rig(const Tier &tier) : tier_(tier)
	{
	}
	/* The receiver; then the streams, up to their being added. */
	std::string open(uint64_t area_len = 16 * vm::MiB,
			 devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT);
	std::string start();

	/* Receive, check and release until @until says so. */
	std::string pump(const std::function<bool()> &until);
	/* ... without releasing, until nothing came for @quiet seconds. */
	std::string hold(double quiet);
	std::string release_held();
	/* What made trouble is over: from now to the next bytes is what the
	 * table shows. */
	void over();
	/* Receive the rest: each stream whole, ended in order, once; and nothing
	 * out. */
	std::string finish();
	/* ... of what there is without the NIC: each stream in order, whole or up to
	 * where it ends with -ENODEV, after what the table shows; and close. */
	std::string finish_without_nic();

	/* Bytes that came. */
	uint64_t bytes() const
	{
		return follower_->bytes();
	}
	bool has_queue() const
	{
		return tier_.tier != DEVRX_TIER_RECV;
	}
	/* Seconds; negative where no bytes, or last fragments, came since over(). */
	double recovered() const
	{
		return recovered_;
	}
	const vm::Receiver &rx() const
	{
		return rx_;
	}
	const std::vector<vm::Fd> &fds() const
	{
		return fds_;
	}
	void stop_sender()
	{
		sender_->stop();
	}

      private:
	void look();

	const Tier &tier_;
	vm::Memory mem_;
	vm::Queue q_;
	vm::Receiver rx_;
	std::unique_ptr<vm::Sender> sender_;
	std::vector<vm::Fd> fds_;
	std::unique_ptr<vm::Follower> follower_;
	std::vector<devrx_fragment> held_;
	double over_ = -1;
	uint64_t bytes_when_over_ = 0;
	double recovered_ = -1;
};

} /* namespace faults */

#endif /* DEVRX_TESTS_FAULTS_RIG_H */
