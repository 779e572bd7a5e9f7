//! The types of values.

use std::time::Duration;

use secrecy::SecretString;

/// A type that a key can have. Messages never repeat the text.
pub trait Value: Sized {
    /// Reads the text after `=`; `None` where the key stands alone.
    ///
    /// # Errors
    /// What was expected instead.
    fn parse(text: Option<&str>) -> Result<Self, String>;
}

fn given(text: Option<&str>) -> Result<&str, String> {
    text.ok_or_else(|| "a value is missing".to_owned())
}

impl Value for String {
    fn parse(text: Option<&str>) -> Result<Self, String> {
        given(text).map(str::to_owned)
    }
}

impl Value for SecretString {
    fn parse(text: Option<&str>) -> Result<Self, String> {
        given(text).map(Self::from)
    }
}

impl Value for bool {
    fn parse(text: Option<&str>) -> Result<Self, String> {
        // A bare key means true.
        match text.unwrap_or("true").to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("expected true, yes, on or 1, or false, no, off or 0".to_owned()),
        }
    }
}

impl Value for Duration {
    fn parse(text: Option<&str>) -> Result<Self, String> {
        let text = given(text)?;
        match crate::duration::parse(text) {
            Ok(duration) => Ok(duration),
            Err(crate::duration::Error::NoUnit) => {
                Err("a duration needs a unit, as in 5s or 1m30s".to_owned())
            }
            Err(error) => Err(format!("expected a duration as in 5s or 1m30s: {error}")),
        }
    }
}

/// Decimal, or hexadecimal after `0x`; a leading zero means nothing.
fn integer(text: Option<&str>) -> Result<i128, String> {
    let expected = || "expected a whole number, decimal or hexadecimal with 0x".to_owned();
    let text = given(text)?.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((digits, 10), |digits| (digits, 16));
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return Err(expected());
    }
    let number = i128::from_str_radix(digits, radix).map_err(|_| expected())?;
    Ok(if negative { -number } else { number })
}

macro_rules! whole_numbers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn parse(text: Option<&str>) -> Result<Self, String> {
                Self::try_from(integer(text)?).map_err(|_| format!("expected a number from {} to {}", Self::MIN, Self::MAX))
            }
        }
    )*};
}
whole_numbers!(i32, i64, u8, u16, u32, u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans() {
        for (text, expected) in [
            (None, true),
            (Some("true"), true),
            (Some("Yes"), true),
            (Some("ON"), true),
            (Some("1"), true),
            (Some("False"), false),
            (Some("no"), false),
            (Some("off"), false),
            (Some("0"), false),
        ] {
            assert_eq!(bool::parse(text), Ok(expected), "{text:?}");
        }
        for text in ["", "t", "y", "2", "enabled"] {
            assert!(bool::parse(Some(text)).is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers() {
        for (text, expected) in
            [("0", 0), ("007", 7), ("0x1F", 31), ("-5", -5), ("+5", 5), (" 5 ", 5), ("-0x10", -16)]
        {
            assert_eq!(i64::parse(Some(text)), Ok(expected), "{text:?}");
        }
        for text in
            [None, Some(""), Some("5s"), Some("0x"), Some("1.5"), Some("--5"), Some("1_000"), Some("+-1")]
        {
            assert!(i64::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(u8::parse(Some("-1")).unwrap_err(), "expected a number from 0 to 255");
        assert_eq!(u8::parse(Some("256")).unwrap_err(), "expected a number from 0 to 255");
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Duration::parse(Some("1m30s")), Ok(Duration::from_secs(90)));
        assert_eq!(Duration::parse(Some("5")).unwrap_err(), "a duration needs a unit, as in 5s or 1m30s");
        assert!(Duration::parse(Some("")).is_err() && Duration::parse(None).is_err());
    }

    #[test]
    fn strings_may_be_empty_but_not_missing() {
        assert_eq!(String::parse(Some("")), Ok(String::new()));
        assert!(String::parse(None).is_err());
    }
}
