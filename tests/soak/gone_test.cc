// SPDX-License-Identifier: MIT
/*
 * The NIC goes away below traffic and a bound provider: with its namespace, by
 * itself, or with its module. What does not hold it: a provider, a dmabuf that
 * is attached, buffers that a receiver or a socket has. What does hold a
 * namespace: a socket in it, one in a receiver or of devmem included.
 */
#include "soak.h"

#include <glob.h>

#include <cerrno>
#include <cstring>

using namespace soak;

namespace
{

enum class Gone { NetnsA, NetnsB, LinkA, LinkB, Module };

class TakenAway : public Soak
{
      protected:
	/* From a new pair to none: "" or what went wrong. */
	std::string life(Gone how, By by, const char *memory);

	std::unique_ptr<Netns> a{ new Netns }, b{ new Netns };
	/* Of the last cycle. Its buffer keeps that cycle's page pool, which
	 * keeps the key of providers on until the next one is bound: an anchor
	 * that needs no NIC, where the module goes with all of them.
	 */
	Socket held;

      private:
	std::string take_away(Gone how, Traffic *traffic);

	size_t others = 0; /* the anchor's ports */
};

/* A name goes before its NIC does. A ring that ends between the two may find a
 * device without a provider and without queues, which the kernel complains of
 * (netif_mp_close_rxq(), seen on 7.3): its ndo_uninit comes after the provider
 * was taken from it.
 */
size_t ports()
{
	glob_t found = {};

	(void)glob("/sys/kernel/debug/devrx_softnic/*", 0, nullptr, &found);
	const size_t n = found.gl_pathc;

	globfree(&found);
	return n;
}

std::string TakenAway::take_away(Gone how, Traffic *traffic)
{
	int err = 0;

	switch (how) {
	case Gone::NetnsA:
		traffic->a.reset();
		a.reset();
		break;
	case Gone::NetnsB:
		traffic->b.reset();
		b.reset();
		break;
	case Gone::LinkA:
		err = link_del(*a, "sna");
		break;
	case Gone::LinkB:
		err = link_del(*b, NIC);
		break;
	case Gone::Module:
		err = unload("devrx_softnic");
		break;
	}
	if (err)
		return std::string("not taken away: ") + strerror(-err);
	if (!vm::poll_until(vm::patience, [&] {
		    return (!a || !link_exists(*a, "sna")) &&
			   (!b || !link_exists(*b, NIC)) && ports() <= others;
	    }))
		return "an end is still there";
	return "";
}

std::string TakenAway::life(Gone how, By by, const char *memory)
{
	std::vector<Socket> placed;
	std::string error;

	if (how == Gone::Module && load("devrx_softnic"))
		return "the module is not loaded";
	if (!a)
		a.reset(new Netns);
	if (!b)
		b.reset(new Netns);
	others = ports();
	error = make_pair(*a, *b);
	if (!error.empty())
		return error;
	Provider provider(*b, by, memory);
	if (!provider.error.empty())
		return provider.error;
	if (how == Gone::Module) {
		held = hold_a_buffer(*a, *b);
		if (held.get() < 0)
			return "no buffer to hold";
	}

	/* A receiver's sockets keep its namespace; there it has none. */
	const bool reads = by == By::Zcrx && how != Gone::NetnsB;
	Traffic traffic(*a, *b, reads ? &placed : nullptr);
	if (!traffic.ok)
		return "no traffic";
	for (Socket &socket : placed)
		if (error.empty())
			error = provider.add(std::move(socket));
	if (error.empty() && reads)
		error = provider.read(16 << 10);
	if (error.empty() && !reads && !vm::poll_until(vm::patience, [&] {
		    return counter(*b, "rx_q1_placed_bytes") > 100000;
	    }))
		error = "nothing is placed";
	if (error.empty())
		error = take_away(how, &traffic);
	if (error.empty() && reads)
		error = provider.ends_quietly();
	return error;
}

const char *memory_of(int i)
{
	return i & 2 ? "vram" : "udmabuf";
}

TEST_F(TakenAway, WithANamespace)
{
	const Anchor anchor;

	ASSERT_EQ(anchor.error, "");
	series({}, [&](int n) -> std::string {
		for (int i = 0; i < n; i++) {
			const std::string error =
				life(i & 1 ? Gone::NetnsA : Gone::NetnsB,
				     By::Zcrx, memory_of(i));

			if (!error.empty())
				return std::to_string(i) + " " + error;
			progress(i + 1, n);
		}
		return "";
	});
}

TEST_F(TakenAway, ByItself)
{
	const Anchor anchor;

	ASSERT_EQ(anchor.error, "");
	series({ a.get(), b.get() }, [&](int n) -> std::string {
		for (int i = 0; i < n; i++) {
			const std::string error =
				life(i & 1 ? Gone::LinkA : Gone::LinkB,
				     i & 4 ? By::Devmem : By::Zcrx,
				     memory_of(i));

			if (!error.empty())
				return std::to_string(i) + " " + error;
			progress(i + 1, n);
		}
		return "";
	});
}

TEST_F(TakenAway, WithItsModule)
{
	ASSERT_EQ(unload("devrx_softnic"), 0);
	series({ a.get(), b.get() }, [&](int n) -> std::string {
		for (int i = 0; i < n; i++) {
			const std::string error =
				life(Gone::Module,
				     i & 1 ? By::Devmem : By::Zcrx,
				     memory_of(i));

			if (!error.empty())
				return std::to_string(i) + " " + error;
			progress(i + 1, n);
		}
		held = Socket();
		return "";
	});
	ASSERT_EQ(load("devrx_softnic"), 0);
}

} /* namespace */
