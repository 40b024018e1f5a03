// SPDX-License-Identifier: MIT
/*
 * main() of every test binary. Google Test ends with 0 where a filter selected
 * nothing and where everything was skipped; neither is a pass. Here:
 * 1 nothing was selected, 77 all that was selected was skipped.
 */
#include <cstdio>
#include <cstring>

#include <gtest/gtest.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			testing::InitGoogleTest(&argc, argv);
			return RUN_ALL_TESTS();
		}
	}
	testing::InitGoogleTest(&argc, argv);
	if (argc > 1) {
		fprintf(stderr, "%s: unknown argument '%s'\n", argv[0],
			argv[1]);
		return 2;
	}

	const int rc = RUN_ALL_TESTS();
	const testing::UnitTest *unit = testing::UnitTest::GetInstance();

	if (rc)
		return rc;
	if (!unit->test_to_run_count()) {
		fprintf(stderr, "%s: no test selected\n", argv[0]);
		return 1;
	}
	if (GTEST_FLAG_GET(list_tests) || unit->successful_test_count())
		return 0;
	return 77;
}
