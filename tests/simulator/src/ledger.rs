//! Every request that was sent into the world, and questions about them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// One request. Times are since the world's beginning.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// Who sent it: the name of the link.
    pub client: String,
    /// Which service it went to.
    pub service: String,
    /// Its method.
    pub method: String,
    /// Its path, ids replaced by `{id}`.
    pub path: String,
    /// The path as it was sent.
    pub raw_path: String,
    /// The names of its query parameters, sorted, each once.
    pub query_keys: Vec<String>,
    /// The microversion asked for, `2.79`.
    pub microversion: Option<String>,
    /// Whose token it bore: the user's name.
    pub user: Option<String>,
    /// The answer's status, whether or not it came back.
    pub status: Option<u16>,
    /// Rows in the answer: the length of the list, 1 for one object, 0 for none.
    pub rows: usize,
    /// Bytes of the request's body.
    pub sent_bytes: usize,
    /// Bytes of the answer's body.
    pub bytes: usize,
    /// When it left.
    pub begun: Duration,
    /// When the service did it.
    pub effect: Option<Duration>,
    /// When the answer reached the client.
    pub answered: Option<Duration>,
    /// Kinds of faults that happened to it.
    pub faults: Vec<&'static str>,
}

impl Entry {
    /// Whether it changes something: not GET, HEAD, and not a login.
    pub fn is_write(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD") && self.service != "keystone"
    }

    /// `POST octavia /v2/lbaas/pools`.
    pub fn call(&self) -> String {
        format!("{} {} {}", self.method, self.service, self.path)
    }
}

/// Which request, for those who fill it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number(usize);

/// All requests in the order in which they left; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Vec<Entry>>>);

impl Ledger {
    /// Writes a request down as it leaves.
    pub fn begin(&self, entry: Entry) -> Number {
        let mut entries = self.lock();
        entries.push(entry);
        Number(entries.len() - 1)
    }

    /// Changes what is known of a request.
    pub fn amend(&self, number: Number, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.lock().get_mut(number.0) {
            change(entry);
        }
    }

    /// What is known of a request.
    pub fn get(&self, number: Number) -> Option<Entry> {
        self.lock().get(number.0).cloned()
    }

    /// All of them.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().clone()
    }

    /// How many there are: a mark for [`Self::since`].
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether nothing was sent yet.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Those that left after the mark.
    pub fn since(&self, mark: usize) -> Vec<Entry> {
        self.lock().iter().skip(mark).cloned().collect()
    }

    /// Those for which `wanted` holds.
    pub fn select(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.lock().iter().filter(|entry| wanted(entry)).cloned().collect()
    }

    /// How many there are for which `wanted` holds.
    pub fn count(&self, wanted: impl Fn(&Entry) -> bool) -> usize {
        self.lock().iter().filter(|entry| wanted(entry)).count()
    }

    /// Those that change something.
    pub fn writes(&self) -> Vec<Entry> {
        self.select(Entry::is_write)
    }

    /// What was called and answered how often, with what query keys and microversion: what a contract must cover.
    pub fn shapes(&self) -> BTreeMap<String, usize> {
        let mut shapes = BTreeMap::new();
        for entry in self.lock().iter() {
            let mut shape = entry.call();
            if !entry.query_keys.is_empty() {
                let _ = write!(shape, "?{}", entry.query_keys.join("&"));
            }
            if let Some(version) = &entry.microversion {
                let _ = write!(shape, " ({version})");
            }
            let status = entry.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            let _ = write!(shape, " -> {status}");
            *shapes.entry(shape).or_default() += 1;
        }
        shapes
    }

    /// Requests, rows and bytes by service and call, as a table for people.
    pub fn table(&self) -> String {
        let mut sums: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
        for entry in self.lock().iter() {
            for key in [entry.call(), format!("* {}", entry.service)] {
                let sum = sums.entry(key).or_default();
                *sum = (sum.0 + 1, sum.1 + entry.rows, sum.2 + entry.bytes);
            }
        }
        let mut table = format!("{:>8} {:>9} {:>12}  call\n", "requests", "rows", "bytes");
        for (call, (requests, rows, bytes)) in sums {
            let _ = writeln!(table, "{requests:>8} {rows:>9} {bytes:>12}  {call}");
        }
        table
    }

    /// The most requests for which `wanted` holds that began within any `window`.
    pub fn busiest(&self, window: Duration, wanted: impl Fn(&Entry) -> bool) -> usize {
        let times: Vec<Duration> =
            self.lock().iter().filter(|entry| wanted(entry)).map(|entry| entry.begun).collect();
        let within = |at: Duration, end: Duration| end.saturating_sub(at) < window;
        let ending = |end: usize| times[..=end].iter().filter(|at| within(**at, times[end])).count();
        (0..times.len()).map(ending).max().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(service: &str, method: &str, path: &str, begun: u64) -> Entry {
        Entry {
            service: service.into(),
            method: method.into(),
            path: path.into(),
            begun: Duration::from_secs(begun),
            ..Entry::default()
        }
    }

    #[test]
    fn logins_and_reads_are_no_writes() {
        let ledger = Ledger::default();
        ledger.begin(entry("keystone", "POST", "/v3/auth/tokens", 0));
        ledger.begin(entry("nova", "GET", "/v2.1/servers", 0));
        let number = ledger.begin(entry("octavia", "POST", "/v2/lbaas/pools", 0));
        ledger.amend(number, |entry| entry.status = Some(201));
        assert_eq!(ledger.writes().len(), 1);
        assert_eq!(ledger.writes()[0].status, Some(201));
        assert_eq!(ledger.since(2)[0].call(), "POST octavia /v2/lbaas/pools");
    }

    #[test]
    fn shapes_tell_query_microversion_and_status() {
        let ledger = Ledger::default();
        let mut list = entry("nova", "GET", "/v2.1/servers/detail", 0);
        list.query_keys = vec!["limit".into(), "marker".into()];
        list.microversion = Some("2.79".into());
        ledger.begin(Entry { status: Some(200), ..list.clone() });
        ledger.begin(list);
        let shapes: Vec<String> = ledger.shapes().into_keys().collect();
        let call = "GET nova /v2.1/servers/detail?limit&marker (2.79) -> ";
        assert_eq!(shapes, [format!("{call}200"), format!("{call}none")]);
    }

    #[test]
    fn the_busiest_window_is_found() {
        let ledger = Ledger::default();
        for second in [0, 10, 11, 12, 30] {
            ledger.begin(entry("nova", "GET", "/", second));
        }
        assert_eq!(ledger.busiest(Duration::from_secs(2), |_| true), 2);
        assert_eq!(ledger.busiest(Duration::from_secs(3), |_| true), 3);
        assert_eq!(ledger.busiest(Duration::from_secs(3), |entry| entry.service == "octavia"), 0);
        assert!(ledger.table().contains("5         0            0  GET nova /"), "{}", ledger.table());
    }
}
