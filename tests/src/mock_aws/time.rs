//! Times, as seconds since 1970 and as AWS writes them in XML.

/// Seconds since 1970 of a time such as `2026-11-21T12:00:00Z`, with or without a fraction.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut parts = time.split(':');
    let (hour, minute) = (parts.next()?.parse::<f64>().ok()?, parts.next()?.parse::<f64>().ok()?);
    let second = parts.next()?.parse::<f64>().ok()?;
    let days = i32::try_from(days(year, month, day)).ok()?;
    Some(f64::from(days) * 86_400.0 + hour * 3600.0 + minute * 60.0 + second)
}

/// The same the other way round, to the second.
pub(super) fn text(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "no test lives long enough")]
    let seconds = seconds.floor() as i64;
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days from 1970 to a date of the Gregorian calendar; years begin in March, so that the leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
        - 719_468
}

fn date(day: i64) -> (i64, i64, i64) {
    let mut year = 1970 + day.div_euclid(365);
    while days(year, 1, 1) > day {
        year -= 1;
    }
    let month = (1..=12).rev().find(|&month| days(year, month, 1) <= day).unwrap_or(1);
    (year, month, day - days(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_survives_the_way_to_seconds_and_back() {
        for (time, expected) in [
            ("1970-01-01T00:00:00Z", 0.0),
            ("2000-02-29T23:59:59Z", 951_868_799.0),
            ("2026-11-21T12:00:00Z", 1_795_262_400.0),
            ("2028-12-31T00:00:01Z", 1_861_833_601.0),
        ] {
            assert!((seconds(time).unwrap() - expected).abs() < 0.5, "{time}");
            assert_eq!(text(expected), time);
        }
        assert_eq!(seconds("yesterday"), None);
    }
}
