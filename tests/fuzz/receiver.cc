// SPDX-License-Identifier: MIT
/*
 * A receiver whose kernel says anything: completions with any user data, result,
 * flags and offset among true ones, and a caller who releases and writes anything,
 * and adds memories. Whatever comes, a fragment lies in the memory, has a token that no other one has, and
 * nothing comes after a connection's last.
 */
#include "target.h"

#include <cerrno>
#include <map>
#include <set>
#include <sys/mman.h>
#include <unistd.h>

#include <fcntl.h>

#include <devrx/write.h>

#include "../unit/fake_rig.h"

namespace
{

constexpr uint64_t area_len = 16 * 4096;
constexpr unsigned most_sockets = 4;
constexpr unsigned most_areas = 4; /* each of that length */

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
	struct devrx_fragment any(uint8_t how) const;
	void write();
	void grow();
	void written(const struct devrx_fragment &event);
	void take(const struct devrx_fragment &frag);

	Input *in_;
	FakeRing fake_;
	struct devrx_memory *mem_ = nullptr;
	struct devrx_memory *more_[most_areas] = {}; /* from 1 on */
	unsigned areas_ = 1;
	int file_ = -1;
	uint64_t cookie_ = 0;
	std::map<uint64_t, struct devrx_fragment> writing_; /* by cookie */
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
	file_ = memfd_create("file", MFD_CLOEXEC);
	MUST(file_ >= 0);
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
	for (struct devrx_memory *mem : more_)
		MUST(!devrx_memory_free(mem));
	if (file_ >= 0)
		(void)::close(file_);
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

	if (frag.flags & DEVRX_FRAGMENT_EVENT)
		return written(frag);
	MUST(frag.user < most_sockets);
	MUST(live_[frag.user]);
	if (frag.flags & last) {
		MUST(!frag.length && !frag.token);
		live_[frag.user] = false;
		return;
	}
	const uint64_t off = devrx_fragment_offset(&frag);
	MUST(devrx_fragment_area(&frag) < areas_);
	MUST(off <= area_len && frag.length <= area_len - off);
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
struct devrx_fragment Play::any(uint8_t how) const
{
	struct devrx_fragment frag = {};

	if (how % 4 && !out_.empty()) {
		auto it = out_.begin();

		std::advance(it, how / 4 % out_.size());
		return it->second;
	}
	frag.token = in_->take<uint64_t>();
	return frag;
}

/* To a file; of the caller's numbers only the token is true for certain. */
void Play::write()
{
	struct devrx_fragment frag = any(in_->take<uint8_t>());
	const uint8_t how = in_->take<uint8_t>();
	const bool out = out_.count(frag.token);

	if (how & 1)
		frag.offset = in_->take<uint64_t>();
	if (how & 2)
		frag.length = in_->take<uint32_t>();
	fake_.hold_writes = how & 4;
	if (how & 8)
		fake_.write_errors = { -ENOSPC };
	fake_.write_max = how & 16 ? 1000 : SIZE_MAX;
	const int n = devrx_receiver_write(rx_, file_, how, &frag, 1, cookie_);

	MUST(n == 1 || n == -EAGAIN || n == -EINVAL || n == -ESTALE);
	if (n != 1)
		return;
	MUST(out);
	writing_[cookie_++] = out_[frag.token];
	out_.erase(frag.token);
}

/* It is the caller's again, or gone. */
void Play::written(const struct devrx_fragment &event)
{
	const auto it = writing_.find(event.position);

	MUST(event.user == DEVRX_EVENT_WRITTEN && !event.token);
	MUST(it != writing_.end());
	if (event.error)
		MUST(out_.emplace(it->second.token, it->second).second);
	writing_.erase(it);
}

void Play::grow()
{
	struct devrx_memory_info info = {};

	if (areas_ == most_areas)
		return;
	info.size = sizeof(info);
	MUST(!devrx_memory_info(mem_, &info));
	more_[areas_] = fake_memory(info.dmabuf_fd >= 0, area_len);
	MUST(more_[areas_]);
	MUST(devrx_receiver_add_area(rx_, more_[areas_]) == int(areas_));
	areas_++;
}

void Play::release()
{
	const struct devrx_fragment frag = any(in_->take<uint8_t>());
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
		case 6:
			if (in_->take<uint8_t>() % 8)
				write();
			else
				grow();
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
