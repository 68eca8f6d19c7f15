//! Times, as seconds since 1970, in UTC.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// Seconds in an hour.
pub(super) const HOUR: u64 = 3600;

/// The time range, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) start: u64,
    /// Exclusive.
    pub(super) end: u64,
    pub(super) now: u64,
}

impl Window {
    pub(super) fn new(now: u64, hours: u8) -> Self {
        let end = now.next_multiple_of(HOUR);
        Self { start: end.saturating_sub(HOUR * u64::from(hours)), end, now }
    }

    pub(super) fn hours(self) -> usize {
        usize::try_from((self.end - self.start) / HOUR).unwrap_or_default()
    }

    /// The number of the hour in which a time lies.
    pub(super) fn hour(self, time: u64) -> Option<usize> {
        usize::try_from(time.checked_sub(self.start)? / HOUR).ok().filter(|hour| *hour < self.hours())
    }
}

/// Reads `2026-11-22T12:00:00Z`.
///
/// # Errors
/// If it is not such a time, or is before 1970.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let time = DateTime::from_str(text, Format::DateTime).ok();
    let time = time.and_then(|time| u64::try_from(time.secs()).ok());
    time.ok_or_else(|| "must be a time in UTC such as 2026-11-22T12:00:00Z".to_owned())
}

/// `2026-11-22T12:00:00Z`; empty after the year 9999.
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

/// The beginning of the month.
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

    #[test]
    fn the_window_is_whole_hours_with_the_present_one() {
        let check = |now, hours, start, end| {
            let window = Window::new(parse(now).unwrap(), hours);
            assert_eq!((stamp(window.start).as_str(), stamp(window.end).as_str()), (start, end));
            assert_eq!(window.hours(), usize::from(hours));
        };
        check("2026-11-22T12:00:00Z", 24, "2026-11-21T12:00:00Z", "2026-11-22T12:00:00Z");
        check("2026-11-22T12:00:01Z", 24, "2026-11-21T13:00:00Z", "2026-11-22T13:00:00Z");
        check("2026-11-22T12:59:59Z", 1, "2026-11-22T12:00:00Z", "2026-11-22T13:00:00Z");
    }

    #[test]
    fn points_outside_of_the_window_belong_to_no_hour() {
        let window = Window::new(10 * HOUR, 2);
        let hours = [8 * HOUR - 1, 8 * HOUR, 9 * HOUR - 1, 9 * HOUR, 10 * HOUR].map(|time| window.hour(time));
        assert_eq!(hours, [None, Some(0), Some(0), Some(1), None]);
    }
}
