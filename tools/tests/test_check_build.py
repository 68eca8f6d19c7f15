"""What is found before a deployment."""

import struct
import tempfile
import unittest
from pathlib import Path

from check_build import faults

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Architectures: [x86_64]}
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: F, Handler: bootstrap, Runtime: provided.al2023}
"""


def elf(machine, glibc):
    return struct.pack("<4s14xH", b"\x7fELF", machine) + b"\0GLIBC_2.2\0" + f"GLIBC_2.{glibc}\0".encode()


class CheckBuild(unittest.TestCase):
    def check(self, binary, *expected):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "F").mkdir()
            (folder / "F" / "bootstrap").write_bytes(binary)
            (folder / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
            found = list(faults(folder))
        self.assertEqual(len(found), len(expected), found)
        for fault, part in zip(found, expected, strict=True):
            self.assertIn(part, fault)

    def test_a_function_that_lambda_can_start_has_no_fault(self):
        self.check(elf(62, 34))

    def test_another_processor_or_a_newer_c_library_is_a_fault(self):
        self.check(elf(183, 30), "is built for arm64, but template.yaml deploys it to x86_64")
        self.check(elf(62, 35), "needs the C library 2.35")
        self.check(elf(183, 43), "is built for arm64", "needs the C library 2.43")

    def test_what_is_no_program_is_a_fault(self):
        self.check(b"#!/bin/sh\n", "is no program for x86_64 or arm64")
        self.check(b"", "is no program for x86_64 or arm64")


if __name__ == "__main__":
    unittest.main()
