//! The types of values.

use std::time::Duration;

use secrecy::SecretString;

/// Why a text is no value of a type. Messages never repeat the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// Go does not start with it either.
    Fatal(String),
    /// Go takes it: we go on without.
    Ignored(String),
}

impl Invalid {
    /// Something that Go does not start with.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::Fatal(message.into())
    }
}

/// A type that a key can have.
pub trait Value: Sized {
    /// The type's name on the reference page.
    const KIND: &'static str;

    /// Reads the text after `=`; `None` where the key stands alone.
    ///
    /// # Errors
    /// What was expected instead.
    fn parse(text: Option<&str>) -> Result<Self, Invalid>;

    /// The value as one would write it; empty for none. Secrets do not show.
    fn show(&self) -> String;

    /// Reads one more occurrence of the key after those that gave `before`.
    ///
    /// # Errors
    /// As [`Value::parse`].
    fn add(before: Option<&Self>, text: Option<&str>) -> Result<Self, Invalid> {
        let _ = before;
        Self::parse(text)
    }
}

fn given(text: Option<&str>) -> Result<&str, Invalid> {
    text.ok_or_else(|| Invalid::fatal("a value is missing: write `= value` after it"))
}

impl Value for String {
    const KIND: &'static str = "text";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        given(text).map(str::to_owned)
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// An empty text counts as none.
impl Value for Option<String> {
    const KIND: &'static str = "text";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        given(text).map(|text| (!text.is_empty()).then(|| text.to_owned()))
    }

    fn show(&self) -> String {
        self.clone().unwrap_or_default()
    }
}

/// An empty text counts as none.
impl Value for Option<SecretString> {
    const KIND: &'static str = "secret";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        given(text).map(|text| (!text.is_empty()).then(|| SecretString::from(text)))
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, |_| "(secret)".to_owned())
    }
}

/// Each occurrence adds to the list, the key alone empties it.
impl Value for Vec<String> {
    const KIND: &'static str = "text, repeatable";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        Self::add(None, text)
    }

    fn show(&self) -> String {
        self.join(", ")
    }

    fn add(before: Option<&Self>, text: Option<&str>) -> Result<Self, Invalid> {
        let before = before.into_iter().flatten().cloned();
        Ok(text.map_or_else(Self::new, |text| before.chain([text.to_owned()]).collect()))
    }
}

impl Value for bool {
    const KIND: &'static str = "boolean";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        // A bare key means true.
        match text.unwrap_or("true").to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err(Invalid::fatal("expected true, yes, on or 1, or false, no, off or 0")),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for Duration {
    const KIND: &'static str = "duration";

    fn parse(text: Option<&str>) -> Result<Self, Invalid> {
        use crate::duration::Error;
        crate::duration::parse(given(text)?).map_err(|error| match error {
            Error::NoUnit => Invalid::fatal("a duration needs a unit, as in 5s or 1m30s"),
            Error::Negative => Invalid::Ignored("a duration below zero makes no sense here".to_owned()),
            error => Invalid::Fatal(format!("expected a duration as in 5s or 1m30s: {error}")),
        })
    }

    fn show(&self) -> String {
        match (self.as_secs(), self.subsec_nanos()) {
            (seconds, 0) => format!("{seconds}s"),
            _ => format!("{}ms", self.as_secs_f64() * 1000.0),
        }
    }
}

/// Decimal, or hexadecimal after a small `0x`; a leading zero means nothing.
fn integer(text: Option<&str>) -> Result<i128, Invalid> {
    let expected = || Invalid::fatal("expected a whole number, decimal or hexadecimal with 0x");
    let text = given(text)?.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let hexadecimal = digits.strip_prefix("0x");
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
            const KIND: &'static str = "number";

            fn parse(text: Option<&str>) -> Result<Self, Invalid> {
                let number = integer(text)?;
                // Go reads no plus before a number that cannot be negative.
                let plus = Self::MIN == 0 && text.is_some_and(|text| text.trim_start().starts_with('+'));
                Self::try_from(if plus { -1 } else { number })
                    .map_err(|_| Invalid::Fatal(format!("expected a number from {} to {}", Self::MIN, Self::MAX)))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
whole_numbers!(i64, u64);

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
        for text in [
            None,
            Some(""),
            Some("5s"),
            Some("0x"),
            Some("1.5"),
            Some("--5"),
            Some("1_000"),
            Some("+-1"),
            Some("0X1"),
        ] {
            assert!(i64::parse(text).is_err(), "{text:?}");
        }
        let range = Invalid::fatal("expected a number from 0 to 18446744073709551615");
        assert_eq!(u64::parse(Some("-1")), Err(range));
    }

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(Duration::parse(Some("1m30s")), Ok(Duration::from_secs(90)));
        let fatal = Invalid::fatal("a duration needs a unit, as in 5s or 1m30s");
        assert_eq!(Duration::parse(Some("5")), Err(fatal));
        assert!(matches!(Duration::parse(Some("-5s")), Err(Invalid::Ignored(_))), "Go takes it");
        assert!(Duration::parse(Some("")).is_err() && Duration::parse(None).is_err());
    }

    #[test]
    fn what_is_shown_reads_back() {
        for duration in [Duration::from_secs(90), Duration::from_millis(1500), Duration::ZERO] {
            assert_eq!(Duration::parse(Some(&duration.show())), Ok(duration));
        }
        assert_eq!(bool::parse(Some(&true.show())), Ok(true));
        assert_eq!(i64::parse(Some(&(-7_i64).show())), Ok(-7));
        assert_eq!(Some(SecretString::from("hush")).show(), "(secret)");
    }

    #[test]
    fn strings_may_be_empty_but_not_missing() {
        assert_eq!(String::parse(Some("")), Ok(String::new()));
        assert_eq!(<Option<String>>::parse(Some("")), Ok(None));
        assert!(String::parse(None).is_err() && <Option<String>>::parse(None).is_err());
    }
}
