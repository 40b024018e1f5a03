/* SPDX-License-Identifier: MIT */
/*
 * TCP frames that belong to no connection, put on a NIC by a packet socket.
 */
#ifndef SUPPORT_FRAME_H
#define SUPPORT_FRAME_H

#include <array>
#include <cstddef>
#include <cstdint>

namespace softnic
{

struct Frame {
	size_t payload = 0; /* bytes behind the TCP header */
	uint16_t port = 0; /* destination */
	bool ipv6 = false;
	uint16_t gso_size = 0; /* > 0: a large one, for the NIC to cut */
	bool bad_checksum = false;
};

class FrameSocket
{
      public:
	/* Frames go out of @dev, which is in this thread's namespace, to the
	 * Ethernet address @to.
	 */
	bool open(const char *dev, const std::array<unsigned char, 6> &to);
	~FrameSocket();
	FrameSocket() = default;
	FrameSocket(const FrameSocket &) = delete;
	FrameSocket &operator=(const FrameSocket &) = delete;

	/* Safe in several threads. */
	bool send(const Frame &frame) const;

      private:
	int fd = -1;
	std::array<unsigned char, 6> mac = {};
};

} // namespace softnic

#endif /* SUPPORT_FRAME_H */
