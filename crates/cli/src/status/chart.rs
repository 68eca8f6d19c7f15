//! A small chart: one row for each counter, one or more columns for each hour.

use super::clock::{self, HOUR};

/// Width of the row names, in columns.
const NAMES: usize = 8;
/// Width of all hours in columns: one for each of 72 hours, three for each of 24.
const HOURS: usize = 72;
const WIDEST: usize = 3;

/// From zero to the maximum.
const BLOCKS: [char; 9] = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 9] = ['.', ':', '-', '=', '+', '*', '#', '%', '@'];

/// Draws rows of numbers, one number for each hour since `start`, and the hours below: at most 80 columns wide.
///
/// Each row has its own scale, because three failures matter even if a thousand messages were sent.
pub(super) fn chart(rows: &[(&str, Vec<u64>)], start: u64, ascii: bool) -> Vec<String> {
    let hours = rows.iter().map(|(_, values)| values.len()).max().unwrap_or_default().min(HOURS);
    let columns = HOURS.checked_div(hours).unwrap_or(1).min(WIDEST);
    let mut lines: Vec<String> =
        rows.iter().map(|(name, values)| row(name, values, columns, ascii)).collect();
    lines.push(axis(start, hours, columns));
    lines
}

fn row(name: &str, values: &[u64], columns: usize, ascii: bool) -> String {
    let most = values.iter().copied().max().unwrap_or_default();
    let signs = if ascii { ASCII } else { BLOCKS };
    let mut line = named(name);
    for value in values.iter().take(HOURS) {
        let sign = signs.get(level(*value, most)).copied().unwrap_or_default();
        line.extend(std::iter::repeat_n(sign, columns));
    }
    line
}

/// In eighths of the maximum, so that only 0 is shown as 0.
fn level(value: u64, most: u64) -> usize {
    let eighths = (u128::from(value) * 8).div_ceil(u128::from(most.max(1)));
    usize::try_from(eighths).unwrap_or_default().min(8)
}

/// Hours of the day below their columns; the date where a day begins.
fn axis(start: u64, hours: usize, columns: usize) -> String {
    let every = if columns == 1 { 6 } else { 3 };
    let mut line = named("UTC");
    let mut next = 0;
    for index in 0..hours {
        let time = start.saturating_add(HOUR.saturating_mul(u64::try_from(index).unwrap_or_default()));
        let column = NAMES + index * columns;
        if column < next || (index > 0 && !clock::hour(time).is_multiple_of(every)) {
            continue;
        }
        let text = match clock::hour(time) {
            0 => clock::day(time),
            hour => format!("{hour:02}"),
        };
        if column + text.len() > NAMES + HOURS {
            break;
        }
        line.extend(std::iter::repeat_n(' ', column.saturating_sub(line.len())));
        next = column + text.len() + 1;
        line.push_str(&text);
    }
    line
}

fn named(name: &str) -> String {
    let name: String = name.chars().take(NAMES - 1).collect();
    format!("{name:<NAMES$}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_takes_three_columns_an_hour() {
        let start = clock::parse("2026-11-21T12:00:00Z").unwrap();
        let mut sent = vec![0; 24];
        sent[..9].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 1]);
        sent[23] = 4;
        let lines = chart(&[("sent", sent.clone())], start, false);
        assert_eq!(
            lines,
            [
                "sent    ▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇███▁▁▁··········································▄▄▄",
                "UTC     12       15       18       21       11-22    03       06       09",
            ]
        );
        let lines = chart(&[("sent", sent)], start, true);
        assert_eq!(
            lines[0],
            "sent    :::---===+++***###%%%@@@:::..........................................+++"
        );
    }

    #[test]
    fn three_days_take_one_column_an_hour() {
        let start = clock::parse("2026-11-19T13:00:00Z").unwrap();
        let lines = chart(&[("failed", vec![7; 72])], start, false);
        assert_eq!(lines[0], format!("failed  {}", "█".repeat(72)));
        // There is no room below the last hour for its name.
        assert_eq!(lines[1], "UTC     13   18    11-20 06    12    18    11-21 06    12    18    11-22 06");
    }

    #[test]
    fn nothing_is_a_row_of_dots() {
        assert_eq!(chart(&[("sent", vec![0])], 0, true), ["sent    ...", "UTC     01-01"]);
    }

    proptest! {
        #[test]
        fn a_chart_is_never_wider_than_80_columns(
            rows in prop::collection::vec((".{0,200}", prop::collection::vec(any::<u64>(), 0..100)), 0..4),
            start in any::<u64>(),
            ascii in any::<bool>(),
        ) {
            let rows: Vec<_> = rows.iter().map(|(name, values)| (name.as_str(), values.clone())).collect();
            let lines = chart(&rows, start, ascii);
            prop_assert_eq!(lines.len(), rows.len() + 1);
            for line in lines {
                prop_assert!(line.chars().count() <= 80, "{}", line);
            }
        }

        #[test]
        fn more_is_never_drawn_lower(one in any::<u64>(), other in any::<u64>(), most in any::<u64>()) {
            let (less, more) = (one.min(other).min(most), one.max(other).min(most));
            prop_assert!(level(less, most) <= level(more, most));
            prop_assert_eq!(level(more, most) == 0, more == 0);
        }
    }
}
