//! Mutations: what is likely to break a reader, more often than chance alone would try it.

use fastrand::Rng;

/// The longest input, in bytes.
const LONGEST: usize = 1 << 14;

/// Pieces of the formats that are read, and numbers at the edge of their types.
const PIECES: [&str; 44] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "{}",
    "[]",
    "\\u0000",
    "\\ud800",
    "\u{202e}",
    "\u{1b}[2J",
    "é",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "9223372036854775807",
    "NaN",
    "0.1",
    "\n",
    "\r\n",
    "\t",
    "  ",
    "#",
    ";",
    "=",
    "\\",
    "/",
    "..",
    "%2f",
    "%00",
    "?",
    "&",
    "&a",
    "*a",
    "<<: ",
    "!!binary ",
    "- ",
    "|\n ",
    "\u{0}",
];

/// Draws inputs from a corpus.
pub(crate) struct Mutator<'a> {
    rng: Rng,
    corpus: &'a [&'a str],
    input: Vec<u8>,
}

impl<'a> Mutator<'a> {
    pub(crate) fn new(seed: u64, corpus: &'a [&'a str]) -> Self {
        Self { rng: Rng::with_seed(seed), corpus, input: Vec::new() }
    }

    /// Another input. One in eight goes on from the last, so that mutations add up.
    pub(crate) fn next(&mut self) -> &[u8] {
        if self.input.is_empty() || self.rng.u8(..8) > 0 {
            let start = self.corpus[self.rng.usize(..self.corpus.len())];
            self.input.clear();
            self.input.extend_from_slice(start.as_bytes());
        }
        for _ in 0..=self.rng.u8(..6) {
            self.mutate();
        }
        self.input.truncate(LONGEST);
        &self.input
    }

    /// A range of the input.
    fn range(&mut self) -> std::ops::Range<usize> {
        let length = self.input.len();
        let from = self.rng.usize(..=length);
        let to = (from + self.rng.usize(..=16)).min(length);
        from..to
    }

    fn mutate(&mut self) {
        let range = self.range();
        match self.rng.u8(..9) {
            0 => {
                if let Some(byte) = self.input.get_mut(range.start) {
                    *byte ^= 1 << self.rng.u8(..8);
                }
            }
            1 => self.input.insert(range.start, self.rng.u8(..)),
            2 => drop(self.input.drain(range)),
            3 => {
                let copy = self.input[range.clone()].to_vec();
                self.input.splice(range.start..range.start, copy);
            }
            4 => self.input.truncate(range.start),
            5 => {
                let other = self.corpus[self.rng.usize(..self.corpus.len())].as_bytes();
                let from = self.rng.usize(..=other.len());
                self.input.splice(range, other[from..].iter().copied());
            }
            6 => self.replace_number(),
            _ => {
                let piece = PIECES[self.rng.usize(..PIECES.len())];
                let times = if self.rng.u8(..32) == 0 { self.rng.usize(1..512) } else { 1 };
                let pieces = piece.bytes().cycle().take(piece.len() * times);
                self.input.splice(range, pieces);
            }
        }
    }

    /// Puts another number where one stands.
    fn replace_number(&mut self) {
        let digits = |input: &[u8], at: usize| input.get(at).is_some_and(u8::is_ascii_digit);
        let numbers: Vec<usize> = (0..self.input.len())
            .filter(|at| digits(&self.input, *at) && (*at == 0 || !digits(&self.input, *at - 1)))
            .collect();
        if numbers.is_empty() {
            return;
        }
        let from = numbers[self.rng.usize(..numbers.len())];
        let to = (from..self.input.len()).find(|at| !digits(&self.input, *at)).unwrap_or(self.input.len());
        let number = match self.rng.u8(..4) {
            0 => "0".to_owned(),
            1 => u64::MAX.to_string(),
            2 => self.rng.u64(..).to_string(),
            _ => self.rng.u16(..600).to_string(),
        };
        self.input.splice(from..to, number.into_bytes());
    }
}
