//! What must hold at every write.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use simulator::Entry;

use super::checker::{Book, Effect, Finding, Invariant, cluster_of};
use super::dump::{Dump, Place, differ, ids, text};

/// A holder begins no write this long after its last renewal (`--leader-elect-renew-deadline`).
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Faults that let a write take effect long after it was sent; nobody can do anything about that.
const DELAYING: [&str; 2] = ["late", "slow"];

/// All of them.
pub(crate) fn all() -> Vec<Box<dyn Invariant>> {
    vec![
        Box::new(NodesStay),
        Box::new(OwnOnly),
        Box::new(ForeignStays),
        Box::new(NeverEmpty),
        Box::new(Fenced),
        Box::new(OneWriter),
    ]
}

/// Those that need no look at the whole cloud.
pub(crate) fn cheap() -> Vec<Box<dyn Invariant>> {
    vec![Box::new(NodesStay), Box::new(Fenced), Box::new(OneWriter)]
}

fn is_kubernetes(entry: &Entry) -> bool {
    entry.service == "kubernetes"
}

/// Whether the lease covers it: all writes but those of the lease itself and of events.
fn is_fenced(entry: &Entry) -> bool {
    entry.is_write() && !["/leases", "/events", "reviews"].iter().any(|part| entry.path.contains(part))
}

/// No program deletes a Node.
struct NodesStay;

impl Invariant for NodesStay {
    fn name(&self) -> &'static str {
        "nodes-stay"
    }

    fn at_effect(&mut self, effect: &Effect<'_>) -> Finding {
        let entry = effect.entry;
        if !is_kubernetes(entry) {
            return Finding::Silent;
        }
        let deleted = entry.method == "DELETE" && entry.path.contains("/nodes");
        Finding::of(deleted.then(|| format!("{} sent {} {}", entry.client, entry.method, entry.raw_path)))
    }
}

/// A program changes in the cloud only what its own cluster made.
struct OwnOnly;

impl Invariant for OwnOnly {
    fn name(&self) -> &'static str {
        "own-only"
    }

    fn at_effect(&mut self, effect: &Effect<'_>) -> Finding {
        if is_kubernetes(effect.entry) {
            return Finding::Silent;
        }
        let writer = cluster_of(&effect.entry.client);
        let touched = effect.after.changed_since(effect.before);
        let stranger = touched.iter().find(|place| match effect.book.owners.get(*place) {
            Some(Some(owner)) => owner != writer,
            Some(None) => true,
            None => false,
        });
        Finding::of(stranger.map(|(kind, id)| {
            format!(
                "{} {} of {} changed {kind} {id}, which it did not make",
                effect.entry.method, effect.entry.raw_path, effect.entry.client
            )
        }))
    }
}

/// What was there before stays as it was.
struct ForeignStays;

impl Invariant for ForeignStays {
    fn name(&self) -> &'static str {
        "foreign-stays"
    }

    fn at_effect(&mut self, effect: &Effect<'_>) -> Finding {
        if is_kubernetes(effect.entry) {
            return Finding::Silent;
        }
        let foreign = |(kind, id): &Place| effect.book.owners.get(&(kind.clone(), id.clone())) == Some(&None);
        let wrong = effect
            .book
            .foreign
            .objects()
            .filter(|(place, _)| foreign(place))
            .find(|((kind, id), then)| effect.after.get(kind, id).is_none_or(|now| differ(then, now)));
        Finding::of(wrong.map(|((kind, id), _)| {
            format!(
                "{kind} {id} was there before and is not as it was, after {} {}",
                effect.entry.method, effect.entry.raw_path
            )
        }))
    }
}

/// What is being deleted is as good as gone.
fn stays(object: &Value) -> bool {
    !text(object, "provisioning_status").contains("DELETE")
}

fn listeners(dump: &Dump, load_balancer: &Value) -> usize {
    ids(load_balancer, "listeners")
        .filter_map(|id| dump.get("listeners", id))
        .filter(|one| stays(one))
        .count()
}

