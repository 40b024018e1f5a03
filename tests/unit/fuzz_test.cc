// SPDX-License-Identifier: MIT
/*
 * What libFuzzer (tests/fuzz/run.sh) found worth keeping, once more through its
 * targets: one line of hexadecimal digits in tests/fuzz/TARGET.corpus each.
 */
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../fuzz/target.h"

namespace
{

struct Target {
	const char *name;
	void (*run)(const uint8_t *data, size_t len);
};

class Fuzz : public testing::TestWithParam<Target>
{
};

std::vector<uint8_t> bytes_of(const std::string &line)
{
	std::vector<uint8_t> bytes;

	for (size_t i = 0; i + 1 < line.size(); i += 2)
		bytes.push_back(
			uint8_t(std::stoul(line.substr(i, 2), nullptr, 16)));
	return bytes;
}

TEST_P(Fuzz, Corpus)
{
	std::ifstream file(std::string(DEVRX_CORPUS_DIR) + "/" +
			   GetParam().name + ".corpus");
	std::string line;
	unsigned n = 0;

	while (std::getline(file, line)) {
		if (line.empty() || line[0] == '#')
			continue;
		const std::vector<uint8_t> bytes = bytes_of(line);

		SCOPED_TRACE(line);
		GetParam().run(bytes.data(), bytes.size());
		n++;
	}
	EXPECT_GT(n, 20u) << "the corpus is gone";
}

INSTANTIATE_TEST_SUITE_P(All, Fuzz,
			 testing::Values(Target{ "http", fuzz_http },
					 Target{ "journal", fuzz_journal },
					 Target{ "netlink", fuzz_netlink },
					 Target{ "options", fuzz_options },
					 Target{ "receiver", fuzz_receiver }),
			 [](const auto &info) {
				 return std::string(info.param.name);
			 });

} /* namespace */
