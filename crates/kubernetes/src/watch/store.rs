//! The latest state of every watched object.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

use super::Event;
use super::changes::{Changes, Inbox};
use crate::object::Object;

/// The latest state of every object of a kind. Clones share it.
pub struct Store<T: Object> {
    shared: Arc<Shared<T>>,
}

struct Shared<T: Object> {
    state: Mutex<State<T>>,
    ready: watch::Sender<bool>,
}

struct State<T: Object> {
    objects: BTreeMap<T::Key, Arc<T>>,
    /// While a list is read: the keys not seen in it yet.
    unconfirmed: Option<BTreeSet<T::Key>>,
    synced: bool,
    listeners: Vec<Weak<Inbox<T>>>,
}

impl<T: Object> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T: Object> Store<T> {
    pub(super) fn new() -> Self {
        let state =
            State { objects: BTreeMap::new(), unconfirmed: None, synced: false, listeners: Vec::new() };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), ready: watch::Sender::new(false) }) }
    }

    /// The object of that name, as last seen.
    pub fn get<Q>(&self, key: &Q) -> Option<Arc<T>>
    where
        T::Key: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.lock().objects.get(key).cloned()
    }

    /// All objects in order of their keys.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.lock().objects.values().cloned().collect()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.lock().objects.len()
    }

    /// There is no object.
    pub fn is_empty(&self) -> bool {
        self.lock().objects.is_empty()
    }

    /// Waits until the initial list has been read.
    pub async fn ready(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.shared.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// The initial list has been read.
    pub fn is_ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// Adds a listener: it is told of everything that exists, then [`Synced`](super::Change::Synced), then every change.
    pub fn subscribe(&self) -> Changes<T> {
        let (changes, inbox) = Changes::new();
        let mut state = self.lock();
        for object in state.objects.values() {
            inbox.applied(None, object.clone());
        }
        if state.synced {
            inbox.synced();
        }
        state.listeners.push(Arc::downgrade(&inbox));
        changes
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn apply(&self, event: Event<T>) {
        let mut state = self.lock();
        match event {
            Event::ListBegins => state.unconfirmed = Some(state.objects.keys().cloned().collect()),
            Event::Listed(object) => {
                if let Some(unconfirmed) = &mut state.unconfirmed {
                    unconfirmed.remove(&object.key());
                }
                state.put(&object);
            }
            Event::Applied(object) => state.put(&object),
            Event::Deleted(last) => state.remove(&last.key(), Some(last.clone())),
            Event::ListEnds => {
                for key in state.unconfirmed.take().unwrap_or_default() {
                    state.remove(&key, None);
                }
                if !state.synced {
                    state.synced = true;
                    state.tell(Inbox::synced);
                    self.shared.ready.send_replace(true);
                }
            }
        }
    }
}

impl<T: Object> State<T> {
    fn put(&mut self, new: &Arc<T>) {
        let old = self.objects.insert(new.key(), new.clone());
        if old.as_ref() != Some(new) {
            self.tell(|inbox| inbox.applied(old.clone(), new.clone()));
        }
    }

    fn remove(&mut self, key: &T::Key, last: Option<Arc<T>>) {
        if let Some(old) = self.objects.remove(key) {
            let last = last.unwrap_or_else(|| old.clone());
            self.tell(|inbox| inbox.deleted(old.clone(), last.clone()));
        }
    }

    fn tell(&mut self, what: impl Fn(&Inbox<T>)) {
        self.listeners.retain(|listener| listener.upgrade().inspect(|inbox| what(inbox)).is_some());
    }
}
