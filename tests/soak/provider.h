/* SPDX-License-Identifier: MIT */
/*
 * A memory provider on snb's queue, and a reader of the streams that it gets.
 */
#ifndef DEVRX_SOAK_PROVIDER_H
#define DEVRX_SOAK_PROVIDER_H

#include <string>
#include <vector>

#include "support_devrx.h"
#include "traffic.h"

struct drx_nl;

namespace soak
{

enum class By { Zcrx, Devmem };

class Provider
{
      public:
	/* @memory: a kind of devrx's. */
	Provider(const Netns &b, By by, const char *memory);
	Provider(const Provider &) = delete;
	/* "" or why there is none. */
	std::string error;

	/* Receive a stream by zcrx, from where it is. */
	std::string add(Socket socket);
	/* Until each stream has brought @bytes more, all of them right; "" or
	 * what went wrong.
	 */
	std::string read(uint64_t bytes, double seconds = vm::patience);
	/* Nothing but what came before: the NIC is gone. While it was there, a
	 * machine that had lost its sockets may have reset the streams.
	 */
	std::string ends_quietly();

      private:
	void bind_devmem();
	std::string check(const devrx_fragment &frag);

	vm::Memory memory_;
	vm::Queue queue_;
	std::unique_ptr<struct drx_nl, void (*)(struct drx_nl *)> devmem_;
	std::vector<Socket> sockets_;
	std::vector<uint64_t> positions_;
	std::unique_ptr<vm::View> view_;
	vm::Receiver receiver_;
};

} /* namespace soak */

#endif /* DEVRX_SOAK_PROVIDER_H */
