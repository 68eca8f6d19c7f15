"""The check for words that the project's texts must not use."""

import unittest

import language


class Findings(unittest.TestCase):
    def found(self, name, source):
        return [(line, text) for line, text, _advice in language.findings(name, source)]

    def test_comments_and_strings_of_rust_are_read_and_code_is_not(self):
        source = 'let nobody = 1; // nobody\nlet text = "an e-mail";\n/// whoever\n'
        self.assertEqual(self.found("a.rs", source), [(1, "nobody"), (2, "e-mail"), (3, "whoever")])

    def test_a_string_over_several_lines_is_found_on_its_own_line(self):
        self.assertEqual(self.found("a.rs", 'let text = r#"one\n"two" user name"#;'), [(2, "user name")])

    def test_a_quotation_mark_as_a_character_begins_no_string(self):
        self.assertEqual(self.found("a.rs", "let quote = '\"'; let nobody = 'a';"), [])

    def test_an_escaped_quotation_mark_ends_no_string(self):
        self.assertEqual(self.found("a.rs", r'let text = "a \" nobody";'), [(1, "nobody")])

    def test_only_the_title_of_a_decision_is_read(self):
        self.assertEqual(self.found("docs/adr/0001-x.md", "# For good\n\nfor good\n"), [(1, "For good")])

    def test_an_exception_holds_for_its_part_of_a_line_only(self):
        self.assertEqual(self.found("shared/src/a.rs", "// the SNS sandbox"), [])
        self.assertEqual(self.found("shared/src/a.rs", "// a sandbox"), [(1, "sandbox")])

    def test_each_banned_word_has_advice_and_plain_text_has_no_finding(self):
        for pattern, advice in language.BANNED:
            self.assertTrue(advice, pattern)
        plain = "The sender returns an error only if a retry or a fix can help. Set the email address and the username."
        self.assertEqual(self.found("a.md", plain), [])

    def test_the_pages_that_are_not_read_yet_exist(self):
        for name in language.PAGES:
            self.assertTrue((language.ROOT / name).exists(), f"{name} does not exist: remove it from the list")


if __name__ == "__main__":
    unittest.main()