/// Of a pool that stays.
fn members(dump: &Dump, pool: &str) -> Option<usize> {
    dump.get("pools", pool).filter(|pool| stays(pool))?;
    let members = dump.get("members", pool).and_then(Value::as_array);
    Some(members.into_iter().flatten().filter(|one| stays(one)).count())
}

/// No load balancer loses all its members or listeners while its Service stays and has nodes.
struct NeverEmpty;

impl NeverEmpty {
    fn emptied(effect: &Effect<'_>, book: &Book) -> Option<String> {
        for (id, now) in effect.after.all("loadbalancers") {
            let place = ("loadbalancers".to_owned(), id.clone());
            let Some(owner) = book.owners.get(&place).and_then(Option::as_deref) else { continue };
            let going = text(now, "provisioning_status").contains("DELETE")
                || book.leaving.contains(text(now, "name"));
            let Some(before) = effect.before.get("loadbalancers", id).filter(|_| !going) else { continue };
            if listeners(effect.before, before) > 0 && listeners(effect.after, now) == 0 {
                return Some(format!("load balancer {id} has no listener left"));
            }
            if !book.has_nodes.contains(owner) {
                continue;
            }
            for pool in ids(now, "pools") {
                if members(effect.before, pool) > Some(0) && members(effect.after, pool) == Some(0) {
                    return Some(format!("pool {pool} of load balancer {id} has no member left"));
                }
            }
        }
        None
    }
}

impl Invariant for NeverEmpty {
    fn name(&self) -> &'static str {
        "never-empty"
    }

    fn at_effect(&mut self, effect: &Effect<'_>) -> Finding {
        if effect.entry.service != "octavia" {
            return Finding::Silent;
        }
        let after = |what: String| format!("{what}, after {} {}", effect.entry.method, effect.entry.raw_path);
        Finding::of(Self::emptied(effect, effect.book).map(after))
    }
}

/// The last write of the lease at or before `at`.
fn lease_at(book: &Book, cluster: &str, at: Duration) -> Option<(Duration, Option<String>)> {
    let writes = book.leases.get(cluster)?;
    writes.iter().rev().find(|(when, _)| *when <= at).cloned()
}

/// A write begins only while its program holds the lease, and not after the renew deadline.
struct Fenced;

impl Invariant for Fenced {
    fn name(&self) -> &'static str {
        "fenced"
    }

    fn at_effect(&mut self, effect: &Effect<'_>) -> Finding {
        let entry = effect.entry;
        if !is_fenced(entry) {
            return Finding::Silent;
        }
        let lease = lease_at(effect.book, cluster_of(&entry.client), entry.begun);
        let call =
            format!("{} {} of {}, sent at {:?}", entry.method, entry.raw_path, entry.client, entry.begun);
        Finding::of(match lease {
            Some((at, Some(holder))) if holder == entry.client => (entry.begun >= at + RENEW_DEADLINE)
                .then(|| format!("{call}: the lease was last renewed at {at:?}")),
            Some((at, holder)) => Some(format!("{call}: the lease has been {holder:?}'s since {at:?}")),
            None => Some(format!("{call}: nobody has held the lease yet")),
        })
    }
}

/// Writes of two holders never mix: when a write takes effect, nobody else has taken the lease yet.
struct OneWriter;

impl Invariant for OneWriter {
    fn name(&self) -> &'static str {
        "one-writer"
    }

    fn at_effect(&mut self, effect: &Effect<'_>) -> Finding {
        let entry = effect.entry;
        if !is_fenced(entry) || entry.faults.iter().any(|fault| DELAYING.contains(fault)) {
            return Finding::Silent;
        }
        let cluster = cluster_of(&entry.client);
        let holders: BTreeSet<&String> = effect
            .book
            .leases
            .get(cluster)
            .into_iter()
            .flatten()
            .filter(|(at, _)| *at > entry.begun)
            .filter_map(|(_, holder)| holder.as_ref())
            .collect();
        let other = holders.into_iter().find(|holder| **holder != entry.client);
        Finding::of(other.map(|other| {
            format!(
                "{} {} of {} took effect when {other} held the lease",
                entry.method, entry.raw_path, entry.client
            )
        }))
    }
}
