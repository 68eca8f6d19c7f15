"""The environment variables of a function in `sam local invoke`."""

import unittest

from local.sam_environment import expected, resolved
from template import GOOD


class SamEnvironment(unittest.TestCase):
    def test_sam_resolves_every_variable_as_cloudformation_does(self):
        for name, parameters in GOOD.items():
            found = resolved(parameters)
            for function, variables in expected(parameters).items():
                # The functions treat an empty variable as one that isn't set.
                passed = {variable: value for variable, value in found[function].items() if value}
                with self.subTest(parameters=name, function=function):
                    self.assertEqual(passed, {variable: value for variable, value in variables.items() if value})


if __name__ == "__main__":
    unittest.main()
