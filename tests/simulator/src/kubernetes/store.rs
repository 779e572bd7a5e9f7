//! The database: objects by kind and key, one revision for all of them, and what has changed lately.
//!
//! Every change raises the revision by one. Of each kind the last changes are kept: from them watches are fed, and older
//! states are worked out by undoing. What is older than the oldest change that is kept is gone, and so says the answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::kind::Kind;

/// Namespace (empty for kinds without) and name: also the order of lists.
pub(crate) type Key = (String, String);

/// Objects of one kind at one moment.
pub(crate) type Objects = BTreeMap<Key, Arc<Value>>;

/// One change of one object.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) at: Instant,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    /// `None` for a deletion.
    pub(crate) after: Option<Arc<Value>>,
}

/// The database.
pub(crate) struct Store {
    revision: u64,
    tables: BTreeMap<&'static str, Table>,
    /// Changes kept of each kind.
    window: usize,
    /// One for each who wants to know: they are told in the order of their coming. A channel that they share would wake
    /// them in an order that no seed decides.
    moved: Vec<watch::Sender<u64>>,
}

#[derive(Default)]
struct Table {
    objects: Objects,
    changes: VecDeque<Change>,
    /// Changes up to this revision are forgotten.
    forgotten: u64,
}

/// The version asked for is not kept any more.
#[derive(Debug)]
pub(crate) struct Forgotten {
    /// The oldest revision from which the changes are complete.
    pub(crate) oldest: u64,
}

impl Store {
    /// An empty database that keeps `window` changes of each kind.
    pub(crate) fn new(window: usize) -> Self {
        let revision = 1;
        Self { revision, tables: BTreeMap::new(), window, moved: Vec::new() }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Told of every change.
    pub(crate) fn moved(&mut self) -> watch::Receiver<u64> {
        self.moved.retain(|sender| !sender.is_closed());
        let (sender, receiver) = watch::channel(self.revision);
        self.moved.push(sender);
        receiver
    }

    fn tell(&self) {
        for sender in &self.moved {
            sender.send_replace(self.revision);
        }
    }

    pub(crate) fn get(&self, kind: &Kind, key: &Key) -> Option<&Arc<Value>> {
        self.tables.get(kind.id())?.objects.get(key)
    }

    /// All objects of a kind as they are now.
    pub(crate) fn objects(&self, kind: &Kind) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.tables.get(kind.id()).into_iter().flat_map(|table| &table.objects)
    }

    /// Writes `object` as it stands, with its new version, and returns it.
    pub(crate) fn put(&mut self, kind: &Kind, key: Key, mut object: Value, now: Instant) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        let object = Arc::new(object);
        let table = self.tables.entry(kind.id()).or_default();
        let before = table.objects.insert(key.clone(), object.clone());
        let after = Some(object.clone());
        table.remember(Change { revision: self.revision, at: now, key, before, after }, self.window);
        self.tell();
        object
    }

    /// Changes the last state of an object that is about to be removed: its own version is never seen.
    pub(crate) fn replace_silently(&mut self, kind: &Kind, key: &Key, object: Value) {
        if let Some(place) = self.tables.get_mut(kind.id()).and_then(|table| table.objects.get_mut(key)) {
            *place = Arc::new(object);
        }
    }

    /// Removes an object; the answer is its last state under the version of its removal.
    pub(crate) fn remove(&mut self, kind: &Kind, key: &Key, now: Instant) -> Option<Arc<Value>> {
        let table = self.tables.get_mut(kind.id())?;
        let before = table.objects.remove(key)?;
        self.revision += 1;
        let change = Change {
            revision: self.revision,
            at: now,
            key: key.clone(),
            before: Some(before.clone()),
            after: None,
        };
        table.remember(change, self.window);
        self.tell();
        Some(Arc::new(at_version(&before, self.revision)))
    }

    /// Forgets all changes up to now: every older version is answered with "gone".
    pub(crate) fn forget(&mut self) {
        for table in self.tables.values_mut() {
            table.changes.clear();
            table.forgotten = self.revision;
        }
    }

    /// The first change of a kind after `revision`.
    pub(crate) fn next_change(&self, kind: &Kind, revision: u64) -> Result<Option<&Change>, Forgotten> {
        let Some(table) = self.tables.get(kind.id()) else { return Ok(None) };
        if revision < table.forgotten {
            return Err(Forgotten { oldest: table.forgotten });
        }
        let at = table.changes.partition_point(|change| change.revision <= revision);
        Ok(table.changes.get(at))
    }

    /// The last revision at or before `at` that touched this kind, for reads from a cache that lags.
    pub(crate) fn revision_at(&self, kind: &Kind, at: Instant) -> u64 {
        let Some(table) = self.tables.get(kind.id()) else { return self.revision };
        let later = table.changes.partition_point(|change| change.at <= at);
        match table.changes.get(later) {
            Some(first_later) => (first_later.revision - 1).max(table.forgotten),
            None => self.revision,
        }
    }

    /// The objects of a kind as they were at `revision`.
    pub(crate) fn objects_at(&self, kind: &Kind, revision: u64) -> Result<Objects, Forgotten> {
        let Some(table) = self.tables.get(kind.id()) else { return Ok(Objects::new()) };
        if revision < table.forgotten {
            return Err(Forgotten { oldest: table.forgotten });
        }
        let mut objects = table.objects.clone();
        for change in table.changes.iter().rev().take_while(|change| change.revision > revision) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }
}

