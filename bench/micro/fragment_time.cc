// SPDX-License-Identifier: MIT
/*
 * The steps of cycle.h by the clock: nanoseconds for each fragment. Each step is
 * timed by itself, in batches; what reading the clock takes is measured first and
 * taken off. Run by ./run bench --micro, which sets the instructions beside it.
 */
#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <vector>

#include <benchmark/benchmark.h>

#include "micro/cycle.h"

namespace
{

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point from)
{
	return std::chrono::duration<double>(Clock::now() - from).count();
}

/* What two looks at the clock take: the least of many. */
double clock_cost()
{
	static const double cost = [] {
		double least = 1;

		for (int i = 0; i < 100000; i++)
			least = std::min(least, seconds_since(Clock::now()));
		return least;
	}();
	return cost;
}

struct Step {
	void (*run)();
	bool timed;
};

/* Rounds of @steps; the one that is timed counts. */
void rounds(benchmark::State &state, enum cycle_kind kind,
	    std::initializer_list<Step> steps)
{
	const struct cycle_opts opts = { kind,
					 static_cast<unsigned>(state.range(0)),
					 static_cast<unsigned>(state.range(1)),
					 false };

	cycle_open(&opts);
	for (auto _ : state) {
		cycle_post();
		for (const Step &step : steps) {
			const Clock::time_point from = Clock::now();

			step.run();
			if (step.timed)
				state.SetIterationTime(
					std::max(1e-10, seconds_since(from) -
								clock_cost()));
		}
		cycle_end();
	}
	state.SetItemsProcessed(state.iterations() * state.range(0));
	cycle_close();
}

void Wait(benchmark::State &state)
{
	rounds(state, CYCLE_PLAIN,
	       { { cycle_wait, true }, { cycle_release, false } });
}

void Release(benchmark::State &state)
{
	rounds(state, CYCLE_PLAIN,
	       { { cycle_wait, false }, { cycle_release, true } });
}

void Push(benchmark::State &state)
{
	rounds(state, CYCLE_DEVICE,
	       { { cycle_wait, false },
		 { cycle_push, true },
		 { cycle_release_after, false },
		 { cycle_give_back, false } });
}

void ReleaseAfter(benchmark::State &state)
{
	rounds(state, CYCLE_DEVICE,
	       { { cycle_wait, false },
		 { cycle_push, false },
		 { cycle_release_after, true },
		 { cycle_give_back, false } });
}

void GiveBack(benchmark::State &state)
{
	rounds(state, CYCLE_DEVICE,
	       { { cycle_wait, false },
		 { cycle_push, false },
		 { cycle_release_after, false },
		 { cycle_give_back, true } });
}

void Frame(benchmark::State &state)
{
	rounds(state, CYCLE_FRAMING,
	       { { cycle_wait, false },
		 { cycle_frame, true },
		 { cycle_release, false } });
}

void Recover(benchmark::State &state)
{
	rounds(state, CYCLE_RECOVER,
	       { { cycle_wait, true }, { cycle_release, false } });
}

const std::vector<int64_t> batches = { 1, 8, 64, 256 };
const std::vector<int64_t> connections = { 1, 64, 10000 };

BENCHMARK(Wait)->ArgsProduct({ batches, connections })->UseManualTime();
BENCHMARK(Release)->ArgsProduct({ batches, connections })->UseManualTime();
BENCHMARK(Push)->ArgsProduct({ batches, { 64 } })->UseManualTime();
BENCHMARK(ReleaseAfter)->ArgsProduct({ batches, { 64 } })->UseManualTime();
BENCHMARK(GiveBack)->ArgsProduct({ batches, { 64 } })->UseManualTime();
BENCHMARK(Frame)->ArgsProduct({ batches, { 1 } })->UseManualTime();
BENCHMARK(Recover)->ArgsProduct({ { 1 }, connections })->UseManualTime();

} // namespace

BENCHMARK_MAIN();
