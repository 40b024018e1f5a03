# SPDX-License-Identifier: MIT
"""Run the tests beside this file; a line for each: ok, not ok, skip."""

import os
import sys
import traceback
import unittest


class Lines(unittest.TestResult):
    def _say(self, word, test, reason=""):
        name = test.id().replace("test_", "", 1)
        print(f"{word} {name}{reason}", flush=True)

    def addSuccess(self, test):
        self._say("ok", test)

    def addSkip(self, test, reason):
        self._say("skip", test, f": {reason}")

    def _failed(self, test, err):
        print("".join(traceback.format_exception(*err)))
        self._say("not ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._failed(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self._failed(test, err)


here = os.path.dirname(os.path.abspath(__file__))
names = sys.argv[1:]
loader = unittest.TestLoader()
suite = loader.loadTestsFromNames(names) if names else loader.discover(here, "test_*.py")
result = Lines()
suite.run(result)
sys.exit(0 if result.wasSuccessful() else 1)
