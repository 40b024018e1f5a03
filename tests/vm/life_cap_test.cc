// SPDX-License-Identifier: MIT
/* Only open needs CAP_NET_ADMIN: a daemon may drop it afterwards. */
#include <cerrno>
#include <linux/capability.h>

#include <gtest/gtest.h>

#include "support_devrx.h"

namespace
{

using namespace vm;

class LifeCap : public testing::TestWithParam<const char *>
{
};

TEST_P(LifeCap, EverythingAfterOpenWorksWithout)
{
	ASSERT_TRUE(queue_is_free());
	EXPECT_EQ(in_child(
			  [] {
				  Memory mem;
				  Queue q;
				  Receiver rx, second;
				  Outcome o = make_memory(&mem, GetParam(),
							  16 * MiB);

				  if (!o.err)
					  o = reserve(&q);
				  if (!o.err)
					  o = open_receiver(&rx, mem, q);
				  if (o.err)
					  return o;
				  if (!drop_cap(CAP_NET_ADMIN))
					  return outcome(-EPROTO, "drop");
				  /* Added, received, released, and again. */
				  for (int i = 0; i < 3; i++) {
					  std::string error =
						  transfer(rx, mem, 4 * MiB, 4);

					  if (!error.empty())
						  return outcome(-EPROTO,
								 error.c_str());
				  }
				  if (devrx_receiver_fd(rx.get()) < 0)
					  return outcome(-EPROTO, "fd");
				  if (devrx_receiver_close(rx.release(), 0))
					  return outcome(-EPROTO, "close");
				  /* It was really gone. */
				  o = open_receiver(&second, mem, q);
				  return o == outcome(-EPERM, "cap-net-admin") ?
						 outcome(0) :
						 outcome(-EPROTO, "kept");
			  },
			  5 * patience),
		  outcome(0));
	EXPECT_TRUE(queue_is_free());
}

INSTANTIATE_TEST_SUITE_P(Kinds, LifeCap, testing::Values("udmabuf", "host"),
			 [](const testing::TestParamInfo<const char *> &info) {
				 return std::string(info.param);
			 });

} /* namespace */