impl Table {
    fn remember(&mut self, change: Change, window: usize) {
        self.changes.push_back(change);
        while self.changes.len() > window {
            if let Some(oldest) = self.changes.pop_front() {
                self.forgotten = oldest.revision;
            }
        }
    }
}

/// The object with another version in its metadata.
pub(crate) fn at_version(object: &Value, revision: u64) -> Value {
    let mut object = object.clone();
    object["metadata"]["resourceVersion"] = json!(revision.to_string());
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes() -> &'static Kind {
        Kind::find("", "v1", "nodes").unwrap()
    }

    fn key(name: &str) -> Key {
        (String::new(), name.to_owned())
    }

    fn names(objects: &Objects) -> Vec<&str> {
        objects.keys().map(|(_, name)| name.as_str()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn every_change_has_its_own_revision_and_older_states_can_be_read() {
        let (mut store, now) = (Store::new(10), Instant::now());
        store.put(nodes(), key("a"), json!({"metadata": {}, "x": 1}), now);
        let before = store.revision();
        store.put(nodes(), key("b"), json!({"metadata": {}}), now);
        store.put(nodes(), key("a"), json!({"metadata": {}, "x": 2}), now);
        let last = store.remove(nodes(), &key("b"), now).unwrap();
        assert_eq!(store.revision(), before + 3);
        assert_eq!(last["metadata"]["resourceVersion"], json!((before + 3).to_string()));
        let then = store.objects_at(nodes(), before).unwrap();
        assert_eq!((names(&then), &then[&key("a")]["x"]), (vec!["a"], &json!(1)));
        assert_eq!(names(&store.objects_at(nodes(), before + 1).unwrap()), ["a", "b"]);
        assert_eq!(store.get(nodes(), &key("a")).unwrap()["x"], 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_older_than_the_window_is_gone() {
        let (mut store, now) = (Store::new(2), Instant::now());
        let start = store.revision();
        for _ in 0..3 {
            store.put(nodes(), key("a"), json!({"metadata": {}}), now);
        }
        assert!(store.next_change(nodes(), start).is_err());
        assert!(store.objects_at(nodes(), start).is_err());
        assert_eq!(store.next_change(nodes(), start + 1).unwrap().unwrap().revision, start + 2);
        store.forget();
        assert!(store.next_change(nodes(), start + 2).is_err());
        assert!(store.next_change(nodes(), store.revision()).unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lagging_cache_shows_the_past() {
        let (mut store, start) = (Store::new(10), Instant::now());
        let second = std::time::Duration::from_secs(1);
        store.put(nodes(), key("a"), json!({"metadata": {}}), start);
        store.put(nodes(), key("b"), json!({"metadata": {}}), start + 2 * second);
        let then = store.revision_at(nodes(), start + second);
        assert_eq!(names(&store.objects_at(nodes(), then).unwrap()), ["a"]);
        assert_eq!(store.revision_at(nodes(), start + 2 * second), store.revision());
    }
}
