//! Tables of names and numbers, at most 80 columns wide.

use std::fmt::Write as _;

/// Width of a name, in columns.
pub(crate) const NAMES: usize = 32;
/// Width of a line, in columns.
const WIDTH: usize = 80;
/// Minimum width of a number with the space before it, in columns.
const NUMBER: usize = 10;

/// A table with numbers on the right. If all numbers are small, its columns align with those of other tables.
///
/// Two columns of 64-bit numbers fit into 80 columns. Longer lines are cut off.
pub(crate) fn table(title: &str, heads: &[&str], rows: &[(String, Vec<String>)]) -> Vec<String> {
    let cells = rows.iter().flat_map(|(_, cells)| cells.iter().map(|cell| cell.chars().count()));
    let heads_wide = heads.iter().map(|head| head.chars().count());
    let width = cells.chain(heads_wide).max().unwrap_or_default().saturating_add(2).max(NUMBER);
    let mut lines = vec![line(title, heads.iter().copied(), width)];
    lines.extend(
        rows.iter().map(|(name, cells)| line(&format!("  {name}"), cells.iter().map(String::as_str), width)),
    );
    lines
}

fn line<'a>(name: &str, cells: impl Iterator<Item = &'a str>, width: usize) -> String {
    let mut line = format!("{:<NAMES$}", cut(name, NAMES));
    for cell in cells {
        // Writing to a string cannot fail.
        let _ = write!(line, "{cell:>width$}");
    }
    cut(line.trim_end(), WIDTH)
}

/// A text, cut off after this number of columns.
pub(crate) fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(3)).collect();
    format!("{kept}...")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_stand_below_each_other() {
        let rows = [
            ("sent".to_owned(), vec!["12".to_owned(), "3".to_owned()]),
            ("a name that is too long for its place".to_owned(), vec!["1".to_owned(), String::new()]),
        ];
        assert_eq!(
            table("Messages", &["email", "SMS"], &rows),
            [
                "Messages                             email       SMS",
                "  sent                                  12         3",
                "  a name that is too long for...         1",
            ]
        );
    }

    proptest! {
        #[test]
        fn a_table_is_never_wider_than_80_columns_and_keeps_every_number(
            rows in prop::collection::vec((".{0,200}", any::<[u64; 2]>()), 0..9),
            title in ".{0,100}",
        ) {
            let rows: Vec<_> =
                rows.into_iter().map(|(name, numbers)| (name, numbers.map(|n| n.to_string()).to_vec())).collect();
            let lines = table(&title, &["errors", "throttles"], &rows);
            for line in &lines {
                prop_assert!(line.chars().count() <= 80, "{}", line);
            }
            for (line, (_, numbers)) in lines.iter().skip(1).zip(&rows) {
                prop_assert!(numbers.iter().all(|number| line.contains(number)), "{}", line);
            }
        }
    }
}
