//! One listener's view of a watch: changes in order of arrival, those of one object merged while they wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::object::Object;

/// What happened to an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change<T> {
    /// It is new, or differs from what was last reported.
    Applied {
        /// What was last reported to this listener; the same object by uid.
        old: Option<Arc<T>>,
        /// What it is now.
        new: Arc<T>,
    },
    /// It is gone; this is the last state seen.
    Deleted(Arc<T>),
    /// Everything that existed when the listener joined, or when the watch began, has been reported. Comes once.
    Synced,
}

/// The changes for one listener.
pub struct Changes<T: Object> {
    inbox: Arc<Inbox<T>>,
    /// The second half of "another object of the same name".
    held: Option<Change<T>>,
}

pub(super) struct Inbox<T: Object> {
    waiting: Mutex<Waiting<T>>,
    arrived: Notify,
}

struct Waiting<T: Object> {
    order: VecDeque<Entry<T::Key>>,
    pending: BTreeMap<T::Key, Pending<T>>,
}

enum Entry<K> {
    Object(K),
    Synced,
}

/// From what the listener knows to what is the case now.
struct Pending<T> {
    known: Option<Arc<T>>,
    now: Now<T>,
}

enum Now<T> {
    Present(Arc<T>),
    /// With the last state.
    Gone(Arc<T>),
}

impl<T: Object> Changes<T> {
    pub(super) fn new() -> (Self, Arc<Inbox<T>>) {
        let waiting = Waiting { order: VecDeque::new(), pending: BTreeMap::new() };
        let inbox = Arc::new(Inbox { waiting: Mutex::new(waiting), arrived: Notify::new() });
        (Self { inbox: inbox.clone(), held: None }, inbox)
    }

    /// The next change. Waits for ever once the watch was stopped. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Change<T> {
        loop {
            // There is one listener per inbox, and a notification that comes before it waits is kept.
            if let Some(change) = self.try_next() {
                return change;
            }
            self.inbox.arrived.notified().await;
        }
    }

    /// The next change, if one is waiting.
    pub fn try_next(&mut self) -> Option<Change<T>> {
        if let Some(change) = self.held.take() {
            return Some(change);
        }
        loop {
            let pending = {
                let mut waiting = self.inbox.lock();
                match waiting.order.pop_front()? {
                    Entry::Synced => return Some(Change::Synced),
                    Entry::Object(key) => waiting.pending.remove(&key),
                }
            };
            let (change, held) = pending.map_or((None, None), Pending::resolve);
            self.held = held;
            if change.is_some() {
                return change;
            }
        }
    }
}

impl<T: Object> Pending<T> {
    /// What to report now, and what right after.
    fn resolve(self) -> (Option<Change<T>>, Option<Change<T>>) {
        match (self.known, self.now) {
            (None, Now::Gone(_)) => (None, None),
            (Some(_), Now::Gone(last)) => (Some(Change::Deleted(last)), None),
            (Some(old), Now::Present(new)) if old.uid() != new.uid() => {
                (Some(Change::Deleted(old)), Some(Change::Applied { old: None, new }))
            }
            (Some(old), Now::Present(new)) if old == new => (None, None),
            (old, Now::Present(new)) => (Some(Change::Applied { old, new }), None),
        }
    }
}

impl<T: Object> Inbox<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn applied(&self, old: Option<Arc<T>>, new: Arc<T>) {
        self.put(new.key(), old, Now::Present(new));
    }

    pub(super) fn deleted(&self, old: Arc<T>, last: Arc<T>) {
        self.put(old.key(), Some(old), Now::Gone(last));
    }

    pub(super) fn synced(&self) {
        self.lock().order.push_back(Entry::Synced);
        self.arrived.notify_one();
    }

    fn put(&self, key: T::Key, known: Option<Arc<T>>, now: Now<T>) {
        let mut waiting = self.lock();
        if let Some(pending) = waiting.pending.get_mut(&key) {
            pending.now = now;
        } else {
            waiting.order.push_back(Entry::Object(key.clone()));
            waiting.pending.insert(key, Pending { known, now });
        }
        drop(waiting);
        self.arrived.notify_one();
    }
}
