//! Functions of a moment in time: the hour, the day of the week, … in UTC.

use jiff::{Timestamp, tz::TimeZone};

/// The function of this name, of a time in seconds since the epoch; NaN beyond the years of the calendar.
pub(super) fn find(name: &str) -> Option<fn(f64) -> f64> {
    macro_rules! of {
        ($zoned:ident => $number:expr) => {
            |seconds| zoned(seconds).map_or(f64::NAN, |$zoned| f64::from($number))
        };
    }
    Some(match name {
        "minute" => of!(z => z.minute()),
        "hour" => of!(z => z.hour()),
        "day_of_week" => of!(z => z.weekday().to_sunday_zero_offset()),
        "day_of_month" => of!(z => z.day()),
        "day_of_year" => of!(z => z.day_of_year()),
        "days_in_month" => of!(z => z.days_in_month()),
        "month" => of!(z => z.month()),
        "year" => of!(z => z.year()),
        _ => return None,
    })
}

fn zoned(seconds: f64) -> Option<jiff::Zoned> {
    // The fraction is cut off, also before 1970; beyond the range the cast saturates and fails.
    let at = Timestamp::from_second(seconds.is_finite().then_some(seconds as i64)?).ok()?;
    Some(at.to_zoned(TimeZone::UTC))
}
