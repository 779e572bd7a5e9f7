//! Durations in Go's notation, as flags and configuration files have them: `5s`, `1m30s`, `1.5h`, `100ms`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of Go's form.
    #[error("not a duration")]
    Invalid,
    /// A number without a unit; only 0 may stand alone.
    #[error("the unit is missing")]
    NoUnit,
    /// Below zero.
    #[error("negative")]
    Negative,
    /// More than about 292 years.
    #[error("too long")]
    TooLong,
}

/// Reads a duration that is not negative. Fractions below a nanosecond are cut off.
///
/// # Errors
/// The text is not one.
pub fn parse(text: &str) -> Result<Duration, Error> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(Error::Invalid);
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (nanoseconds, after) = term(rest)?;
        total = total.checked_add(nanoseconds).ok_or(Error::TooLong)?;
        rest = after;
    }
    // Go counts in 63 bits of nanoseconds.
    let total =
        u64::try_from(total).ok().filter(|total| i64::try_from(*total).is_ok()).ok_or(Error::TooLong)?;
    if negative && total > 0 {
        return Err(Error::Negative);
    }
    Ok(Duration::from_nanos(total))
}

/// One number with its unit, in nanoseconds, and what follows.
fn term(text: &str) -> Result<(u128, &str), Error> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => digits(rest),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(Error::Invalid);
    }
    let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, rest) = rest.split_at(end);
    let unit: u128 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(Error::NoUnit),
        _ => return Err(Error::Invalid),
    };
    let number = |digits: &str| {
        if digits.is_empty() { Ok(0) } else { digits.parse::<u128>().map_err(|_| Error::TooLong) }
    };
    let mut nanoseconds = number(whole)?.checked_mul(unit).ok_or(Error::TooLong)?;
    // Nobody needs more digits than a nanosecond has in an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(0));
    nanoseconds += number(fraction)? * unit / scale;
    Ok((nanoseconds, rest))
}

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("0s", 0),
            ("-0", 0),
            ("5s", 5_000_000_000),
            ("+5s", 5_000_000_000),
            ("1m30s", 90_000_000_000),
            ("1h0m0.5s", 3_600_500_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("100ms", 100_000_000),
            ("3us", 3_000),
            ("3µs", 3_000),
            ("3μs", 3_000),
            ("7ns", 7),
            ("1.0000000000000000000009s", 1_000_000_000),
            ("12h", 43_200_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
        }
    }

    #[test]
    fn what_is_none() {
        for (text, error) in [
            ("", Error::Invalid),
            ("-", Error::Invalid),
            ("s", Error::Invalid),
            (".s", Error::Invalid),
            ("5x", Error::Invalid),
            ("5 s", Error::Invalid),
            (" 5s", Error::Invalid),
            ("5S", Error::Invalid),
            ("5", Error::NoUnit),
            ("1m5", Error::NoUnit),
            ("-5s", Error::Negative),
            ("3000000h", Error::TooLong),
            ("99999999999999999999999999999999999999999h", Error::TooLong),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
    }
}
