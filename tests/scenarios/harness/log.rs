//! What the programs say, kept for the end of a failure's report and searched for secrets.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

/// So many of the last lines are kept.
const KEPT: usize = 400;

/// A line is shown up to here.
const LONGEST: usize = 500;

/// The captured log of one run; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    last: VecDeque<String>,
    lines: u64,
    secrets: Vec<String>,
    leaks: Vec<String>,
}

impl Log {
    /// From now on nothing may say this.
    pub(crate) fn add_secret(&self, secret: &str) {
        let mut state = self.lock();
        if secret.len() >= 6 && !state.secrets.iter().any(|known| known == secret) {
            state.secrets.push(secret.to_owned());
        }
    }

    /// Searches a text that leaves a program.
    pub(crate) fn search(&self, what: &str, text: &str) {
        let mut state = self.lock();
        state.lines += 1;
        if state.secrets.iter().any(|secret| text.contains(secret.as_str())) {
            state.leaks.push(format!("{what}: {text}"));
        }
    }

    /// How many texts were searched, and those that hold a secret.
    pub(crate) fn searched(&self) -> (u64, Vec<String>) {
        let state = self.lock();
        (state.lines, state.leaks.clone())
    }

    /// The last lines.
    pub(crate) fn last(&self) -> Vec<String> {
        self.lock().last.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        self.search("log", &text);
        text.truncate(text.floor_char_boundary(LONGEST));
        let mut state = self.lock();
        if state.last.len() == KEPT {
            state.last.pop_front();
        }
        state.last.push_back(text);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
