// SPDX-License-Identifier: MIT
/*
 * A receiver whose kernel says anything: completions with any user data, result,
 * flags and offset among true ones, and a caller who releases anything. Whatever
 * comes, a fragment lies in the memory, has a token that no other one has, and
 * nothing comes after a connection's last.
 */
#include "target.h"

#include <cerrno>
#include <map>
#include <set>
#include <unistd.h>

#include <fcntl.h>

#include "../unit/fake_rig.h"

namespace
{

constexpr uint64_t area_len = 16 * 4096;
constexpr unsigned most_sockets = 4;

class Play
{
      public:
	explicit Play(Input *in) : in_(in)
	{
	}
	~Play();
	void run();

      private:
	void open();
	void add();
	void forge();
	void wait();
	void release();
	void take(const struct devrx_fragment &frag);

	Input *in_;
	FakeRing fake_;
	struct devrx_memory *mem_ = nullptr;
	struct devrx_receiver *rx_ = nullptr;
	int fds_[most_sockets] = { -1, -1, -1, -1 };
	bool live_[most_sockets] = {};
	std::map<uint64_t, struct devrx_fragment> out_; /* by token */
};

void Play::open()
{
	const uint8_t how = in_->take<uint8_t>();
	struct devrx_receiver_opts opts = DEVRX_RECEIVER_OPTS_INIT;
	const struct devrx_features features = fake_features();
	const struct drx_ifq_queue queue = {};

	opts.cq_entries = 1u << how % 8;
	opts.flags = how & 8 ? DEVRX_RECEIVER_F_CQE_MIXED : 0;
	opts.max_fragments = how & 16 ? 8 : 0;
	fake_.make_current();
	mem_ = fake_memory(how & 32, area_len);
	MUST(mem_);
	MUST(!drx_receiver_open(&rx_, mem_, nullptr, &queue, &opts, &features,
				&FakeRing::ops));
	for (int &fd : fds_) {
		fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
		MUST(fd >= 0);
	}
}

Play::~Play()
{
	if (rx_)
		MUST(!devrx_receiver_close(rx_, DEVRX_CLOSE_F_ABANDON));
	if (mem_)
		MUST(!devrx_memory_free(mem_));
	for (const int fd : fds_)
		if (fd >= 0)
			(void)::close(fd);
}

void Play::add()
{
	const unsigned i = in_->take<uint8_t>() % most_sockets;
	const int err = devrx_receiver_add(rx_, fds_[i], i);

	MUST(err == (live_[i] ? -EEXIST : 0));
	live_[i] = true;
}

/* A completion for somebody, or nobody. */
void Play::forge()
{
	const uint8_t how = in_->take<uint8_t>();
	const uint64_t armed = fake_.armed(fds_[how % most_sockets]);
	/* Around the memory's end, or anything. */
	const int res = how & 32 ? in_->take<int32_t>() : in_->take<uint16_t>();
	const uint64_t off = how & 64 ? in_->take<uint64_t>() :
					in_->take<uint32_t>() % (2 * area_len);
	uint32_t flags = how & 4 ? IORING_CQE_F_MORE : 0;

	/* What no kernel can do in a ring of either kind is left out: its size. */
	if (how & 8)
		flags |= in_->take<uint32_t>() &
			 ~(DRX_IORING_CQE_F_32 | DRX_IORING_CQE_F_SKIP);
	fake_.forge(how & 16 ? in_->take<uint64_t>() : armed, res, flags, off);
}

void Play::take(const struct devrx_fragment &frag)
{
	const uint16_t last = DEVRX_FRAGMENT_EOF | DEVRX_FRAGMENT_ERROR;

	MUST(frag.user < most_sockets);
	MUST(live_[frag.user]);
	if (frag.flags & last) {
		MUST(!frag.length && !frag.token);
		live_[frag.user] = false;
		return;
	}
	MUST(frag.offset <= area_len && frag.length <= area_len - frag.offset);
	MUST(frag.token);
	MUST(out_.emplace(frag.token, frag).second);
}

void Play::wait()
{
	struct devrx_fragment frags[8];
	const int n = devrx_receiver_wait(rx_, frags,
					  1 + in_->take<uint8_t>() % 8, 0);

	MUST(n >= 0 || n == -ENOBUFS || n == -ENOTCONN);
	for (int i = 0; i < n; i++)
		take(frags[i]);
}

/* One that is out, or with a token of the input's. */
void Play::release()
{
	const uint8_t how = in_->take<uint8_t>();
	struct devrx_fragment frag = {};

	if (how % 4 && !out_.empty()) {
		auto it = out_.begin();

		std::advance(it, how / 4 % out_.size());
		frag = it->second;
	} else {
		frag.token = in_->take<uint64_t>();
	}
	const bool right = out_.erase(frag.token) || !frag.token;

	MUST(devrx_receiver_release(rx_, &frag, 1) == (right ? 0 : -ESTALE));
}

void Play::run()
{
	open();
	while (!in_->empty()) {
		switch (in_->take<uint8_t>() % 8) {
		case 0:
			add();
			break;
		case 1:
			(void)devrx_receiver_remove(
				rx_, fds_[in_->take<uint8_t>() % most_sockets]);
			break;
		case 2: {
			const int fd =
				fds_[in_->take<uint8_t>() % most_sockets];

			fake_.send(fd, in_->take<uint16_t>());
			break;
		}
		case 3:
			fake_.end(fds_[in_->take<uint8_t>() % most_sockets]);
			break;
		case 4:
			forge();
			break;
		case 5:
			release();
			break;
		default:
			wait();
		}
	}
}

} /* namespace */

void fuzz_receiver(const uint8_t *data, size_t len)
{
	Input in(data, len);

	Play(&in).run();
}

FUZZ_TARGET(fuzz_receiver)
