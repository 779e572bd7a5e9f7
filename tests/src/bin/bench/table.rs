//! Series of measurements and rows of text.

use std::fmt;
use std::time::Duration;

/// Measurements of the same thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(Vec<f64>);

impl Series {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn add_time(&mut self, took: Duration) {
        self.add(took.as_secs_f64());
    }

    pub(crate) fn add_count(&mut self, count: u64) {
        self.add(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        }
    }

    fn low(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn high(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    /// As seconds.
    pub(crate) fn seconds(&self) -> String {
        format!("{:.2} s ({:.2} to {:.2})", self.median(), self.low(), self.high())
    }

    /// As a count.
    pub(crate) fn count(&self) -> String {
        if self.low() >= self.high() {
            format!("{:.0}", self.median())
        } else {
            format!("{:.0} ({:.0} to {:.0})", self.median(), self.low(), self.high())
        }
    }
}

/// A heading with the rows below it.
pub(crate) struct Table(Vec<(String, String)>);

impl Table {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn row(&mut self, what: &str, value: impl fmt::Display) -> &mut Self {
        self.0.push((what.to_owned(), value.to_string()));
        self
    }

    /// Prints it, with the machine's load.
    pub(crate) fn print(&mut self, title: &str) {
        self.row("load", load());
        let width = self.0.iter().map(|(what, _)| what.len()).max().unwrap_or_default();
        println!("\n{title}");
        for (what, value) in &self.0 {
            println!("  {what:width$}  {value}");
        }
    }
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
        let series = |values: &[f64]| Series(values.to_vec()).median();
        assert!((series(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((series(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(series(&[]).is_nan());
    }

    #[test]
    fn a_count_that_never_varies_has_no_spread() {
        assert_eq!(Series(vec![4.0, 4.0]).count(), "4");
        assert_eq!(Series(vec![4.0, 6.0, 5.0]).count(), "5 (4 to 6)");
    }
}
