/* SPDX-License-Identifier: MIT */
/*
 * Netlink messages made by hand, for the tests of provider/nic.
 *
 * Exact: a copy on the heap of exactly so many bytes, so that the address
 * sanitizer sees a parser that reads one byte too far.
 */
#ifndef NIC_MESSAGES_H
#define NIC_MESSAGES_H

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <vector>

#include <linux/genetlink.h>
#include <linux/netlink.h>

namespace nic
{

using Bytes = std::vector<uint8_t>;

template <typename T> Bytes raw(const T &value)
{
	Bytes b(sizeof(value));

	memcpy(b.data(), &value, sizeof(value));
	return b;
}

inline Bytes str(const char *s)
{
	return Bytes(s, s + strlen(s) + 1);
}

/* A fixed header followed by attributes, padded as the kernel pads. */
class Payload
{
      public:
	explicit Payload(const Bytes &header = {}) : bytes(header)
	{
		bytes.resize(NLMSG_ALIGN(bytes.size()));
		ends.insert(bytes.size());
	}

	Payload &attr(uint16_t type, const Bytes &value)
	{
		struct nlattr head = {};

		head.nla_len = static_cast<uint16_t>(NLA_HDRLEN + value.size());
		head.nla_type = type;
		for (uint8_t b : raw(head))
			bytes.push_back(b);
		bytes.insert(bytes.end(), value.begin(), value.end());
		/* A message may end anywhere in the last one's padding. */
		ends.insert(bytes.size());
		while (bytes.size() % NLA_ALIGNTO) {
			bytes.push_back(0);
			ends.insert(bytes.size());
		}
		return *this;
	}

	Payload &u8(uint16_t type, uint8_t value)
	{
		return attr(type, raw(value));
	}

	Payload &u32(uint16_t type, uint32_t value)
	{
		return attr(type, raw(value));
	}

	Payload &nest(uint16_t type, const Payload &inner)
	{
		return attr(type | NLA_F_NESTED, inner.bytes);
	}

	Bytes bytes;
	std::set<size_t> ends; /* lengths at which a prefix is well formed */
};

inline Payload genl(uint8_t cmd)
{
	struct genlmsghdr head = {};

	head.cmd = cmd;
	head.version = 1;
	return Payload(raw(head));
}

/* A whole message: header and payload, padded. */
inline Bytes message(uint16_t type, uint16_t flags, uint32_t seq, uint32_t pid,
		     const Bytes &payload)
{
	struct nlmsghdr head = {};

	head.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + payload.size());
	head.nlmsg_type = type;
	head.nlmsg_flags = flags;
	head.nlmsg_seq = seq;
	head.nlmsg_pid = pid;

	Bytes b = raw(head);
	b.insert(b.end(), payload.begin(), payload.end());
	b.resize(NLMSG_ALIGN(b.size()));
	return b;
}

class Exact
{
      public:
	Exact(const Bytes &b, size_t n) : data_(calloc(1, n ? n : 1), free)
	{
		if (n)
			memcpy(data_.get(), b.data(), n);
	}

	const void *get() const
	{
		return data_.get();
	}

      private:
	std::unique_ptr<void, void (*)(void *)> data_;
};

} // namespace nic

#endif /* NIC_MESSAGES_H */
