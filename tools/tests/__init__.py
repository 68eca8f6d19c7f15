"""Tests of `template.yaml`, of the mock of AWS and of the tools. Run by `make template`."""
