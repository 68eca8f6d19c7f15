//! Times, as seconds since 1970, in UTC.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// Seconds of an hour.
pub(super) const HOUR: u64 = 3600;

/// Reads `2026-11-22T12:00:00Z`.
///
/// # Errors
/// When it is no such time, or one before 1970.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let time = DateTime::from_str(text, Format::DateTime).ok();
    let time = time.and_then(|time| u64::try_from(time.secs()).ok());
    time.ok_or_else(|| "this is not a time in UTC such as 2026-11-22T12:00:00Z".to_owned())
}

/// `2026-11-22T12:00:00Z`; nothing for a time after the year 9999.
pub(super) fn stamp(time: u64) -> String {
    let time = i64::try_from(time).ok().and_then(|time| DateTime::from_secs(time).fmt(Format::DateTime).ok());
    time.unwrap_or_default()
}

/// `2026-11-22 12:00`.
pub(super) fn minute(time: u64) -> String {
    stamp(time).get(..16).unwrap_or_default().replace('T', " ")
}

/// Month and day, `11-22`.
pub(super) fn day(time: u64) -> String {
    stamp(time).get(5..10).unwrap_or_default().to_owned()
}

/// The hour of the day.
pub(super) fn hour(time: u64) -> u64 {
    time / HOUR % 24
}

/// When the month began.
pub(super) fn month(time: u64) -> u64 {
    let first = stamp(time).get(..8).map(|month| format!("{month}01T00:00:00Z"));
    first.and_then(|first| parse(&first).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_in_utc() {
        let noon = parse("2026-11-22T12:30:59Z").unwrap();
        assert_eq!(stamp(noon), "2026-11-22T12:30:59Z");
        assert_eq!(minute(noon), "2026-11-22 12:30");
        assert_eq!((day(noon).as_str(), hour(noon)), ("11-22", 12));
        assert_eq!(stamp(month(noon)), "2026-11-01T00:00:00Z");
        for wrong in ["", "yesterday", "2026-11-22", "2026-11-22T12:00:00", "1969-12-31T23:59:59Z"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
