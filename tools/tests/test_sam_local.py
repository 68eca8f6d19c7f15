"""The commands of README.md that `make sam-local` runs, as far as they can be checked without containers."""

import shlex
import unittest

from local.sam_environment import resolved
from sam_local import commands_of_the_readme
from template import ROOT, TRIGGERS, template


class ReadmeCommands(unittest.TestCase):
    def setUp(self):
        self.commands = [shlex.split(line) for line in commands_of_the_readme()]

    def test_they_invoke_functions_of_the_template_with_files_that_exist(self):
        for words in self.commands:
            self.assertIn(words[words.index("invoke") + 1], TRIGGERS)
            file = words[words.index("-e") + 1]
            # `make events` writes events/ from the event files of the same name.
            fixture = file if file.startswith("tests/") else file.replace("events/", "tests/fixtures/events/")
            self.assertTrue((ROOT / fixture).is_file(), file)

    def test_they_set_parameters_of_the_template(self):
        declared = template()["Parameters"]
        for words in self.commands:
            for word in words[words.index("invoke") :]:
                name, equals, _ = word.partition("=")
                self.assertTrue(not equals or name in declared, word)

    def test_the_first_one_confirms_its_user(self):
        words = self.commands[0]
        sam = words.index("sam")
        shell = dict(word.split("=", 1) for word in words[:sam])
        parameters = dict(word.split("=", 1) for word in words[sam:] if "=" in word)
        variables = resolved(parameters)["PreSignUpFunction"] | shell
        advice = "write EMAIL_IS_USERNAME=true before `sam`, because SAM can't read a user pool"
        self.assertEqual(variables["EMAIL_IS_USERNAME"], "true", advice)


if __name__ == "__main__":
    unittest.main()
