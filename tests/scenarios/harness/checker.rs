//! Evaluates the invariants at every write in either world, and counts how often.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use simulator::Entry;

use super::dump::{Dump, Place};

/// What an invariant says of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// It has nothing to say.
    Silent,
    /// It holds.
    Holds,
    /// It does not.
    Broken(String),
}

impl Finding {
    /// Holds if nothing is wrong.
    pub(crate) fn of(wrong: Option<String>) -> Self {
        wrong.map_or(Self::Holds, Self::Broken)
    }
}

/// A write that has just taken effect.
pub(crate) struct Effect<'a> {
    /// The request.
    pub(crate) entry: &'a Entry,
    /// The cloud before. Equal to `after` for writes to Kubernetes.
    pub(crate) before: &'a Dump,
    /// The cloud now.
    pub(crate) after: &'a Dump,
    /// What the harness knows.
    pub(crate) book: &'a Book,
}

/// Something that must always hold.
pub(crate) trait Invariant: Send {
    /// Its name, as in statistics.
    fn name(&self) -> &'static str;
    /// Looks at one write.
    fn at_effect(&mut self, effect: &Effect<'_>) -> Finding;
}

/// What the harness knows beside what can be seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    /// Who made what: the name of a cluster, or nothing for what was there before.
    pub(crate) owners: BTreeMap<Place, Option<String>>,
    /// The state of what was there before.
    pub(crate) foreign: Dump,
    /// Writes of each cluster's lease: when, and who held it then (the name of a link).
    pub(crate) leases: BTreeMap<String, Vec<(Duration, Option<String>)>>,
    /// Clusters some node of which has been fit to be a member for a while.
    pub(crate) has_nodes: BTreeSet<String>,
    /// Names of load balancers whose Services are to go.
    pub(crate) leaving: BTreeSet<String>,
}

/// The cluster that a program belongs to: programs are called `<cluster>-<number>.<start>`.
pub(crate) fn cluster_of(client: &str) -> &str {
    client.split('-').next().unwrap_or(client)
}

/// All invariants of a run; clones share it.
#[derive(Clone)]
pub(crate) struct Checker(Arc<Mutex<State>>);

struct State {
    invariants: Vec<Box<dyn Invariant>>,
    book: Book,
    last: Arc<Dump>,
    evaluated: BTreeMap<&'static str, u64>,
    broken: Vec<String>,
}

impl Checker {
    /// A checker for a world that looks like `dump`; all that is in it belongs to others.
    pub(crate) fn new(invariants: Vec<Box<dyn Invariant>>, dump: Dump) -> Self {
        let owners = dump.objects().map(|(place, _)| (place, None)).collect();
        let evaluated = invariants.iter().map(|invariant| (invariant.name(), 0)).collect();
        let book = Book { owners, foreign: dump.clone(), ..Book::default() };
        Self(Arc::new(Mutex::new(State {
            invariants,
            book,
            last: Arc::new(dump),
            evaluated,
            broken: Vec::new(),
        })))
    }

    /// A write is about to happen. `dump` is the cloud before it, `None` if it cannot change it.
    pub(crate) fn before(&self, dump: Option<Dump>) {
        if let Some(dump) = dump {
            self.lock().last = Arc::new(dump);
        }
    }

    /// A cluster's lease has just been written; `holder` has it now.
    pub(crate) fn lease(&self, cluster: &str, at: Duration, holder: Option<String>) {
        self.lock().book.leases.entry(cluster.to_owned()).or_default().push((at, holder));
    }

    /// Looks at a write that has just happened. `dump` is the cloud after it, `None` if it cannot have changed.
    pub(crate) fn effect(&self, entry: &Entry, dump: Option<Dump>) {
        let mut state = self.lock();
        let State { invariants, book, last, evaluated, broken } = &mut *state;
        let cluster = cluster_of(&entry.client).to_owned();
        let before = Arc::clone(last);
        if let Some(dump) = dump {
            *last = Arc::new(dump);
            for (place, _) in last.objects() {
                book.owners.entry(place).or_insert_with(|| Some(cluster.clone()));
            }
        }
        let effect = Effect { entry, before: &before, after: last, book };
        for invariant in invariants {
            note(evaluated, broken, invariant.name(), invariant.at_effect(&effect));
        }
    }

    /// Notes what was found at another moment.
    pub(crate) fn found(&self, name: &'static str, finding: Finding) {
        let mut state = self.lock();
        let State { evaluated, broken, .. } = &mut *state;
        note(evaluated, broken, name, finding);
    }

    /// Changes what the harness knows.
    pub(crate) fn with_book<R>(&self, act: impl FnOnce(&mut Book) -> R) -> R {
        act(&mut self.lock().book)
    }

    /// The world was changed by the harness itself: what differs between the two is the new normal.
    pub(crate) fn accept(&self, before: &Dump, after: &Dump) {
        let mut state = self.lock();
        for place in after.changed_since(before) {
            state.book.owners.entry(place).or_insert(None);
        }
        state.book.foreign = after.clone();
    }

    /// The first thing that was wrong.
    pub(crate) fn broken(&self) -> Option<String> {
        self.lock().broken.first().cloned()
    }

    /// How often each invariant was evaluated.
    pub(crate) fn evaluated(&self) -> BTreeMap<&'static str, u64> {
        self.lock().evaluated.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(
    evaluated: &mut BTreeMap<&'static str, u64>,
    broken: &mut Vec<String>,
    name: &'static str,
    finding: Finding,
) {
    match finding {
        Finding::Silent => return,
        Finding::Holds => {}
        Finding::Broken(why) => broken.push(format!("{name}: {why}")),
    }
    *evaluated.entry(name).or_default() += 1;
}
