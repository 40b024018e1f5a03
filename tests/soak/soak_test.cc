// SPDX-License-Identifier: MIT
/* What is done to a NIC that stays: providers, down and up; vram's module. */
#include "soak.h"

#include <cerrno>

using namespace soak;

namespace
{

const char *memory_of(int i)
{
	return i & 1 ? "vram" : "udmabuf";
}

/* True once more payload was placed, and the streams went on. */
bool is_placed(const Netns &b)
{
	const uint64_t before = counter(b, "rx_q1_placed_bytes");

	return vm::poll_until(vm::patience, [&] {
		return counter(b, "rx_q1_placed_bytes") > before;
	});
}

bool goes_on(const End &end)
{
	const uint64_t before = end.taken();

	return vm::poll_until(vm::patience,
			      [&] { return end.taken() > before; });
}

/* A pair that stays, and an anchor. */
class OnOnePair : public Soak
{
      protected:
	void SetUp() override
	{
		Soak::SetUp();
		if (HasFatalFailure())
			return;
		anchor.reset(new Anchor);
		ASSERT_EQ(anchor->error, "");
		a.reset(new Netns);
		b.reset(new Netns);
		ASSERT_EQ(make_pair(*a, *b), "");
	}

	void TearDown() override
	{
		anchor.reset();
		a.reset();
		b.reset();
		Soak::TearDown();
	}

	std::unique_ptr<Netns> a, b;
	std::unique_ptr<Anchor> anchor;
};

TEST_F(OnOnePair, BindAndUnbind)
{
	series({ a.get(), b.get() }, [&](int n) -> std::string {
		const Traffic traffic(*a, *b);

		if (!traffic.ok)
			return "no traffic";
		for (int i = 0; i < n; i++) {
			const Provider provider(*b,
						i & 2 ? By::Devmem : By::Zcrx,
						memory_of(i));

			if (!provider.error.empty())
				return std::to_string(i) + " " + provider.error;
			if (!is_placed(*b))
				return std::to_string(i) + " nothing is placed";
			progress(i + 1, n);
		}
		return goes_on(*traffic.b) ? "" : "the streams do not go on";
	});
}

/* Every byte of the streams through a provider's memory is looked at. */
TEST_F(OnOnePair, DownAndUp)
{
	series({ a.get(), b.get() }, [&](int n) -> std::string {
		Provider provider(*b, By::Zcrx, memory_of(n));
		std::vector<Socket> placed;
		std::string error = provider.error;

		if (!error.empty())
			return error;
		const Traffic traffic(*a, *b, &placed);
		for (Socket &socket : placed)
			if (error.empty())
				error = provider.add(std::move(socket));
		for (int i = 0; i < n && error.empty(); i++) {
			const Netns &ns = i & 1 ? *a : *b;
			const char *name = i & 1 ? "sna" : NIC;

			if (link_set(ns, name, false) ||
			    link_set(ns, name, true))
				return "down and up is refused";
			error = provider.read(16 << 10);
			if (error.empty() && !goes_on(*traffic.a))
				error = "the other way does not go on";
			if (!error.empty())
				error = std::to_string(i) + " " + error;
			progress(i + 1, n);
		}
		return error;
	});
}

/* Of vram: not while a NIC or a socket has a buffer of it, at once when neither
 * has. The kernel asks once a second whether a page pool that goes has its last
 * buffer back; so the buffers are back before the provider goes, but for one
 * cycle in a hundred.
 */
TEST_F(OnOnePair, UnloadVram)
{
	const auto cycle = [&](int i) -> std::string {
		std::unique_ptr<Provider> provider(new Provider(
			*b, i & 1 ? By::Devmem : By::Zcrx, "vram"));
		int err = 0;

		if (!provider->error.empty())
			return provider->error;
		Socket held = hold_a_buffer(*a, *b);
		if (held.get() < 0)
			return "nothing is placed";
		if (unload("devrx_vram") != -EWOULDBLOCK)
			return "unloaded while a NIC has it";
		if (i % 100 == 99) {
			provider.reset();
			if (unload("devrx_vram") != -EWOULDBLOCK)
				return "unloaded while a socket has it";
		}
		held = Socket();
		provider.reset();
		if (!vm::poll_until(vm::patience, [&] {
			    err = unload("devrx_vram");
			    return !err;
		    }))
			return "not unloaded: " + std::to_string(err);
		err = load("devrx_vram");
		return err ? "not loaded: " + std::to_string(err) : "";
	};

	series({ a.get(), b.get() }, [&](int n) -> std::string {
		const Traffic traffic(*a, *b, nullptr, Traffic::To::Others);
		std::string error = traffic.ok ? "" : "no traffic";

		for (int i = 0; i < n && error.empty(); i++) {
			error = cycle(i);
			if (!error.empty())
				error = std::to_string(i) + " " + error;
			progress(i + 1, n);
		}
		return error;
	});
}

} /* namespace */
